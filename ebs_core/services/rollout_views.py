"""Rollouts for people and programs: plain dictionaries, names instead of ids."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ebs_core.domain.errors import NotFound
from ebs_core.domain.placement import Seen
from ebs_core.domain.speed import FIGURES, Speed
from ebs_core.services.canary import LIVE, Stage, State
from ebs_core.services.placements import label_of
from ebs_core.services.rollout_stages import admitted, concerned, members, troubles
from ebs_core.storage.tables import Account, Nas, Placement, Rollout, Subaccount, Tariff

View = dict[str, Any]


def rollouts(session: Session) -> list[View]:
    """All, the oldest first."""
    names = _nas_names(session)
    return [_view(session, rollout, names) for rollout in session.scalars(select(Rollout).order_by(Rollout.id))]


def rollout_card(session: Session, rollout_id: int) -> View:
    """Everything about one. Raises NotFound."""
    rollout = session.get(Rollout, rollout_id)
    if rollout is None:
        raise NotFound(f"there is no rollout {rollout_id}", remedy="'ebs rollout list' shows their numbers")
    names = _nas_names(session)
    card = _view(session, rollout, names)
    if rollout.tariff_id is not None:
        speed = Speed.decode(rollout.speed or "")
        card["speed"] = {name: getattr(speed, name) for name in FIGURES}
    else:
        card["text"] = rollout.source
    if rollout.state not in LIVE:
        return card
    right = Placement.seen.in_((Seen.RIGHT, Seen.UNREADABLE)) & (Placement.changed == Placement.settled)
    card["concerned"] = _count(session, concerned(rollout))
    card["admitted"] = _count(session, admitted(rollout))
    card["right"] = _count(session, admitted(rollout), right)
    card["troubles"] = {who: what for _, who, what, _ in troubles(session, admitted(rollout))}
    card["waiting_for"] = [_waits(session.get_one(Nas, id_)) for id_ in rollout.waiting] if rollout.state == State.RUNNING else []
    if rollout.stage == Stage.SOME:
        query = members(Account.username, Subaccount.username).where(admitted(rollout)).order_by(Placement.id)
        card["first"] = [label_of(account, subaccount) for account, subaccount in session.execute(query)]
    return card


def _view(session: Session, rollout: Rollout, names: dict[int, str]) -> View:
    if rollout.tariff_id is not None:
        what, nases = f"speed of tariff {session.get_one(Tariff, rollout.tariff_id).name}", None
    else:
        what, nases = f"template {rollout.action}", [names.get(id_, "-") for id_ in rollout.nas_ids or ()]
    return {
        "id": rollout.id,
        "what": what,
        "state": str(rollout.state),
        "stage": str(rollout.stage),
        "first_nas": names[rollout.nas_id],
        "nases": nases,
        "canary": rollout.size,
        "created_at": rollout.created_at.isoformat(),
        "moved_at": rollout.moved_at.isoformat(),
        "reason": rollout.reason,
    }


def _nas_names(session: Session) -> dict[int, str]:
    return dict(session.execute(select(Nas.id, Nas.name)).all())


def _count(session: Session, *which: Any) -> int:
    return session.scalar(members(func.count()).where(*which)) or 0


def _waits(nas: Nas) -> str:
    """The NAS, with what keeps it from being worked."""
    why = nas.failure.partition("\n")[0] if nas.failure else f"in maintenance {nas.maintenance}" if nas.maintenance else ""
    return f"{nas.name}: {why}" if why else nas.name
