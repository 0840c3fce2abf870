"""The database's clock: the one that every worker of a site shares."""

from __future__ import annotations

from sqlalchemy import BigInteger, ColumnElement, literal_column, select, type_coerce
from sqlalchemy.orm import Session


def now_ms(dialect: str) -> ColumnElement[int]:
    """Milliseconds since 1970, as an expression."""
    if dialect == "sqlite":
        text = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
    else:
        text = "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"
    return type_coerce(literal_column(text), BigInteger())


def read(session: Session) -> int:
    """Milliseconds since 1970, now."""
    return int(session.scalar(select(now_ms(session.get_bind().dialect.name))) or 0)
