"""Changing objects: one place that writes fields, keeps history and placements right, all in the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ebs_core.crypto import SecretBox
from ebs_core.domain.errors import InputError, NotFound, SecretDamaged
from ebs_core.domain.speed import FIGURES, Speed
from ebs_core.services.canary import check_speed_is_free
from ebs_core.services.fields import ACCOUNT, NAS, SUBACCOUNT, TARIFF, Field, parse_all
from ebs_core.storage.tables import Account, AccountTariff, Nas, Subaccount, Tariff


def set_fields(target: Any, fields: Mapping[str, Field], values: Mapping[str, Any], secrets: SecretBox) -> list[str]:
    """Write parsed ``values`` (by field name, references already ids) to ``target``; the fields that really changed."""
    changed = []
    for name, value in values.items():
        field = fields[name]
        if field.secret:
            if not _set_secret(target, field.column, value, secrets):
                continue
        elif getattr(target, field.column) == value:
            continue
        else:
            setattr(target, field.column, value)
        changed.append(name)
    return changed


def _set_secret(target: Any, column: str, plain: str | None, secrets: SecretBox) -> bool:
    sealed = getattr(target, column)
    try:
        if (secrets.open(sealed) if sealed else None) == (plain or None):
            return False
    except SecretDamaged:
        sealed = None  # damaged: this is how it is replaced
    setattr(target, column, secrets.seal(plain) if plain else None)
    if column == "password" and hasattr(target, "password_revision"):
        target.password_revision += 1
    return True


def set_tariff(session: Session, account: Account, tariff_id: int | None, now: datetime) -> None:
    """Give the account another tariff from now on, and keep the history. The account must have its id."""
    account.tariff_id = tariff_id
    session.add(AccountTariff(account_id=account.id, tariff_id=tariff_id, since=now))


def set_speed(tariff: Tariff, speed: Speed) -> list[str]:
    """Write the eleven figures; ``["speed"]`` if any of them changed. Raises InputError while a rollout of them is under way."""
    changed = [name for name in FIGURES if getattr(tariff, name) != getattr(speed, name)]
    if changed:
        check_speed_is_free(tariff)
    for name in changed:
        setattr(tariff, name, getattr(speed, name))
    return ["speed"] if changed else []


def find_nas(session: Session, name: str) -> Nas:
    nas = session.scalar(select(Nas).where(Nas.name == name))
    if nas is None:
        raise NotFound(f"there is no NAS {name!r}", remedy="'ebs nas list' shows the names")
    return nas


def find_account(session: Session, username: str) -> Account:
    account = session.scalar(select(Account).where(Account.username == username, Account.deleted_at.is_(None)))
    if account is None:
        raise NotFound(f"there is no account {username!r}", remedy="'ebs account list' shows the names")
    return account


def find_subaccount(session: Session, username: str) -> Subaccount:
    found = session.scalar(select(Subaccount).where(Subaccount.username == username, Subaccount.deleted_at.is_(None)))
    if found is None:
        raise NotFound(f"there is no subaccount {username!r}", remedy="'ebs account show USERNAME' lists an account's")
    return found


def find_tariff(session: Session, name: str) -> Tariff:
    tariff = session.scalar(select(Tariff).where(Tariff.name == name))
    if tariff is None:
        raise NotFound(f"there is no tariff {name!r}", remedy="import it first, or check the spelling")
    return tariff


@dataclass(frozen=True, slots=True)
class Kind:
    """An object that ``ebs … set`` can change."""

    word: str
    fields: Mapping[str, Field]
    more: tuple[str, ...] = ()
    """Fields that are read elsewhere."""


ACCOUNT_KIND = Kind("account", ACCOUNT)
SUBACCOUNT_KIND = Kind("subaccount", SUBACCOUNT)
NAS_KIND = Kind("NAS", NAS)
TARIFF_KIND = Kind("tariff", TARIFF, ("speed",))


def parse_assignments(kind: Kind, of: str, assignments: Mapping[str, str]) -> dict[str, Any]:
    """Typed texts to values, by field name. Raises InputError that names the object and the field."""
    for name in assignments:
        if name not in kind.fields:
            raise InputError(
                f"{kind.word} {of}: there is no field {name!r}",
                remedy=f"fields are {', '.join(sorted({*kind.fields, *kind.more}))}",
            )

    def refuse(name: str, reason: str) -> None:
        raise InputError(f"{kind.word} {of}: {name}: {reason}")

    return parse_all(kind.fields, assignments, refuse)


def resolve_references(session: Session, parsed: dict[str, Any]) -> None:
    """Names of tariffs and NASes become ids, in place. Raises NotFound."""
    for tariff in ("tariff", "next_tariff"):
        if parsed.get(tariff):
            parsed[tariff] = find_tariff(session, parsed[tariff]).id
    if parsed.get("nas"):
        parsed["nas"] = find_nas(session, parsed["nas"]).id
