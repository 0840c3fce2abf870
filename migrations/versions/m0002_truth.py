"""What a read-back saw, when to try again, and what changes by itself.

Columns are added in place: on SQLite, making a table anew would delete the rows that refer to it.

Revision: 0002, after 0001, 2026-11-22
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

DIRTY = sa.text("changed <> settled")
PLANNED = sa.text("revisit_at IS NOT NULL")


def columns() -> dict[str, tuple[sa.Column[object], ...]]:
    return {
        "account": (
            sa.Column("promised", sa.BigInteger(), server_default="0", nullable=False),
            sa.Column("promised_until", sa.DateTime(timezone=True), nullable=True),
            sa.Column("next_tariff_at", sa.DateTime(timezone=True), nullable=True),
            sa.Column("revisit_at", sa.BigInteger(), nullable=True),
        ),
        "nas": (
            sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
            sa.Column("retry_at", sa.BigInteger(), server_default="0", nullable=False),
            sa.Column("resync_at", sa.BigInteger(), server_default="0", nullable=False),
            sa.Column("pulse_at", sa.BigInteger(), server_default="0", nullable=False),
            sa.Column("boot", sa.Text(), nullable=True),
            sa.Column("uptime", sa.Integer(), nullable=True),
            sa.Column("bootstrapped_at", sa.DateTime(timezone=True), nullable=True),
            sa.Column("observed_at", sa.DateTime(timezone=True), nullable=True),
            sa.Column("report", sa.JSON(none_as_null=True), nullable=True),
            sa.Column("maintenance", sa.Text(), nullable=True),
        ),
        "placement": (
            sa.Column("seen", sa.SmallInteger(), server_default="0", nullable=False),
            sa.Column("lines", sa.Text(), nullable=True),
            sa.Column("differences", sa.JSON(none_as_null=True), nullable=True),
            sa.Column("repair", sa.SmallInteger(), server_default="0", nullable=False),
            sa.Column("urgent", sa.Boolean(), server_default=sa.false(), nullable=False),
            sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
            sa.Column("next_try", sa.BigInteger(), server_default="0", nullable=False),
        ),
    }


def upgrade() -> None:
    for table, new in columns().items():
        for column in new:
            op.add_column(table, column)
    integer = "INTEGER" if op.get_context().dialect.name == "sqlite" else "BIGINT"
    reference = "CONSTRAINT fk_account_next_tariff_id_tariff REFERENCES tariff (id)"
    op.execute(f"ALTER TABLE account ADD COLUMN next_tariff_id {integer} {reference}")
    op.create_index("ix_account_revisit_at", "account", ["revisit_at"], sqlite_where=PLANNED, postgresql_where=PLANNED)
    op.drop_index("ix_placement_dirty", "placement")
    op.create_index("ix_placement_dirty", "placement", ["nas_id", "next_try"], sqlite_where=DIRTY, postgresql_where=DIRTY)
    op.drop_column("placement", "observed")


def downgrade() -> None:
    op.add_column("placement", sa.Column("observed", sa.JSON(none_as_null=True), nullable=True))
    op.drop_index("ix_placement_dirty", "placement")
    op.create_index("ix_placement_dirty", "placement", ["nas_id"], sqlite_where=DIRTY, postgresql_where=DIRTY)
    op.drop_index("ix_account_revisit_at", "account")
    op.execute("ALTER TABLE account DROP COLUMN next_tariff_id")
    for table, new in columns().items():
        for column in new:
            op.drop_column(table, column.name)
