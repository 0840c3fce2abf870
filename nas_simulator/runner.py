"""Running simulated NASes from a command line until they are told to stop."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from nas_simulator.faults import Faults
from nas_simulator.simulated_nas import SimulatedNas


def _print_line(line: str) -> None:
    print(line, flush=True)


def run_forever(
    *,
    name: str = "nas1",
    login: str = "ebs",
    password: str = "secret",  # noqa: S107 - of a simulation, printed in its help
    version: str = "7.16.2",
    bind: str = "127.0.0.1",
    api_port: int = 0,
    ssh_port: int = 0,
    latency: float = 0.0,
    count: int = 1,
    announce: Callable[[str], None] = _print_line,
    stopped: threading.Event | None = None,
) -> None:
    """Starts `count` NASes, announces one line for each, and serves until Ctrl-C or until `stopped` is set.

    With several, the name's trailing number and the ports (unless 0) count up. Raises OSError for a port in use.
    """
    stopped = stopped if stopped is not None else threading.Event()
    with contextlib.ExitStack() as stack, contextlib.suppress(KeyboardInterrupt):
        for index in range(count):
            faults = Faults(latency=latency)
            nas = SimulatedNas(numbered(name, index, count), login, password, version, faults, bind=bind)
            nas.start(api_port=api_port and api_port + index, ssh_port=ssh_port and ssh_port + index)
            stack.callback(nas.stop)
            announce(f"{nas.router.name} {bind} api={nas.api_port} ssh={nas.ssh_port} host-key={nas.host_key}")
        stopped.wait()


def numbered(name: str, index: int, count: int) -> str:
    """The name of the NAS at `index`: `nas1` -> `nas3`, `gw` -> `gw3` for index 2; a single NAS keeps its name."""
    if count == 1:
        return name
    stem = name.rstrip("0123456789")
    first = int(name[len(stem) :] or "1")
    return f"{stem}{first + index}"
