"""One NAS is worked by one worker at a time: a lease with a fencing token on the NAS's row.

A worker renews its lease while it works: the number ``lease_until`` changes. Nobody compares it with a clock, so a clock that
jumps neither lets two work at once nor blocks a NAS. A lease may be taken from its holder

- at once when the holder is a process of this very machine that no longer lives (it was killed);
- when the challenger has itself watched the very same lease stay unchanged for ``LEASE_SECONDS`` of its own monotonic clock.

Every write of a result checks the token, so a worker that lost its lease without noticing writes nothing.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import select, tuple_, update
from sqlalchemy.orm import Session

from ebs_core.domain.errors import EbsError, NasError
from ebs_core.storage.clock import now_ms
from ebs_core.storage.database import Database
from ebs_core.storage.tables import Nas

LEASE_SECONDS = 10.0
RENEW_SECONDS = 3.0
POLL_SECONDS = 0.25


class LeaseLost(NasError):
    """Another worker took the NAS; what this one did since is not recorded by it."""


class NasBusy(NasError):
    """Another worker has the NAS now."""


# -- who holds a lease


@cache
def _machine() -> str:
    """This machine and its process number space: where a process number means something."""
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        space = boot = ""
    return f"{socket.gethostname()}/{boot}/{space}"


def _started(pid: int) -> str:
    """When the process started (clock ticks since boot), or empty if there is none: tells a process from a later namesake."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if stat[0] in "ZX" else stat[19]  # a zombie works no more


def _owner() -> str:
    return f"{_machine()}|{os.getpid()}|{_started(os.getpid())}"


def _is_dead(owner: str) -> bool:
    """The owner is a process of this machine that does not live any more."""
    machine, _, rest = owner.partition("|")
    pid, _, rest = rest.partition("|")
    return bool(pid) and machine == _machine() and _started(int(pid)) != rest.partition("|")[0]


def _readable(owner: str) -> str:
    machine, _, rest = owner.partition("|")
    return f"process {rest.partition('|')[0]} on {machine.partition('/')[0]}"


# -- watching the leases of others


class _Seen(NamedTuple):
    """A lease as it stands in the row: another one, or a renewed one, is not equal."""

    holder: str
    token: int
    until: int


class _Sighting(NamedTuple):
    lease: _Seen
    at: float
    watched: float


class _Watch:
    """How long this process has watched each lease stay unchanged. Of a gap between two looks only RENEW_SECONDS count: whoever
    did not look for long (it was stopped, or waited for the database) knows nothing of that time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sightings: dict[tuple[str, int], _Sighting] = {}

    def abandoned(self, url: str, nas_id: int, lease: _Seen) -> bool:
        """Note a look at a lease; True if nobody can be working under it any more."""
        now, key = time.monotonic(), (url, nas_id)
        with self._lock:
            before = self._sightings.get(key)
            if before is None or before.lease != lease:
                self._sightings[key] = _Sighting(lease, now, 0.0)
                return _is_dead(lease.holder)
            watched = before.watched + min(now - before.at, RENEW_SECONDS)
            self._sightings[key] = _Sighting(lease, now, watched)
        return watched >= LEASE_SECONDS or _is_dead(lease.holder)

    def forget(self, url: str, nas_id: int) -> None:
        with self._lock:
            self._sightings.pop((url, nas_id), None)


_watch = _Watch()


def free_abandoned(database: Database) -> list[int]:
    """Look at every lease of the database, and free those whose holder is gone; the ids of these NASes. Called every few seconds,
    it finds the lease of a killed worker of another machine after LEASE_SECONDS."""
    with database.read() as session:
        query = select(Nas.id, Nas.lease_owner, Nas.lease_token, Nas.lease_until).where(Nas.lease_owner.is_not(None))
        held = {nas_id: _Seen(holder or "", token, until) for nas_id, holder, token, until in session.execute(query)}
    gone = [nas_id for nas_id, lease in held.items() if _watch.abandoned(database.url, nas_id, lease)]
    return [nas_id for nas_id in gone if _free(database, nas_id, held[nas_id])]


def _free(database: Database, nas_id: int, lease: _Seen) -> bool:
    _watch.forget(database.url, nas_id)
    with database.write() as session:
        done = session.execute(
            update(Nas)
            .where(Nas.id == nas_id, Nas.lease_token == lease.token, Nas.lease_until == lease.until)
            .values(lease_owner=None, lease_token=lease.token + 1)
            .execution_options(synchronize_session=False)
        )
        return bool(done.rowcount)  # type: ignore[attr-defined]


# -- holding a lease


class Lease:
    """A held lease. ``guard(session)`` belongs into every transaction that writes a result."""

    def __init__(self, database: Database, nas_id: int, nas: str, token: int, renewed: float) -> None:
        """``renewed``: the monotonic clock before it was taken."""
        self.database = database
        self.nas_id = nas_id
        self.token = token
        self._nas = nas
        self._renewed = renewed

    def is_fresh(self) -> bool:
        """Renewed so lately that nobody can have taken it. Asks no database: whoever was stopped for long, and goes on in the
        middle of sending, learns it from this machine's monotonic clock."""
        return time.monotonic() - self._renewed < LEASE_SECONDS

    def was_renewed(self, at: float) -> None:
        """``at``: the monotonic clock before the renewal was sent to the database."""
        self._renewed = max(at, self._renewed)

    def guard(self, session: Session) -> None:
        """Renew the lease within the caller's transaction. Raises LeaseLost (and so rolls it back) if it is not ours any more."""
        self._update(session, lease_until=_renewed(self.database))

    def renew(self) -> None:
        with self.database.write() as session:
            self.guard(session)

    def release(self) -> None:
        with self.database.write() as session:
            self._update(session, lease_until=0, lease_owner=None)

    def _update(self, session: Session, **values: Any) -> None:
        done = session.execute(
            update(Nas)
            .where(Nas.id == self.nas_id, Nas.lease_token == self.token, Nas.lease_owner.is_not(None))
            .values(**values)
            .execution_options(synchronize_session=False)
        )
        if done.rowcount != 1:  # type: ignore[attr-defined]
            raise LeaseLost("another worker took over", nas=self._nas, remedy="nothing to do: its run continues from the truth")


