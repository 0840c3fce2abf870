"""Writing down what is known of a NAS: intents before sending, results and the action log after it. All under the lease."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from ebs_core.domain.placement import Applied
from ebs_core.storage.database import Database
from ebs_core.storage.leases import Lease
from ebs_core.storage.tables import ActionLog, Nas, Placement

_placements: Any = Placement.__table__


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


class ResultWriter:
    """Writes for one NAS under one lease; each method is one transaction that checks the fencing token at its end.

    Rows are locked in the order placements by id, then the NAS: the order in which edits lock them.
    """

    def __init__(self, database: Database, lease: Lease, nas_id: int) -> None:
        self._database = database
        self._lease = lease
        self._nas_id = nas_id

    def record(self, states: Sequence[StateRow], log: Sequence[dict[str, Any]] = ()) -> None:
        """New states and log entries, all or nothing."""
        if not states and not log:
            return
        ordered = sorted(states, key=lambda state: state.placement_id)
        with self._database.write() as session:
            connection = session.connection()
            if connection.dialect.name == "postgresql":  # the statements below would lock in another order
                ids = [state.placement_id for state in ordered]
                lock = select(Placement.id).where(Placement.id.in_(ids)).order_by(Placement.id).with_for_update()
                connection.execute(lock)
            for statement, rows in (
                (_STATE_UPDATE, [_row(state) for state in ordered if state.values is None]),
                (_STATE_UPDATE_WITH_VALUES, [_row(state) for state in ordered if state.values is not None]),
                (_FORGET, [{"row": state.placement_id, "mark": state.changed} for state in ordered if state.gone]),
                (insert(ActionLog), list(log)),
            ):
                if rows:
                    connection.execute(statement, rows)
            self._lease.guard(session)

    def settle(self, rows: Sequence[tuple[int, int]], forgotten: Sequence[tuple[int, int]] = ()) -> None:
        """Clear the mark of placements that were looked at and are right, unless they changed since; forget the ``forgotten``
        ones, likewise."""
        for statement, found in ((_SETTLE, rows), (_FORGET, forgotten)):
            if found:
                with self._database.write() as session:
                    session.connection().execute(statement, [{"row": id_, "mark": changed} for id_, changed in sorted(found)])
                    self._lease.guard(session)

    def use_release(self) -> None:
        """What an operator released is good for the run that begins now, and for no other."""
        self._write_nas({"released": 0})

    def nothing_due(self) -> None:
        """Nothing is left to fail on, and a release has nothing left to let through."""
        self._write_nas({"failure": None, "failing_since": None, "released": 0})

    def nas_worked(self, now: datetime, failure: str | None, since: datetime | None) -> None:
        """The end of a run on this NAS."""
        values: dict[str, Any] = {"failure": failure, "failing_since": (since or now) if failure else None}
        self._write_nas({**values, "worked_at": now} if failure is None else values)

    def _write_nas(self, values: dict[str, Any]) -> None:
        with self._database.write() as session:
            session.execute(update(Nas).where(Nas.id == self._nas_id).values(**values))
            self._lease.guard(session)


_STATE_UPDATE = (
    update(_placements)
    .where(_placements.c.id == bindparam("row"))
    .values(
        presence=bindparam("new_presence"),
        enabled=bindparam("new_enabled"),
        speed=bindparam("new_speed"),
        key=bindparam("new_key"),
        revision=bindparam("new_revision"),
        settled=bindparam("mark"),
        failure=bindparam("new_failure"),
    )
)
_STATE_UPDATE_WITH_VALUES = _STATE_UPDATE.values(values=bindparam("new_values"))
_SETTLE = update(_placements).where(_placements.c.id == bindparam("row")).values(settled=bindparam("mark"), failure=None)
_FORGET = delete(_placements).where(_placements.c.id == bindparam("row"), _placements.c.changed == bindparam("mark"))


def _row(state: StateRow) -> dict[str, Any]:
    applied = state.state
    row: dict[str, Any] = {
        "row": state.placement_id,
        "new_presence": int(applied.presence),
        "new_enabled": applied.enabled,
        "new_speed": applied.speed,
        "new_key": applied.key,
        "new_revision": applied.revision,
        "mark": state.changed if state.settled else 0,
        "new_failure": state.failure,
    }
    if state.values is not None:
        row["new_values"] = state.values
    return row
