"""Looking at every placement of a NAS at once: what should be there against what the NAS last confirmed.

This is the hot path of planning: it reads bare tuples with one join, and builds objects only where there is something to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Integer, Select, func, select, type_coerce
from sqlalchemy.orm import Session

from ebs_core.domain.actions import Action, Level
from ebs_core.domain.placement import SEPARATOR, Applied, Desired, Kind, Presence, Repair, Step, diff, in_step
from ebs_core.domain.rules import AccountStatus, Allowances, Standing, is_added, is_enabled
from ebs_core.services.nases import NasContext, NasPart
from ebs_core.services.pauses import LONGEST_PAUSE_MS
from ebs_core.services.tariffs import NO_TARIFF, Tariffs
from ebs_core.services.variables import VARIABLES, Facts, column_of, identity
from ebs_core.storage.tables import Account, Placement, Subaccount, Tariff


class Due(NamedTuple):
    """A placement with steps to take. ``changed`` is the change counter that was read with it; ``orphan``: the subscriber does
    not belong on this NAS any more, so the placement is forgotten once nothing of it is there."""

    placement_id: int
    changed: int
    desired: Desired
    applied: Applied
    steps: tuple[Step, ...]
    context: NasContext
    """The NAS with the templates that are in force for this placement."""
    orphan: bool = False
    urgent: bool = False
    attempts: int = 0


class Selection(NamedTuple):
    """Which placements of a NAS to look at: all, or only some."""

    now: int | None = None
    """Milliseconds by the database's clock: those that are marked as changed and whose next try is not in the future."""
    ids: tuple[int, ...] | None = None
    """Exactly these; they come as due even if there are no steps to take."""


ALL = Selection()
CHANGED = Selection(now=1 << 60)
"""Those that are marked as changed, whenever their next try is."""


class ScanResult(NamedTuple):
    """``total``: placements of the NAS; ``settled``: ``(placement id, changed)`` of those that are right but still marked as
    changed; ``forgotten``: of those that neither belong on the NAS nor are there."""

    total: int
    due: list[Due]
    settled: list[tuple[int, int]]
    forgotten: list[tuple[int, int]]


@lru_cache(maxsize=4096)
def _enabled(
    sign: int, limit: bool, blocked: bool, status: int, tariff_active: bool, null: bool, minus: bool, block: bool
) -> bool:
    """The access rules by the sign of the funds; periods without calendars are always open."""
    standing = Standing(sign, limit, blocked, AccountStatus(status), tariff_active, True)
    return is_enabled(standing, Allowances(null, minus, block))


def record_actions(level: Level) -> tuple[Action, ...]:
    """The actions whose templates decide what the records look like."""
    return tuple(Action.of(level, kind.value) for kind in Kind)


def watched(context: NasContext, level: Level) -> tuple[str, ...]:
    """Variables whose change means other records on this NAS."""
    return identity(context.templates.variables(*record_actions(level)))


def _key_format(context: NasContext, names: tuple[str, ...]) -> str:
    """A printf format for the key: the NAS's own values filled in, the others in the order of their columns."""
    facts = Facts(on=context.facts, secrets=None)  # type: ignore[arg-type]
    parts = []
    for name in names:
        if column_of(name) is not None:
            parts.append(f"{name}=%s")
        else:
            parts.append(f"{name}={_constant(name, facts)}".replace("%", "%%"))
    return SEPARATOR.join(parts)


def _constant(name: str, facts: Facts) -> str:
    if name in ("nas_password", "nas_secret"):
        return ""  # a NAS's own secrets never appear outside their column
    value = VARIABLES[name](facts)
    if isinstance(value, Mapping):
        return ",".join(f"{option}={value[option]}" for option in sorted(value))
    return str(value)


def _raw(column: Any, kind: type[BigInteger] | type[Integer] = Integer) -> ColumnElement[Any]:
    """The column without Python-side conversion."""
    return type_coerce(column, kind())


