"""Single edits of accounts, subaccounts and tariffs: each is one transaction, with its placements and its audit line."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Self

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from ebs_core.crypto import SecretBox
from ebs_core.domain import speed
from ebs_core.domain.errors import BadFields, Conflict, InputError
from ebs_core.domain.rules import AccessType
from ebs_core.ports import Renderer
from ebs_core.services import audit, fields
from ebs_core.services.addresses import AddressBook
from ebs_core.services.audit import SYSTEM, Actor
from ebs_core.services.edit import (
    ACCOUNT_KIND,
    SUBACCOUNT_KIND,
    TARIFF_KIND,
    find_account,
    find_subaccount,
    find_tariff,
    parse_assignments,
    resolve_references,
    set_fields,
    set_speed,
    set_tariff,
)
from ebs_core.services.placements import follow_accounts, mark_changed
from ebs_core.services.timed import plan_ahead
from ebs_core.services.trial import Trial
from ebs_core.storage import events
from ebs_core.storage.database import Database
from ebs_core.storage.tables import Account, AccountTariff, Nas, Placement, Subaccount, Tariff

_ALWAYS_FIT = frozenset(
    "balance credit bonus_balance promised promised_until status disabled_by_limit balance_blocked next_tariff_at".split()
)
"""Amounts, moments and states: whatever they are, every NAS can be given them, so that needs no trial."""
Assignments = Mapping[str, str]
"""Typed texts by field name."""


class Acting:
    """What edits on behalf of somebody. Every method raises InputError (and changes nothing) for bad input. ``expected`` is the
    version of the object that the edit was made for: if it is another one by now, Conflict is raised."""

    def __init__(
        self, database: Database, renderer: Renderer, secrets: SecretBox, clock: Callable[[], datetime], actor: Actor = SYSTEM
    ) -> None:
        self._database = database
        self._renderer = renderer
        self._secrets = secrets
        self._clock = clock
        self._actor = actor

    def by(self, actor: Actor) -> Self:
        """The same, on behalf of ``actor``."""
        other = copy.copy(self)
        other._actor = actor
        return other

    def _note(self, session: Session, act: str, kind: str, name: str, detail: Mapping[str, Any] | None = None) -> None:
        audit.note(session, self._actor, act, kind, name, detail)


class Editor(Acting):
    """Methods that change an object return the names of the fields that really changed; those that make one its id. Objects are
    named by their name or id."""

    def __init__(
        self,
        database: Database,
        renderer: Renderer,
        secrets: SecretBox,
        trial: Trial,
        clock: Callable[[], datetime],
        actor: Actor = SYSTEM,
    ) -> None:
        super().__init__(database, renderer, secrets, clock, actor)
        self._trial = trial

    # -- accounts

    def create_account(self, assignments: Assignments) -> int:
        username = needed("account", "username", assignments)
        parsed = parse_assignments(ACCOUNT_KIND, username, assignments)
        with self._database.write() as session:
            check_free(session, Account.username, "", parsed["username"], Account.deleted_at.is_(None))
            account = Account(username=parsed["username"], created_at=self._clock())
            session.add(account)
            session.flush()
            self._write_account(session, account, parsed, "account.create")
        return account.id

    def set_account(self, key: str | int, assignments: Assignments, expected: int | None = None) -> list[str]:
        with self._database.write() as session:
            account = find_account(session, key, lock=True)
            check_version(account, expected, f"account {account.username}")
            parsed = parse_assignments(ACCOUNT_KIND, account.username, assignments)
            check_free(session, Account.username, account.username, parsed.get("username"), Account.deleted_at.is_(None))
            return self._write_account(session, account, parsed, "account.set")

    def _write_account(self, session: Session, account: Account, parsed: dict[str, Any], act: str) -> list[str]:
        resolve_references(session, parsed)
        before = Before(session, account, fields.ACCOUNT, parsed)
        changed = []
        if "tariff" in parsed and (tariff := parsed.pop("tariff") or None) != account.tariff_id:
            set_tariff(session, account, tariff, self._clock())
            changed.append("tariff")
        changed += set_fields(account, fields.ACCOUNT, parsed, self._secrets)
        self._check_plans(account, parsed)
        plan_ahead(account)
        if changed or act == "account.create":
            events.note(session, events.Topic.ACCOUNTS, [account.id])
            self._follow(session, account.id, changed)
            self._note(session, act, "account", account.username, before.changes(changed))
        return changed

    def delete_account(self, key: str | int, expected: int | None = None) -> None:
        """The account and its subaccounts are kept for the records, marked as deleted; the next apply clears the NASes."""
        with self._database.write() as session:
            account = find_account(session, key, lock=True)
            check_version(account, expected, f"account {account.username}")
            account.deleted_at = now = self._clock()
            query = select(Subaccount).where(Subaccount.account_id == account.id, Subaccount.deleted_at.is_(None))
            for subaccount in session.scalars(query):
                subaccount.deleted_at = now
            plan_ahead(account)
            events.note(session, events.Topic.ACCOUNTS, [account.id])
            follow_accounts(session, [account.id], self._renderer.profiles(), urgent=True)
            self._note(session, "account.delete", "account", account.username)

    # -- subaccounts

    def create_subaccount(self, account: str | int, assignments: Assignments) -> int:
        username = needed("subaccount", "username", assignments)
        parsed = parse_assignments(SUBACCOUNT_KIND, username, assignments)
        with self._database.write() as session:
            owner = find_account(session, account, lock=True)
            check_free(session, Subaccount.username, "", parsed["username"], Subaccount.deleted_at.is_(None))
            resolve_references(session, parsed)
            _check_addresses(session, parsed["username"], None, parsed)
            subaccount = Subaccount(account_id=owner.id, username=parsed["username"])
            session.add(subaccount)
            session.flush()
            self._write_subaccount(session, subaccount, parsed, "subaccount.create")
        return subaccount.id

    def set_subaccount(self, key: str | int, assignments: Assignments, expected: int | None = None) -> list[str]:
        with self._database.write() as session:
            subaccount = find_subaccount(session, key, lock=True)
            check_version(subaccount, expected, f"subaccount {subaccount.username}")
            parsed = parse_assignments(SUBACCOUNT_KIND, subaccount.username, assignments)
            living = Subaccount.deleted_at.is_(None)
            check_free(session, Subaccount.username, subaccount.username, parsed.get("username"), living)
            resolve_references(session, parsed)
            _check_addresses(session, subaccount.username, subaccount, parsed)
            return self._write_subaccount(session, subaccount, parsed, "subaccount.set")

    def _write_subaccount(self, session: Session, subaccount: Subaccount, parsed: dict[str, Any], act: str) -> list[str]:
        before = Before(session, subaccount, fields.SUBACCOUNT, parsed)
        changed = set_fields(subaccount, fields.SUBACCOUNT, parsed, self._secrets)
        if changed or act == "subaccount.create":
            events.note(session, events.Topic.ACCOUNTS, [subaccount.account_id])
            self._follow(session, subaccount.account_id, changed)
            self._note(session, act, "subaccount", subaccount.username, before.changes(changed))
        return changed

    def delete_subaccount(self, key: str | int, expected: int | None = None) -> None:
        """It is kept for the records, marked as deleted; the next apply clears its NAS."""
        with self._database.write() as session:
            subaccount = find_subaccount(session, key, lock=True)
            check_version(subaccount, expected, f"subaccount {subaccount.username}")
            subaccount.deleted_at = self._clock()
            events.note(session, events.Topic.ACCOUNTS, [subaccount.account_id])
            follow_accounts(session, [subaccount.account_id], self._renderer.profiles(), urgent=True)
            self._note(session, "subaccount.delete", "subaccount", subaccount.username)

    # -- tariffs

    def create_tariff(self, assignments: Assignments) -> int:
        name = needed("tariff", "name", assignments)
        parsed, figures = _read_tariff(name, assignments)
        with self._database.write() as session:
            check_free(session, Tariff.name, "", parsed["name"])
            tariff = Tariff(name=parsed["name"])
            parsed.setdefault("nas_actions", not AccessType(parsed.get("access_type", AccessType.IPOE)).is_vpn)
            session.add(tariff)
            session.flush()
            self._write_tariff(session, tariff, parsed, figures, "tariff.create")
        return tariff.id

    def set_tariff(self, key: str | int, assignments: Assignments, expected: int | None = None) -> list[str]:
        """``speed`` takes a line of figures (``download=50M upload=20M``), which replaces all eleven."""
        with self._database.write() as session:
            tariff = find_tariff(session, key, lock=True)
            check_version(tariff, expected, f"tariff {tariff.name}")
            parsed, figures = _read_tariff(tariff.name, assignments)
            check_free(session, Tariff.name, tariff.name, parsed.get("name"))
            return self._write_tariff(session, tariff, parsed, figures, "tariff.set")

    def _write_tariff(
        self, session: Session, tariff: Tariff, parsed: dict[str, Any], figures: speed.Speed | None, act: str
    ) -> list[str]:
        before = Before(session, tariff, fields.TARIFF, parsed)
        changed = set_fields(tariff, fields.TARIFF, parsed, self._secrets)
        detail = before.changes(changed)
        if figures is not None:
            old = speed.Speed(*(getattr(tariff, name) for name in speed.FIGURES))
            if set_speed(tariff, figures):
                changed.append("speed")
                detail["speed"] = [old.encode(), figures.encode()]
        if changed and act == "tariff.set":
            mark_changed(session, Placement.account_id.in_(select(Account.id).where(Account.tariff_id == tariff.id)))
        if changed or act == "tariff.create":
            events.note(session, events.Topic.TARIFFS, [tariff.id])
            self._note(session, act, "tariff", tariff.name, detail)
        return changed

    def delete_tariff(self, key: str | int, expected: int | None = None) -> None:
        """One that no account has, had or will have."""
        with self._database.write() as session:
            tariff = find_tariff(session, key, lock=True)
            check_version(tariff, expected, f"tariff {tariff.name}")
            uses = (Account.tariff_id, Account.next_tariff_id, AccountTariff.tariff_id)
            used = sum(session.scalar(select(func.count()).where(column == tariff.id)) or 0 for column in uses)
            if used:
                raise InputError(
                    f"tariff {tariff.name}: accounts have it, or their history names it",
                    remedy="give them another one and set active=no; what was charged must stay explainable",
                )
            session.delete(tariff)
            events.note(session, events.Topic.TARIFFS, [tariff.id])
            self._note(session, "tariff.delete", "tariff", tariff.name)

    # --

    def _check_plans(self, account: Account, parsed: Mapping[str, object]) -> None:
        """Raises BadFields for a plan that would be over before it begins."""
        for name in ("promised_until", "next_tariff_at"):
            moment = parsed.get(name)
            if isinstance(moment, datetime) and moment <= self._clock():
                raise BadFields(f"account {account.username}", {name: f"{moment:%Y-%m-%dT%H:%M:%SZ} is in the past"})

    def _follow(self, session: Session, account_id: int, changed: list[str]) -> None:
        follow_accounts(session, [account_id], self._renderer.profiles(), urgent=True)
        if not _ALWAYS_FIT.issuperset(changed):
            self._trial.check(session, account_id)


class Before:
    """What an object was before an edit, for the audit log."""

    def __init__(self, session: Session, target: Any, known: Mapping[str, fields.Field], names: Mapping[str, Any]) -> None:
        self._session = session
        self._target = target
        self._fields = {name: known[name] for name in names}
        self._before = self._now()

    def _now(self) -> dict[str, Any]:
        return {name: self._plain(name, field) for name, field in self._fields.items()}

    def _plain(self, name: str, field: fields.Field) -> Any:
        value = getattr(self._target, field.column)
        if field.secret:
            return audit.MASK if value else ""
        if field.reference and value is not None:
            names = select(Nas.name).where(Nas.id == value) if name == "nas" else select(Tariff.name).where(Tariff.id == value)
            return self._session.scalar(names)
        return value if value is None or isinstance(value, bool | int | str) else str(value)

    def changes(self, changed: list[str]) -> dict[str, Any]:
        """``{field: [before, after]}`` of these."""
        now = self._now()
        return {name: [self._before[name], now[name]] for name in changed if name in now}


def needed(word: str, name: str, assignments: Assignments) -> str:
    if not assignments.get(name, "").strip():
        raise BadFields(f"new {word}", {name: "is missing"})
    return assignments[name]


def check_version(row: Account | Subaccount | Tariff | Nas, expected: int | None, what: str) -> None:
    if expected is not None and row.version != expected:
        raise Conflict(f"{what}: somebody else changed it meanwhile", remedy="look at it again, then repeat your change")


def check_free(
    session: Session, names: InstrumentedAttribute[str], old: str, new: str | None, *living: ColumnElement[bool]
) -> None:
    """Raises BadFields if somebody else has the new name."""
    if new is None or new == old:
        return
    if session.scalar(select(names).where(names == new, *living)) is not None:
        word = "NAS" if names.class_ is Nas else names.class_.__name__.lower()
        raise BadFields(f"{word} {old or new}", {names.key: f"the name {new!r} is taken"}, remedy="choose another")


def _check_addresses(session: Session, username: str, old: Subaccount | None, parsed: Mapping[str, Any]) -> None:
    book = AddressBook(session, dict(session.execute(select(Nas.id, Nas.name)).all()))
    book.want(username, old, parsed)
    for _, message in book.conflicts():
        raise InputError(message, remedy="give it another address, or free that one first")


def _read_tariff(name: str, assignments: Assignments) -> tuple[dict[str, Any], speed.Speed | None]:
    """The values, and the eleven figures if they are given."""
    parsed = parse_assignments(TARIFF_KIND, name, {field: typed for field, typed in assignments.items() if field != "speed"})
    if "speed" not in assignments:
        return parsed, None
    try:
        return parsed, speed.read_line(assignments["speed"])
    except ValueError as error:
        raise BadFields(f"tariff {name}", {"speed": str(error)}) from None
