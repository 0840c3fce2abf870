"""What was done on the router, by whom, in order: the memory that tests ask."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple


class Operation(NamedTuple):
    """One operation. `time` is Unix time; `door` is `api` or `ssh`; `path` and `verb` as in `/ip/arp` and `add`."""

    time: float
    door: str
    session: int
    login: str
    path: str
    verb: str
    attributes: Mapping[str, str]


class Refused(NamedTuple):
    operation: Operation
    message: str


class Journal:
    """Executed operations, the newest `size` of them, and apart from them those the router refused.

    `count` and `refused_count` go on counting what the bounded memory has forgotten.
    """

    def __init__(self, size: int = 100_000) -> None:
        self._executed: Final[deque[Operation]] = deque(maxlen=size)
        self._refused: Final[deque[Refused]] = deque(maxlen=size)
        self._lock: Final = threading.Lock()
        self.count = 0
        self.refused_count = 0

    def record(self, operation: Operation) -> None:
        with self._lock:
            self._executed.append(operation)
            self.count += 1

    def refuse(self, operation: Operation, message: str) -> None:
        with self._lock:
            self._refused.append(Refused(operation, message))
            self.refused_count += 1

    def executed(self, path: str | None = None, verb: str | None = None) -> list[Operation]:
        """The remembered operations, oldest first, of one path and verb if given."""
        with self._lock:
            found = list(self._executed)
        return [one for one in found if path in (None, one.path) and verb in (None, one.verb)]

    def refused(self) -> list[Refused]:
        with self._lock:
            return list(self._refused)

    def clear(self) -> None:
        with self._lock:
            self._executed.clear()
            self._refused.clear()
            self.count = self.refused_count = 0

    def __iter__(self) -> Iterator[Operation]:
        return iter(self.executed())

    def __len__(self) -> int:
        return len(self._executed)
