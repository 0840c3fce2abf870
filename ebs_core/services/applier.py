"""Applying plans: sending what is due, batch by batch, and recording what came of it. Sending never decides.

For each batch and phase (delete, add, enable or disable, speed):

1. the intent is committed: what is about to be sent has an unknown outcome from now on;
2. the commands are sent;
3. the results, the action log and the next phase's intent are committed.

A kill at any moment therefore leaves either the old state (nothing was sent) or "unknown" (repeat, templates are idempotent).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ebs_core.domain.actions import Action
from ebs_core.domain.commands import Command, Job, Outcome, Reply
from ebs_core.domain.errors import EbsError, NasError
from ebs_core.domain.placement import PHASES, Applied, Kind, Step, confirmed, in_step, intent
from ebs_core.domain.text import redact
from ebs_core.ports import Backends, Session
from ebs_core.services.nases import NasCatalogue
from ebs_core.services.planner import NasPlan, PlannedPlacement, Planner
from ebs_core.services.results import ResultWriter, StateRow
from ebs_core.storage.database import Database
from ebs_core.storage.leases import held

PARALLEL_NASES = 8
_UNCERTAIN = frozenset({Outcome.UNKNOWN, Outcome.NOT_SENT})
Progress = Callable[[str, int, int], None]
"""Called with the NAS's name, the placements done and the placements due; from worker threads."""


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class NasResult:
    """What a run did on one NAS."""

    nas: str
    due: int = 0
    done: int = 0
    commands: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    """Reason by placement label."""
    failure: str = ""
    """Why the NAS could not be worked, or worked to the end."""
    held: bool = False
    cut_off: int = 0

    @property
    def ok(self) -> bool:
        return not (self.failed or self.failure or self.held)


@dataclass(slots=True)
class _Work:
    """One placement on its way through the phases."""

    item: PlannedPlacement
    state: Applied
    before: Applied
    """The state that the current step was planned from."""
    failure: str = ""

    @property
    def finished(self) -> bool:
        return not self.failure and in_step(self.item.due.desired, self.state)

    def step(self, phase: Sequence[Kind]) -> Step | None:
        return next((step for step in self.item.due.steps if step.kind in phase), None)


