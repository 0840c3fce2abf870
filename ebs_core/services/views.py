"""What people look at: lists, cards, status and the action log, as plain dictionaries (the JSON of ``--json``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ebs_core.domain.placement import Presence, Seen
from ebs_core.domain.rules import AccessType, AccountStatus
from ebs_core.domain.speed import FIGURES, Speed
from ebs_core.services.edit import find_account
from ebs_core.services.nases import NasContext
from ebs_core.services.placements import label_of
from ebs_core.services.planner import NasPlan, why_off
from ebs_core.services.status import Status, counts, difference, standings
from ebs_core.services.variables import Facts
from ebs_core.storage.tables import Account, AccountTariff, ActionLog, Nas, Placement, Subaccount, Tariff

View = dict[str, Any]


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:.2f}" if value == round(value, 2) else f"{value:.4f}"
    return value.isoformat() if isinstance(value, datetime) else value


def _columns(row: Any, leave_out: Sequence[str] = ()) -> View:
    """Every column but the secret ones, which are only said to be there."""
    view: View = {}
    for column in row.__table__.columns.keys():  # noqa: SIM118
        if column == "version" or column in leave_out:
            continue
        value = getattr(row, column)
        view[column] = bool(value) if column in ("password", "secret") else _plain(value)
    return view


def nas_names(session: Session) -> list[str]:
    return list(session.scalars(select(Nas.name).order_by(Nas.name)))


def nas_view(context: NasContext) -> View:
    nas = context.facts.nas
    view = _columns(nas, ("lease_owner", "lease_token", "lease_until", "report", "attempts", "resync_at", "pulse_at", "retry_at"))
    return {**view, "transport": context.transport, "options": dict(context.facts.options)}


def accounts(session: Session, search: str = "", limit: int = 0) -> list[View]:
    """By username. ``search`` is looked for in username, full name, contract and every subaccount's name and address."""
    query = (
        select(Account, Tariff.name)
        .outerjoin(Tariff, Tariff.id == Account.tariff_id)
        .where(Account.deleted_at.is_(None))
        .order_by(Account.username)
    )
    if search:
        like = f"%{search.replace('!', '!!').replace('%', '!%').replace('_', '!_')}%"
        columns = (Subaccount.username, Subaccount.ipn_ip_address, Subaccount.ipn_mac_address, Subaccount.vpn_ip_address)
        owners = select(Subaccount.account_id)
        found = [column.ilike(like, escape="!") for column in columns]
        owners = owners.where(Subaccount.deleted_at.is_(None), found[0] | found[1] | found[2] | found[3])
        own = [column.ilike(like, escape="!") for column in (Account.username, Account.full_name, Account.contract)]
        query = query.where(own[0] | own[1] | own[2] | Account.id.in_(owners))
    if limit:
        query = query.limit(limit)
    return [_account_line(account, tariff) for account, tariff in session.execute(query)]


def _account_line(account: Account, tariff: str | None) -> View:
    return {
        "username": account.username,
        "full_name": account.full_name,
        "tariff": tariff,
        "balance": _plain(account.balance),
        "credit": _plain(account.credit),
        "status": AccountStatus(account.status).word,
    }


def account_card(session: Session, contexts: Mapping[int, NasContext], username: str) -> View:
    """Everything about one account, with its subaccounts, placements and the reasons why access is off."""
    account = find_account(session, username)
    tariff = session.get(Tariff, account.tariff_id) if account.tariff_id else None
    card = _columns(account, ("tariff_id", "next_tariff_id", "nas_id", "password_revision", "deleted_at", "revisit_at"))
    following = session.get(Tariff, account.next_tariff_id) if account.next_tariff_id else None
    card |= {"status": AccountStatus(account.status).word, "tariff": tariff.name if tariff else None}
    card["next_tariff"] = following.name if following else None
    card["nas"] = contexts[account.nas_id].name if account.nas_id else None
    history = select(AccountTariff.since, Tariff.name).outerjoin(Tariff).where(AccountTariff.account_id == account.id)
    card["tariff_history"] = [
        {"since": since.isoformat(), "tariff": name} for since, name in session.execute(history.order_by(AccountTariff.id))
    ]
    placements = session.scalars(select(Placement).where(Placement.account_id == account.id).order_by(Placement.id)).all()
    subaccounts = session.scalars(
        select(Subaccount)
        .where(Subaccount.account_id == account.id, Subaccount.deleted_at.is_(None))
        .order_by(Subaccount.username)
    )
    card["subaccounts"] = [
        {
            **_columns(subaccount, ("id", "account_id", "nas_id", "password_revision", "deleted_at")),
            "nas": contexts[subaccount.nas_id].name if subaccount.nas_id else None,
            "access_off_because": why_off(Facts(None, None, None, account, subaccount, tariff)),  # type: ignore[arg-type]
            "placements": [placement_view(p, contexts) for p in placements if p.subaccount_id == subaccount.id],
        }
        for subaccount in subaccounts
    ]
    card["placements"] = [placement_view(p, contexts) for p in placements if p.subaccount_id is None]
    return card


