"""Changes that are tried on a few first: which rollouts are under way, and for which placements their change is in force.

A rollout changes nothing that it is about before it is done: desired state is a function of the rows, and the rollout's row is
one of them. Planning asks here; ``ebs_core.services.rollouts`` moves the rows on.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session, object_session

from ebs_core.domain.errors import InputError
from ebs_core.storage.tables import Nas, Rollout, Tariff


class Stage(StrEnum):
    """How far a rollout is: for whom its change is in force."""

    SOME = "some"
    """The chosen placements of the NAS where it begins."""
    ONE = "one"
    """Everybody concerned on that NAS, also who comes later."""
    ALL = "all"
    """Everybody concerned."""


class State(StrEnum):
    RUNNING = "running"
    STOPPED = "stopped"
    """Verification failed: nobody further is admitted until an operator decides."""
    DONE = "done"
    WITHDRAWN = "withdrawn"


LIVE = (State.RUNNING, State.STOPPED)
"""In these states the change is in force for those who are admitted."""


def live(session: Session) -> Sequence[Rollout]:
    return session.scalars(select(Rollout).where(Rollout.state.in_(LIVE)).order_by(Rollout.id)).all()


def is_everywhere(rollout: Rollout, nas_id: int) -> bool:
    """The change is in force for everybody whom it concerns on this NAS."""
    if rollout.stage == Stage.ALL:
        return rollout.nas_ids is None or nas_id in rollout.nas_ids
    return rollout.stage == Stage.ONE and rollout.nas_id == nas_id


def pilots(rollout: Rollout) -> frozenset[int]:
    """The placements for which alone the change is in force, while it is in the first stage."""
    return frozenset(rollout.chosen if rollout.stage == Stage.SOME else ())


def template_rollout(nas: Nas, rollouts: Sequence[Rollout]) -> Rollout | None:
    """The rollout of a template that concerns the NAS: there is never more than one."""
    return next((rollout for rollout in rollouts if rollout.nas_ids is not None and nas.id in rollout.nas_ids), None)


def check_template_is_free(nas: Nas, action: str) -> None:
    """Raises InputError while the action's template is being rolled out on the NAS."""
    session = object_session(nas)
    rollout = template_rollout(nas, live(session)) if session is not None and nas.id is not None else None
    if rollout is not None and rollout.action == action:
        raise under_way(f"NAS {nas.name}: another template for {action}", rollout)


def check_speed_is_free(tariff: Tariff) -> None:
    """Raises InputError while the speed of the tariff is being rolled out."""
    session = object_session(tariff)
    if session is None or tariff.id is None:
        return
    for rollout in live(session):
        if rollout.tariff_id == tariff.id:
            raise under_way(f"tariff {tariff.name}: another speed", rollout)


def under_way(what: str, rollout: Rollout) -> InputError:
    return InputError(
        f"{what} is being rolled out (rollout {rollout.id}, {rollout.state})",
        remedy=f"wait for its end ('ebs rollout show {rollout.id}'), or take it back with 'ebs rollout withdraw {rollout.id}'",
    )
