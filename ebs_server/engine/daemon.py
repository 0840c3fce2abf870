"""The life of a process that works in the background: signals, systemd, an end within seconds whatever hangs."""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

from ebs_core.domain.errors import DatabaseAway

TRY_AGAIN_SECONDS = 0.5
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


def run(prepare: Callable[[], Engine], name: str) -> int:
    """Until SIGTERM or SIGINT; the exit status. A second signal ends the process at once. A database that is away when the
    process starts is waited for, as one that goes away later is."""
    with _signals() as wait:
        engine = _prepared(prepare, wait)
        if engine is None:
            return 0
        engine.start()
        tell_systemd("READY=1")
        _log.info("%s: started", name)
        wait(None)
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


def _prepared(prepare: Callable[[], Engine], wait: Callable[[float], bool]) -> Engine | None:
    """None: a signal came first."""
    said = ""
    while True:
        try:
            return prepare()
        except DatabaseAway as error:
            if str(error) != said:
                said = str(error)
                _log.warning("%s; it is waited for", said)
        if wait(TRY_AGAIN_SECONDS):
            return None


@contextmanager
def _signals() -> Iterator[Callable[[float | None], bool]]:
    """Gives a function that waits for the first signal; False if none came within so many seconds."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    received: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if len(received) > 1:
            os._exit(128 + number)

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def wait(seconds: float | None = None) -> bool:
        deadline = None if seconds is None else time.monotonic() + seconds
        while not received:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return False
            if select.select([reader], [], [], left)[0]:
                os.read(reader, 1)
        return True

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
