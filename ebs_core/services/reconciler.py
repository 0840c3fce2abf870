"""Bringing a NAS to the desired state and proving it: plan, send, read back, until nothing is left to do. Under its lease.

The command line and the background job use the same work; they differ in what they wait for.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import case, exists, func, select
from sqlalchemy.orm import Session as DatabaseSession

from ebs_core.domain.commands import Job, Outcome
from ebs_core.domain.drift import Found
from ebs_core.domain.errors import EbsError, NasError, StorageError
from ebs_core.domain.placement import BlastRadius, Repair
from ebs_core.domain.records import Vitals
from ebs_core.ports import Backends, Session
from ebs_core.services.applier import Applier, NasResult, Progress, renewed, send_announced
from ebs_core.services.nases import NasCatalogue, NasContext
from ebs_core.services.observer import SHOWN, Findings, Observer
from ebs_core.services.pauses import HOLD_PAUSE_MS, Schedule, pause_ms
from ebs_core.services.planner import NasPlan, PlannedPlacement, Planner
from ebs_core.services.results import ResultWriter, log_entry
from ebs_core.services.rollouts import advance
from ebs_core.services.scan import ALL, CHANGED, Selection, tryable
from ebs_core.services.setup import NasSetup
from ebs_core.services.timed import revisit
from ebs_core.storage import clock
from ebs_core.storage.database import Database
from ebs_core.storage.leases import Lease, LeaseLost, NasBusy, held
from ebs_core.storage.tables import Account, Nas, Placement, Subaccount

PARALLEL_NASES = 8
REMOVE_ORPHAN = "remove_orphan"
_SLACK = 5.0
"""Seconds by which uptimes and clocks may disagree."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a piece of work is for."""

    look: bool = False
    """Read everything back, whether it is time or not."""
    scheduled: bool = False
    """The background job's: pauses after failures are kept, and whatever is due by the NAS's schedule is done."""
    send: bool = True
    """False: only look, write nothing."""


APPLY = Goal()
RESYNC = Goal(look=True)
DRY_RUN = Goal(look=True, send=False)
BACKGROUND = Goal(scheduled=True)


class Reconciler:
    """Thread-safe."""

    def __init__(
        self,
        database: Database,
        planner: Planner,
        catalogue: NasCatalogue,
        backends: Backends,
        observer: Observer,
        setup: NasSetup,
        clock: Callable[[], datetime],
        schedule: Schedule | None = None,
    ) -> None:
        self.database = database
        self.planner = planner
        self.catalogue = catalogue
        self.backends = backends
        self.observer = observer
        self.setup = setup
        self.clock = clock
        self.schedule = schedule or Schedule()
        self.stopping: Callable[[], bool] = lambda: False
        """When it answers True, work ends after the batch in flight."""

    def apply(self, names: Sequence[str], progress: Progress | None = None, goal: Goal = APPLY) -> list[NasResult]:
        """Bring the named NASes to the desired state, several at a time. Failures of a NAS are in its result, not raised."""
        revisit(self.database, self.catalogue.renderer.profiles)
        with ThreadPoolExecutor(PARALLEL_NASES, thread_name_prefix="apply") as pool:
            return list(pool.map(lambda name: self.apply_nas(name, progress, goal), names))

    def apply_nas(self, name: str, progress: Progress | None = None, goal: Goal = APPLY) -> NasResult:
        """One NAS; waits for its lease."""
        result = NasResult(name)
        try:
            with self.database.read() as session:
                nas_id = self.catalogue.load(session, name).id
            self._work(nas_id, goal, result, held(self.database, nas_id, name), progress)
        except EbsError as error:
            result.failure = str(error)
        return result

    def reconcile(self, nas_id: int) -> NasResult:
        """Everything that is due on one NAS by now; at once busy if another worker has it. Raises StorageError."""
        with self.database.read() as session:
            name = session.scalar(select(Nas.name).where(Nas.id == nas_id))
        result = NasResult(name or "")
        if name is None:
            return result
        try:
            self._work(nas_id, BACKGROUND, result, held(self.database, nas_id, name, patient=False), None)
        except NasBusy:
            result.busy = True
        except StorageError:
            raise
        except EbsError as error:
            result.failure = str(error)
        return result

    def _work(
        self, nas_id: int, goal: Goal, result: NasResult, lease: AbstractContextManager[Lease], progress: Progress | None
    ) -> None:
        with lease as mine:
            _Work(self, nas_id, goal, result, mine, progress).run()
        if goal.send:
            advance(self.database, self.clock)


