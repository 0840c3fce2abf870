"""Plans: what would be sent to a NAS, and why. Planning never sends; a plan is inert data that can be shown, counted, refused."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ebs_core.crypto import SecretBox
from ebs_core.domain.actions import Action, Level
from ebs_core.domain.commands import Command
from ebs_core.domain.errors import EbsError, StorageError
from ebs_core.domain.placement import BlastRadius, Kind, Step, cuts_off, diff
from ebs_core.domain.rules import AccountStatus, Allowances, Standing, denials
from ebs_core.domain.speed import Speed
from ebs_core.domain.text import Rendered
from ebs_core.ports import Backends
from ebs_core.services.nases import NasCatalogue, NasContext
from ebs_core.services.placements import chunks, label_of
from ebs_core.services.scan import ALL, Due, Selection, record_actions, scan, watched
from ebs_core.services.variables import Facts, collect, keep, restore
from ebs_core.storage.database import Database
from ebs_core.storage.tables import Account, AccountTariff, Placement, Subaccount, Tariff


@dataclass(slots=True)
class PlannedPlacement:
    """One placement with its steps, and all that rendering them needs."""

    due: Due
    level: Level
    account: str
    subaccount: str
    """Empty at account level."""
    full_name: str
    why: str
    """Why access is off, or empty."""
    values: Mapping[str, object]
    """Desired values by canonical name, for every step but a delete."""
    applied_values: Mapping[str, object]
    keep: Mapping[str, Any]
    """What is stored with the placement when its records are made."""
    problem: str = ""
    """Why nothing of his can be rendered (a damaged secret), or empty."""
    renewed: bool = False
    """The kept values have to be replaced although no record is made anew."""

    @property
    def label(self) -> str:
        return label_of(self.account, self.subaccount)

    def reason(self, step: Step) -> str:
        return f"{step.reason}: {self.why}" if step.kind is Kind.DISABLE and self.why else step.reason


@dataclass
class NasPlan:
    """Everything due on one NAS, and what is already settled there."""

    context: NasContext
    placements: int
    items: list[PlannedPlacement]
    settled: list[tuple[int, int]] = field(default_factory=list)
    """``(placement id, change counter)`` of placements that are right but still marked as changed."""
    forgotten: list[tuple[int, int]] = field(default_factory=list)
    """The same of placements that neither belong on the NAS nor are there."""
    renewed: list[PlannedPlacement] = field(default_factory=list)
    """Nothing to send, but the values kept with the placement have to be replaced: none of the changed ones is printed."""
    radius: BlastRadius = BlastRadius()  # noqa: RUF009

    @property
    def name(self) -> str:
        return self.context.name

    @cached_property
    def cut_off(self) -> int:
        """Placements that would be disabled or deleted."""
        return sum(cuts_off(item.due.steps, item.due.applied) for item in self.items)

    @property
    def held(self) -> bool:
        return self.radius.holds(self.cut_off, self.placements, self.context.facts.nas.released)

    def count(self, kind: Kind) -> int:
        return sum(step.kind is kind for item in self.items for step in item.due.steps)


class Planner:
    """Makes plans. Thread-safe: each call has its own transaction."""

    def __init__(self, database: Database, catalogue: NasCatalogue, backends: Backends, secrets: SecretBox) -> None:
        self._database = database
        self._catalogue = catalogue
        self._backends = backends
        self._secrets = secrets

    def plan_all(self, names: Sequence[str] = (), broken: dict[str, str] | None = None) -> list[NasPlan]:
        """Plans of the named NASes, or of all, by name; ``broken`` as in ``NasCatalogue.load_all``."""
        with self._database.read() as session:
            return [self.plan_in(session, context) for context in self._catalogue.load_all(session, names, broken)]

    def plan(self, name: str, selection: Selection = ALL) -> NasPlan:
        with self._database.read() as session:
            return self.plan_in(session, self._catalogue.load(session, name), selection)

    def plan_in(self, session: Session, context: NasContext, selection: Selection = ALL) -> NasPlan:
        """As ``plan``, within the caller's transaction. What an operator did comes first."""
        found = scan(session, context, selection)
        plan = NasPlan(context, found.total, [], found.settled, found.forgotten)
        for item in self._details(session, found.due):
            if any(step.kind is Kind.DELETE for step in item.due.steps) and item.due.desired.present:
                self._spare(item)
            (plan.items if item.due.steps else plan.renewed).append(item)
        plan.items.sort(key=lambda item: not item.due.urgent)
        return plan

    def _spare(self, item: PlannedPlacement) -> None:
        """Records need not be made anew if the changed values leave every command as it was: a new password of a subscriber
        whose templates only mention passwords for other kinds of access must not interrupt him."""
        due = item.due
        if item.problem:
            return
        try:
            same = all(
                self._rendered(item, kind, item.values) == self._rendered(item, kind, item.applied_values) for kind in Kind
            )
        except EbsError:
            return  # it cannot be rendered: the plan will say so
        if same:
            applied = due.applied._replace(key=due.desired.key)
            item.due = due._replace(applied=applied, steps=diff(due.desired, applied))
            item.renewed = True

    def _details(self, session: Session, due: Sequence[Due]) -> Iterator[PlannedPlacement]:
        """Those with the same templates together."""
        for _, some in groupby(due, key=lambda one: id(one.context)):
            yield from self._details_on(session, list(some))

    def _details_on(self, session: Session, due: Sequence[Due]) -> Iterator[PlannedPlacement]:
        context = due[0].context
        by_id = {item.placement_id: item for item in due}
        wanted = _Wanted(context)
        for ids in chunks(by_id):
            query = (
                select(Placement, Account, Subaccount, Tariff)
                .join(Account, Account.id == Placement.account_id)
                .outerjoin(Subaccount, Subaccount.id == Placement.subaccount_id)
                .outerjoin(Tariff, Tariff.id == Account.tariff_id)
                .where(Placement.id.in_(ids))
                .order_by(Placement.id)
            )
            rows = session.execute(query).all()
            histories = current_tariffs(session, [row[1].id for row in rows]) if wanted.history else {}
            for placement, account, subaccount, tariff in rows:
                facts = Facts(context.facts, self._secrets, placement, account, subaccount, tariff, histories.get(account.id))
                yield self._detail(by_id[placement.id], facts, wanted)

    def _detail(self, due: Due, facts: Facts, wanted: _Wanted) -> PlannedPlacement:
        assert facts.account is not None and facts.placement is not None  # noqa: S101
        level = Level.SUBACCOUNT if facts.subaccount else Level.ACCOUNT
        facts.speed = Speed.decode(due.desired.speed)
        values: dict[str, object] = {}
        applied: dict[str, object] = {}
        problem = ""
        try:
            values = collect(wanted.values[level], facts)
            applied = {**values, **restore(facts.placement.values or {}, self._secrets)}
        except StorageError as error:
            problem = str(error)
        return PlannedPlacement(
            due=due,
            level=level,
            account=facts.account.username,
            subaccount=facts.subaccount.username if facts.subaccount else "",
            full_name=facts.account.full_name,
            why=", ".join(why_off(facts)) if due.desired.present and not due.desired.enabled else "",
            values=values,
            applied_values=applied,
            keep=keep(wanted.kept[level], facts),
            problem=problem,
        )

    def inspect(self, session: Session, context: NasContext, ids: Collection[int]) -> Iterator[PlannedPlacement]:
        """These placements, whether something is due or not."""
        for some in chunks(ids):
            yield from self._details(session, scan(session, context, Selection(ids=tuple(some))).due)

    def render(self, plan: NasPlan, item: PlannedPlacement, kind: Kind) -> tuple[Command, ...]:
        """The commands of one step; none for an empty template. Raises EbsError that names the subscriber."""
        return self.commands(plan.context, item, kind, item.applied_values if kind is Kind.DELETE else item.values)

    def commands(
        self, context: NasContext, item: PlannedPlacement, kind: Kind, values: Mapping[str, object]
    ) -> tuple[Command, ...]:
        """As ``render``, with these values."""
        action = Action.of(item.level, kind.value)
        try:
            if item.problem:
                raise StorageError(item.problem)
            rendered = self._rendered(item, kind, values)
            if rendered is None:
                return ()
            commands = self._backends.parse(context.profile, context.transport, rendered)
            self._backends.check_values(context.transport, commands)
        except EbsError as error:
            error.locate(f"NAS {context.name}, {item.label}, {action}")
            raise
        return commands

    @staticmethod
    def _rendered(item: PlannedPlacement, kind: Kind, values: Mapping[str, object]) -> Rendered | None:
        """By the templates that are in force for this placement."""
        action, templates = Action.of(item.level, kind.value), item.due.context.templates
        return None if templates.is_empty(action) else templates.render(action, values)


