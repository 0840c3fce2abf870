"""Rollouts: a template or a tariff's speed is tried on a few first, then on one NAS, then it is in force for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.orm import Session

from ebs_core.domain import speed
from ebs_core.domain.actions import Action, Level
from ebs_core.domain.errors import InputError, NotFound
from ebs_core.domain.placement import Kind, Presence, Seen
from ebs_core.ports import Renderer
from ebs_core.services import audit
from ebs_core.services.applier import utc_now
from ebs_core.services.audit import SYSTEM, Actor
from ebs_core.services.canary import LIVE, Stage, State, check_speed_is_free, live, template_rollout, under_way
from ebs_core.services.edit import find_nas, find_tariff
from ebs_core.services.nases import overrides
from ebs_core.services.placements import chunks, mark_changed
from ebs_core.services.rollout_stages import TROUBLED, admit, admitted, concerned, judge, mark, members, step
from ebs_core.services.templates import check_template
from ebs_core.services.trial import Trial
from ebs_core.storage import events
from ebs_core.storage.database import Database, wake_after_commit
from ebs_core.storage.tables import Account, Nas, Placement, Rollout, Subaccount, Tariff

LARGEST = 1000
"""Placements that the first stage can have."""
_SENT_ANEW = {
    Action.of(level, kind.value) for level in (Level.ACCOUNT, Level.SUBACCOUNT) for kind in Kind if kind is not Kind.DELETE
}
"""The actions whose new template is sent to everybody at once."""
_UNTROUBLED = Placement.failure.is_(None) & (Placement.attempts == 0) & (Placement.seen != Seen.DIFFERENT)
"""What such a placement does next says something about the change."""


def advance(database: Database, clock: Callable[[], datetime] = utc_now) -> None:
    """Move every running rollout on as far as it may go. One query when there is none. Raises StorageError."""
    with database.read() as session:
        running = session.scalars(select(Rollout).where(Rollout.state == State.RUNNING).order_by(Rollout.id)).all()
        ready = [rollout.id for rollout in running if _has_news(session, rollout)]
    for id_ in ready:
        with database.write() as session:
            step(session, _locked(session, id_), clock())
            events.note(session, events.Topic.ROLLOUTS, [id_])


def _has_news(session: Session, rollout: Rollout) -> bool:
    verdict = judge(session, rollout)
    return bool(verdict.trouble) or not verdict.waiting or list(verdict.waiting) != rollout.waiting


def _locked(session: Session, rollout_id: int) -> Rollout:
    rollout = session.scalar(select(Rollout).where(Rollout.id == rollout_id).with_for_update())
    if rollout is None:
        raise NotFound(f"there is no rollout {rollout_id}", remedy="'ebs rollout list' shows their numbers")
    return rollout


class Rollouts:
    """What operators do with rollouts. Every method raises InputError, and then changed nothing."""

    def __init__(
        self, database: Database, renderer: Renderer, trial: Trial, clock: Callable[[], datetime], actor: Actor = SYSTEM
    ) -> None:
        self._database = database
        self._renderer = renderer
        self._trial = trial
        self._clock = clock
        self._actor = actor

    def by(self, actor: Actor) -> Rollouts:
        """The same, on behalf of ``actor``."""
        return Rollouts(self._database, self._renderer, self._trial, self._clock, actor)

    def _note(self, session: Session, act: str, rollout: Rollout) -> None:
        detail = {"action": rollout.action, "tariff": rollout.tariff_id, "speed": rollout.speed, "size": rollout.size}
        audit.note(session, self._actor, act, "rollout", str(rollout.id), detail)
        events.note(session, events.Topic.ROLLOUTS, [rollout.id])

    def template(self, nas_names: Sequence[str], action: Action, source: str | None, file: str, size: int) -> int | None:
        """Roll out a template (None: the profile's own) to these NASes, beginning with ``size`` placements of the first. The
        number of the rollout; None where the template is in force on all of them. Raises TemplateError."""
        if action not in _SENT_ANEW:
            raise InputError(
                f"a new template for {action} sends nothing by itself, so a canary would prove nothing",
                remedy=f"put it into force without --canary; 'ebs template render --action {action}' shows its commands",
            )
        with self._database.write() as session:
            nases = [find_nas(session, name) for name in dict.fromkeys(nas_names)]
            if source is not None:
                source = source.replace("\r\n", "\n")
                for nas in nases:
                    check_template(self._renderer, nas, action.value, source, file)
            nases = [nas for nas in nases if overrides(nas).get(action.value) != source]
            if not nases:
                return None
            rollout = self._new(nases[0].id, size, action=action.value, source=source, nas_ids=[nas.id for nas in nases])
            rollout.chosen = self._choose(session, rollout)
            if not rollout.chosen:
                raise InputError(
                    f"NAS {nases[0].name}: there is nobody to try {action} on",
                    remedy="name a NAS with subscribers first, or put it into force without --canary",
                )
            self._start(session, rollout, nases)
            self._note(session, "rollout.begin", rollout)
            return rollout.id

    def tariff(self, name: str, figures: str, size: int, nas_name: str | None = None) -> int | None:
        """Roll out a speed (a line such as ``download=50M upload=20M``) to the subscribers of a tariff, beginning with ``size``
        of them on the named NAS, or on a good one. The number of the rollout; None if the tariff has this speed."""
        try:
            new = speed.read_line(figures)
        except ValueError as error:
            raise InputError(f"tariff {name}: speed: {error}") from None
        with self._database.write() as session:
            tariff = find_tariff(session, name)
            session.refresh(tariff, with_for_update=True)  # two operators at once: the second sees the first's rollout
            check_speed_is_free(tariff)
            if all(getattr(tariff, figure) == getattr(new, figure) for figure in speed.FIGURES):
                return None
            rollout = self._new(0, size, tariff_id=tariff.id, speed=new.encode())
            rollout.nas_id = find_nas(session, nas_name).id if nas_name else _good_nas(session, rollout)
            rollout.chosen = self._choose(session, rollout)
            if not rollout.chosen:
                raise InputError(
                    f"tariff {name}: there is nobody to try its speed on" + (f" on NAS {nas_name}" if nas_name else ""),
                    remedy="choose another NAS, or set it without --canary",
                )
            self._start(session, rollout, [])
            self._note(session, "rollout.begin", rollout)
            return rollout.id

    def proceed(self, rollout_id: int) -> None:
        """Try a stopped rollout again, from where it stopped."""
        with self._database.write() as session:
            rollout = _locked(session, rollout_id)
            if rollout.state != State.STOPPED:
                raise InputError(f"rollout {rollout_id} is {rollout.state}, not stopped", remedy="only a stopped one can go on")
            if rollout.stage == Stage.SOME and session.scalar(members(Placement.id).where(admitted(rollout)).limit(1)) is None:
                rollout.chosen = self._choose(session, rollout)
                admit(session, rollout, Stage.SOME, self._clock())
            rollout.state, rollout.reason, rollout.moved_at = State.RUNNING, None, self._clock()
            _try_again(session, rollout)
            self._note(session, "rollout.continue", rollout)

    def withdraw(self, rollout_id: int) -> None:
        """Take a rollout back: those who were admitted go back to what is in force for the others."""
        with self._database.write() as session:
            rollout = _locked(session, rollout_id)
            if rollout.state not in LIVE:
                raise InputError(
                    f"rollout {rollout_id} is {rollout.state} already",
                    remedy="'ebs template set' and 'ebs tariff set' change what is in force",
                )
            mark(session, admitted(rollout))
            rollout.state, rollout.waiting, rollout.moved_at = State.WITHDRAWN, [], self._clock()
            self._note(session, "rollout.withdraw", rollout)

    def _new(self, nas_id: int, size: int, **about: object) -> Rollout:
        now = self._clock()
        return Rollout(
            nas_id=nas_id, stage=Stage.SOME, state=State.RUNNING, size=size, created_at=now, moved_at=now,
            **about,  # type: ignore[arg-type]
        )  # fmt: skip

    def _choose(self, session: Session, rollout: Rollout) -> list[int]:
        """Whom to begin with: those who were found right first, and who use what is being changed."""
        level = Action(rollout.action).level if rollout.action else None
        right_level = Placement.subaccount_id.is_(None) if level is Level.ACCOUNT else Placement.subaccount_id.is_not(None)
        access = Placement.enabled.is_not(False) if rollout.action == _disabling(level) else Placement.enabled.is_not(True)
        query = members(Placement.id).where(_candidates(rollout), Placement.nas_id == rollout.nas_id)
        if level is not None:
            query = query.where(right_level)
        order = (Placement.seen != Seen.RIGHT, Placement.presence != Presence.PRESENT, access, Placement.id)
        return list(session.scalars(query.order_by(*order).limit(rollout.size)))

    def _start(self, session: Session, rollout: Rollout, nases: Sequence[Nas]) -> None:
        mark_changed(session, Placement.id.in_(rollout.chosen))
        if nases:  # after the placements, as everybody locks them; two operators at once: the second sees the first's rollout
            ids = select(Nas.id).where(Nas.id.in_([nas.id for nas in nases])).order_by(Nas.id)
            session.execute(ids.with_for_update())
        others = live(session)
        for nas in nases:
            if (other := template_rollout(nas, others)) is not None:
                raise under_way(f"NAS {nas.name}: a template for {other.action}", other)
        rollout.waiting = [rollout.nas_id]
        session.add(rollout)
        session.flush()
        self._try_rendering(session, rollout)

    def _try_rendering(self, session: Session, rollout: Rollout) -> None:
        """Raises InputError if somebody of the first stage cannot be rendered."""
        query = members(Account.id, Subaccount.username).where(Placement.id.in_(rollout.chosen))
        chosen = {(account, subaccount or "") for account, subaccount in session.execute(query)}
        for refusal in self._trial.refusals(session, {account for account, _ in chosen}):
            if (refusal.account_id, refusal.subaccount) in chosen:
                raise InputError(refusal.message, remedy="change the template or the value; nothing was changed")


def _candidates(rollout: Rollout) -> ColumnElement[bool]:
    return and_(concerned(rollout), _UNTROUBLED)


def _disabling(level: Level | None) -> str:
    return Action.of(level, "disable").value if level is not None else ""


def _good_nas(session: Session, rollout: Rollout) -> int:
    """Where to begin with a tariff: a NAS that can be worked, with enough of its subscribers, the first by name."""
    working = Nas.failure.is_(None) & Nas.maintenance.is_(None)
    query = members(Nas.id, Nas.name, working).join(Nas, Nas.id == Placement.nas_id).where(_candidates(rollout))
    rows = session.execute(query).all()
    counts = Counter(id_ for id_, _, _ in rows)
    best = min(set(rows), key=lambda row: (not row[2], counts[row[0]] < rollout.size, row[1]), default=None)
    if best is None:
        tariff = session.get_one(Tariff, rollout.tariff_id)
        raise InputError(f"tariff {tariff.name}: there is nobody to try its speed on", remedy="set it without --canary")
    return int(best[0])


def _try_again(session: Session, rollout: Rollout) -> None:
    """What failed is sent again at once; what differed is read back again."""
    troubled = members(Placement.id, Placement.nas_id).where(admitted(rollout), TROUBLED)
    found = session.execute(troubled).all()
    for ids in chunks([id_ for id_, _ in found]):
        mark_changed(session, Placement.id.in_(ids))
        session.execute(update(Placement).where(Placement.id.in_(ids)).values(attempts=0, seen=Seen.NOT_YET, lines=None))
    nas_ids = sorted({nas_id for _, nas_id in found})
    session.execute(update(Nas).where(Nas.id.in_(nas_ids)).values(resync_at=0, retry_at=0))
    rollout.waiting = sorted({*rollout.waiting, *nas_ids})
    wake_after_commit(session, nas_ids, urgent=True)