class _Work:
    """One piece of work on one NAS."""

    def __init__(
        self, parts: Reconciler, nas_id: int, goal: Goal, result: NasResult, lease: Lease, progress: Progress | None
    ) -> None:
        self._parts = parts
        self._nas_id = nas_id
        self._goal = goal
        self._result = result
        self._progress = progress
        self._writer = ResultWriter(parts.database, lease, nas_id)
        self._device: Session | None = None
        self._due: set[int] = set()
        self._released = 0
        """What an operator released, as far as this work knows."""
        self._plan_held = False
        self._left = False
        """The last plan was not tried to its end."""
        self._restart = False
        self._resync_at = 0

    def run(self) -> None:
        with self._parts.database.read() as session:
            nas = session.get_one(Nas, self._nas_id)
            now = clock.read(session)
        if nas.maintenance is not None:
            self._result.maintenance = nas.maintenance
            return
        self._released = nas.released
        try:
            self._run(nas, now)
        except (StorageError, LeaseLost):
            raise
        except EbsError as error:
            self._result.failure = str(error)
        finally:
            if self._device is not None:
                self._device.close()
        if self._goal.send:
            self._close(nas)

    def _run(self, nas: Nas, now: int) -> None:
        schedule = self._parts.schedule
        look = self._goal.look or (self._goal.scheduled and schedule.is_due(nas.resync_at, now))
        pulse = self._goal.scheduled and (schedule.is_due(nas.pulse_at, now) or nas.failure is not None)
        self._resync_at = nas.resync_at
        if pulse and not look:
            look = self._restarted(nas, now) or nas.failure is not None
        due = self._look() if look else None
        if not self._goal.send:
            return
        selection = Selection(now=now) if self._goal.scheduled else CHANGED if due is not None and not due else ALL
        while not self._parts.stopping() and self._send_due(selection):
            with self._parts.database.read() as session:  # cheaper than a plan, and mostly nothing is left
                now = clock.read(session)
                if not session.scalar(select(exists().where(Placement.nas_id == self._nas_id, *tryable(now)))):
                    break
            selection = Selection(now=now)

    # -- the connection

    def _open(self, context: NasContext) -> Session:
        if self._device is None or not self._device.alive:
            self._device = self._parts.backends.open(self._parts.catalogue.endpoint(context))
        return self._device

    def _context(self, session: DatabaseSession) -> NasContext:
        return self._parts.catalogue.context(session.get_one(Nas, self._nas_id))

    def _fresh_context(self) -> NasContext:
        with self._parts.database.read() as session:
            return self._context(session)

    def _restarted(self, nas: Nas, now: int) -> bool:
        vitals = self._open(self._fresh_context()).vitals()
        restarted = _restarted(nas, vitals, now - self._parts.schedule.last_pulse(nas.pulse_at))
        values = _vital_columns(vitals)
        if restarted:  # it is to be read back, also if this work ends before it is
            self._restart, self._resync_at = True, 0
            values["resync_at"] = 0
        self._writer.nas(**values, pulse_at=self._parts.schedule.next_pulse(now))
        return restarted

    # -- reading back

    def _look(self) -> Collection[int] | None:
        """Read everything back; which placements were not as desired before that, None if it could not be read."""
        context = self._fresh_context()
        device = self._open(context)
        try:
            findings = self._parts.observer.look(context, device)
        except NasError as error:
            if not device.alive or not self._goal.send:
                raise
            self._cannot_look(context, str(error))
            return None
        self._result.looked = True
        self._tell(context, findings)
        if not self._goal.send:
            self._result.due = len(findings.due)
            return None
        if findings.lost:
            self._set_up(context, device)
        self._writer.mark(findings.due)
        self._writer.observed(findings.rows, self._parts.clock())
        held_orphans = self._remove(context, device, findings.orphans)
        self._report(findings, held_orphans)
        return findings.due

    def _set_up(self, context: NasContext, device: Session) -> None:
        """It had lost its state. If that fails, everything else goes on: it is tried again with the next look."""
        replies = self._parts.setup.bootstrap_over(context, device, self._writer, "it had lost its state")
        self._result.commands += len(replies)
        bad = next((reply for _, reply in replies if reply.outcome is not Outcome.OK), None)
        if bad is not None:
            words = bad.output.strip() or bad.outcome.value
            self._result.problem = (
                f"setting it up again failed: {words}\n  → 'ebs nas bootstrap {context.name}' shows what is sent"
            )

    def _cannot_look(self, context: NasContext, problem: str) -> None:
        """What cannot be read back can still be written."""
        self._result.problem = problem
        now = self._now()
        soon = now + HOLD_PAUSE_MS if self._restart else self._parts.schedule.next_resync(now, random.random())  # noqa: S311
        report = {**(context.facts.nas.report or {}), "problem": problem}
        self._writer.nas(report=report, resync_at=self._unless_asked(soon))

    def _unless_asked(self, resync_at: int) -> Any:
        """``resync_at``, unless an operator asked for a look meanwhile."""
        return case((Nas.resync_at == self._resync_at, resync_at), else_=Nas.resync_at)

    def _now(self) -> int:
        with self._parts.database.read() as session:
            return clock.read(session)

    def _tell(self, context: NasContext, findings: Findings) -> None:
        result = self._result
        result.right = findings.right
        result.drifted |= findings.drifted
        describe, owners = partial(self._parts.observer.describe, context), self._owners(findings.strangers)
        result.orphans = [describe(one) for one in findings.orphans]
        result.strangers = [describe(one) + owners(one) for one in findings.strangers]
        result.lost = findings.lost
        result.repairs = {label: _words(repair) for label, repair in findings.repairs.items()}

    def _owners(self, strangers: Sequence[Found]) -> Callable[[Found], str]:
        """Says whose address it is, where a record of others gives a subscriber's address what only his own may give."""
        addresses = {value for one in strangers[:SHOWN] for value in one.record.values() if value}
        if not addresses:
            return lambda one: ""
        query = select(Subaccount.ipn_ip_address, Account.username).join(Account, Account.id == Subaccount.account_id)
        mine = query.where(Subaccount.nas_id == self._nas_id, Subaccount.deleted_at.is_(None), Subaccount.ipn_ip_address != "")
        with self._parts.database.read() as session:
            names = {address: name for address, name in session.execute(mine) if address in addresses}

        def owner(one: Found) -> str:
            found = next((names[value] for value in one.record.values() if value in names), None)
            return f" (the address of {found})" if found else ""

        return owner

    def _report(self, findings: Findings, held_orphans: bool) -> None:
        now = self._now()
        report = {
            "tables": findings.places,
            "right": findings.right,
            "found": dict(list(findings.drifted.items())[:SHOWN]),
            "found_count": len(findings.drifted),
            "orphans": self._result.orphans[:SHOWN],
            "orphan_count": len(findings.orphans),
            "orphans_held": held_orphans,
            "strangers": self._result.strangers[:SHOWN],
            "stranger_count": len(findings.strangers),
            "lost": findings.lost[:SHOWN],
            "problem": self._result.problem or None,
        }
        schedule = self._parts.schedule
        self._writer.nas(
            report=report,
            observed_at=self._parts.clock(),
            resync_at=self._unless_asked(schedule.next_resync(now, random.random())),  # noqa: S311
            pulse_at=schedule.next_pulse(now),
            **_vital_columns(findings.vitals),
        )

    def _remove(self, context: NasContext, device: Session, orphans: Sequence[Found]) -> bool:
        """Remove what has our tag and is wanted by nobody; True if it is too much to be removed without an operator."""
        if not orphans:
            return False
        with self._parts.database.read() as session:
            count = select(func.count()).select_from(Placement).where(Placement.nas_id == self._nas_id)
            placements = session.scalar(count) or 0
            if session.scalar(select(Nas.maintenance).where(Nas.id == self._nas_id)) is not None:
                return False
        owners = len(orphans)
        if BlastRadius().holds(owners, placements + owners, context.facts.nas.released):
            self._result.held, self._result.orphans_held = True, owners
            return True
        jobs = []
        for number, one in enumerate(orphans):
            commands = self._parts.backends.removal(context.profile, context.transport, one.table, one.record)
            if commands:
                jobs.append(Job(number, commands))
        at, cause = self._parts.clock(), "it has our tag and nobody wants it"
        replies, log, intents = send_announced(
            device, self._writer, jobs, lambda _job, one, reply: log_entry(at, context.name, REMOVE_ORPHAN, cause, one, reply)
        )
        self._writer.record((), log, intents)
        self._result.removed += sum(all(reply.outcome is Outcome.OK for reply in answers) for answers in replies)
        self._result.commands += len(log)
        return False

    # -- sending

    def _send_due(self, selection: Selection) -> bool:
        """Send what is due, and read it back; True if there may be more to do."""
        result, writer = self._result, self._writer
        with self._parts.database.read() as session:
            plan = self._parts.planner.plan_in(session, self._context(session), selection)
        writer.settle(plan.settled, plan.forgotten)
        writer.record([renewed(item) for item in plan.renewed])
        result.placements = plan.placements
        self._due.update(item.due.placement_id for item in plan.items)
        result.due = len(self._due)
        result.cut_off += plan.cut_off
        self._released = plan.context.facts.nas.released
        if not plan.items:
            return False
        if plan.context.facts.nas.maintenance is not None:
            result.maintenance = plan.context.facts.nas.maintenance
            return False
        if plan.held:
            result.held = self._plan_held = True
            return False
        device = self._open(plan.context)
        applier = Applier(
            self._parts.planner, plan, device, writer, result, self._parts.clock, self._progress, self._interruption(plan)
        )
        finished = applier.run()
        self._left = applier.left
        if self._released and applier.let_through and plan.radius.holds(plan.cut_off, plan.placements):
            self._released = writer.use_release(self._released, applier.let_through)
        if finished and not result.failure:
            self._verify(plan, device, finished)
        return not result.failure and (self._goal.scheduled or applier.left or bool(result.drifted))

    def _interruption(self, plan: NasPlan) -> Callable[[], bool]:
        """True when an operator did something meanwhile (what he did before comes first in the plan), or the program ends."""
        urgent = {item.due.placement_id for item in plan.items if item.due.urgent}

        def interrupted() -> bool:
            if self._parts.stopping():
                return True
            with self._parts.database.read() as session:
                if session.scalar(select(Nas.maintenance).where(Nas.id == self._nas_id)) is not None:
                    return True
                new = (Placement.nas_id == self._nas_id, Placement.urgent, *tryable(clock.read(session)))
                return bool(session.scalar(select(exists().where(*new, Placement.id.not_in(urgent)))))

        return interrupted

    def _verify(self, plan: NasPlan, device: Session, items: Sequence[PlannedPlacement]) -> None:
        """Read back what was sent. If that fails, it stays unverified until everything is read back."""
        try:
            findings = self._parts.observer.look_at(plan.context, device, items)
        except NasError as error:
            if not device.alive:
                self._result.failure = str(error)
            return
        self._result.drifted |= findings.drifted
        self._result.failed |= {label: "; ".join(findings.drifted[label]) for label in findings.repairs}
        self._result.verified += findings.right
        self._writer.observed(findings.rows, self._parts.clock())
        report = plan.context.facts.nas.report or {}
        if findings.places != report.get("tables"):
            self._writer.nas(report={**report, "tables": findings.places})
        self._remove(plan.context, device, findings.orphans)

    # -- the end

    def _close(self, nas: Nas) -> None:
        """Write what became of the NAS: when to try again, since when it fails. What an operator did to it meanwhile (released a
        hold, wants it tried at once) stays."""
        result, now = self._result, self._now()
        if result.failure:
            attempts = nas.attempts + 1
            values: dict[str, Any] = {
                "failure": result.failure,
                "failing_since": nas.failing_since or self._parts.clock(),
                "attempts": attempts,
            }
            retry_at = now + pause_ms(attempts)
        else:
            values = {"failure": None, "failing_since": None, "attempts": 0}
            retry_at = now + HOLD_PAUSE_MS if self._plan_held else 0
            if self._device is not None:
                values["worked_at"] = self._parts.clock()
        orphans_wait = bool((nas.report or {}).get("orphans_held")) and not result.looked
        self._writer.close(
            values,
            nas,
            retry_at=retry_at,
            released=self._released,
            keep_release=bool(result.failure) or result.held or self._left or orphans_wait,
            orphans_held=result.orphans_held > 0,
        )


def _restarted(nas: Nas, vitals: Vitals, elapsed: int) -> bool:
    """``elapsed``: milliseconds since it was asked last. In doubt it did: that costs one read-back."""
    if vitals.boot and nas.boot:
        return vitals.boot != nas.boot
    if vitals.uptime is None or nas.uptime is None:
        return False
    return vitals.uptime < nas.uptime or vitals.uptime + _SLACK < elapsed / 1000


def _words(repair: Repair) -> list[str]:
    return [str(bit.name).lower() for bit in (Repair.RECORDS, Repair.ACCESS, Repair.SPEED) if repair & bit]


def _vital_columns(vitals: Vitals) -> dict[str, Any]:
    return {"boot": vitals.boot or None, "uptime": None if vitals.uptime is None else int(vitals.uptime)}
