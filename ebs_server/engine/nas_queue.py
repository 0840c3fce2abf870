"""NASes that wait for a thread: by priority, each once, and none given to two threads at a time."""

from __future__ import annotations

import heapq
import itertools
import threading


class NasQueue:
    """A NAS that is put while it is being worked is worked once more afterwards. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._heap: list[tuple[int, int, int]] = []
        self._waiting: dict[int, int] = {}
        self._working: set[int] = set()
        self._again: dict[int, int] = {}
        self._order = itertools.count()
        self._closed = False

    def put(self, nas_id: int, priority: int) -> None:
        """The higher priority first; among equals, who came first."""
        with self._changed:
            self._put(nas_id, priority)

    def _put(self, nas_id: int, priority: int) -> None:
        if nas_id in self._working:
            self._again[nas_id] = max(priority, self._again.get(nas_id, priority))
        elif nas_id not in self._waiting or self._waiting[nas_id] < priority:
            self._waiting[nas_id] = priority  # an older entry of the heap is passed over when it comes up
            heapq.heappush(self._heap, (-priority, next(self._order), nas_id))
            self._changed.notify()

    def take(self) -> int | None:
        """The next NAS, waiting for one; ``done`` has to follow. None when the queue is closed."""
        with self._changed:
            while not self._closed:
                while self._heap:
                    priority, _, nas_id = heapq.heappop(self._heap)
                    if self._waiting.get(nas_id) == -priority:
                        del self._waiting[nas_id]
                        self._working.add(nas_id)
                        return nas_id
                self._changed.wait()
            return None

    def done(self, nas_id: int) -> None:
        with self._changed:
            self._working.discard(nas_id)
            priority = self._again.pop(nas_id, None)
            if priority is not None:
                self._put(nas_id, priority)

    def close(self) -> None:
        """Nothing is given out any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def working(self) -> frozenset[int]:
        with self._changed:
            return frozenset(self._working)
