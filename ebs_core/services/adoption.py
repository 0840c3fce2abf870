"""Taking over a NAS that works already: records that somebody made by hand become those of subscribers, without an interruption.

A record is a subscriber's if it has no owner's tag and agrees with one that his templates would make in what makes them the same
(address, MAC, queue target, login: ``TableKind.alike``). It only gets his tag; whatever else differs is due like any other
change, and sent by the next apply.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from ebs_core.domain.commands import Command, Job, Outcome, Reply
from ebs_core.domain.drift import Found, Tags, describe, likenesses, unequal
from ebs_core.domain.errors import NasError
from ebs_core.domain.placement import Applied, Presence, Repair, diff, in_step
from ebs_core.domain.records import Record
from ebs_core.domain.text import Secret, mask
from ebs_core.ports import Backends, Session
from ebs_core.services.applier import send_announced
from ebs_core.services.nases import NasCatalogue, NasContext
from ebs_core.services.observer import Observer, Survey
from ebs_core.services.planner import PlannedPlacement, Planner
from ebs_core.services.results import ResultWriter, StateRow, log_entry
from ebs_core.storage.database import Database
from ebs_core.storage.leases import held

ADOPT = "adopt"
_BATCH = 1000


class Match(NamedTuple):
    """A record that is to become a subscriber's."""

    found: Found
    what: str
    expected: Record
    differences: tuple[str, ...]
    """Where it is otherwise than his templates would make it, for people."""


@dataclass(slots=True)
class Adopted:
    """One subscriber whose records are there."""

    item: PlannedPlacement
    matches: list[Match] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Records of his that nobody has made."""
    repair: Repair = Repair.NOTHING
    failure: str = ""

    @property
    def due(self) -> list[str]:
        """What is to be sent after the adoption."""
        return [step.kind.value for step in diff(self.item.due.desired, applied(self))]


@dataclass(slots=True)
class AdoptionPlan:
    """What an adoption would do, or did."""

    nas: str
    adopted: list[Adopted] = field(default_factory=list)
    ambiguous: dict[str, list[str]] = field(default_factory=dict)
    """Records that more than one subscriber could own, or one of several that a subscriber could: left alone. By record."""
    unmatched: list[str] = field(default_factory=list)
    """Subscribers of whom nothing is there: the next apply adds them."""
    strangers: int = 0
    """Records that are nobody's."""
    commands: int = 0


