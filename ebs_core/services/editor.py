"""Single edits by operators: set fields, delete an account. Each is one transaction, with its placements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from ebs_core.crypto import SecretBox
from ebs_core.domain import speed
from ebs_core.domain.actions import Action
from ebs_core.domain.errors import InputError
from ebs_core.domain.placement import Presence
from ebs_core.ports import Renderer
from ebs_core.services import fields
from ebs_core.services.addresses import AddressBook
from ebs_core.services.edit import (
    ACCOUNT_KIND,
    SUBACCOUNT_KIND,
    TARIFF_KIND,
    find_account,
    find_nas,
    find_subaccount,
    find_tariff,
    parse_assignments,
    resolve_references,
    set_fields,
    set_speed,
    set_tariff,
)
from ebs_core.services.placements import follow_accounts, mark_changed
from ebs_core.services.templates import save_template
from ebs_core.services.timed import plan_ahead
from ebs_core.services.trial import Trial
from ebs_core.storage.database import Database, wake_after_commit
from ebs_core.storage.tables import Account, Nas, Placement, Subaccount, Tariff

_ALWAYS_FIT = frozenset(
    "balance credit bonus_balance promised promised_until status disabled_by_limit balance_blocked next_tariff_at".split()
)
"""Amounts, moments and states: whatever they are, every NAS can be given them, so that needs no trial."""


class Editor:
    """Every method raises InputError (and changes nothing) for bad input, and returns the names of the changed fields."""

    def __init__(
        self, database: Database, renderer: Renderer, secrets: SecretBox, trial: Trial, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._renderer = renderer
        self._secrets = secrets
        self._trial = trial
        self._clock = clock

    def set_account(self, username: str, assignments: Mapping[str, str]) -> list[str]:
        parsed = parse_assignments(ACCOUNT_KIND, username, assignments)
        with self._database.write() as session:
            account = find_account(session, username)
            _check_free(session, Account.username, username, parsed.get("username"), Account.deleted_at.is_(None))
            resolve_references(session, parsed)
            changed = []
            if "tariff" in parsed and (tariff := parsed.pop("tariff") or None) != account.tariff_id:
                set_tariff(session, account, tariff, self._clock())
                changed.append("tariff")
            changed += set_fields(account, fields.ACCOUNT, parsed, self._secrets)
            self._check_plans(account, parsed)
            plan_ahead(account)
            self._follow(session, account.id, changed)
        return changed

    def set_subaccount(self, username: str, assignments: Mapping[str, str]) -> list[str]:
        parsed = parse_assignments(SUBACCOUNT_KIND, username, assignments)
        with self._database.write() as session:
            subaccount = find_subaccount(session, username)
            _check_free(session, Subaccount.username, username, parsed.get("username"), Subaccount.deleted_at.is_(None))
            resolve_references(session, parsed)
            book = AddressBook(session, dict(session.execute(select(Nas.id, Nas.name)).all()))
            book.want(username, subaccount, parsed)
            for _, message in book.conflicts():
                raise InputError(message, remedy="give it another address, or free that one first")
            changed = set_fields(subaccount, fields.SUBACCOUNT, parsed, self._secrets)
            self._follow(session, subaccount.account_id, changed)
        return changed

    def set_tariff(self, name: str, assignments: Mapping[str, str]) -> list[str]:
        """``speed`` takes a line of figures (``download=50M upload=20M``), which replaces all eleven."""
        plain = {field: typed for field, typed in assignments.items() if field != "speed"}
        parsed = parse_assignments(TARIFF_KIND, name, plain)
        with self._database.write() as session:
            tariff = find_tariff(session, name)
            _check_free(session, Tariff.name, name, parsed.get("name"))
            changed = set_fields(tariff, fields.TARIFF, parsed, self._secrets)
            if "speed" in assignments:
                try:
                    changed += set_speed(tariff, speed.read_line(assignments["speed"]))
                except ValueError as error:
                    raise InputError(f"tariff {name}: speed: {error}") from None
            if changed:
                concerned = select(Account.id).where(Account.tariff_id == tariff.id)
                mark_changed(session, Placement.account_id.in_(concerned))
        return changed

    def delete_account(self, username: str) -> None:
        """The account and its subaccounts are kept for the records, marked as deleted; the next apply clears the NASes."""
        with self._database.write() as session:
            account = find_account(session, username)
            account.deleted_at = now = self._clock()
            query = select(Subaccount).where(Subaccount.account_id == account.id, Subaccount.deleted_at.is_(None))
            for subaccount in session.scalars(query):
                subaccount.deleted_at = now
            plan_ahead(account)
            follow_accounts(session, [account.id], self._renderer.profiles(), urgent=True)

    def set_template(self, nas_name: str, action: Action, source: str | None, file: str) -> bool:
        """Put an operator's template into force; its placements are marked. False if it is in force already."""
        with self._database.write() as session:
            nas = find_nas(session, nas_name)
            saved = save_template(self._renderer, nas, action, source, file, self._clock())
            if saved:
                mark_changed(session, Placement.nas_id == nas.id)
        return saved

    def trust(self, nas_name: str, host_key: str) -> None:
        with self._database.write() as session:
            nas = find_nas(session, nas_name)
            nas.host_key = host_key
            _try_at_once(session, nas)

    def refill(self, nas_name: str) -> int:
        """What is recorded as present on the NAS is not certain any more (it lost its state): the next run sends it all again.
        Who had access keeps counting against the blast radius. The number of placements."""
        with self._database.write() as session:
            nas = find_nas(session, nas_name)
            there = (Placement.nas_id == nas.id) & (Placement.presence == Presence.PRESENT)
            mark_changed(session, there)
            done = session.execute(update(Placement).where(there).values(presence=Presence.UNKNOWN))
            _try_at_once(session, nas)
            return int(done.rowcount)  # type: ignore[attr-defined]

    def release(self, nas_name: str, cut_off: int) -> None:
        """Let the next plan of the NAS cut off up to so many placements."""
        with self._database.write() as session:
            nas = find_nas(session, nas_name)
            nas.released = cut_off
            if (nas.report or {}).get("orphans_held"):
                nas.resync_at = 0
            _try_at_once(session, nas)

    def maintenance(self, nas_name: str, reason: str | None) -> None:
        """Leave the NAS alone, for a reason; None: take it into service again, and read it back at once."""
        with self._database.write() as session:
            nas = find_nas(session, nas_name)
            nas.maintenance = None if reason is None else reason or "no reason given"
            if reason is None:
                nas.resync_at = 0
            _try_at_once(session, nas)

    def _check_plans(self, account: Account, parsed: Mapping[str, object]) -> None:
        """Raises InputError for a plan that would be over before it begins."""
        for name in ("promised_until", "next_tariff_at"):
            moment = parsed.get(name)
            if isinstance(moment, datetime) and moment <= self._clock():
                raise InputError(f"account {account.username}: {name}: {moment:%Y-%m-%dT%H:%M:%SZ} is in the past")

    def _follow(self, session: Session, account_id: int, changed: list[str]) -> None:
        if changed:
            follow_accounts(session, [account_id], self._renderer.profiles(), urgent=True)
            if not _ALWAYS_FIT.issuperset(changed):
                self._trial.check(session, account_id)


def _try_at_once(session: Session, nas: Nas) -> None:
    """An operator did something about this NAS: the background job does not wait for its next try."""
    nas.retry_at = 0
    wake_after_commit(session, [nas.id], urgent=True)


def _check_free(
    session: Session, names: InstrumentedAttribute[str], old: str, new: str | None, *living: ColumnElement[bool]
) -> None:
    """Raises InputError if somebody else has the new name."""
    if new is None or new == old:
        return
    if session.scalar(select(names).where(names == new, *living)) is not None:
        word = names.class_.__name__.lower()
        raise InputError(f"{word} {old}: the name {new!r} is taken", remedy="choose another")
