"""Operators, what they do, and what the API needs to remember; versions of what people edit.

Revision: 0004, after 0003, 2026-11-22
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
_EDITED = ("nas", "tariff", "account", "subaccount")


def upgrade() -> None:
    for table in _EDITED:
        op.add_column(table, sa.Column("version", sa.Integer(), server_default="1", nullable=False))
    _make("operator", _text("name", "role", "password"), _moment("created_at"), _text("full_name"), _text("totp", null=True),
          [sa.Column("totp_step", sa.BigInteger(), nullable=False), sa.Column("networks", sa.JSON(), nullable=False),
           sa.Column("disabled", sa.Boolean(), nullable=False), sa.Column("failures", sa.Integer(), nullable=False)],
          _moment("locked_until", null=True), [sa.Column("version", sa.Integer(), server_default="1", nullable=False),
           sa.UniqueConstraint("name", name="uq_operator_name")])  # fmt: skip
    _make("credential", [sa.Column("operator_id", _BIG, nullable=False)], _text("kind", "digest", "role"),
          _moment("created_at", "expires_at"), _text("name", "address"), _moment("used_at", null=True),
          [sa.ForeignKeyConstraint(["operator_id"], ["operator.id"], "fk_credential_operator_id_operator", ondelete="CASCADE"),
           sa.UniqueConstraint("digest", name="uq_credential_digest")])  # fmt: skip
    op.create_index("ix_credential_operator_id", "credential", ["operator_id"])
    _make("audit", _moment("at"), _text("operator", "address", "act", "kind", "name"),
          [sa.Column("detail", sa.JSON(), nullable=False)], _text("refused"))  # fmt: skip
    op.create_index("ix_audit_at", "audit", ["at"])
    op.create_index("ix_audit_operator_at", "audit", ["operator", "at"])
    op.create_index("ix_audit_kind_name_at", "audit", ["kind", "name", "at"])
    _make("event", [sa.Column("at", sa.BigInteger(), nullable=False), sa.Column("transaction", sa.BigInteger(), nullable=False)],
          _text("topic"), [sa.Column("ids", sa.JSON(none_as_null=True), nullable=True)])  # fmt: skip
    op.create_index("ix_event_transaction_id", "event", ["transaction", "id"])
    _make("operation", _text("kind", "operator"), _moment("created_at"), _text("state"),
          [sa.Column("request", sa.JSON(), nullable=False), sa.Column("total", sa.Integer(), nullable=False),
           sa.Column("done", sa.Integer(), nullable=False), sa.Column("cancel", sa.Boolean(), nullable=False),
           sa.Column("beat_at", sa.BigInteger(), nullable=False)],
          _moment("ended_at", null=True), [sa.Column("result", sa.JSON(none_as_null=True), nullable=True)])  # fmt: skip
    _make("answer", _text("operator", "key", "fingerprint"), _moment("created_at"),
          [sa.Column("status", sa.SmallInteger(), nullable=True), sa.Column("body", sa.JSON(none_as_null=True), nullable=True),
           sa.Column("headers", sa.JSON(none_as_null=True), nullable=True),
           sa.UniqueConstraint("operator", "key", name="uq_answer_operator_key")])  # fmt: skip
    op.create_index("ix_answer_created_at", "answer", ["created_at"])


_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _text(*names: str, null: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=null) for name in names]


def _moment(*names: str, null: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.DateTime(timezone=True), nullable=null) for name in names]


def _make(table: str, *columns: list[Any]) -> None:
    parts = [sa.Column("id", _BIG, nullable=False), *(one for some in columns for one in some)]
    op.create_table(table, *parts, sa.PrimaryKeyConstraint("id", name=f"pk_{table}"))


def downgrade() -> None:
    for table in ("answer", "operation", "event", "audit", "credential", "operator"):
        op.drop_table(table)
    for table in _EDITED:
        op.drop_column(table, "version")
