"""Writing down what is known of a NAS: intents before sending, results and the action log after it. All under the lease."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, Integer, bindparam, case, delete, insert, or_, select, update
from sqlalchemy.orm import Session

from ebs_core.domain.commands import Command, Reply
from ebs_core.domain.placement import Applied, Presence, Repair, Seen
from ebs_core.domain.text import redact
from ebs_core.services.pauses import pause_ms
from ebs_core.services.placements import chunks, label_of
from ebs_core.storage import clock, events
from ebs_core.storage.database import Database
from ebs_core.storage.leases import Lease
from ebs_core.storage.tables import Account, ActionLog, Nas, Placement, Subaccount

_placements: Any = Placement.__table__
_log: Any = ActionLog.__table__


def log_entry(
    at: datetime,
    nas: str,
    action: str,
    cause: str,
    command: Command | None,
    reply: Reply,
    *,
    account: str = "",
    subaccount: str = "",
    placement_id: int | None = None,
) -> dict[str, Any]:
    """A row of the action log, without secrets. No ``command``: nothing could be rendered."""
    return {
        "at": at,
        "nas": nas,
        "account": account,
        "subaccount": subaccount,
        "placement_id": placement_id,
        "action": action,
        "cause": cause,
        "command": command.show() if command else "",
        "outcome": reply.outcome.value,
        "status": reply.status,
        "output": redact(reply.output, command.values) if command else reply.output,
        "duration": reply.duration,
    }


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
    """The next try waits, the longer the more failed; not if it changed meanwhile."""
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
    """Set when it differs right after its own commands: then the next try waits."""
    attempts: int = 0
    """Tries in a row that failed."""
    changed: int = 0
    """The change counter it was judged with: if it changed since, the next try does not wait. 0: it waits in any case."""


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
            events.note(session, events.Topic.PLACEMENTS, [state.placement_id for state in states])
            if any(state.gone for state in states):  # nobody can tell afterwards whose they were
                events.note(session, events.Topic.ACCOUNTS, None)
            self._lease.guard(session)

    def settle(self, rows: Sequence[tuple[int, int]], forgotten: Sequence[tuple[int, int]] = ()) -> None:
        """Clear the mark of placements that were looked at and are right, unless they changed since; forget the ``forgotten``
        ones, likewise."""
        for statement, found in ((_SETTLE, rows), (_FORGET, forgotten)):
            if found:
                with self._database.write() as session:
                    session.connection().execute(statement, [{"row": id_, "mark": changed} for id_, changed in sorted(found)])
                    events.note(session, events.Topic.PLACEMENTS, [id_ for id_, _ in found])
                    if statement is _FORGET:
                        events.note(session, events.Topic.ACCOUNTS, None)
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
            events.note(session, events.Topic.PLACEMENTS, [row.placement_id for row in ordered])
            for statement, found in (
                (_SEEN_RIGHT, [_seen(row, at, now) for row in ordered if row.seen is not Seen.DIFFERENT]),
                (_SEEN_DIFFERENT, [_seen(row, at, now) for row in ordered if row.repair]),
                (_SEEN, [_seen(row, at, now) for row in ordered if row.seen is Seen.DIFFERENT and not row.repair]),
            ):
                if found:
                    connection.execute(statement, found)
            self._lease.guard(session)

    def mark(self, ids: Collection[int]) -> None:
        """These are not as desired although nobody marked them: a template of the program changed, or time did its work."""
        for some in chunks(ids):
            with self._database.write() as session:
                connection = session.connection()
                _lock(connection, some)
                wrong = _columns.id.in_(some) & (_columns.changed == _columns.settled)
                connection.execute(update(_placements).where(wrong).values(settled=0))
                events.note(session, events.Topic.PLACEMENTS, some)
                self._lease.guard(session)

    def nas(self, **values: Any) -> None:
        """Columns of the NAS's own row."""
        with self._database.write() as session:
            session.execute(update(Nas).where(Nas.id == self._nas_id).values(**values))
            events.note(session, events.Topic.NASES, [self._nas_id])
            self._lease.guard(session)

    def use_release(self, known: int, used: int) -> int:
        """So many of the ``known`` that an operator released were cut off; what is left. What he released meanwhile stays."""
        left = max(known - used, 0)
        with self._database.write() as session:
            session.execute(update(Nas).where(Nas.id == self._nas_id, Nas.released == known).values(released=left))
            self._lease.guard(session)
        return left

    def stuck(self) -> dict[int, tuple[str, dict[str, Any]]]:
        """By id, placements that are due and whose last try failed or whose pause is not over, and of which something may be on
        the NAS: ``(whose it is, the values its records were made with)``."""
        query = (
            select(Placement.id, Account.username, Subaccount.username, Placement.values)
            .join(Account, Account.id == Placement.account_id)
            .outerjoin(Subaccount, Subaccount.id == Placement.subaccount_id)
            .where(
                Placement.nas_id == self._nas_id,
                Placement.changed != Placement.settled,
                Placement.presence != Presence.ABSENT,
                or_(Placement.attempts > 0, Placement.next_try > 0, Placement.presence == Presence.UNKNOWN),
            )
        )
        with self._database.read() as session:
            return {
                id_: (label_of(account, subaccount), values or {}) for id_, account, subaccount, values in session.execute(query)
            }

    def close(
        self, values: dict[str, Any], before: Nas, *, retry_at: int, released: int, keep_release: bool, orphans_held: bool
    ) -> None:
        """The end of a piece of work: ``values`` of the NAS's row, and when to try again. If ``retry_at`` is not as it was
        ``before`` it, or there are not so many ``released`` as the work knows of, an operator wrote them meanwhile: then they
        stay. If he released when ``orphans_held`` was found already, another look is due at once."""
        with self._database.write() as session:
            query = select(Nas.released, Nas.retry_at).where(Nas.id == self._nas_id)
            there, planned = session.execute(query.with_for_update(key_share=True)).one()
            if there == released:
                if planned == before.retry_at:
                    values["retry_at"] = retry_at
                if not keep_release:
                    values["released"] = 0
            if orphans_held and there > before.released:
                values["resync_at"] = 0
            session.execute(update(Nas).where(Nas.id == self._nas_id).values(**values))
            events.note(session, events.Topic.NASES, [self._nas_id])
            self._lease.guard(session)


_columns = _placements.c
_new_attempts, _new_next_try = bindparam("new_attempts", type_=Integer), bindparam("new_next_try", type_=BigInteger)
_planned = bindparam("planned", type_=BigInteger)
_is_current = or_(_planned == 0, _columns.changed == _planned)
"""What was edited meanwhile is tried again at once."""
_PAUSE = {"attempts": case((_is_current, _new_attempts), else_=0), "next_try": case((_is_current, _new_next_try), else_=0)}
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
        **_PAUSE,
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
    **_PAUSE,
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
        "planned": state.changed,
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
            "planned": row.changed,
            "new_failure": row.failure,
            "new_attempts": row.attempts,
            "new_next_try": now + pause_ms(row.attempts) if row.failure else 0,
        }
    return values
