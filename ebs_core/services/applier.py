"""Applying plans: sending what is due, batch by batch, and recording what came of it. Sending never decides.

All deletes of a plan go first, then batch by batch everything else; within a batch the commands of one placement are one job, in
order (add, enable or disable, speed). For each batch:

1. the intent is committed: what is about to be sent has an unknown outcome from now on, in the action log too;
2. the commands are sent;
3. results are committed, and in the action log every command with its outcome instead of the intent.

A kill at any moment therefore leaves either the old state (nothing was sent) or "unknown" (repeat, templates are idempotent), and
a log that knows of every command that may have been sent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ebs_core.domain.actions import Action
from ebs_core.domain.commands import Command, Job, Outcome, Reply
from ebs_core.domain.errors import EbsError
from ebs_core.domain.placement import Applied, Kind, Step, confirmed, cuts_off, diff, in_step, intent
from ebs_core.domain.text import redact
from ebs_core.ports import Session
from ebs_core.services.planner import NasPlan, PlannedPlacement, Planner
from ebs_core.services.results import ResultWriter, StateRow, log_entry

_DELETES = frozenset({Kind.DELETE})
"""They go first: an address that moves from one subscriber to another is free before it is taken."""
_OTHERS = frozenset(Kind) - _DELETES
_UNCERTAIN = frozenset({Outcome.UNKNOWN, Outcome.NOT_SENT})
INTENT = Reply(Outcome.UNKNOWN, "it was being sent when this was written; no result was recorded")
"""What the action log says of a command from before it is sent until its result is recorded."""
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
    busy: bool = False
    """Another worker has it."""
    maintenance: str = ""
    """Why an operator wants nothing sent to it."""
    problem: str = ""
    """Why it could not be read back."""
    looked: bool = False
    """Everything on it was read back."""
    placements: int = 0
    right: int = 0
    """Placements that were found right when everything was read back."""
    verified: int = 0
    """Placements that were found right after something was sent to them."""
    drifted: dict[str, list[str]] = field(default_factory=dict)
    """Differences by placement label."""
    repairs: dict[str, list[str]] = field(default_factory=dict)
    """The actions that mend them, by placement label; only of a dry run."""
    orphans: list[str] = field(default_factory=list)
    removed: int = 0
    """Orphans that were removed."""
    orphans_held: int = 0
    """Too many to be removed without an operator."""
    strangers: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """Records of its set-up that were not there: it had lost its state."""

    @property
    def ok(self) -> bool:
        return not (self.failed or self.failure or self.held or self.maintenance)


@dataclass(slots=True)
class _Work:
    """One placement on its way: ``state`` is what is known of it now."""

    item: PlannedPlacement
    state: Applied
    failure: str = ""
    own: bool = False
    """The failure is this placement's, not the connection's: the next try waits."""
    prepared: list[tuple[Step, tuple[Command, ...]]] = field(default_factory=list)
    """The steps of the present batch with their commands."""

    @property
    def finished(self) -> bool:
        return not self.failure and in_step(self.item.due.desired, self.state)

    def has(self, kinds: Collection[Kind]) -> bool:
        return any(step.kind in kinds for step in self.item.due.steps)

    @property
    def let_through(self) -> bool:
        """It was to be cut off, and that was sent: repeating it would not count any more."""
        due = self.item.due
        return cuts_off(due.steps, due.applied) and not cuts_off(diff(due.desired, self.state), self.state)

    @property
    def commands(self) -> tuple[Command, ...]:
        return tuple(command for _, commands in self.prepared for command in commands)


class Applier:
    """Runs one plan over one session: all deletes, then batch by batch everything else. The caller holds the NAS's lease.

    ``interrupted`` is asked before each batch; when it answers True the rest of the plan is left for another one.
    """

    def __init__(
        self,
        planner: Planner,
        plan: NasPlan,
        session: Session,
        writer: ResultWriter,
        result: NasResult,
        clock: Callable[[], datetime],
        progress: Progress | None = None,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        self._planner = planner
        self._plan = plan
        self._session = session
        self._writer = writer
        self._result = result
        self._clock = clock
        self._progress = progress or (lambda nas, done, due: None)
        self._interrupted = interrupted
        self._log: list[dict[str, Any]] = []
        self._intents: list[int] = []
        """Log entries that the results replace."""
        self._done = result.done
        self.left = False
        """Interrupted: something of the plan was not even tried."""
        self.let_through = 0
        """Placements that were cut off, or may have been."""

    def run(self) -> list[PlannedPlacement]:
        """The placements that are as desired now, and should be there."""
        works = [_Work(item, item.due.applied) for item in self._plan.items]
        self._batches([work for work in works if work.has(_DELETES)], _DELETES)
        if not self.left and not self._result.failure:
            self._record(self._keep_off_occupied(works))
            self._batches([work for work in works if work.has(_OTHERS)], _OTHERS)
        self.let_through = sum(work.let_through for work in works)
        self._result.failed.update({work.item.label: work.failure for work in works if work.failure})
        self._result.done = self._done + sum(work.finished for work in works)
        return [work.item for work in works if work.finished and work.item.due.desired.present]

    def _batches(self, works: Sequence[_Work], kinds: Collection[Kind]) -> None:
        size = self._plan.context.profile.batch_size
        for start in range(0, len(works), size):
            if self._result.failure:
                return
            if start and self._interrupted():
                self.left = True
                return
            batch = [work for work in works[start : start + size] if not work.failure]
            for work in batch:
                self._prepare(work, kinds)
            self._send([work for work in batch if work.commands])
            self._record(batch)
            self._result.done += sum(work.finished for work in batch)
            self._progress(self._plan.name, self._result.done, self._result.due)

    def _keep_off_occupied(self, works: Sequence[_Work]) -> list[_Work]:
        """Who takes over an address or login whose old records are not gone yet has to wait: repeating their delete later would
        remove his records. Those who wait; the old records may be of this plan, or of a placement that is left alone for now."""
        takers = [work for work in works if work.has({Kind.ADD}) and not work.failure]
        if not takers:
            return []
        failed = [work for work in works if work.failure and work.has(_DELETES)]
        holders = [(work.item.label, work.item.applied_values) for work in failed]
        mine = {work.item.due.placement_id for work in works}
        holders += [holder for id_, holder in self._writer.stuck().items() if id_ not in mine]
        occupied = {(name, value): label for label, values in holders for name in _OCCUPYING if (value := values.get(name))}
        waiting = []
        for work in takers if occupied else ():
            values = work.item.values
            name = next((name for name in _OCCUPYING if (name, values.get(name)) in occupied), None)
            if name is not None:
                holder = occupied[name, values[name]]
                work.failure = f"{values[name]} is not free yet: the records of {holder} could not be deleted"
                work.own = True
                waiting.append(work)
        return waiting

    def _prepare(self, work: _Work, kinds: Collection[Kind]) -> None:
        """Render the steps, up to the first that cannot be; a placement with nothing to send is through at once."""
        work.prepared = []
        for step in work.item.due.steps:
            if step.kind in kinds:
                try:
                    work.prepared.append((step, self._planner.render(self._plan, work.item, step.kind)))
                except EbsError as error:
                    self._refuse(work, step, str(error))
                    break
        if not work.commands:
            for step, _ in work.prepared:
                work.state = confirmed(step.kind, work.state, work.item.due.desired)

    def _send(self, works: Sequence[_Work]) -> None:
        if not works:
            return
        before = [work.state for work in works]
        for work in works:
            for step, _ in work.prepared:
                work.state = intent(step.kind, work.state, work.item.due.desired)
        started = self._clock()
        self._intents = self._writer.intend([_state_row(work) for work in works], list(self._announcements(works, started)))
        jobs = [Job(work.item.due.placement_id, work.commands) for work in works]
        replies = self._session.run(jobs, self._writer.may_send)
        for work, state, answers in zip(works, before, replies, strict=True):
            work.state = state
            self._settle(work, answers, started)
        self._note_dead_session(replies)

    def _announcements(self, works: Sequence[_Work], at: datetime) -> Iterator[dict[str, Any]]:
        """One log entry per step."""
        for work in works:
            for step, commands in work.prepared:
                if commands:
                    action = Action.of(work.item.level, step.kind.value).value
                    text = "\n".join(command.show() for command in commands)
                    yield {**self._log_entry(work, action, step, None, INTENT, at), "command": text}

    def _settle(self, work: _Work, answers: Sequence[Reply], started: datetime) -> None:
        """Walk through the steps with their replies. What went out after a failed step does not count: it is unknown."""
        replies, good, desired = iter(answers), True, work.item.due.desired
        for step, commands in work.prepared:
            action = Action.of(work.item.level, step.kind.value)
            results = [(command, next(replies)) for command in commands]
            sent = [(command, reply) for command, reply in results if reply.outcome is not Outcome.NOT_SENT]
            self._log += [self._log_entry(work, action.value, step, command, reply, started) for command, reply in sent]
            self._result.commands += len(sent)
            bad = next(((command, reply) for command, reply in results if reply.outcome is not Outcome.OK), None)
            if good and bad is None:
                work.state = confirmed(step.kind, work.state, desired)
                continue
            if good and bad is not None:
                work.failure = work.failure or _explain(action, *bad)
                work.own = bad[1].outcome is Outcome.FAILED or (self._session.alive and bad[1].outcome is not Outcome.NOT_SENT)
            good = False
            if sent:
                work.state = intent(step.kind, work.state, desired)

    def _note_dead_session(self, replies: Sequence[Sequence[Reply]]) -> None:
        if self._session.alive or self._result.failure:
            return
        lost = sum(any(reply.outcome in _UNCERTAIN for reply in answers) for answers in replies)
        if lost:
            self._result.failure = (
                f"NAS {self._plan.name}: the connection was lost; {lost} placements have an unknown outcome or were not sent\n"
                "  → run apply again: what is known to be done is not repeated"
            )

    def _refuse(self, work: _Work, step: Step, reason: str) -> None:
        """A step that could not even be rendered: nothing of it is sent."""
        work.failure, work.own = reason, True
        nothing = Reply(Outcome.NOT_SENT, reason)
        action = Action.of(work.item.level, step.kind.value).value
        self._log.append(self._log_entry(work, action, step, None, nothing, self._clock()))

    def _record(self, works: Sequence[_Work]) -> None:
        """Commit the states of these placements, and the log so far."""
        self._writer.record([_state_row(work) for work in works], self._log, self._intents)
        self._log, self._intents = [], []

    def _log_entry(
        self, work: _Work, action: str, step: Step, command: Command | None, reply: Reply, at: datetime
    ) -> dict[str, Any]:
        item = work.item
        return log_entry(
            at,
            self._plan.name,
            action,
            item.reason(step),
            command,
            reply,
            account=item.account,
            subaccount=item.subaccount,
            placement_id=item.due.placement_id,
        )


def send_announced(
    session: Session, writer: ResultWriter, jobs: Sequence[Job], entry: Callable[[Job, Command, Reply], dict[str, Any]]
) -> tuple[list[tuple[Reply, ...]], list[dict[str, Any]], list[int]]:
    """Send what belongs to no plan: replies per job, the log of what was sent, and the intents that it replaces (both are for
    ``ResultWriter.record``). ``entry`` makes the log's rows."""
    intents = writer.intend((), [entry(job, command, INTENT) for job in jobs for command in job.commands])
    replies = session.run(jobs, writer.may_send)
    log = [
        entry(job, command, reply)
        for job, answers in zip(jobs, replies, strict=True)
        for command, reply in zip(job.commands, answers, strict=True)
        if reply.outcome is not Outcome.NOT_SENT
    ]
    return replies, log, intents


