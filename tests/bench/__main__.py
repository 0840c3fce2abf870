"""``python -m tests.bench [NAME…]``: all figures, or those of the named groups."""

from __future__ import annotations

import argparse

from tests.bench import (
    fleet,
    latency,
    linux,
    linux_observe,
    million,
    planning,
    rendering,
    resync,
    resync_routeros,
    routeros,
    routeros_observe,
)

GROUPS = {
    "rendering": rendering.run,
    "planning": planning.run,
    "routeros": routeros.run,
    "routeros_observe": routeros_observe.run,
    "linux": linux.run,
    "linux_observe": linux_observe.run,
    "resync": resync.run,
    "resync_routeros": resync_routeros.run,
    "latency": latency.run,
    "fleet": fleet.run,
    "million": million.run,
}


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