class Applier:
    """Runs plans against NASes. Thread-safe."""

    def __init__(
        self,
        database: Database,
        planner: Planner,
        catalogue: NasCatalogue,
        backends: Backends,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database = database
        self._planner = planner
        self._catalogue = catalogue
        self._backends = backends
        self._clock = clock

    def apply(self, names: Sequence[str], progress: Progress | None = None) -> list[NasResult]:
        """Bring the named NASes to the desired state, several at a time. Failures of a NAS are in its result, not raised."""
        with ThreadPoolExecutor(PARALLEL_NASES, thread_name_prefix="apply") as pool:
            return list(pool.map(lambda name: self.apply_nas(name, progress), names))

    def apply_nas(self, name: str, progress: Progress | None = None) -> NasResult:
        """One NAS, under its lease."""
        result = NasResult(name)
        try:
            context = self._planner.context(name)
            with held(self._database, context.id, name) as lease:
                writer = ResultWriter(self._database, lease, context.id)
                self._run(self._planner.plan(name), writer, result, progress)
        except NasError as error:
            result.failure = str(error)
        return result

    def _run(self, plan: NasPlan, writer: ResultWriter, result: NasResult, progress: Progress | None) -> None:
        result.due, result.cut_off = len(plan.items), plan.cut_off
        writer.settle(plan.settled)
        writer.record([_renewed(item) for item in plan.renewed])
        if not plan.items:
            return
        if plan.held:
            result.held = True
            return
        nas = plan.context.facts.nas
        try:
            session = self._backends.open(self._catalogue.endpoint(plan.context))
        except NasError as error:
            writer.nas_worked(self._clock(), str(error), nas.failing_since)
            raise
        try:
            _Run(self, plan, session, writer, result, progress).run()
        finally:
            session.close()
        writer.nas_worked(self._clock(), result.failure or None, nas.failing_since)

    def render(self, plan: NasPlan, item: PlannedPlacement, kind: Kind) -> tuple[Command, ...]:
        return self._planner.render(plan, item, kind)

    def now(self) -> datetime:
        return self._clock()


class _Run:
    """One run over one plan: all deletes, then batch by batch the other phases."""

    def __init__(
        self,
        applier: Applier,
        plan: NasPlan,
        session: Session,
        writer: ResultWriter,
        result: NasResult,
        progress: Progress | None,
    ) -> None:
        self._applier = applier
        self._plan = plan
        self._session = session
        self._writer = writer
        self._result = result
        self._progress = progress or (lambda nas, done, due: None)
        self._log: list[dict[str, Any]] = []
        self._touched: dict[int, _Work] = {}
        self._with_values: set[int] = set()

    def run(self) -> None:
        works = [_Work(item, item.due.applied, item.due.applied) for item in self._plan.items]
        deletes, others = PHASES[:1], PHASES[1:]
        self._batches([work for work in works if work.step(deletes[0])], deletes)
        self._batches([work for work in works if any(work.step(phase) for phase in others)], others)
        for work in works:
            if work.failure:
                self._result.failed[work.item.label] = work.failure
        self._result.done = sum(work.finished for work in works)

    def _batches(self, works: Sequence[_Work], phases: Sequence[Sequence[Kind]]) -> None:
        size = self._plan.context.profile.batch_size
        for start in range(0, len(works), size):
            if self._result.failure:
                return
            batch = works[start : start + size]
            for phase in phases:
                self._phase(phase, [work for work in batch if not work.failure and work.step(phase)])
            self._flush()
            self._result.done += sum(work.finished for work in batch)
            self._progress(self._plan.name, self._result.done, self._result.due)

    def _phase(self, phase: Sequence[Kind], works: Sequence[_Work]) -> None:
        jobs: list[tuple[_Work, Step, tuple[Command, ...]]] = []
        for work in works:
            step = work.step(phase)
            assert step is not None  # noqa: S101
            try:
                commands = self._applier.render(self._plan, work.item, step.kind)
            except EbsError as error:
                self._fail(work, step, str(error))
                continue
            work.before = work.state
            if commands:
                jobs.append((work, step, commands))
                work.state = intent(step.kind, work.state, work.item.due.desired)
            else:
                work.state = confirmed(step.kind, work.state, work.item.due.desired)
            self._touch(work, values=step.kind is Kind.ADD or work.item.renewed)
        if not jobs:
            return
        self._flush()
        started = self._applier.now()
        replies = self._session.run([Job(work.item.due.placement_id, commands) for work, _, commands in jobs])
        for (work, step, commands), answers in zip(jobs, replies, strict=True):
            self._settle_step(work, step, commands, answers, started)
        self._note_dead_session(replies)

    def _settle_step(
        self, work: _Work, step: Step, commands: Sequence[Command], answers: Sequence[Reply], started: datetime
    ) -> None:
        action = Action.of(work.item.level, step.kind.value)
        for command, reply in zip(commands, answers, strict=True):
            if reply.outcome is not Outcome.NOT_SENT:
                self._result.commands += 1
                self._log.append(self._log_entry(work, action.value, step, command, reply, started))
        bad = next((index for index, reply in enumerate(answers) if reply.outcome is not Outcome.OK), None)
        if bad is None:
            work.state = confirmed(step.kind, work.before, work.item.due.desired)
        else:
            if all(reply.outcome is Outcome.NOT_SENT for reply in answers):
                work.state = work.before
            work.failure = _explain(action, commands[bad], answers[bad])
        self._touch(work)

    def _note_dead_session(self, replies: Sequence[Sequence[Reply]]) -> None:
        if self._session.alive or self._result.failure:
            return
        lost = sum(any(reply.outcome in _UNCERTAIN for reply in answers) for answers in replies)
        if lost:
            self._result.failure = (
                f"NAS {self._plan.name}: the connection was lost; {lost} placements have an unknown outcome or were not sent\n"
                "  → run apply again: what is known to be done is not repeated"
            )

    def _fail(self, work: _Work, step: Step, reason: str) -> None:
        """A step that could not even be rendered: nothing was sent."""
        work.failure = reason
        action = Action.of(work.item.level, step.kind.value).value
        self._log.append(
            {
                **self._log_subject(work),
                "at": self._applier.now(),
                "action": action,
                "cause": work.item.reason(step),
                "command": "",
                "outcome": Outcome.NOT_SENT.value,
                "status": None,
                "output": reason,
                "duration": 0.0,
            }
        )
        self._touch(work)

    def _touch(self, work: _Work, *, values: bool = False) -> None:
        self._touched[work.item.due.placement_id] = work
        if values:
            self._with_values.add(work.item.due.placement_id)

    def _flush(self) -> None:
        """Commit every state that moved since the last time, and the log."""
        if not self._touched and not self._log:
            return
        self._writer.record([self._state_row(work) for work in self._touched.values()], self._log)
        self._touched, self._log, self._with_values = {}, [], set()

    def _state_row(self, work: _Work) -> StateRow:
        due = work.item.due
        settled = in_step(due.desired, work.state)
        return StateRow(
            placement_id=due.placement_id,
            changed=due.changed,
            state=work.state,
            settled=settled,
            gone=settled and not due.desired.present,
            values=dict(work.item.keep) if due.placement_id in self._with_values else None,
            failure=work.failure or None,
        )

    def _log_subject(self, work: _Work) -> dict[str, Any]:
        item = work.item
        return {
            "nas": self._plan.name,
            "account": item.account,
            "subaccount": item.subaccount,
            "placement_id": item.due.placement_id,
        }

    def _log_entry(
        self, work: _Work, action: str, step: Step, command: Command, reply: Reply, started: datetime
    ) -> dict[str, Any]:
        return {
            **self._log_subject(work),
            "at": started,
            "action": action,
            "cause": work.item.reason(step),
            "command": command.show(),
            "outcome": reply.outcome.value,
            "status": reply.status,
            "output": redact(reply.output, command.values),
            "duration": reply.duration,
        }


def _renewed(item: PlannedPlacement) -> StateRow:
    due = item.due
    return StateRow(due.placement_id, due.changed, due.applied, settled=True, values=dict(item.keep))


def _explain(action: Action, command: Command, reply: Reply) -> str:
    match reply.outcome:
        case Outcome.UNKNOWN:
            what = "no reply came; it will be repeated"
        case Outcome.NOT_SENT:
            what = "was not sent"
        case _:
            what = redact(reply.output.strip(), command.values) or f"exit status {reply.status}"
    return f"{action}: {what}"