class Adopter:
    """Thread-safe."""

    def __init__(
        self,
        database: Database,
        planner: Planner,
        catalogue: NasCatalogue,
        backends: Backends,
        observer: Observer,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._planner = planner
        self._catalogue = catalogue
        self._backends = backends
        self._observer = observer
        self._clock = clock

    def adopt(self, name: str, confirmed: Callable[[AdoptionPlan], bool]) -> AdoptionPlan:
        """Read the NAS, show the plan to ``confirmed``, and carry it out if that says so. Works in maintenance too: that keeps
        the background job off until everything has its tag. Raises NotFound, NasError."""
        with self._database.read() as session:
            context = self._catalogue.load(session, name)
        with held(self._database, context.id, name) as lease:
            device = self._backends.open(self._catalogue.endpoint(context))
            try:
                plan, survey = self._plan(context, device)
                if plan.adopted and confirmed(plan):
                    self._tag(context, device, plan, survey, ResultWriter(self._database, lease, context.id))
            finally:
                device.close()
        return plan

    def _plan(self, context: NasContext, device: Session) -> tuple[AdoptionPlan, Survey]:
        with self._database.read() as session:
            items = [item for item in self._planner.plan_in(session, context).items if _is_new(item)]
        survey = self._observer.survey(context, device, items)
        by_id = {item.due.placement_id: item for item in items}
        plan = AdoptionPlan(context.name)
        matches, doubts, plan.strangers = _match(survey, Tags(context.profile.tag))
        plan.ambiguous = {what: [by_id[subject].label for subject in subjects] for what, subjects in doubts.items()}
        for id_, item in by_id.items():
            mine = matches.get(id_)
            if not mine:
                plan.unmatched.append(item.label)
                continue
            one = Adopted(item, mine)
            kept = {(match.found.table, id(match.expected)) for match in mine}
            one.missing = [
                f"{table}: {describe(record, survey.kinds[table])}"
                for table, record in survey.expected[id_]
                if table in survey.kinds and (table, id(record)) not in kept
            ]
            one.repair = self._observer.repair(context, item, survey.expected[id_], list(_tagged(context, survey, one)))
            plan.adopted.append(one)
        return plan, survey

    def _tag(self, context: NasContext, device: Session, plan: AdoptionPlan, survey: Survey, writer: ResultWriter) -> None:
        tags = Tags(context.profile.tag)
        for start in range(0, len(plan.adopted), _BATCH):
            batch = plan.adopted[start : start + _BATCH]
            jobs = [
                Job(one.item.due.placement_id, self._commands(context, survey, one, tags.tag(one.item.due.placement_id)))
                for one in batch
            ]
            replies, log, intents = send_announced(device, writer, jobs, self._entries(context, batch))
            plan.commands += len(log)
            for one, answers in zip(batch, replies, strict=True):
                bad = next((reply for reply in answers if reply.outcome is not Outcome.OK), None)
                if bad is not None:
                    one.failure = bad.output.strip() or bad.outcome.value
            writer.record([_row(one) for one in batch if not one.failure], log, intents)
            if not device.alive:
                raise NasError(
                    "the connection was lost during the adoption",
                    nas=context.name,
                    remedy="run it again: what has its tag already is not touched",
                )

    def _commands(self, context: NasContext, survey: Survey, one: Adopted, tag: str) -> tuple[Command, ...]:
        return tuple(
            command
            for match in one.matches
            for command in self._backends.adoption(context.profile, context.transport, match.found.table, match.found.record, tag)
        )

    def _entries(self, context: NasContext, batch: Sequence[Adopted]) -> Callable[[Job, Command, Reply], dict[str, Any]]:
        at, items = self._clock(), {one.item.due.placement_id: one.item for one in batch}

        def entry(job: Job, command: Command, reply: Reply) -> dict[str, Any]:
            who = {"account": items[job.subject].account, "subaccount": items[job.subject].subaccount}
            cause = "an operator adopts what is on the NAS"
            return log_entry(at, context.name, ADOPT, cause, command, reply, placement_id=job.subject, **who)

        return entry


def _is_new(item: PlannedPlacement) -> bool:
    """EBS has not made his records: only they may be somebody else's."""
    due = item.due
    return due.desired.present and not item.problem and due.applied.presence is Presence.ABSENT


def _match(survey: Survey, tags: Tags) -> tuple[dict[int, list[Match]], dict[str, list[int]], int]:
    """Per placement the records that are his beyond doubt, those in doubt, and how many are nobody's."""
    free = [one for one in survey.found if tags.owner(one.record, survey.kinds[one.table]) is None]
    index: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for number, one in enumerate(free):
        for like in likenesses(one.table, one.record, survey.kinds[one.table]):
            index[like].append(number)
    wanted: dict[int, list[tuple[int, str, Record]]] = defaultdict(list)
    for subject, table, record in _expected(survey):
        likes = likenesses(table, record, survey.kinds[table])
        for number in next((numbers for like in likes if (numbers := index.get(like))), ()):
            wanted[number].append((subject, table, record))
    several: dict[tuple[int, int], int] = defaultdict(int)
    for takers in wanted.values():
        for subject, _, record in takers:
            several[subject, id(record)] += 1
    matches: dict[int, list[Match]] = defaultdict(list)
    ambiguous: dict[str, list[int]] = {}
    for number, takers in wanted.items():
        one = free[number]
        what = f"{one.table}: {describe(one.record, survey.kinds[one.table])}"
        if len(takers) > 1 or several[takers[0][0], id(takers[0][2])] > 1:
            ambiguous[what] = [subject for subject, _, _ in takers]
            continue
        subject, table, record = takers[0]
        tag = tags.tag(subject)
        wrong = [name for name in unequal(record, one.record) if record[name] != tag]
        told = tuple(f"{name} is {_shown(one.record, name, record)}, should be {mask(record[name])}" for name in wrong)
        matches[subject].append(Match(one, what, record, told))
    return matches, ambiguous, len(free) - len(wanted)


def _shown(found: Record, name: str, expected: Record) -> str:
    value = found.get(name, "")
    return mask(Secret(value) if isinstance(expected[name], Secret) else value) or "not set"


def _expected(survey: Survey) -> Iterator[tuple[int, str, Record]]:
    for subject, records in survey.expected.items():
        for table, record in records:
            if table in survey.kinds:
                yield subject, table, record


def _tagged(context: NasContext, survey: Survey, one: Adopted) -> Iterable[Found]:
    """His records as they will be once they have his tag."""
    tag = context.profile.tag.format(placement=one.item.due.placement_id)
    for match in one.matches:
        kind = survey.kinds[match.found.table]
        record = {**match.found.record, kind.tag: tag} if kind.tag else match.found.record
        yield match.found._replace(record=record)


def applied(one: Adopted) -> Applied:
    """What is known of him once his records have his tag: there, and right but for what is to be repaired."""
    desired, repair = one.item.due.desired, one.repair
    enabled = None if repair & (Repair.ACCESS | Repair.RECORDS) else desired.enabled
    speed = None if repair & Repair.SPEED else desired.speed
    return Applied(Presence.PRESENT, enabled, speed, desired.key, desired.revision, repair & Repair.RECORDS)


def _row(one: Adopted) -> StateRow:
    due, state = one.item.due, applied(one)
    return StateRow(due.placement_id, due.changed, state, in_step(due.desired, state), values=dict(one.item.keep))
