"""The tables. Every variable that a template can name has its column here (see ``ebs_core.services.variables``)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column, relationship

from ebs_core.domain.rules import AccessType, AccountStatus
from ebs_core.domain.speed import DEFAULT_PRIORITY, FIGURES
from ebs_core.storage.types import Moment, Money

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
Id = BigInteger().with_variant(Integer, "sqlite")


class Base(MappedAsDataclass, DeclarativeBase, kw_only=True):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012
        str: Text,
        Decimal: Money,
        datetime: Moment,
        dict[str, Any]: JSON,
        list[dict[str, Any]]: JSON,
    }


class Nas(Base):
    """An access server."""

    __tablename__ = "nas"

    id: Mapped[int] = mapped_column(Id, primary_key=True, init=False)
    name: Mapped[str] = mapped_column(unique=True)
    profile: Mapped[str]
    transport: Mapped[str | None] = mapped_column(default=None)
    """None: the first of the profile."""
    address: Mapped[str] = mapped_column(default="")
    port: Mapped[int | None] = mapped_column(default=None)
    login: Mapped[str] = mapped_column(default="")
    password: Mapped[str | None] = mapped_column(default=None)
    """Sealed."""
    key_file: Mapped[str | None] = mapped_column(default=None)
    host_key: Mapped[str | None] = mapped_column(default=None)
    options: Mapped[dict[str, Any]] = mapped_column(default_factory=dict)
    comment: Mapped[str] = mapped_column(default="")
    # What RADIUS and the original's templates know of a NAS
    secret: Mapped[str | None] = mapped_column(default=None)
    """Sealed RADIUS shared secret."""
    identify: Mapped[str] = mapped_column(default="")
    """RADIUS NAS-Identifier."""
    allow_pptp: Mapped[bool] = mapped_column(default=True)
    allow_pppoe: Mapped[bool] = mapped_column(default=True)
    allow_ipn: Mapped[bool] = mapped_column(default=True)
    speed_vendor_1: Mapped[str] = mapped_column(default="")
    speed_vendor_2: Mapped[str] = mapped_column(default="")
    speed_attr_id1: Mapped[str] = mapped_column(default="")
    speed_attr_id2: Mapped[str] = mapped_column(default="")
    speed_value1: Mapped[str] = mapped_column(default="")
    speed_value2: Mapped[str] = mapped_column(default="")
    acct_interim_interval: Mapped[int] = mapped_column(default=60)
    """Seconds."""
    # Work on it
    failure: Mapped[str | None] = mapped_column(default=None)
    """Why the NAS could not be worked at the last try, for people."""
    failing_since: Mapped[datetime | None] = mapped_column(default=None)
    worked_at: Mapped[datetime | None] = mapped_column(default=None)
    """The end of the last apply that reached it."""
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    """Tries in a row that did not reach it."""
    retry_at: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    """The background job leaves it alone until then: it is failing or held. Every ``…_at`` that is a number is in milliseconds
    since 1970 by the database's clock."""
    resync_at: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    """When everything on it is to be read back next; 0: at once."""
    pulse_at: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    """When to look next whether it restarted."""
    boot: Mapped[str | None] = mapped_column(default=None)
    """Which run of its system was seen last (see ``ebs_core.domain.records.Vitals``)."""
    uptime: Mapped[int | None] = mapped_column(default=None)
    """Seconds, as seen last."""
    bootstrapped_at: Mapped[datetime | None] = mapped_column(default=None)
    """When EBS set it up; only then does EBS set it up again by itself after it lost its state."""
    observed_at: Mapped[datetime | None] = mapped_column(default=None)
    """The last time that everything on it was read back."""
    report: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), default=None)
    """What that found beside the placements: orphans, strangers (see ``ebs_core.services.observer``)."""
    maintenance: Mapped[str | None] = mapped_column(default=None)
    """Why nothing is to be sent to it for now, by an operator."""
    released: Mapped[int] = mapped_column(default=0)
    """How many placements an operator allowed the next plan to cut off (see the blast radius)."""
    version: Mapped[int] = mapped_column(server_default="1", init=False)
    """Grows with every edit by a person."""
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
    lease_owner: Mapped[str | None] = mapped_column(default=None)
    lease_token: Mapped[int] = mapped_column(BigInteger, default=0)
    """The fencing token: every write of a result checks that it is still its own."""
    lease_until: Mapped[int] = mapped_column(BigInteger, default=0)
    """A number that changes with every renewal (milliseconds since 1970 by the database's clock)."""

    templates: Mapped[list[NasTemplate]] = relationship(
        back_populates="nas", default_factory=list, cascade="all, delete-orphan", order_by="NasTemplate.version"
    )


