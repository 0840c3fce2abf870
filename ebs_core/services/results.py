"""Writing down what is known of a NAS: intents before sending, results and the action log after it. All under the lease."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, case, delete, insert, select, update
from sqlalchemy.orm import Session

from ebs_core.domain.placement import Applied, Repair, Seen
from ebs_core.services.pauses import pause_ms
from ebs_core.storage import clock
from ebs_core.storage.database import Database
from ebs_core.storage.leases import Lease
from ebs_core.storage.tables import ActionLog, Nas, Placement

_placements: Any = Placement.__table__
_log: Any = ActionLog.__table__


def _lock(connection: Connection, ids: Sequence[int]) -> None:
    """In the order in which everybody locks placements."""
    if connection.dialect.name == "postgresql" and ids:
        connection.execute(select(Placement.id).where(Placement.id.in_(ids)).order_by(Placement.id).with_for_update())


@dataclass(frozen=True, slots=True)
class StateRow:
    """The new state of one placement. ``changed`` is the change counter it was planned with."""

    placement_id: int
    changed: int
    state: Applied
    settled: bool = False
    """Applied equals desired, as of ``changed``."""
    gone: bool = False
    """Deleted on the NAS and not wanted there: the placement is forgotten, unless it changed meanwhile."""
    values: dict[str, Any] | None = None
    """What the records were rendered with; None leaves the stored values."""
    failure: str | None = None
    attempts: int = 0
    """Tries in a row that failed, this one included."""
    wait: bool = False
    """The next try waits, the longer the more failed."""
    sent: bool = True
    """Something was sent: what was read back before says nothing any more."""


@dataclass(frozen=True, slots=True)
class SeenRow:
    """What a read-back found of one placement."""

    placement_id: int
    seen: Seen
    lines: str | None = None
    differences: list[dict[str, Any]] | None = None
    repair: Repair = Repair.NOTHING
    failure: str | None = None
    """Set when it differs right after its own commands."""
    attempts: int = 0
    """Tries in a row that failed; the next one waits for it."""


class ResultWriter:
    """Writes for one NAS under one lease; each method is one transaction that checks the fencing token at its end.

    Rows are locked in the order placements by id, then the NAS: the order in which edits lock them.
    """

    def __init__(self, database: Database, lease: Lease, nas_id: int) -> None:
        self._database = database
        self._lease = lease
        self._nas_id = nas_id

    def may_send(self) -> bool:
        """Nobody can have taken the lease yet."""
        return self._lease.is_fresh()

    def intend(self, states: Sequence[StateRow], log: Sequence[dict[str, Any]]) -> list[int]:
        """Before something is sent: states and log entries that say so. The ids of these entries, for ``record`` to replace."""
        started = time.monotonic()
        with self._database.write() as session:
            _put(session, states)
            entries = session.connection().scalars(insert(_log).returning(_log.c.id), list(log)).all() if log else []
            self._lease.guard(session)
        self._lease.was_renewed(started)
        return list(entries)

    def record(self, states: Sequence[StateRow], log: Sequence[dict[str, Any]] = (), intents: Sequence[int] = ()) -> None:
        """New states and log entries, these instead of those of ``intents``; all or nothing."""
        if not (states or log or intents):
            return
        with self._database.write() as session:
            _put(session, states)
            connection = session.connection()
            if intents:
                connection.execute(_RETRACT, [{"row": id_} for id_ in intents])
            if log:
                connection.execute(insert(_log), list(log))
            self._lease.guard(session)

    def settle(self, rows: Sequence[tuple[int, int]], forgotten: Sequence[tuple[int, int]] = ()) -> None:
        """Clear the mark of placements that were looked at and are right, unless they changed since; forget the ``forgotten``
        ones, likewise."""
        for statement, found in ((_SETTLE, rows), (_FORGET, forgotten)):
            if found:
                with self._database.write() as session:
                    session.connection().execute(statement, [{"row": id_, "mark": changed} for id_, changed in sorted(found)])
                    self._lease.guard(session)

    def observed(self, rows: Sequence[SeenRow], at: datetime) -> None:
        """What a read-back found. What has to be repaired is marked as due."""
        if not rows:
            return
        ordered = sorted(rows, key=lambda row: row.placement_id)
        with self._database.write() as session:
            connection = session.connection()
            _lock(connection, [row.placement_id for row in ordered])
            now = clock.read(session)
            for statement, found in (
                (_SEEN_RIGHT, [_seen(row, at, now) for row in ordered if row.seen is not Seen.DIFFERENT]),
                (_SEEN_DIFFERENT, [_seen(row, at, now) for row in ordered if row.repair]),
                (_SEEN, [_seen(row, at, now) for row in ordered if row.seen is Seen.DIFFERENT and not row.repair]),
            ):
                if found:
                    connection.execute(statement, found)
            self._lease.guard(session)

    def log(self, entries: Sequence[dict[str, Any]]) -> None:
        """What was sent for no placement."""
        self.record((), entries)

    def nas(self, **values: Any) -> None:
        """Columns of the NAS's own row."""
        self._write_nas(values)

    def close(self, values: dict[str, Any], retry_at: int, before: Nas, *, keep_release: bool) -> None:
        """The end of a piece of work: ``values`` of the NAS's row, and when to try again. If ``released`` or ``retry_at`` are not
        as they were ``before`` it, an operator wrote them meanwhile: then they stay."""
        with self._database.write() as session:
            query = select(Nas.released, Nas.retry_at).where(Nas.id == self._nas_id)
            released, planned = session.execute(query.with_for_update(key_share=True)).one()
            if planned == before.retry_at:
                values["retry_at"] = retry_at
            if released == before.released and not keep_release:
                values["released"] = 0
            session.execute(update(Nas).where(Nas.id == self._nas_id).values(**values))
            self._lease.guard(session)

    def _write_nas(self, values: dict[str, Any]) -> None:
        with self._database.write() as session:
            session.execute(update(Nas).where(Nas.id == self._nas_id).values(**values))
            self._lease.guard(session)