_OCCUPYING = ("subacc_ipn_ip_address", "subacc_vpn_ip_address", "subacc_username")


def _state_row(work: _Work) -> StateRow:
    due = work.item.due
    settled = in_step(due.desired, work.state)
    made = any(step.kind is Kind.ADD for step, _ in work.prepared)
    return StateRow(
        placement_id=due.placement_id,
        changed=due.changed,
        state=work.state,
        settled=settled,
        gone=settled and due.orphan,
        values=dict(work.item.keep) if made or work.item.renewed else None,
        failure=work.failure or None,
        attempts=due.attempts + work.own,
        wait=work.own,
        sent=work.state != due.applied or bool(work.commands),
    )


def renewed(item: PlannedPlacement) -> StateRow:
    """The row of a placement to which nothing is to be sent, but whose kept values have to be replaced."""
    due = item.due
    return StateRow(due.placement_id, due.changed, due.applied, settled=True, values=dict(item.keep), sent=False)


def _explain(action: Action, command: Command, reply: Reply) -> str:
    match reply.outcome:
        case Outcome.UNKNOWN:
            what = "no reply came; it will be repeated"
        case Outcome.NOT_SENT:
            what = "was not sent"
        case _:
            what = redact(reply.output.strip(), command.values) or f"exit status {reply.status}"
    return f"{action}: {what}"
