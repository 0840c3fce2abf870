"""``python -m tests.bench [NAME…]``: all figures, or those of the named groups."""

from __future__ import annotations

import argparse

from tests.bench import linux, planning, rendering, routeros

GROUPS = {"rendering": rendering.run, "planning": planning.run, "routeros": routeros.run, "linux": linux.run}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Speed and memory, one JSON line per figure.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(GROUPS)}; all if none is named")
    chosen = parser.parse_args().names
    if unknown := set(chosen) - GROUPS.keys():
        parser.error(f"there is no group {min(unknown)!r}; choose of {', '.join(GROUPS)}")
    for name, run in GROUPS.items():
        if not chosen or name in chosen:
            run()


if __name__ == "__main__":
    main()