def _query(level: Level, part: NasPart, names: tuple[str, ...], selection: Selection) -> Select[Any]:
    owner: Any = Subaccount if level is Level.SUBACCOUNT else Account
    gone: ColumnElement[bool] = Account.deleted_at.is_not(None)
    if level is Level.SUBACCOUNT:
        gone = gone | Subaccount.deleted_at.is_not(None)
    columns = [column for name in names if (column := column_of(name)) is not None]
    query = select(
        Placement.id,
        Placement.changed,
        _raw(Placement.changed != Placement.settled),
        Placement.presence,
        _raw(Placement.enabled),
        Placement.speed,
        Placement.key,
        Placement.revision,
        Placement.repair,
        _raw(Placement.urgent),
        Placement.attempts,
        _raw(gone),
        owner.nas_id,
        _raw(Account.balance, BigInteger) + _raw(Account.credit, BigInteger) + _raw(Account.promised, BigInteger),
        _raw(Account.disabled_by_limit),
        _raw(Account.balance_blocked),
        Account.status,
        Account.tariff_id,
        _raw(owner.allow_ipn_with_null),
        _raw(owner.allow_ipn_with_minus),
        _raw(owner.allow_ipn_with_block),
        owner.ipn_speed,
        *(_plain(column) for column in columns),
    ).join(Account, Account.id == Placement.account_id)
    if any(column.class_ is Tariff for column in columns if hasattr(column, "class_")):
        query = query.outerjoin(Tariff, Tariff.id == Account.tariff_id)
    if level is Level.SUBACCOUNT:
        query = query.join(Subaccount, Subaccount.id == Placement.subaccount_id)
    else:
        query = query.where(Placement.subaccount_id.is_(None))
    if selection.now is not None:
        query = query.where(*tryable(selection.now))
    if selection.ids is not None:
        query = query.where(Placement.id.in_(selection.ids))
    if part.only:
        query = query.where(Placement.id.in_(part.only))
    if part.without:
        query = query.where(Placement.id.not_in(part.without))
    return query.where(Placement.nas_id == part.context.id)


def tryable(now: int) -> tuple[ColumnElement[bool], ...]:
    """Marked as changed, and its next try has come; one further away than any pause means that the clock was set back."""
    far = now + 2 * LONGEST_PAUSE_MS
    return Placement.changed != Placement.settled, (Placement.next_try <= now) | (Placement.next_try > far)


def _plain(column: Any) -> ColumnElement[Any]:
    return type_coerce(column, BigInteger()) if column.type.python_type is not str else column


_PRESENCE = tuple(Presence)


def scan(session: Session, context: NasContext, selection: Selection = ALL) -> ScanResult:
    """The selected placements of the NAS, both levels. Costs a few microseconds each when there is nothing to do."""
    result = ScanResult(0, [], [], [])
    tariffs = Tariffs(session)
    total = 0
    for part in context.parts():
        for level in (Level.ACCOUNT, Level.SUBACCOUNT):
            total += _scan_level(session, part, level, tariffs, selection, result)
    if selection.now is not None:
        total = session.scalar(select(func.count()).select_from(Placement).where(Placement.nas_id == context.id)) or 0
    return result._replace(total=total - len(result.forgotten))


def _scan_level(session: Session, part: NasPart, level: Level, tariffs: Tariffs, selection: Selection, result: ScanResult) -> int:
    context = part.context
    names = watched(context, level)
    key_format, revision, nas_id = _key_format(context, names), context.templates.revision, context.id
    by_id, pilots = tariffs.on(nas_id)
    rows = session.connection().execute(_query(level, part, names, selection)).all()  # plain tuples, without the ORM's loader
    for row in rows:
        id_, changed, dirty, presence, enabled, speed, key, old_revision, repair, urgent, attempts, gone, wanted_nas = row[:13]
        funds, limit, blocked, status, tariff_id, null, minus, block, own_speed = row[13:22]
        tariff = by_id.get(tariff_id, NO_TARIFF)
        if pilots:
            tariff = pilots.get((id_, tariff_id), tariff)
        orphan = bool(gone) or wanted_nas != nas_id
        present = is_added(has_nas=not orphan, tariff_active=tariff.active, runs_nas_actions=tariff.nas_actions)
        desired = Desired(
            present,
            present
            and _enabled(
                (funds > 0) - (funds < 0), bool(limit), bool(blocked), status, tariff.active, bool(null), bool(minus), bool(block)
            ),
            own_speed or tariff.speed,
            key_format % row[22:],
            revision,
        )
        applied = Applied(_PRESENCE[presence], None if enabled is None else bool(enabled), speed, key, old_revision, repair)
        if selection.ids is not None or not in_step(desired, applied):
            applied = applied._replace(repair=Repair(repair))
            steps = diff(desired, applied)
            result.due.append(Due(id_, changed, desired, applied, steps, context, orphan, bool(urgent), attempts))
        elif orphan:
            result.forgotten.append((id_, changed))
        elif dirty:
            result.settled.append((id_, changed))
    return len(rows)
