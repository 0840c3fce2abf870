"""How every placement stands: one word each, with the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from ebs_core.domain.drift import Difference, Is
from ebs_core.domain.placement import Presence, Repair, Seen
from ebs_core.services.planner import NasPlan, PlannedPlacement
from ebs_core.storage import clock
from ebs_core.storage.tables import Account, Nas, Placement, Subaccount


class Status(StrEnum):
    IN_SYNC = "in sync"
    """On the NAS as it should be, as read back."""
    PENDING = "pending"
    """Something is to be sent."""
    UNVERIFIED = "sent, unverified"
    """Confirmed by the NAS, not read back yet."""
    FAILING = "failing"
    DRIFTED = "drifted"
    """Found otherwise than it was sent."""
    HELD = "held"
    """An operator has to release it."""
    UNREACHABLE = "NAS unreachable"
    UNVERIFIABLE = "not verifiable"
    """Confirmed by the NAS; what its templates write cannot be read back."""


class Standing(NamedTuple):
    """One placement. ``since`` and ``next_try`` where they are known."""

    account: str
    subaccount: str
    status: Status
    detail: str = ""
    differences: tuple[str, ...] = ()
    since: datetime | None = None
    next_try: datetime | None = None


def counts(session: Session, plan: NasPlan) -> dict[str, int]:
    """How many placements of the NAS have which status; every status is named."""
    found = Counter(standing.status for standing in standings(session, plan))
    return {status.value: found[status] for status in Status}


def standings(session: Session, plan: NasPlan) -> Iterator[Standing]:
    """Every placement of the NAS that is there or should be, by account. ``plan`` is a plan of the whole NAS."""
    items = {item.due.placement_id: item for item in plan.items}
    forgotten = {id_ for id_, _ in plan.forgotten}
    now = clock.read(session)
    query = (
        select(
            Placement.id,
            Placement.presence,
            Placement.seen,
            Placement.failure,
            Placement.next_try,
            Placement.attempts,
            Placement.repair,
            Placement.differences,
            Placement.observed_at,
            Account.username,
            Subaccount.username.label("subaccount"),
        )
        .join(Account, Account.id == Placement.account_id)
        .outerjoin(Subaccount, Subaccount.id == Placement.subaccount_id)
        .where(Placement.nas_id == plan.context.id)
        .order_by(Account.username, Subaccount.username)
    )
    for row in session.execute(query):
        item = items.get(row.id)
        if row.id in forgotten or (item is None and row.presence == Presence.ABSENT):
            continue
        yield _standing(plan, row, item, now)


def _standing(plan: NasPlan, row: Row[Any], item: PlannedPlacement | None, now: int) -> Standing:
    nas: Nas = plan.context.facts.nas
    who = row.username, row.subaccount or ""
    differences = tuple(str(difference(one)) for one in row.differences or ())
    if nas.failure:
        return Standing(*who, Status.UNREACHABLE, nas.failure.partition("\n")[0], since=nas.failing_since)
    if item is None:
        status = _SEEN[Seen(row.seen)]
        detail = differences[0] if status is Status.DRIFTED and differences else ""
        return Standing(*who, status, detail, differences, since=row.observed_at)
    steps = ", ".join(f"{step.kind.value}: {item.reason(step)}" for step in item.due.steps)
    if nas.maintenance is not None:
        return Standing(*who, Status.HELD, f"NAS in maintenance: {nas.maintenance or 'no reason given'}; due: {steps}")
    if plan.held:
        return Standing(*who, Status.HELD, f"the plan of the NAS would cut off {plan.cut_off} placements; due: {steps}")
    if row.failure:
        next_try = datetime.fromtimestamp(row.next_try / 1000, UTC) if row.next_try > now else None
        return Standing(*who, Status.FAILING, row.failure, differences, next_try=next_try)
    if Repair(row.repair):
        return Standing(*who, Status.DRIFTED, differences[0] if differences else steps, differences, since=row.observed_at)
    return Standing(*who, Status.PENDING, steps)


_SEEN = {
    Seen.NOT_YET: Status.UNVERIFIED,
    Seen.RIGHT: Status.IN_SYNC,
    Seen.DIFFERENT: Status.DRIFTED,
    Seen.UNREADABLE: Status.UNVERIFIABLE,
}


def difference(stored: dict[str, Any]) -> Difference:
    """From ``Placement.differences``."""
    return Difference(**{**stored, "kind": Is(stored["kind"])})
