"""A simulated router in a process of its own: ``… LATENCY ENTRIES`` prints its API port and runs until its stdin ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ebs_core.domain.nas import Endpoint
from nas_simulator import Faults, SimulatedNas
from tests.bench.subscribers import OPTIONS, address, profile

LOGIN, PASSWORD = "ebs", "secret"


@contextmanager
def router(latency: float, entries: int = 0) -> Iterator[Endpoint]:
    """A fresh one; ``latency`` in seconds from a command to its reply, ``entries`` subscribers in its address list and queues."""
    command = [sys.executable, "-m", "tests.bench.routeros_router", str(latency), str(entries)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        yield Endpoint(
            "bench", profile("mikrotik"), "routeros_api", "127.0.0.1", port, LOGIN, PASSWORD, options=OPTIONS["mikrotik"]
        )


def main() -> None:
    nas = SimulatedNas("bench", LOGIN, PASSWORD, faults=Faults(latency=float(sys.argv[1])))
    for number in range(1, int(sys.argv[2]) + 1):
        tag, ip = f"ebs:{number}", address(number)
        nas.router.add("/ip/firewall/address-list", list="ebs_active", address=ip, comment=tag)
        nas.router.add("/queue/simple", name=tag, target=f"{ip}/32", max_limit="10000000/20000000", comment=tag)
    nas.start(api=True, ssh=False)
    print(nas.api_port, flush=True)
    sys.stdin.read()
    nas.stop()


if __name__ == "__main__":
    main()