class NasTemplate(Base):
    """An operator's own template on one NAS. Versions are kept; the highest is in force."""

    __tablename__ = "nas_template"
    __table_args__ = (UniqueConstraint("nas_id", "action", "version"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True, init=False)
    nas_id: Mapped[int] = mapped_column(ForeignKey("nas.id", ondelete="CASCADE"), init=False)
    action: Mapped[str]
    version: Mapped[int]
    source: Mapped[str | None]
    """None: back to the profile's."""
    created_at: Mapped[datetime]
    nas: Mapped[Nas] = relationship(back_populates="templates", repr=False, default=None)


class Tariff(Base):
    """A tariff with its access parameters."""

    __tablename__ = "tariff"

    id: Mapped[int] = mapped_column(Id, primary_key=True, init=False)
    name: Mapped[str] = mapped_column(unique=True)
    access_type: Mapped[int] = mapped_column(SmallInteger, default=AccessType.IPOE)
    nas_actions: Mapped[bool] = mapped_column(default=True)
    """Runs the actions of a NAS (the original's ``ipn_for_vpn`` for VPN tariffs)."""
    active: Mapped[bool] = mapped_column(default=True)
    download: Mapped[int] = mapped_column(BigInteger, default=0)
    upload: Mapped[int] = mapped_column(BigInteger, default=0)
    burst_download: Mapped[int] = mapped_column(BigInteger, default=0)
    burst_upload: Mapped[int] = mapped_column(BigInteger, default=0)
    burst_threshold_download: Mapped[int] = mapped_column(BigInteger, default=0)
    burst_threshold_upload: Mapped[int] = mapped_column(BigInteger, default=0)
    burst_time_download: Mapped[int] = mapped_column(default=0)
    burst_time_upload: Mapped[int] = mapped_column(default=0)
    min_download: Mapped[int] = mapped_column(BigInteger, default=0)
    min_upload: Mapped[int] = mapped_column(BigInteger, default=0)
    priority: Mapped[int] = mapped_column(SmallInteger, default=DEFAULT_PRIORITY)
    comment: Mapped[str] = mapped_column(default="")
    version: Mapped[int] = mapped_column(server_default="1", init=False)
    """Grows with every edit by a person."""
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
    # Named by the original's templates; the engines behind them are billing's
    cost: Mapped[Decimal] = mapped_column(default=Decimal(0))
    reset_tarif_cost: Mapped[bool] = mapped_column(default=False)
    access_parameters_id: Mapped[int | None] = mapped_column(default=None)
    time_access_service_id: Mapped[int | None] = mapped_column(default=None)
    traffic_transmit_service_id: Mapped[int | None] = mapped_column(default=None)
    settlement_period_id: Mapped[int | None] = mapped_column(default=None)
    allow_express_pay: Mapped[bool] = mapped_column(default=False)
    userblock_max_days: Mapped[int] = mapped_column(default=0)


def tariff_speed_columns() -> list[Any]:
    """The eleven figures in the order of ``ebs_core.domain.speed.Speed``."""
    return [getattr(Tariff, name) for name in FIGURES]


class Account(Base):
    """A subscriber: one contract, one balance."""

    __tablename__ = "account"
    __table_args__ = (
        Index(
            "uq_account_username",
            "username",
            unique=True,
            sqlite_where=text("deleted_at IS NULL"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index(
            "ix_account_revisit_at",
            "revisit_at",
            sqlite_where=text("revisit_at IS NOT NULL"),
            postgresql_where=text("revisit_at IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True, init=False)
    username: Mapped[str]
    created_at: Mapped[datetime]
    password: Mapped[str | None] = mapped_column(default=None)
    """Sealed."""
    password_revision: Mapped[int] = mapped_column(default=0)
    """Grows when the password becomes another one; the sealed text also changes when the key is rotated."""
    full_name: Mapped[str] = mapped_column(default="")
    contract: Mapped[str] = mapped_column(default="")
    phone: Mapped[str] = mapped_column(default="")
    email: Mapped[str] = mapped_column(default="")
    postal_address: Mapped[str] = mapped_column(default="")
    comment: Mapped[str] = mapped_column(default="")
    balance: Mapped[Decimal] = mapped_column(default=Decimal(0))
    credit: Mapped[Decimal] = mapped_column(default=Decimal(0))
    bonus_balance: Mapped[Decimal] = mapped_column(default=Decimal(0))
    status: Mapped[int] = mapped_column(SmallInteger, default=AccountStatus.ACTIVE)
    tariff_id: Mapped[int | None] = mapped_column(ForeignKey("tariff.id"), default=None, index=True)
    """The tariff in force now; ``AccountTariff`` has the history."""
    nas_id: Mapped[int | None] = mapped_column(ForeignKey("nas.id"), default=None, index=True)
    """Set for accounts that are placed on a NAS themselves (account-level actions)."""
    disabled_by_limit: Mapped[bool] = mapped_column(default=False)
    balance_blocked: Mapped[bool] = mapped_column(default=False)
    promised: Mapped[Decimal] = mapped_column(default=Decimal(0), server_default="0")
    """A promised payment: counts like credit until ``promised_until``."""
    promised_until: Mapped[datetime | None] = mapped_column(default=None)
    next_tariff_id: Mapped[int | None] = mapped_column(ForeignKey("tariff.id"), default=None)
    """The tariff from ``next_tariff_at`` on; None with a moment: none."""
    next_tariff_at: Mapped[datetime | None] = mapped_column(default=None)
    revisit_at: Mapped[int | None] = mapped_column(BigInteger, default=None)
    """The next moment at which something of the account changes by itself; None: nothing is planned."""
    allow_ipn_with_null: Mapped[bool] = mapped_column(default=False)
    allow_ipn_with_minus: Mapped[bool] = mapped_column(default=False)
    allow_ipn_with_block: Mapped[bool] = mapped_column(default=False)
    ipn_speed: Mapped[str] = mapped_column(default="")
    """The account's own speed (``Speed.encode``), or empty."""
    vpn_speed: Mapped[str] = mapped_column(default="")
    version: Mapped[int] = mapped_column(server_default="1", init=False)
    """Grows with every edit by a person."""
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
    deleted_at: Mapped[datetime | None] = mapped_column(default=None)


class AccountTariff(Base):
    """Which tariff an account has from which moment."""

    __tablename__ = "account_tariff"
    __table_args__ = (Index("ix_account_tariff_account_id_since", "account_id", "since"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True, init=False)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    tariff_id: Mapped[int | None] = mapped_column(ForeignKey("tariff.id"))
    since: Mapped[datetime]


class Subaccount(Base):
    """A network identity of an account: every IP, MAC and VLAN lives here."""

    __tablename__ = "subaccount"
    __table_args__ = (
        Index(
            "uq_subaccount_username",
            "username",
            unique=True,
            sqlite_where=text("deleted_at IS NULL"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index(
            "uq_subaccount_nas_id_ipn_ip_address",
            "nas_id",
            "ipn_ip_address",
            unique=True,
            sqlite_where=text("deleted_at IS NULL AND ipn_ip_address <> ''"),
            postgresql_where=text("deleted_at IS NULL AND ipn_ip_address <> ''"),
        ),
        Index(
            "uq_subaccount_nas_id_vpn_ip_address",
            "nas_id",
            "vpn_ip_address",
            unique=True,
            sqlite_where=text("deleted_at IS NULL AND vpn_ip_address <> ''"),
            postgresql_where=text("deleted_at IS NULL AND vpn_ip_address <> ''"),
        ),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True, init=False)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    username: Mapped[str]
    password: Mapped[str | None] = mapped_column(default=None)
    """Sealed."""
    password_revision: Mapped[int] = mapped_column(default=0)
    nas_id: Mapped[int | None] = mapped_column(ForeignKey("nas.id"), default=None)
    ipn_ip_address: Mapped[str] = mapped_column(default="")
    ipn_mac_address: Mapped[str] = mapped_column(default="")
    vpn_ip_address: Mapped[str] = mapped_column(default="")
    vpn_ipv6_ip_address: Mapped[str] = mapped_column(default="")
    vlan: Mapped[int | None] = mapped_column(default=None)
    switch_id: Mapped[int | None] = mapped_column(default=None)
    switch_port: Mapped[int | None] = mapped_column(default=None)
    ipn_speed: Mapped[str] = mapped_column(default="")
    """The subaccount's own speed (``Speed.encode``), which wins over the tariff's; or empty."""
    vpn_speed: Mapped[str] = mapped_column(default="")
    allow_ipn_with_null: Mapped[bool] = mapped_column(default=False)
    allow_ipn_with_minus: Mapped[bool] = mapped_column(default=False)
    allow_ipn_with_block: Mapped[bool] = mapped_column(default=False)
    allow_vpn_with_null: Mapped[bool] = mapped_column(default=False)
    allow_vpn_with_minus: Mapped[bool] = mapped_column(default=False)
    allow_vpn_with_block: Mapped[bool] = mapped_column(default=False)
    allow_dhcp: Mapped[bool] = mapped_column(default=True)
    allow_dhcp_with_null: Mapped[bool] = mapped_column(default=False)
    allow_dhcp_with_minus: Mapped[bool] = mapped_column(default=False)
    allow_dhcp_with_block: Mapped[bool] = mapped_column(default=False)
    associate_pptp_ipn_ip: Mapped[bool] = mapped_column(default=False)
    associate_pppoe_ipn_mac: Mapped[bool] = mapped_column(default=False)
    allow_addonservice: Mapped[bool] = mapped_column(default=False)
    ipv4_ipn_pool_id: Mapped[int | None] = mapped_column(default=None)
    ipv4_vpn_pool_id: Mapped[int | None] = mapped_column(default=None)
    comment: Mapped[str] = mapped_column(default="")
    version: Mapped[int] = mapped_column(server_default="1", init=False)
    """Grows with every edit by a person."""
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
    deleted_at: Mapped[datetime | None] = mapped_column(default=None)


class Placement(Base):
    """One account or subaccount on one NAS, with what the NAS last confirmed (applied) and what was last read (observed)."""

    __tablename__ = "placement"
    __table_args__ = (
        UniqueConstraint("nas_id", "slot"),
        UniqueConstraint("subaccount_id", "nas_id"),
        Index(
            "uq_placement_account_id_nas_id",
            "account_id",
            "nas_id",
            unique=True,
            sqlite_where=text("subaccount_id IS NULL"),
            postgresql_where=text("subaccount_id IS NULL"),
        ),
        Index(
            "ix_placement_dirty",
            "nas_id",
            "next_try",
            sqlite_where=text("changed <> settled"),
            postgresql_where=text("changed <> settled"),
        ),
        CheckConstraint("slot > 0", name="slot"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True, init=False)
    nas_id: Mapped[int] = mapped_column(ForeignKey("nas.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    slot: Mapped[int]
    subaccount_id: Mapped[int | None] = mapped_column(ForeignKey("subaccount.id"), default=None)
    # applied: see ebs_core.domain.placement.Applied
    presence: Mapped[int] = mapped_column(SmallInteger, default=0)
    enabled: Mapped[bool | None] = mapped_column(default=None)
    speed: Mapped[str | None] = mapped_column(default=None)
    key: Mapped[str | None] = mapped_column(default=None)
    revision: Mapped[str | None] = mapped_column(default=None)
    values: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), default=None)
    """What the records were rendered with; passwords sealed."""
    # observed
    seen: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    """``ebs_core.domain.placement.Seen``."""
    observed_at: Mapped[datetime | None] = mapped_column(default=None)
    lines: Mapped[str | None] = mapped_column(default=None)
    """His records as they were read when they were found right (``ebs_core.services.observer``)."""
    differences: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON(none_as_null=True), default=None)
    """What was found to differ, for people."""
    repair: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    """What mends it (``ebs_core.domain.placement.Repair``)."""
    # work
    changed: Mapped[int] = mapped_column(BigInteger, default=1)
    """Grows in the transaction of every change that may concern the placement."""
    settled: Mapped[int] = mapped_column(BigInteger, default=0)
    """The value of ``changed`` up to which applied equals desired: dirty is ``changed <> settled``."""
    urgent: Mapped[bool] = mapped_column(default=False, server_default=false())
    """An operator's act, which overtakes bulk work."""
    failure: Mapped[str | None] = mapped_column(default=None)
    """What the last try failed with, for people; None when it went well."""
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    """Tries in a row that failed."""
    next_try: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    """The background job leaves it alone until then."""


class ActionLog(Base):
    """Every command that was sent, with its cause and result. Names are copied: the log outlives what it tells of."""

    __tablename__ = "action_log"
    __table_args__ = (Index("ix_action_log_account_at", "account", "at"), Index("ix_action_log_nas_at", "nas", "at"))

    id: Mapped[int] = mapped_column(Id, primary_key=True, init=False)
    at: Mapped[datetime]
    nas: Mapped[str]
    account: Mapped[str]
    subaccount: Mapped[str]
    placement_id: Mapped[int | None] = mapped_column(BigInteger)
    action: Mapped[str]
    cause: Mapped[str]
    command: Mapped[str]
    """As sent, secrets masked."""
    outcome: Mapped[str]
    status: Mapped[int | None]
    output: Mapped[str]
    duration: Mapped[float]
    """Seconds."""


class Rollout(Base):
    """A change that is tried on a few placements before it is in force for all: the template of an action on some NASes, or the
    speed of a tariff. What it says counts for those whom it has admitted, until it is done (see ``ebs_core.services.canary``)."""

    __tablename__ = "rollout"

    id: Mapped[int] = mapped_column(Id, primary_key=True, init=False)
    nas_id: Mapped[int] = mapped_column(ForeignKey("nas.id", ondelete="CASCADE"))
    """Where it begins."""
    stage: Mapped[str]
    """``ebs_core.services.canary.Stage``."""
    state: Mapped[str]
    """``ebs_core.services.canary.State``."""
    size: Mapped[int]
    """How many placements the first stage is to admit."""
    created_at: Mapped[datetime]
    moved_at: Mapped[datetime]
    """When stage or state became what they are."""
    # of a template
    action: Mapped[str | None] = mapped_column(default=None)
    source: Mapped[str | None] = mapped_column(default=None)
    """None: the profile's own again."""
    nas_ids: Mapped[list[int] | None] = mapped_column(JSON(none_as_null=True), default=None)
    """The NASes whose template it is; None: it is about a tariff."""
    # of a tariff
    tariff_id: Mapped[int | None] = mapped_column(ForeignKey("tariff.id", ondelete="CASCADE"), default=None)
    speed: Mapped[str | None] = mapped_column(default=None)
    """``Speed.encode``."""
    # how it goes
    chosen: Mapped[list[int]] = mapped_column(JSON, default_factory=list)
    """The placements of the first stage."""
    waiting: Mapped[list[int]] = mapped_column(JSON, default_factory=list)
    """NASes on which not everybody who is admitted was found right yet, in this stage."""
    excused: Mapped[dict[str, Any]] = mapped_column(JSON, default_factory=dict)
    """Who was failing already when he was admitted: by placement id, ``[what, tries]``."""
    reason: Mapped[str | None] = mapped_column(default=None)
    """Why it was stopped, for people."""


class Operator(Base):
    """A person, or a program, that works with EBS."""

    __tablename__ = "operator"

    id: Mapped[int] = mapped_column(Id, primary_key=True, init=False)
    name: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]
    """``ebs_core.domain.permissions.Role``."""
    password: Mapped[str]
    """Its argon2id hash."""
    created_at: Mapped[datetime]
    full_name: Mapped[str] = mapped_column(default="")
    totp: Mapped[str | None] = mapped_column(default=None)
    """Sealed secret of the second factor (RFC 6238); None: a password is enough."""
    totp_step: Mapped[int] = mapped_column(BigInteger, default=0)
    """The time step of the last code that was taken: no code is taken twice."""
    networks: Mapped[list[str]] = mapped_column(JSON, default_factory=list)
    """From where he may log in, in CIDR notation; empty: from everywhere."""
    disabled: Mapped[bool] = mapped_column(default=False)
    failures: Mapped[int] = mapped_column(default=0)
    """Wrong passwords in a row."""
    locked_until: Mapped[datetime | None] = mapped_column(default=None)
    version: Mapped[int] = mapped_column(server_default="1", init=False)
    """Grows with every edit by a person."""
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class Credential(Base):
    """What an operator shows with each request: a session, or an API token. Only its digest is kept."""

    __tablename__ = "credential"

    id: Mapped[int] = mapped_column(Id, primary_key=True, init=False)
    operator_id: Mapped[int] = mapped_column(ForeignKey("operator.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    """``session`` or ``token``."""
    digest: Mapped[str] = mapped_column(unique=True)
    """SHA-256 of 256 random bits, in hexadecimal digits."""
    role: Mapped[str]
    """What it may do at most."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    name: Mapped[str] = mapped_column(default="")
    address: Mapped[str] = mapped_column(default="")
    """Where it was made or used last."""
    used_at: Mapped[datetime | None] = mapped_column(default=None)


class Audit(Base):
    """Who did what, and what was refused. Rows are only ever added. Names are copied: it outlives what it tells of."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_operator_at", "operator", "at"), Index("ix_audit_kind_name_at", "kind", "name", "at"))

    id: Mapped[int] = mapped_column(Id, primary_key=True, init=False)
    at: Mapped[datetime] = mapped_column(index=True)
    operator: Mapped[str]
    address: Mapped[str]
    """Where from: an IP address, or ``local`` for the command line."""
    act: Mapped[str]
    """Object and verb, as ``account.set``."""
    kind: Mapped[str]
    """Of the object: ``account``, ``NAS``, …"""
    name: Mapped[str]
    """Of the object."""
    detail: Mapped[dict[str, Any]]
    """What changed (``{field: [before, after]}``, secrets masked), or what else there is to say."""
    refused: Mapped[str] = mapped_column(default="")
    """Why it was not done; empty: it was done."""


class Event(Base):
    """Something changed that people may be looking at. Written in the transaction that changes it; kept for an hour or so."""

    __tablename__ = "event"
    __table_args__ = (Index("ix_event_transaction_id", "transaction", "id"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True, init=False)
    at: Mapped[int] = mapped_column(BigInteger)
    """Milliseconds since 1970 by the database's clock."""
    transaction: Mapped[int] = mapped_column(BigInteger)
    """PostgreSQL's number of the transaction: commits come in another order than ids. 0 on SQLite, which has one writer."""
    topic: Mapped[str]
    """``ebs_core.storage.events.Topic``."""
    ids: Mapped[list[int] | None] = mapped_column(JSON(none_as_null=True))
    """Of what changed; None: too many to name."""


class Operation(Base):
    """Long work that an operator asked for: it goes on without him, shows how far it is, and can be cancelled."""

    __tablename__ = "operation"

    id: Mapped[int] = mapped_column(Id, primary_key=True, init=False)
    kind: Mapped[str]
    operator: Mapped[str]
    created_at: Mapped[datetime]
    state: Mapped[str]
    """``running``, ``done``, ``failed``, ``cancelled`` or ``lost`` (its process ended)."""
    request: Mapped[dict[str, Any]]
    total: Mapped[int] = mapped_column(default=0)
    done: Mapped[int] = mapped_column(default=0)
    cancel: Mapped[bool] = mapped_column(default=False)
    """Somebody asked for its end."""
    beat_at: Mapped[int] = mapped_column(BigInteger, default=0)
    """When its process last wrote here (milliseconds since 1970 by the database's clock)."""
    ended_at: Mapped[datetime | None] = mapped_column(default=None)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), default=None)


class Answer(Base):
    """What was answered to a request with an Idempotency-Key: it is answered again instead of being done twice."""

    __tablename__ = "answer"
    __table_args__ = (UniqueConstraint("operator", "key"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True, init=False)
    operator: Mapped[str]
    key: Mapped[str]
    fingerprint: Mapped[str]
    """Of the request: the same key with another request is a mistake."""
    created_at: Mapped[datetime] = mapped_column(index=True)
    status: Mapped[int | None] = mapped_column(SmallInteger, default=None)
    """None: it is being done."""
    body: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), default=None)
    headers: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), default=None)
