"""Rotation of the key that seals secrets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute

from ebs_core.config import Config
from ebs_core.crypto import SecretBox, new_key
from ebs_core.domain.errors import InputError
from ebs_core.storage.database import Database
from ebs_core.storage.tables import Account, Nas, Placement, Subaccount


def _sealed_columns() -> Iterator[tuple[Any, InstrumentedAttribute[str | None]]]:
    yield Account, Account.password
    yield Subaccount, Subaccount.password
    yield Nas, Nas.password
    yield Nas, Nas.secret


def has_secrets(database: Database) -> bool:
    """Something in the database is sealed."""
    with database.read() as session:
        return any(session.scalar(select(column).where(column.is_not(None)).limit(1)) for _, column in _sealed_columns())


def rotate(database: Database, config: Config) -> int:
    """Put a new key first in the key file, then seal everything with it; the number of secrets. A crash in between loses nothing:
    the key file keeps the old keys, and both open."""
    if config.key is not None:
        raise InputError("the key comes from EBS_KEY", remedy="move it to a key file (EBS_KEY_FILE) to rotate it")
    config.secrets()
    _prepend(config.key_file, new_key())
    secrets = config.secrets()
    with database.write() as session:
        count = 0
        kept = select(Placement).where(Placement.values.is_not(None)).order_by(Placement.id).with_for_update()
        for placement in session.scalars(kept):
            placement.values = {name: _resealed(secrets, value) for name, value in (placement.values or {}).items()}
        for table, column in _sealed_columns():
            for row in session.scalars(select(table).where(column.is_not(None)).order_by(table.id).with_for_update()):
                setattr(row, column.key, _again(secrets, getattr(row, column.key)))
                count += 1
    return count


def _again(secrets: SecretBox, sealed: str) -> str:
    return sealed if secrets.is_current(sealed) else secrets.seal(secrets.open(sealed))


def _resealed(secrets: SecretBox, value: Any) -> Any:
    if isinstance(value, dict) and value.keys() == {"sealed"} and value["sealed"]:
        return {"sealed": _again(secrets, value["sealed"])}
    return value


def _prepend(path: Path, line: str) -> None:
    old = path.read_text(encoding="ascii")
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{line}\n{old}")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