class _Wanted:
    """Which variables the templates of a NAS use, and which are kept with a placement, by level."""

    def __init__(self, context: NasContext) -> None:
        templates = context.templates
        self.values = {level: templates.variables(*record_actions(level)) for level in (Level.ACCOUNT, Level.SUBACCOUNT)}
        self.kept = {level: watched(context, level) for level in (Level.ACCOUNT, Level.SUBACCOUNT)}
        used = self.values[Level.ACCOUNT] | self.values[Level.SUBACCOUNT]
        self.history = bool(used & {"acc_acctf_id", "acc_current_acctf", "acc_datetime"})


def current_tariffs(session: Session, account_ids: Iterable[int]) -> dict[int, AccountTariff]:
    """The newest entry of each account's tariff history."""
    newest = (
        select(AccountTariff.account_id, func.max(AccountTariff.id).label("id"))
        .where(AccountTariff.account_id.in_(set(account_ids)))
        .group_by(AccountTariff.account_id)
        .subquery()
    )
    entries = session.scalars(select(AccountTariff).join(newest, newest.c.id == AccountTariff.id))
    return {entry.account_id: entry for entry in entries}


def why_off(facts: Facts) -> list[str]:
    """Every access rule that fails for the placement; empty when access is on."""
    account = facts.account
    assert account is not None  # noqa: S101
    owner = facts.subaccount or account
    standing = Standing(
        account.balance + account.credit + account.promised,
        account.disabled_by_limit,
        account.balance_blocked,
        AccountStatus(account.status),
        facts.tariff.active if facts.tariff else False,
        period_open=True,
    )
    return denials(standing, Allowances(owner.allow_ipn_with_null, owner.allow_ipn_with_minus, owner.allow_ipn_with_block))
