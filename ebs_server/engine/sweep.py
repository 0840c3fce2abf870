"""The sweep: everything that a lost wake-up would have told, found in the rows every two seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ebs_core.domain.nas import Profile
from ebs_core.services.due import DueNas, due
from ebs_core.services.pauses import Schedule
from ebs_core.services.rollouts import advance
from ebs_core.services.timed import revisit
from ebs_core.storage.database import Database
from ebs_core.storage.job_queue import CHANGED, ROUTINE, URGENT
from ebs_core.storage.leases import free_abandoned

SWEEP_SECONDS = 2.0


class Sweep:
    """One call is one sweep: frees the leases of workers that are gone, carries out what has come by time, moves rollouts on, and
    wakes every NAS that has something to do. What fails keeps none of the others from being done; the first error is raised then.
    """

    def __init__(
        self,
        database: Database,
        profiles: Callable[[], Mapping[str, Profile]],
        wake: Callable[[Mapping[int, int]], None],
        stopping: Callable[[], bool],
        schedule: Schedule,
    ) -> None:
        self._schedule = schedule
        self._database = database
        self._profiles = profiles
        self._wake = wake
        self._stopping = stopping

    def __call__(self) -> None:
        steps: tuple[Callable[[], object], ...] = (
            lambda: free_abandoned(self._database),
            lambda: revisit(self._database, self._profiles, self._stopping),
            lambda: advance(self._database),
            self.wake_due,
        )
        errors: list[Exception] = []
        for step in steps:
            try:
                step()
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def wake_due(self) -> None:
        """Only the last part: which NASes have something to do now."""
        with self._database.read() as session:
            found = due(session, schedule=self._schedule)
        self._wake(priorities(found))


def priorities(found: Sequence[DueNas]) -> dict[int, int]:
    """By NAS id, in the order of ``found``."""
    return {one.nas_id: URGENT if one.urgent else CHANGED if one.changed else ROUTINE for one in found}
