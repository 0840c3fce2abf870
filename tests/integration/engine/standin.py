"""A stand-in for the reconciler: takes the lease, settles what is dirty, and writes down when. Runs as a process of its own, too.

``python -m tests.integration.engine.standin URL JOURNAL settle|hang`` works in the background as ``ebs serve`` does.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import select, update

from ebs_core.services.applier import NasResult
from ebs_core.services.pauses import Schedule
from ebs_core.storage import clock, job_queue
from ebs_core.storage.database import Database
from ebs_core.storage.leases import NasBusy, held
from ebs_core.storage.tables import Nas, Placement
from ebs_server.engine import daemon
from ebs_server.engine.background import Background
from nas_backends.backends import DeviceBackends

FAR_MS = 600_000


class StandIn:
    """Journal lines: ``begin|end NAS PROCESS MONOTONIC``; the monotonic clock is the machine's."""

    def __init__(self, database: Database, journal: Path, *, hang: bool = False) -> None:
        self.database = database
        self.journal = journal
        self.gate = threading.Event()
        """While it is not set, a piece of work does not end."""
        if not hang:
            self.gate.set()

    def reconcile(self, nas_id: int) -> NasResult:
        result = NasResult(f"nas{nas_id}")
        try:
            with held(self.database, nas_id, result.nas, patient=False) as lease:
                self._note("begin", nas_id)
                self.gate.wait()
                self._note("end", nas_id)
                with self.database.write() as session:
                    here = Placement.nas_id == nas_id
                    if session.get_bind().dialect.name == "postgresql":
                        session.execute(select(Placement.id).where(here).order_by(Placement.id).with_for_update())
                    session.execute(update(Placement).where(here).values(settled=Placement.changed, urgent=False))
                    far = clock.read(session) + FAR_MS
                    session.execute(update(Nas).where(Nas.id == nas_id).values(resync_at=far, pulse_at=far))
                    lease.guard(session)
        except NasBusy:
            result.busy = True
        return result

    def _note(self, what: str, nas_id: int) -> None:
        line = f"{what} {nas_id} {os.getpid()} {time.monotonic()}\n"
        with self.journal.open("ab", buffering=0) as file:
            file.write(line.encode())

    def begun(self) -> list[int]:
        """NASes in the order in which their work began."""
        return begun(self.journal)


def begun(journal: Path) -> list[int]:
    return [int(nas_id) for what, nas_id, _, _ in _lines(journal) if what == "begin"]


def workers(journal: Path) -> set[int]:
    return {int(process) for _, _, process, _ in _lines(journal)}


def at_once(journal: Path) -> int:
    """How many pieces of work on one NAS overlapped; one whose process was killed ends when the next one begins."""
    overlaps, working = 0, {}
    for what, nas_id, process, _ in sorted(_lines(journal), key=lambda line: float(line[3])):
        if what == "end":
            overlaps += working.get(nas_id) not in (process, None)
            working.pop(nas_id, None)
        else:
            holder = working.get(nas_id)
            overlaps += holder is not None and Path(f"/proc/{holder}").exists()
            working[nas_id] = process
    return overlaps


def _lines(journal: Path) -> list[list[str]]:
    return [line.split() for line in journal.read_text().splitlines()] if journal.exists() else []


@contextmanager
def background(standin: StandIn, threads: int = 4) -> Iterator[Background]:
    """The engine, not started yet, with its queue where there is one."""
    database = standin.database
    if not job_queue.uses_queue(database):
        yield Background(database, None, standin.reconcile, dict, DeviceBackends(), threads, Schedule())
        return
    queue = job_queue.JobQueue(database)
    database.on_commit.append(queue.wake)
    try:
        yield Background(database, queue, standin.reconcile, dict, DeviceBackends(), threads, Schedule())
    finally:
        database.on_commit.remove(queue.wake)
        queue.close()


def main(url: str, journal: str, mode: str) -> int:
    logging.basicConfig(level="INFO")
    for name in ("procrastinate", "psycopg"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with background(StandIn(Database(url), Path(journal), hang=mode == "hang")) as engine:
        return daemon.run(lambda: engine, "stand-in")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
