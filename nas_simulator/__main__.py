"""`python -m nas_simulator`: simulated routers on free ports."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from nas_simulator.runner import run_forever


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nas_simulator",
        description="Simulated MikroTik routers: RouterOS API and console over SSH. Prints one line for each, runs till Ctrl-C.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--name", default="nas1", help="identity; with --count it is counted up")
    parser.add_argument("--login", default="ebs", help="login name")
    parser.add_argument("--password", default="secret", help="password")
    parser.add_argument("--api-port", type=int, default=0, help="port of the API, 0 takes a free one")
    parser.add_argument("--ssh-port", type=int, default=0, help="port of SSH, 0 takes a free one")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds added before every reply")
    parser.add_argument("--version", default="7.16.2", help="RouterOS release to behave like")
    parser.add_argument("--bind", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--count", type=_positive, default=1, help="how many routers")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 after Ctrl-C, 1 when a port cannot be opened or the version is none."""
    options = parser().parse_args(arguments)
    try:
        run_forever(**vars(options))
    except (OSError, ValueError) as error:
        print(f"nas_simulator: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
