"""The way back to a client: replies leave at once, or after a delay like on a long wire, always in order."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from nas_simulator.faults import Faults

_MOST_WAITING: Final = 16 * 1024 * 1024
"""Bytes a line keeps for a client that does not read; then the session itself waits (or is cut, see `post`)."""


class DelayedLine:
    """`write(data)` sends everything or raises OSError or EOFError. One thread calls `send`, any may call `post`.

    A thread of its own is started with the first reply that may not leave at once.
    """

    def __init__(self, write: Callable[[bytes], object], cut: Callable[[], None], faults: Faults) -> None:
        self._write: Final = write
        self._cut: Final = cut
        self._faults: Final = faults
        self._ready: Final = threading.Condition()
        self._queue: Final[deque[tuple[float, bytes]]] = deque()
        self._waiting = 0
        self._writing = False
        self._closed = False
        self._thread: threading.Thread | None = None
        self._last_due = 0.0
        self._sent = 0
        self._last_used = time.monotonic()

    @property
    def counts_commands(self) -> bool:
        """Each command must be sent on its own, because a tired session delays every one."""
        return self._faults.tired_after is not None

    def send(self, data: bytes) -> None:
        """Raises OSError when the client is gone. Waits while the client leaves too much unread."""
        now = time.monotonic()
        due = self._due(now, len(data))
        with self._ready:
            if due <= now and not self._queue and not self._writing:
                self._writing = True
            else:
                while self._waiting > _MOST_WAITING and not self._closed:
                    self._ready.wait()
                self._put(due, data)
                return
        self._write_now(data)

    def post(self, data: bytes) -> None:
        """Like `send`, but never waits: a client that does not read is cut."""
        with self._ready:
            if self._waiting <= _MOST_WAITING:
                self._put(time.monotonic() + self._faults.latency, data)
                return
        self._cut()

    def finish(self) -> None:
        """Waits until everything has left, then ends the line."""
        with self._ready:
            while (self._queue or self._writing) and not self._closed:
                self._ready.wait()
        self.close()

    def close(self) -> None:
        """Ends the line; what has not left is lost."""
        with self._ready:
            self._closed = True
            self._queue.clear()
            self._ready.notify_all()

    def _due(self, now: float, size: int) -> float:
        faults = self._faults
        due = now + faults.latency if faults.latency > 0 else now
        if faults.tired_after is not None:
            if now - self._last_used >= faults.tired_rest:
                self._sent = 0
            if self._sent >= faults.tired_after:
                due = max(due, self._last_due) + faults.tired_latency
            self._sent += size
            self._last_used = due
        self._last_due = due
        return due

    def _put(self, due: float, data: bytes) -> None:
        if self._closed:
            raise BrokenPipeError("the client is gone")
        self._queue.append((due, data))
        self._waiting += len(data)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="nas-line", daemon=True)
            self._thread.start()
        self._ready.notify_all()

    def _write_now(self, data: bytes) -> None:
        try:
            self._write(data)
        finally:
            with self._ready:
                self._writing = False
                self._ready.notify_all()

    def _work(self) -> None:
        while True:
            data = self._take_due()
            if data is None:
                return
            try:
                self._write_now(data)
            except (OSError, EOFError):
                self.close()
                self._cut()
                return

    def _take_due(self) -> bytes | None:
        """Waits for the first reply to be due and takes all that are; None when the line was closed."""
        with self._ready:
            while not self._closed:
                now = time.monotonic()
                if self._queue and not self._writing and self._queue[0][0] <= now:
                    parts = []
                    while self._queue and self._queue[0][0] <= now:
                        parts.append(self._queue.popleft()[1])
                    data = b"".join(parts)
                    self._waiting -= len(data)
                    self._writing = True
                    return data
                self._ready.wait(max(0.0, self._queue[0][0] - now) if self._queue and not self._writing else None)
        return None
