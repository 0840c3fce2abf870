"""Changes that are tried on a few placements first.

Revision: 0003, after 0002, 2026-11-22
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "rollout",
        sa.Column("id", big, nullable=False),
        sa.Column("nas_id", big, nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("nas_ids", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("tariff_id", big, nullable=True),
        sa.Column("speed", sa.Text(), nullable=True),
        sa.Column("chosen", sa.JSON(), nullable=False),
        sa.Column("waiting", sa.JSON(), nullable=False),
        sa.Column("excused", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["nas_id"], ["nas.id"], name="fk_rollout_nas_id_nas", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tariff_id"], ["tariff.id"], name="fk_rollout_tariff_id_tariff", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_rollout"),
    )


def downgrade() -> None:
    op.drop_table("rollout")
