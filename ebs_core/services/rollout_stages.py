"""From one stage of a rollout to the next: who is admitted, whether all of them are right, and what follows from it.

A stage is over when, on each of its NASes, everybody admitted was found right at one moment: applied, and read back (or not
readable). Changes that go on meanwhile need not pause for that on all NASes at once. It stops at the first placement that fails
by itself, or that is not there when it is read back. What keeps a NAS from being worked (no connection, a hold, maintenance)
makes it wait.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, case, false, select, true
from sqlalchemy.orm import Session

from ebs_core.domain.placement import Seen
from ebs_core.domain.speed import Speed
from ebs_core.services.canary import Stage, State
from ebs_core.services.edit import set_speed
from ebs_core.services.nases import overrides
from ebs_core.services.placements import label_of, mark_changed
from ebs_core.services.status import difference
from ebs_core.services.templates import put_template
from ebs_core.storage.tables import Account, Nas, Placement, Rollout, Subaccount, Tariff

NEXT = {Stage.SOME: Stage.ONE, Stage.ONE: Stage.ALL}
_AT_ACCOUNT_LEVEL = Placement.subaccount_id.is_(None)
_OWNER_NAS = case((_AT_ACCOUNT_LEVEL, Account.nas_id), else_=Subaccount.nas_id)
_OWN_SPEED = case((_AT_ACCOUNT_LEVEL, Account.ipn_speed), else_=Subaccount.ipn_speed)
_BELONGS = (
    (Placement.nas_id == _OWNER_NAS)
    & Account.deleted_at.is_(None)
    & Subaccount.deleted_at.is_(None)
    & Tariff.active
    & Tariff.nas_actions
)
"""There should be records of it on its NAS."""
_DIRTY = Placement.changed != Placement.settled
_FAILING = _DIRTY & Placement.failure.is_not(None) & (Placement.attempts > 0)
"""Its own last try failed; a lost connection does not count as a try."""
_DIFFERING = ~_DIRTY & (Placement.seen == Seen.DIFFERENT)
"""Not what was sent, and nothing that could be sent would mend it."""
TROUBLED = _FAILING | _DIFFERING
_UNPROVEN = _DIRTY | Placement.seen.not_in((Seen.RIGHT, Seen.UNREADABLE))


class Verdict(NamedTuple):
    trouble: str = ""
    """Why it has to stop, for people."""
    waiting: tuple[int, ...] = ()
    """NASes on which not everybody was found right yet."""


def members(*columns: Any) -> Select[Any]:
    """Columns of placements with their owners."""
    return (
        select(*columns)
        .select_from(Placement)
        .join(Account, Account.id == Placement.account_id)
        .outerjoin(Subaccount, Subaccount.id == Placement.subaccount_id)
        .outerjoin(Tariff, Tariff.id == Account.tariff_id)
    )


def concerned(rollout: Rollout) -> ColumnElement[bool]:
    """Whom the change is about in the end, of the placements that should be on their NASes."""
    if rollout.nas_ids is not None:
        return _BELONGS & Placement.nas_id.in_(rollout.nas_ids)
    return _BELONGS & (Account.tariff_id == rollout.tariff_id) & (_OWN_SPEED == "")


def admitted(rollout: Rollout, stage: str | None = None) -> ColumnElement[bool]:
    """For whom it is in force in ``stage`` (or now)."""
    return concerned(rollout) & _in(rollout, stage or rollout.stage)


def _in(rollout: Rollout, stage: str) -> ColumnElement[bool]:
    if stage == Stage.SOME:
        return Placement.id.in_(rollout.chosen)
    return Placement.nas_id == rollout.nas_id if stage == Stage.ONE else true()


def mark(session: Session, which: ColumnElement[bool]) -> None:
    """Mark as changed the placements that a condition on ``members`` selects."""
    mark_changed(session, Placement.id.in_(members(Placement.id).where(which)))


def judge(session: Session, rollout: Rollout) -> Verdict:
    """How a running rollout goes. Reads only."""
    here = admitted(rollout)
    if rollout.stage == Stage.SOME and session.scalar(members(Placement.id).where(here).limit(1)) is None:
        return Verdict("nobody of those who were chosen to begin with is left there to judge by")
    for id_, label, what, attempts in troubles(session, here):
        if _is_news(rollout.excused.get(str(id_)), what, attempts):
            return Verdict(f"{label}: {what}")
    query = members(Placement.nas_id).where(here, Placement.nas_id.in_(rollout.waiting), _UNPROVEN, ~TROUBLED).distinct()
    return Verdict(waiting=tuple(sorted(session.scalars(query))))


def _is_news(excuse: list[Any] | None, what: str, attempts: int) -> bool:
    """Who was failing before he was admitted counts only when he fails again, and with something else."""
    return excuse is None or (what != excuse[0] and (attempts == 0 or attempts > excuse[1]))


def troubles(session: Session, which: ColumnElement[bool]) -> Iterator[tuple[int, str, str, int]]:
    """``(placement id, who, what, tries)`` of those that fail or differ, by id."""
    names = (Account.username, Subaccount.username, Nas.name)
    query = (
        members(Placement.id, Placement.failure, Placement.differences, Placement.attempts, *names)
        .join(Nas, Nas.id == Placement.nas_id)
        .where(which, TROUBLED)
        .order_by(Placement.id)
    )
    for id_, failure, differences, attempts, account, subaccount, nas in session.execute(query):
        who = label_of(account, subaccount)
        found = [str(difference(one)) for one in differences or ()]
        yield id_, f"NAS {nas}, {who}", failure or (found[0] if found else "it differs from what was sent"), attempts


def step(session: Session, rollout: Rollout, now: datetime) -> None:
    """Move a running rollout on as far as it may go at this moment. The caller has locked its row."""
    while rollout.state == State.RUNNING:
        verdict = judge(session, rollout)
        if verdict.trouble:
            rollout.state, rollout.reason, rollout.moved_at = State.STOPPED, verdict.trouble, now
            return
        rollout.waiting = list(verdict.waiting)
        if verdict.waiting:
            return
        if rollout.stage == Stage.ALL:
            _finish(session, rollout, now)
        else:
            admit(session, rollout, NEXT[Stage(rollout.stage)], now)


def admit(session: Session, rollout: Rollout, stage: Stage, now: datetime) -> None:
    """Begin a stage: who comes in with it has to be looked at again."""
    fresh = admitted(rollout, stage) & ~_before(rollout, stage)
    excused = {str(id_): [what, attempts] for id_, _, what, attempts in troubles(session, fresh)}
    rollout.excused = {**rollout.excused, **excused}
    rollout.stage, rollout.moved_at = stage, now
    mark(session, fresh)
    rollout.waiting = sorted(session.scalars(members(Placement.nas_id).where(admitted(rollout)).distinct()))


def _before(rollout: Rollout, stage: Stage) -> ColumnElement[bool]:
    """Who was admitted already in the stage before."""
    previous = next((old for old, new in NEXT.items() if new is stage), None)
    return false() if previous is None else _in(rollout, previous)


def _finish(session: Session, rollout: Rollout, now: datetime) -> None:
    """The change becomes the ordinary state: nothing is to be sent for it any more."""
    rollout.state, rollout.moved_at = State.DONE, now
    session.flush()
    if rollout.tariff_id is not None:
        set_speed(session.get_one(Tariff, rollout.tariff_id), Speed.decode(rollout.speed or ""))
        return
    for nas in session.scalars(select(Nas).where(Nas.id.in_(rollout.nas_ids or ())).order_by(Nas.id)):
        if overrides(nas).get(str(rollout.action)) != rollout.source:
            put_template(nas, str(rollout.action), rollout.source, now)
