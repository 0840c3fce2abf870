"""The life of a process that works in the background: signals, systemd, an end within seconds whatever hangs."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

LEAVE_SECONDS = 8.0
"""What is being sent may take so long to be finished and recorded."""
_log = logging.getLogger("ebs")


class Engine(Protocol):
    """What runs in the background."""

    def start(self) -> None: ...

    def stop(self) -> None:
        """Nothing new is begun."""

    def join(self, seconds: float) -> bool:
        """Wait for the end of what was begun; False if something still runs after so long."""


def run(engine: Engine, name: str) -> int:
    """Until SIGTERM or SIGINT; the exit status. A second signal ends the process at once."""
    with _signals() as wait:
        engine.start()
        tell_systemd("READY=1")
        _log.info("%s: started", name)
        wait()
        tell_systemd("STOPPING=1")
        _log.info("%s: stopping", name)
        engine.stop()
        if engine.join(LEAVE_SECONDS):
            _log.info("%s: stopped", name)
            return 0
        _log.warning("%s: stopped; what hangs is abandoned, and repeated by the next run", name)
        logging.shutdown()
        sys.stderr.flush()
        os._exit(0)  # the leases of a process that has ended are taken at once


@contextmanager
def _signals() -> Iterator[Callable[[], None]]:
    """Gives a function that waits for the first signal."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    received: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if len(received) > 1:
            os._exit(128 + number)

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def wait() -> None:
        while not received:
            os.read(reader, 1)

    try:
        yield wait
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)


def tell_systemd(state: str) -> None:
    """The protocol of sd_notify(3): one datagram to the socket that systemd names."""
    if path := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            try:
                sock.sendto(state.encode(), "\0" + path[1:] if path.startswith("@") else path)
            except OSError as error:
                _log.debug("systemd could not be told %s: %s", state, error)