def placement_view(placement: Placement, contexts: Mapping[int, NasContext]) -> View:
    speed = Speed.decode(placement.speed) if placement.speed else None
    return {
        "nas": contexts[placement.nas_id].name,
        "slot": placement.slot,
        "on_nas": Presence(placement.presence).name.lower(),
        "active": placement.enabled,
        "speed": {name: getattr(speed, name) for name in FIGURES} if speed else None,
        "failure": placement.failure,
    }


def tariffs(session: Session) -> list[View]:
    rows = session.scalars(select(Tariff).order_by(Tariff.name))
    return [{**_columns(row), "access_type": AccessType(row.access_type).word} for row in rows]


def log(session: Session, account: str | None = None, nas: str | None = None, limit: int = 0) -> list[View]:
    """Oldest first; with ``limit`` the newest so many."""
    query = select(ActionLog).order_by(ActionLog.id.desc())
    if account:
        query = query.where((ActionLog.account == account) | (ActionLog.subaccount == account))
    if nas:
        query = query.where(ActionLog.nas == nas)
    rows = session.scalars(query.limit(limit) if limit else query).all()
    return [_columns(row) for row in reversed(rows)]


def drift(session: Session, context: NasContext) -> View:
    """What the last read-back of the NAS found (``found``, of which ``open`` are not right yet), and which placements are known
    to differ now (``drifted``)."""
    nas, report = context.facts.nas, context.facts.nas.report or {}
    found = report.get("found", {})
    right = Placement.seen.in_((Seen.RIGHT, Seen.UNREADABLE)) & (Placement.changed == Placement.settled)
    query = (
        select(Account.username, Subaccount.username, Placement.seen, Placement.differences)
        .join(Account, Account.id == Placement.account_id)
        .outerjoin(Subaccount, Subaccount.id == Placement.subaccount_id)
        .where(Placement.nas_id == nas.id, ~right)
        .order_by(Account.username, Subaccount.username)
    )
    rows = [
        (label_of(account, subaccount), seen, differences) for account, subaccount, seen, differences in session.execute(query)
    ]
    return {
        "nas": nas.name,
        "observed_at": _plain(nas.observed_at),
        "right": report.get("right", 0),
        "found": found,
        "found_count": report.get("found_count", 0),
        "open": [label for label, _, _ in rows if label in found],
        "drifted": {
            label: [str(difference(one)) for one in differences or ()]
            for label, seen, differences in rows
            if seen == Seen.DIFFERENT
        },
        "orphans": report.get("orphans", []),
        "orphan_count": report.get("orphan_count", 0),
        "orphans_held": report.get("orphans_held", False),
        "strangers": report.get("strangers", []),
        "stranger_count": report.get("stranger_count", 0),
        "lost_state": report.get("lost", []),
        "problem": report.get("problem"),
    }


def status(session: Session, plans: Sequence[NasPlan]) -> list[View]:
    """Per NAS: how many placements are in sync, pending, failing; whether the next plan is held."""
    query = select(Placement.nas_id, func.count()).where(Placement.failure.is_not(None)).group_by(Placement.nas_id)
    failing = dict(session.execute(query).all())
    return [_nas_status(plan, plan.context.facts.nas, failing.get(plan.context.id, 0), counts(session, plan)) for plan in plans]


def _nas_status(plan: NasPlan, nas: Nas, failing: int, by_status: dict[str, int]) -> View:
    return {
        "nas": plan.name,
        "placements": plan.placements,
        "in_sync": plan.placements - len(plan.items),
        "pending": len(plan.items),
        "failing": failing,
        "held": plan.held,
        "would_cut_off": plan.cut_off,
        "statuses": by_status,
        "drifted": by_status[Status.DRIFTED],
        "maintenance": nas.maintenance,
        "failure": nas.failure,
        "failing_since": _plain(nas.failing_since),
        "worked_at": _plain(nas.worked_at),
        "observed_at": _plain(nas.observed_at),
    }


def placements(session: Session, plan: NasPlan) -> list[View]:
    """Every placement of the NAS with its status."""
    return [{name: _plain(value) for name, value in one._asdict().items()} for one in standings(session, plan)]
