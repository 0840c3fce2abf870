"""Working one NAS because somebody said that it is due, and telling the admin what changed about it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from ebs_core.domain.errors import StorageError
from ebs_core.services.applier import NasResult
from ebs_core.services.due import due
from ebs_core.services.pauses import Schedule
from ebs_core.storage.database import Database

Reconcile = Callable[[int], NasResult | None]
"""Works the NAS of that id under its lease until nothing is dirty. Raises StorageError when the database is away."""

ROUNDS = 3
"""A NAS that is due again right after it was worked: a change came between the last look and the release of the lease. More often
than that in a row, the sweep's turn has come."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
_log = logging.getLogger("ebs")


class Outage:
    """Something does not work for a while: it is said once, and tried again after growing pauses. Thread-safe."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._lock = threading.Lock()
        self._pause = 0.0

    def failed(self, error: Exception) -> float:
        """Seconds to wait before the next try."""
        with self._lock:
            if not self._pause:
                _log.error("%s: %s", self._what, error)
            else:
                _log.debug("%s: still: %s", self._what, error)
            self._pause = min(2 * self._pause, _LONGEST_PAUSE) or _FIRST_PAUSE
            return self._pause

    def over(self) -> None:
        if self._pause:
            with self._lock:
                was, self._pause = self._pause, 0.0
            if was:
                _log.info("%s: works again", self._what)


class Work:
    """Works NASes; called by many threads, for different NASes. Never raises."""

    def __init__(self, database: Database, reconcile: Reconcile, stopping: threading.Event, schedule: Schedule) -> None:
        self._database = database
        self._schedule = schedule
        self._reconcile = reconcile
        self._stopping = stopping
        self._outage = Outage("working NASes")
        self._active: set[object] = set()
        self._said: dict[int, str] = {}
        self._faults: set[str] = set()

    @property
    def idle(self) -> bool:
        """No thread works a NAS."""
        return not self._active

    def __call__(self, nas_id: int) -> None:
        """A job is a hint: whether there is something to do is in the NAS's rows."""
        me = object()
        self._active.add(me)
        try:
            self._work(nas_id)
        finally:
            self._active.discard(me)

    def _work(self, nas_id: int) -> None:
        try:
            for _ in range(ROUNDS):
                if self._stopping.is_set() or not self._is_due(nas_id):
                    return
                result = self._reconcile(nas_id)
                self._outage.over()
                if result is not None:
                    self._tell(nas_id, result)
                    if result.busy:
                        return
        except StorageError as error:
            self._stopping.wait(self._outage.failed(error))
        except Exception as error:  # a fault of ours must not end the thread: the sweep brings the NAS back
            self._fault(nas_id, error)

    def _is_due(self, nas_id: int) -> bool:
        with self._database.read() as session:
            return bool(due(session, nas_id, self._schedule))

    def _tell(self, nas_id: int, result: NasResult) -> None:
        """One line when something about the NAS becomes otherwise."""
        if result.busy:
            return
        said, now = self._said.get(nas_id, ""), _condition(result)
        if now != said:
            self._said[nas_id] = now
            if now:
                _log.warning("NAS %s: %s", result.nas, now)
            else:
                _log.info("NAS %s: works again", result.nas)
        if found := _found(result):
            _log.warning("NAS %s: read back: %s", result.nas, found)
        _log.debug("NAS %s: %s of %s placements, %s commands", result.nas, result.done, result.due, result.commands)

    def _fault(self, nas_id: int, error: Exception) -> None:
        kind = f"{nas_id} {error!r}"
        if kind not in self._faults:
            self._faults.add(kind)
            _log.error("NAS number %s: an error of this program; it is tried again", nas_id, exc_info=error)


def _condition(result: NasResult) -> str:
    """What an admin should know of the NAS; empty when all is well."""
    if result.failure:
        return result.failure.removeprefix(f"NAS {result.nas}: ").replace("\n", " ")
    if result.held:
        return (
            f"HELD: it would cut off {result.cut_off} placements; "
            f"look at 'ebs plan --nas {result.nas}', then 'ebs hold release {result.nas}'"
        )
    if result.failed:
        label, reason = next(iter(result.failed.items()))
        more = f" (and {len(result.failed) - 1} more)" if len(result.failed) > 1 else ""
        return f"subscriber {label}{more}: {reason}".replace("\n", " ")
    return f"cannot be read back: {result.problem}".replace("\n", " ") if result.problem else ""


def _found(result: NasResult) -> str:
    """What a read-back of everything found wrong; empty when nothing."""
    if not result.looked:
        return ""
    counts = {"drifted": len(result.drifted), "orphans": len(result.orphans), "records of its set-up lost": len(result.lost)}
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)
