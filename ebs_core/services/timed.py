"""What changes of an account by itself at a moment: a promised payment ends, the next tariff begins.

Each account knows its next such moment (``revisit_at``, indexed), so the background job finds what has come without looking at
the others. ``plan_ahead`` belongs after every edit of an account, in the same transaction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from ebs_core.domain.errors import InputError
from ebs_core.domain.nas import Profile
from ebs_core.services.edit import set_tariff
from ebs_core.services.placements import follow_accounts
from ebs_core.storage import clock
from ebs_core.storage.database import Database
from ebs_core.storage.tables import Account

_AT_ONCE = 300
"""Accounts per transaction."""


def next_moment(account: Account) -> datetime | None:
    """When something of the account changes by itself next, which may be in the past; None: never."""
    if account.deleted_at is not None:
        return None
    return min((moment for moment in (account.promised_until, account.next_tariff_at) if moment is not None), default=None)


def plan_ahead(account: Account) -> None:
    """Write down when to look at the account again. Raises InputError where a plan lacks its moment."""
    if not account.promised:
        account.promised_until = None
    elif account.promised_until is None:
        raise InputError(
            f"account {account.username}: a promised payment needs its end",
            remedy="add promised_until=2026-12-01T00:00:00Z, or set promised=0",
        )
    if account.next_tariff_id is not None and account.next_tariff_at is None:
        raise InputError(
            f"account {account.username}: next_tariff needs the moment from which on it is valid",
            remedy="add next_tariff_at=2026-12-01T00:00:00Z, or clear next_tariff",
        )
    moment = next_moment(account)
    account.revisit_at = None if moment is None else math.ceil(moment.timestamp() * 1000)


def revisit(
    database: Database, profiles: Callable[[], Mapping[str, Profile]], stopping: Callable[[], bool] = lambda: False
) -> int:
    """Carry out what has come, some hundred accounts per transaction; their placements are marked as changed. The number of
    accounts. Raises StorageError."""
    total = 0
    while not stopping():
        if not _some_are_due(database):  # on SQLite a look must not take the only writer's place
            break
        with database.write() as session:
            done = _revisit_some(session, profiles())
        total += done
        if done == 0:  # another process has them
            break
    return total


def _some_are_due(database: Database) -> bool:
    with database.read() as session:
        return session.scalar(select(Account.id).where(Account.revisit_at <= clock.read(session)).limit(1)) is not None


def _revisit_some(session: Session, profiles: Mapping[str, Profile]) -> int:
    now = clock.read(session)
    query = select(Account).where(Account.revisit_at <= now).order_by(Account.revisit_at).limit(_AT_ONCE)
    accounts = session.scalars(query.with_for_update(skip_locked=True, key_share=True)).all()
    for account in accounts:
        _carry_out(session, account, datetime.fromtimestamp(now / 1000, UTC))
    follow_accounts(session, [account.id for account in accounts], profiles)
    return len(accounts)


def _carry_out(session: Session, account: Account, now: datetime) -> None:
    if account.deleted_at is None:
        if account.promised_until is not None and account.promised_until <= now:
            account.promised, account.promised_until = Decimal(0), None
        if account.next_tariff_at is not None and account.next_tariff_at <= now:
            if account.next_tariff_id != account.tariff_id:
                set_tariff(session, account, account.next_tariff_id, account.next_tariff_at)
            account.next_tariff_id = account.next_tariff_at = None
    plan_ahead(account)
