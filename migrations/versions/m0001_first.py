"""The first tables.

Revision: 0001, 2026-11-22
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "action_log",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("nas", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("subaccount", sa.Text(), nullable=False),
        sa.Column("placement_id", sa.BigInteger(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("output", sa.Text(), nullable=False),
        sa.Column("duration", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_action_log")),
    )
    with op.batch_alter_table("action_log", schema=None) as batch_op:
        batch_op.create_index("ix_action_log_account_at", ["account", "at"], unique=False)
        batch_op.create_index("ix_action_log_nas_at", ["nas", "at"], unique=False)

    op.create_table(
        "nas",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("transport", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=True),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("password", sa.Text(), nullable=True),
        sa.Column("key_file", sa.Text(), nullable=True),
        sa.Column("host_key", sa.Text(), nullable=True),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=True),
        sa.Column("identify", sa.Text(), nullable=False),
        sa.Column("allow_pptp", sa.Boolean(), nullable=False),
        sa.Column("allow_pppoe", sa.Boolean(), nullable=False),
        sa.Column("allow_ipn", sa.Boolean(), nullable=False),
        sa.Column("speed_vendor_1", sa.Text(), nullable=False),
        sa.Column("speed_vendor_2", sa.Text(), nullable=False),
        sa.Column("speed_attr_id1", sa.Text(), nullable=False),
        sa.Column("speed_attr_id2", sa.Text(), nullable=False),
        sa.Column("speed_value1", sa.Text(), nullable=False),
        sa.Column("speed_value2", sa.Text(), nullable=False),
        sa.Column("acct_interim_interval", sa.Integer(), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released", sa.Integer(), nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_token", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nas")),
        sa.UniqueConstraint("name", name=op.f("uq_nas_name")),
    )
    op.create_table(
        "tariff",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("access_type", sa.SmallInteger(), nullable=False),
        sa.Column("nas_actions", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("download", sa.BigInteger(), nullable=False),
        sa.Column("upload", sa.BigInteger(), nullable=False),
        sa.Column("burst_download", sa.BigInteger(), nullable=False),
        sa.Column("burst_upload", sa.BigInteger(), nullable=False),
        sa.Column("burst_threshold_download", sa.BigInteger(), nullable=False),
        sa.Column("burst_threshold_upload", sa.BigInteger(), nullable=False),
        sa.Column("burst_time_download", sa.Integer(), nullable=False),
        sa.Column("burst_time_upload", sa.Integer(), nullable=False),
        sa.Column("min_download", sa.BigInteger(), nullable=False),
        sa.Column("min_upload", sa.BigInteger(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.Column("reset_tarif_cost", sa.Boolean(), nullable=False),
        sa.Column("access_parameters_id", sa.Integer(), nullable=True),
        sa.Column("time_access_service_id", sa.Integer(), nullable=True),
        sa.Column("traffic_transmit_service_id", sa.Integer(), nullable=True),
        sa.Column("settlement_period_id", sa.Integer(), nullable=True),
        sa.Column("allow_express_pay", sa.Boolean(), nullable=False),
        sa.Column("userblock_max_days", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tariff")),
        sa.UniqueConstraint("name", name=op.f("uq_tariff_name")),
    )
    op.create_table(
        "account",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("password", sa.Text(), nullable=True),
        sa.Column("password_revision", sa.Integer(), nullable=False),
        sa.Column("full_name", sa.Text(), nullable=False),
        sa.Column("contract", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("postal_address", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.Column("credit", sa.BigInteger(), nullable=False),
        sa.Column("bonus_balance", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("tariff_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("nas_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("disabled_by_limit", sa.Boolean(), nullable=False),
        sa.Column("balance_blocked", sa.Boolean(), nullable=False),
        sa.Column("allow_ipn_with_null", sa.Boolean(), nullable=False),
        sa.Column("allow_ipn_with_minus", sa.Boolean(), nullable=False),
        sa.Column("allow_ipn_with_block", sa.Boolean(), nullable=False),
        sa.Column("ipn_speed", sa.Text(), nullable=False),
        sa.Column("vpn_speed", sa.Text(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["nas_id"], ["nas.id"], name=op.f("fk_account_nas_id_nas")),
        sa.ForeignKeyConstraint(["tariff_id"], ["tariff.id"], name=op.f("fk_account_tariff_id_tariff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
    )
    with op.batch_alter_table("account", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_account_nas_id"), ["nas_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_account_tariff_id"), ["tariff_id"], unique=False)
        batch_op.create_index(
            "uq_account_username",
            ["username"],
            unique=True,
            sqlite_where=sa.text("deleted_at IS NULL"),
            postgresql_where=sa.text("deleted_at IS NULL"),
        )

    op.create_table(
        "nas_template",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("nas_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["nas_id"], ["nas.id"], name=op.f("fk_nas_template_nas_id_nas"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nas_template")),
        sa.UniqueConstraint("nas_id", "action", "version", name=op.f("uq_nas_template_nas_id_action_version")),
    )
    op.create_table(
        "account_tariff",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tariff_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_account_tariff_account_id_account"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["tariff_id"], ["tariff.id"], name=op.f("fk_account_tariff_tariff_id_tariff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_tariff")),
    )
    with op.batch_alter_table("account_tariff", schema=None) as batch_op:
        batch_op.create_index("ix_account_tariff_account_id_since", ["account_id", "since"], unique=False)

    op.create_table(
        "subaccount",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("password", sa.Text(), nullable=True),
        sa.Column("password_revision", sa.Integer(), nullable=False),
        sa.Column("nas_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("ipn_ip_address", sa.Text(), nullable=False),
        sa.Column("ipn_mac_address", sa.Text(), nullable=False),
        sa.Column("vpn_ip_address", sa.Text(), nullable=False),
        sa.Column("vpn_ipv6_ip_address", sa.Text(), nullable=False),
        sa.Column("vlan", sa.Integer(), nullable=True),
        sa.Column("switch_id", sa.Integer(), nullable=True),
        sa.Column("switch_port", sa.Integer(), nullable=True),
        sa.Column("ipn_speed", sa.Text(), nullable=False),
        sa.Column("vpn_speed", sa.Text(), nullable=False),
        sa.Column("allow_ipn_with_null", sa.Boolean(), nullable=False),
        sa.Column("allow_ipn_with_minus", sa.Boolean(), nullable=False),
        sa.Column("allow_ipn_with_block", sa.Boolean(), nullable=False),
        sa.Column("allow_vpn_with_null", sa.Boolean(), nullable=False),
        sa.Column("allow_vpn_with_minus", sa.Boolean(), nullable=False),
        sa.Column("allow_vpn_with_block", sa.Boolean(), nullable=False),
        sa.Column("allow_dhcp", sa.Boolean(), nullable=False),
        sa.Column("allow_dhcp_with_null", sa.Boolean(), nullable=False),
        sa.Column("allow_dhcp_with_minus", sa.Boolean(), nullable=False),
        sa.Column("allow_dhcp_with_block", sa.Boolean(), nullable=False),
        sa.Column("associate_pptp_ipn_ip", sa.Boolean(), nullable=False),
        sa.Column("associate_pppoe_ipn_mac", sa.Boolean(), nullable=False),
        sa.Column("allow_addonservice", sa.Boolean(), nullable=False),
        sa.Column("ipv4_ipn_pool_id", sa.Integer(), nullable=True),
        sa.Column("ipv4_vpn_pool_id", sa.Integer(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_subaccount_account_id_account")),
        sa.ForeignKeyConstraint(["nas_id"], ["nas.id"], name=op.f("fk_subaccount_nas_id_nas")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subaccount")),
    )
    with op.batch_alter_table("subaccount", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_subaccount_account_id"), ["account_id"], unique=False)
        batch_op.create_index(
            "uq_subaccount_nas_id_ipn_ip_address",
            ["nas_id", "ipn_ip_address"],
            unique=True,
            sqlite_where=sa.text("deleted_at IS NULL AND ipn_ip_address <> ''"),
            postgresql_where=sa.text("deleted_at IS NULL AND ipn_ip_address <> ''"),
        )
        batch_op.create_index(
            "uq_subaccount_nas_id_vpn_ip_address",
            ["nas_id", "vpn_ip_address"],
            unique=True,
            sqlite_where=sa.text("deleted_at IS NULL AND vpn_ip_address <> ''"),
            postgresql_where=sa.text("deleted_at IS NULL AND vpn_ip_address <> ''"),
        )
        batch_op.create_index(
            "uq_subaccount_username",
            ["username"],
            unique=True,
            sqlite_where=sa.text("deleted_at IS NULL"),
            postgresql_where=sa.text("deleted_at IS NULL"),
        )

    op.create_table(
        "placement",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("nas_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("subaccount_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("presence", sa.SmallInteger(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=True),
        sa.Column("speed", sa.Text(), nullable=True),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("revision", sa.Text(), nullable=True),
        sa.Column("values", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("observed", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.Column("settled", sa.BigInteger(), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.CheckConstraint("slot > 0", name=op.f("ck_placement_slot")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_placement_account_id_account")),
        sa.ForeignKeyConstraint(["nas_id"], ["nas.id"], name=op.f("fk_placement_nas_id_nas")),
        sa.ForeignKeyConstraint(["subaccount_id"], ["subaccount.id"], name=op.f("fk_placement_subaccount_id_subaccount")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_placement")),
        sa.UniqueConstraint("nas_id", "slot", name=op.f("uq_placement_nas_id_slot")),
        sa.UniqueConstraint("subaccount_id", "nas_id", name=op.f("uq_placement_subaccount_id_nas_id")),
    )
    with op.batch_alter_table("placement", schema=None) as batch_op:
        batch_op.create_index(
            "ix_placement_dirty",
            ["nas_id"],
            unique=False,
            sqlite_where=sa.text("changed <> settled"),
            postgresql_where=sa.text("changed <> settled"),
        )
        batch_op.create_index(
            "uq_placement_account_id_nas_id",
            ["account_id", "nas_id"],
            unique=True,
            sqlite_where=sa.text("subaccount_id IS NULL"),
            postgresql_where=sa.text("subaccount_id IS NULL"),
        )


def downgrade() -> None:
    with op.batch_alter_table("placement", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_placement_account_id_nas_id",
            sqlite_where=sa.text("subaccount_id IS NULL"),
            postgresql_where=sa.text("subaccount_id IS NULL"),
        )
        batch_op.drop_index(
            "ix_placement_dirty", sqlite_where=sa.text("changed <> settled"), postgresql_where=sa.text("changed <> settled")
        )

    op.drop_table("placement")
    with op.batch_alter_table("subaccount", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_subaccount_username", sqlite_where=sa.text("deleted_at IS NULL"), postgresql_where=sa.text("deleted_at IS NULL")
        )
        batch_op.drop_index(
            "uq_subaccount_nas_id_vpn_ip_address",
            sqlite_where=sa.text("deleted_at IS NULL AND vpn_ip_address <> ''"),
            postgresql_where=sa.text("deleted_at IS NULL AND vpn_ip_address <> ''"),
        )
        batch_op.drop_index(
            "uq_subaccount_nas_id_ipn_ip_address",
            sqlite_where=sa.text("deleted_at IS NULL AND ipn_ip_address <> ''"),
            postgresql_where=sa.text("deleted_at IS NULL AND ipn_ip_address <> ''"),
        )
        batch_op.drop_index(batch_op.f("ix_subaccount_account_id"))

    op.drop_table("subaccount")
    with op.batch_alter_table("account_tariff", schema=None) as batch_op:
        batch_op.drop_index("ix_account_tariff_account_id_since")

    op.drop_table("account_tariff")
    op.drop_table("nas_template")
    with op.batch_alter_table("account", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_account_username", sqlite_where=sa.text("deleted_at IS NULL"), postgresql_where=sa.text("deleted_at IS NULL")
        )
        batch_op.drop_index(batch_op.f("ix_account_tariff_id"))
        batch_op.drop_index(batch_op.f("ix_account_nas_id"))

    op.drop_table("account")
    op.drop_table("tariff")
    op.drop_table("nas")
    with op.batch_alter_table("action_log", schema=None) as batch_op:
        batch_op.drop_index("ix_action_log_nas_at")
        batch_op.drop_index("ix_action_log_account_at")

    op.drop_table("action_log")
