"""The background job within one process: threads, a queue in memory, and an eye on the SQLite file.

A commit of this process puts its NASes into the queue directly. One of another process is noticed through SQLite's
``PRAGMA data_version`` (https://www.sqlite.org/pragma.html#pragma_data_version), whose reading costs microseconds.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from ebs_core.config import sqlite_path
from ebs_core.domain.errors import StorageError
from ebs_core.storage.database import Database, Woken
from ebs_core.storage.job_queue import CHANGED, URGENT
from ebs_server.engine.nas_queue import NasQueue
from ebs_server.engine.sweep import SWEEP_SECONDS, Sweep
from ebs_server.engine.work import Outage, Work

LOOK_SECONDS = 0.05
_SHARE = 10
"""Looking for what is due takes at most this part of the time, however often the database changes."""
_log = logging.getLogger("ebs")


class Embedded:
    """Works the NASes of one SQLite database. ``start``, then ``stop`` and ``join``."""

    leads = True
    """Nobody else sweeps."""

    def __init__(
        self,
        database: Database,
        work: Work,
        sweep: Callable[[Callable[[Mapping[int, int]], None]], Sweep],
        stopping: threading.Event,
        threads: int,
    ) -> None:
        """``sweep`` makes the sweep, given how to wake NASes."""
        self._database = database
        self._work = work
        self._stopping = stopping
        self._queue = NasQueue()
        self._sweep = sweep(self._put)
        self._threads = [threading.Thread(target=self._serve, name=f"work {n}", daemon=True) for n in range(threads)]
        self._threads.append(threading.Thread(target=self._look, name="sweep", daemon=True))

    def start(self) -> None:
        self._database.on_commit.append(self._committed)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Nothing new is begun."""
        with suppress(ValueError):
            self._database.on_commit.remove(self._committed)
        self._stopping.set()
        self._queue.close()

    def join(self, seconds: float) -> bool:
        """Wait for what is being worked; False if something still runs after so long."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _committed(self, woken: Woken) -> None:
        self._put({nas_id: URGENT if urgent else CHANGED for nas_id, urgent in woken.items()})

    def _put(self, priorities: Mapping[int, int]) -> None:
        for nas_id, priority in priorities.items():
            self._queue.put(nas_id, priority)

    def _serve(self) -> None:
        while (nas_id := self._queue.take()) is not None:
            try:
                self._work(nas_id)
            finally:
                self._queue.done(nas_id)

    def _look(self) -> None:
        """Whatever happens to the database, this goes on."""
        outage, watch = Outage("the sweep"), _FileWatch(sqlite_path(self._database.url))
        next_sweep = quiet_until = 0.0
        pause = LOOK_SECONDS
        while not self._stopping.wait(pause):
            pause, started = LOOK_SECONDS, time.monotonic()
            try:
                if started >= next_sweep:
                    self._sweep()
                    next_sweep = time.monotonic() + SWEEP_SECONDS
                elif started >= quiet_until and watch.changed():
                    self._sweep.wake_due()
                else:
                    continue
                quiet_until = time.monotonic() + _SHARE * (time.monotonic() - started)
                outage.over()
            except StorageError as error:
                pause = outage.failed(error)
            except Exception as error:
                _log.exception("the sweep: an error of this program; it is tried again")
                pause = outage.failed(error)
        watch.close()


class _FileWatch:
    """Tells whether somebody wrote to an SQLite file since the last time it was asked."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._version: int | None = None

    def changed(self) -> bool:
        """True also where it cannot be told."""
        try:
            if self._connection is None:
                self._connection = sqlite3.connect(str(self._path), isolation_level=None, timeout=0)
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:
            self.close()
            return True
        before, self._version = self._version, version
        return bool(before != version)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
