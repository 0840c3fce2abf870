"""Changing objects: one place that writes fields, keeps history and placements right, all in the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from ebs_core.crypto import SecretBox
from ebs_core.domain.errors import BadFields, InputError, NotFound, SecretDamaged
from ebs_core.domain.speed import FIGURES, Speed
from ebs_core.services.canary import check_speed_is_free
from ebs_core.services.fields import ACCOUNT, NAS, SUBACCOUNT, TARIFF, Field, parse_all
from ebs_core.storage.tables import Account, AccountTariff, Nas, Subaccount, Tariff

_T = TypeVar("_T", Nas, Account, Subaccount, Tariff)


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


def find_nas(session: Session, key: str | int, *, lock: bool = False) -> Nas:
    """By name or id. ``lock``: nobody else can change it before this transaction ends."""
    return _find(session, Nas, Nas.name, key, lock, f"NAS {key!r}", "'ebs nas list' shows the names")


def find_account(session: Session, key: str | int, *, lock: bool = False) -> Account:
    remedy = "'ebs account list' shows the names"
    return _find(session, Account, Account.username, key, lock, f"account {key!r}", remedy, Account.deleted_at.is_(None))


def find_subaccount(session: Session, key: str | int, *, lock: bool = False) -> Subaccount:
    remedy = "'ebs account show USERNAME' lists an account's"
    return _find(
        session, Subaccount, Subaccount.username, key, lock, f"subaccount {key!r}", remedy, Subaccount.deleted_at.is_(None)
    )


def find_tariff(session: Session, key: str | int, *, lock: bool = False) -> Tariff:
    return _find(session, Tariff, Tariff.name, key, lock, f"tariff {key!r}", "import it first, or check the spelling")


def _find(
    session: Session,
    table: type[_T],
    name: InstrumentedAttribute[str],
    key: str | int,
    lock: bool,
    what: str,
    remedy: str,
    *living: ColumnElement[bool],
) -> _T:
    query = select(table).where((table.id == key) if isinstance(key, int) else (name == key), *living)
    found = session.scalar(query.with_for_update(key_share=True) if lock else query)
    if found is None:
        raise NotFound(f"there is no {what}", remedy=remedy)
    return found


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
    """Typed texts to values, by field name. Raises BadFields."""
    problems: dict[str, str] = {}
    for name in assignments:
        if name not in kind.fields:
            raise InputError(
                f"{kind.word} {of}: there is no field {name!r}",
                remedy=f"fields are {', '.join(sorted({*kind.fields, *kind.more}))}",
            )
    parsed = parse_all(kind.fields, assignments, problems.__setitem__)
    if problems:
        raise BadFields(f"{kind.word} {of}", problems)
    return parsed


def resolve_references(session: Session, parsed: dict[str, Any]) -> None:
    """Names of tariffs and NASes become ids, in place. Raises NotFound."""
    for tariff in ("tariff", "next_tariff"):
        if parsed.get(tariff):
            parsed[tariff] = find_tariff(session, parsed[tariff]).id
    if parsed.get("nas"):
        parsed["nas"] = find_nas(session, parsed["nas"]).id