def _renewed(database: Database) -> Any:
    return now_ms(database.engine.dialect.name) + int(LEASE_SECONDS * 1000)


def take(database: Database, nas_id: int, nas: str) -> Lease:
    """Take the lease of a NAS, without waiting and without renewing it. Raises NasBusy while another worker holds it."""
    started = time.monotonic()
    with database.write() as session:
        row = session.execute(
            select(Nas.lease_owner, Nas.lease_token, Nas.lease_until)
            .where(Nas.id == nas_id)
            .with_for_update(skip_locked=True, key_share=True)
        ).one_or_none()
        if row is None:  # whoever has the row locked now may be the holder, who waits to renew
            _watch.forget(database.url, nas_id)
            raise NasBusy("is being written to at this moment", nas=nas, remedy="try again")
        holder, token, until = row
        if holder is not None and not _watch.abandoned(database.url, nas_id, _Seen(holder, token, until)):
            raise NasBusy(f"is being worked by {_readable(holder)}", nas=nas, remedy="wait for it to finish, then try again")
        session.execute(
            update(Nas)
            .where(Nas.id == nas_id)
            .values(lease_owner=_owner(), lease_token=token + 1, lease_until=_renewed(database))
            .execution_options(synchronize_session=False)
        )
    _watch.forget(database.url, nas_id)
    return Lease(database, nas_id, nas, token + 1, started)


class _Keeper:
    """Renews every held lease of this process, from one thread that lives while there are any."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held: set[Lease] = set()
        self._running = False

    def add(self, lease: Lease) -> None:
        with self._changed:
            self._held.add(lease)
            if not self._running:
                self._running = True
                threading.Thread(target=self._keep, name="leases", daemon=True).start()

    def remove(self, lease: Lease) -> None:
        with self._changed:
            self._held.discard(lease)
            self._changed.notify()

    def _keep(self) -> None:
        while True:
            due = time.monotonic() + RENEW_SECONDS
            with self._changed:
                while self._held and (left := due - time.monotonic()) > 0:
                    self._changed.wait(left)
                if not self._held:
                    self._running = False
                    return
                by_database: dict[Database, list[Lease]] = {}
                for lease in self._held:
                    by_database.setdefault(lease.database, []).append(lease)
            for database, leases in by_database.items():
                _renew_all(database, leases)


def _renew_all(database: Database, leases: list[Lease]) -> None:
    """In one statement. A row that somebody has locked is left out: nobody can take it now, and the others must not wait."""
    ours = tuple_(Nas.id, Nas.lease_token).in_([(lease.nas_id, lease.token) for lease in leases])
    free = select(Nas.id).where(ours, Nas.lease_owner.is_not(None)).with_for_update(skip_locked=True, key_share=True)
    renew = update(Nas).where(Nas.id.in_(free)).values(lease_until=_renewed(database)).returning(Nas.id)
    started = time.monotonic()
    try:
        with database.write() as session:
            done = set(session.scalars(renew.execution_options(synchronize_session=False)))
    except EbsError:
        return  # the database is away for a moment: the guard of the next result decides
    for lease in leases:
        if lease.nas_id in done:
            lease.was_renewed(started)


_keeper = _Keeper()


@contextmanager
def held(database: Database, nas_id: int, nas: str, *, patient: bool = True) -> Iterator[Lease]:
    """Take the lease, renew it in the background, release it at the end. ``patient`` waits for a holder that is gone, or soon
    ready; otherwise NasBusy is raised at once."""
    lease = _take_patiently(database, nas_id, nas) if patient else take(database, nas_id, nas)
    _keeper.add(lease)
    try:
        yield lease
    finally:
        _keeper.remove(lease)
        _release_quietly(lease)


def _take_patiently(database: Database, nas_id: int, nas: str) -> Lease:
    """As ``take``, waiting for a little more than the life of a lease that nobody renews."""
    deadline = time.monotonic() + 1.5 * LEASE_SECONDS
    while True:
        try:
            return take(database, nas_id, nas)
        except NasBusy:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS)


def _release_quietly(lease: Lease) -> None:
    try:
        lease.release()
    except EbsError:
        return  # lost, or no database: whoever watches it finds that nobody renews it