_columns = _placements.c
_STATE_UPDATE = (
    update(_placements)
    .where(_columns.id == bindparam("row"))
    .values(
        presence=bindparam("new_presence"),
        enabled=bindparam("new_enabled"),
        speed=bindparam("new_speed"),
        key=bindparam("new_key"),
        revision=bindparam("new_revision"),
        repair=bindparam("new_repair"),
        settled=bindparam("mark"),
        urgent=case((_columns.changed == bindparam("mark"), False), else_=_columns.urgent),
        failure=bindparam("new_failure"),
        attempts=bindparam("new_attempts"),
        next_try=bindparam("new_next_try"),
    )
)
_SETTLE = (
    update(_placements)
    .where(_columns.id == bindparam("row"))
    .values(
        settled=bindparam("mark"),
        urgent=case((_columns.changed == bindparam("mark"), False), else_=_columns.urgent),
        failure=None,
        attempts=0,
        next_try=0,
    )
)
_FORGET = delete(_placements).where(_columns.id == bindparam("row"), _columns.changed == bindparam("mark"))
_RETRACT = delete(_log).where(_log.c.id == bindparam("row"))
_SEEN = (
    update(_placements)
    .where(_columns.id == bindparam("row"))
    .values(
        seen=bindparam("new_seen"),
        lines=bindparam("new_lines"),
        differences=bindparam("new_differences"),
        observed_at=bindparam("now"),
    )
)
_SEEN_RIGHT = _SEEN.values(repair=0, attempts=0)
_SEEN_DIFFERENT = _SEEN.values(
    repair=bindparam("new_repair"),
    settled=0,
    failure=bindparam("new_failure"),
    attempts=bindparam("new_attempts"),
    next_try=bindparam("new_next_try"),
)


def _put(session: Session, states: Sequence[StateRow]) -> None:
    ordered = sorted(states, key=lambda state: state.placement_id)
    connection = session.connection()
    _lock(connection, [state.placement_id for state in ordered])
    for statement, rows in _updates(ordered, clock.read(session)):
        connection.execute(statement, rows)
    if gone := [{"row": state.placement_id, "mark": state.changed} for state in ordered if state.gone]:
        connection.execute(_FORGET, gone)


def _updates(ordered: Sequence[StateRow], now: int) -> Iterator[tuple[Any, list[dict[str, Any]]]]:
    """Statements with their rows: what was not sent leaves what was read, what was not made leaves the kept values."""
    groups: dict[tuple[bool, bool], list[dict[str, Any]]] = {}
    for state in ordered:
        groups.setdefault((state.values is not None, state.sent), []).append(_row(state, now))
    for (made, sent), rows in groups.items():
        statement = _STATE_UPDATE
        if made:
            statement = statement.values(values=bindparam("new_values"))
        if sent:
            statement = statement.values(seen=Seen.NOT_YET.value, lines=None, differences=None)
        yield statement, rows


def _row(state: StateRow, now: int) -> dict[str, Any]:
    applied = state.state
    row: dict[str, Any] = {
        "row": state.placement_id,
        "new_presence": int(applied.presence),
        "new_enabled": applied.enabled,
        "new_speed": applied.speed,
        "new_key": applied.key,
        "new_revision": applied.revision,
        "new_repair": int(applied.repair),
        "mark": state.changed if state.settled else 0,
        "new_failure": state.failure,
        "new_attempts": state.attempts,
        "new_next_try": now + pause_ms(state.attempts) if state.wait else 0,
    }
    if state.values is not None:
        row["new_values"] = state.values
    return row


def _seen(row: SeenRow, at: datetime, now: int) -> dict[str, Any]:
    values = {
        "row": row.placement_id,
        "new_seen": int(row.seen),
        "new_lines": row.lines,
        "new_differences": row.differences,
        "now": at,
    }
    if row.repair:
        values |= {
            "new_repair": int(row.repair),
            "new_failure": row.failure,
            "new_attempts": row.attempts,
            "new_next_try": now + pause_ms(row.attempts) if row.attempts else 0,
        }
    return values
