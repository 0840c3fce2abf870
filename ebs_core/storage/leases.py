"""One NAS is worked by one worker at a time: a lease with a fencing token on the NAS's row, by the database's clock.

A worker renews its lease while it works. A lease whose time is over may be taken; so may, at once, one whose holder is a process
of this very machine that no longer lives (it was killed). Every write of a result checks the token, so a worker that lost its
lease without noticing writes nothing.
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
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, literal_column, select, type_coerce, update
from sqlalchemy.orm import Session

from ebs_core.domain.errors import EbsError, NasError
from ebs_core.storage.database import Database
from ebs_core.storage.tables import Nas

LEASE_MS = 15_000
RENEW_SECONDS = 5.0
POLL_SECONDS = 0.25


class LeaseLost(NasError):
    """Another worker took the NAS; what this one did since is not recorded by it."""


class NasBusy(NasError):
    """Another worker has the NAS now."""


def _now_ms(dialect: str) -> ColumnElement[int]:
    if dialect == "sqlite":
        text = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
    else:
        text = "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"
    return type_coerce(literal_column(text), BigInteger())


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
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]


def _owner() -> str:
    return f"{_machine()}|{os.getpid()}|{_started(os.getpid())}|{threading.get_ident()}"


def _is_dead(owner: str | None) -> bool:
    """The owner is a process of this machine that does not live any more."""
    machine, _, rest = (owner or "").partition("|")
    pid, _, rest = rest.partition("|")
    return bool(pid) and machine == _machine() and _started(int(pid)) != rest.partition("|")[0]


class Lease:
    """A held lease. ``guard(session)`` belongs into every transaction that writes a result."""

    def __init__(self, database: Database, nas_id: int, nas: str, owner: str, token: int) -> None:
        self._database = database
        self._nas_id = nas_id
        self._nas = nas
        self._owner = owner
        self.token = token

    def guard(self, session: Session) -> None:
        """Renew the lease within the caller's transaction. Raises LeaseLost (and so rolls it back) if it is not ours any more."""
        self._update(session, lease_until=_now_ms(self._database.engine.dialect.name) + LEASE_MS)

    def renew(self) -> None:
        with self._database.write() as session:
            self.guard(session)

    def release(self) -> None:
        with self._database.write() as session:
            self._update(session, lease_until=0, lease_owner=None)

    def _update(self, session: Session, **values: Any) -> None:
        done = session.execute(
            update(Nas)
            .where(Nas.id == self._nas_id, Nas.lease_token == self.token, Nas.lease_owner == self._owner)
            .values(**values)
            .execution_options(synchronize_session=False)
        )
        if done.rowcount != 1:  # type: ignore[attr-defined]
            raise LeaseLost("another worker took over", nas=self._nas, remedy="nothing to do: its run continues from the truth")


def take(database: Database, nas_id: int, nas: str) -> Lease:
    """Take the lease of a NAS. Raises NasBusy while another worker holds it."""
    owner = _owner()
    with database.write() as session:
        now = _now_ms(database.engine.dialect.name)
        row = session.execute(
            select(Nas.lease_owner, Nas.lease_until > now, Nas.lease_token).where(Nas.id == nas_id).with_for_update()
        ).one()
        holder, running, token = row
        if running and holder is not None and not _is_dead(holder):
            raise NasBusy(f"is being worked by {_readable(holder)}", nas=nas, remedy="wait for it to finish, then try again")
        session.execute(
            update(Nas)
            .where(Nas.id == nas_id)
            .values(lease_owner=owner, lease_token=token + 1, lease_until=now + LEASE_MS)
            .execution_options(synchronize_session=False)
        )
    return Lease(database, nas_id, nas, owner, token + 1)


def _readable(owner: str) -> str:
    machine, _, rest = owner.partition("|")
    return f"process {rest.partition('|')[0]} on {machine.partition('/')[0]}"


def _take_patiently(database: Database, nas_id: int, nas: str) -> Lease:
    """As ``take``, waiting for a little more than the life of a lease that nobody renews."""
    deadline = time.monotonic() + 1.5 * LEASE_MS / 1000
    while True:
        try:
            return take(database, nas_id, nas)
        except NasBusy:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS)


@contextmanager
def held(database: Database, nas_id: int, nas: str) -> Iterator[Lease]:
    """Take the lease (waiting for a dead holder's to run out), renew it in the background, release it at the end."""
    lease = _take_patiently(database, nas_id, nas)
    finished = threading.Event()

    def keep() -> None:
        while not finished.wait(RENEW_SECONDS):
            try:
                lease.renew()
            except LeaseLost:
                return
            except EbsError:
                continue  # the database is away for a moment: the guard of the next result decides

    renewer = threading.Thread(target=keep, name=f"lease of {nas}", daemon=True)
    renewer.start()
    try:
        yield lease
    finally:
        finished.set()
        renewer.join()
        _release_quietly(lease)


def _release_quietly(lease: Lease) -> None:
    try:
        lease.release()
    except EbsError:
        return  # lost, or no database: it runs out by itself
