"""Alembic's entry. EBS hands over an open connection; the ``alembic`` command finds the database as ``ebs`` does."""

from __future__ import annotations

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection

from ebs_core.config import load
from ebs_core.storage.database import Database
from ebs_core.storage.tables import Base
from ebs_core.storage.types import Moment, Money


def render_item(kind: str, item: object, _context: AutogenContext) -> str | Literal[False]:
    """Our column types appear in migrations as what they are in the database: a migration must not change with the code."""
    if kind == "type" and isinstance(item, Money):
        return "sa.BigInteger()"
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, Moment) else False


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_item=render_item,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


handed_over = context.config.attributes.get("connection")
if handed_over is not None:
    run(handed_over)
else:
    with Database(load().database).engine.connect() as own:
        run(own)
        own.commit()
