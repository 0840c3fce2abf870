"""The values of every variable that a template can name (ExpertBilling's, and EBS's own), from the rows of one placement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import ColumnElement
from sqlalchemy.orm import InstrumentedAttribute

from ebs_core.crypto import SecretBox
from ebs_core.domain.actions import ORIGINAL_NAMES
from ebs_core.domain.nas import Profile
from ebs_core.domain.rules import AccessType
from ebs_core.domain.speed import TEMPLATE_NAMES, Speed
from ebs_core.domain.text import Secret
from ebs_core.storage.tables import Account, AccountTariff, Nas, Placement, Subaccount, Tariff


@dataclass(slots=True)
class NasFacts:
    """A NAS with its profile and the template sources in force, by action name."""

    nas: Nas
    profile: Profile
    sources: Mapping[str, str]
    options: Mapping[str, str]


@dataclass(slots=True)
class Facts:
    """Everything about one placement. ``session`` holds the values of a live session, by variable name."""

    on: NasFacts
    secrets: SecretBox
    placement: Placement | None = None
    account: Account | None = None
    subaccount: Subaccount | None = None
    tariff: Tariff | None = None
    account_tariff: AccountTariff | None = None
    speed: Speed = Speed()  # noqa: RUF009
    session: Mapping[str, object] = field(default_factory=dict)


Getter = Callable[[Facts], object]


def _of(part: str, name: str) -> Getter:
    def get(facts: Facts) -> object:
        owner = getattr(facts, part)
        return None if owner is None else getattr(owner, name)

    return get


def _secret(part: str, name: str) -> Getter:
    sealed = _of(part, name)

    def get(facts: Facts) -> object:
        text = sealed(facts)
        return facts.secrets.open(str(text)) if text else Secret("")

    return get


def _nas(name: str) -> Getter:
    return lambda facts: getattr(facts.on.nas, name)


def _nas_secret(name: str) -> Getter:
    def get(facts: Facts) -> object:
        sealed = getattr(facts.on.nas, name)
        return facts.secrets.open(sealed) if sealed else Secret("")

    return get


def _template(original: str) -> Getter:
    return lambda facts: facts.on.sources.get(ORIGINAL_NAMES[original].value, "")


def _is_active(facts: Facts) -> bool:
    return bool(facts.placement and facts.placement.enabled)


def _is_added(facts: Facts) -> bool:
    return bool(facts.placement and facts.placement.presence)


def _needs_resync(facts: Facts) -> bool:
    return bool(facts.placement and facts.placement.changed != facts.placement.settled)


def _applied_speed(facts: Facts) -> str:
    return (facts.placement.speed if facts.placement else None) or ""


def _access_type(facts: Facts) -> str:
    return AccessType(facts.tariff.access_type).word if facts.tariff else ""


def _framed_address(facts: Facts) -> object:
    given = facts.session.get("framed_ip_address")
    if given is not None or facts.subaccount is None:
        return given
    return facts.subaccount.vpn_ip_address or facts.subaccount.ipn_ip_address


def _session(name: str) -> Getter:
    return lambda facts: facts.session.get(name, "")


_ACCOUNT_COLUMNS = (
    "username full_name contract phone email postal_address comment credit bonus_balance disabled_by_limit balance_blocked "
    "nas_id ipn_speed vpn_speed allow_ipn_with_null allow_ipn_with_minus allow_ipn_with_block"
).split()
_SUBACCOUNT_COLUMNS = (
    "id account_id username vpn_ip_address ipn_ip_address ipn_mac_address nas_id switch_id switch_port allow_dhcp "
    "allow_dhcp_with_null allow_dhcp_with_minus allow_dhcp_with_block allow_vpn_with_null allow_vpn_with_minus "
    "allow_vpn_with_block associate_pptp_ipn_ip associate_pppoe_ipn_mac ipn_speed vpn_speed allow_addonservice "
    "allow_ipn_with_null allow_ipn_with_minus allow_ipn_with_block vlan vpn_ipv6_ip_address ipv4_ipn_pool_id "
    "ipv4_vpn_pool_id comment"
).split()
_NAS_COLUMNS = (
    "id name login identify allow_pptp allow_pppoe allow_ipn speed_vendor_1 speed_vendor_2 speed_attr_id1 speed_attr_id2 "
    "speed_value1 speed_value2 acct_interim_interval comment"
).split()
_TARIFF_COLUMNS = (
    "access_parameters_id time_access_service_id traffic_transmit_service_id cost reset_tarif_cost settlement_period_id "
    "allow_express_pay userblock_max_days"
).split()
_NAS_TEMPLATES = (
    "user_add_action user_enable_action user_disable_action user_delete_action vpn_speed_action ipn_speed_action "
    "reset_action subacc_add_action subacc_enable_action subacc_disable_action subacc_del_action subacc_ipn_speed_action"
).split()

VARIABLES: Final[Mapping[str, Getter]] = {
    **{f"acc_{name}": _of("account", name) for name in _ACCOUNT_COLUMNS},
    **{f"acc_{name}": _of("tariff", name) for name in _TARIFF_COLUMNS},
    "acc_account_id": _of("account", "id"),
    "acc_ballance": _of("account", "balance"),
    "acc_account_status": _of("account", "status"),
    "acc_account_created": _of("account", "created_at"),
    "acc_password": _secret("account", "password"),
    "acc_tarif_id": _of("account", "tariff_id"),
    "acc_tarif_active": _of("tariff", "active"),
    "acc_tariff_name": _of("tariff", "name"),
    "acc_acctf_id": _of("account_tariff", "id"),
    "acc_current_acctf": _of("account_tariff", "id"),
    "acc_datetime": _of("account_tariff", "since"),
    "acc_ipn_status": _is_active,
    "acc_ipn_added": _is_added,
    **{f"subacc_{name}": _of("subaccount", name) for name in _SUBACCOUNT_COLUMNS},
    "subacc_password": _secret("subaccount", "password"),
    "subacc_ipn_added": _is_added,
    "subacc_ipn_enabled": _is_active,
    "subacc_need_resync": _needs_resync,
    "subacc_speed": _applied_speed,
    **{f"nas_{name}": _nas(name) for name in _NAS_COLUMNS},
    "nas_type": _nas("profile"),
    "nas_ipaddress": _nas("address"),
    "nas_secret": _nas_secret("secret"),
    "nas_password": _nas_secret("password"),
    **{f"nas_{name}": _template(name) for name in _NAS_TEMPLATES},
    **{variable: _of("speed", figure) for variable, figure in TEMPLATE_NAMES.items()},
    "access_type": _access_type,
    "session": _session("session"),
    "nas_port_id": _session("nas_port_id"),
    "framed_ip_address": _framed_address,
    "slot": _of("placement", "slot"),
    "placement_id": _of("placement", "id"),
    "tag": lambda facts: facts.on.profile.tag.format(placement=facts.placement.id if facts.placement else 0),
    "options": lambda facts: facts.on.options,
}
"""Canonical name to getter. The same names are the catalogue of ``actions.variables``; a test holds the two together."""

_ALWAYS_MOVING: Final = frozenset(
    (
        "acc_ballance acc_credit acc_bonus_balance acc_datetime acc_acctf_id acc_current_acctf acc_disabled_by_limit "
        "acc_balance_blocked acc_account_status acc_ipn_status acc_ipn_added subacc_ipn_added subacc_ipn_enabled "
        "subacc_need_resync subacc_speed acc_ipn_speed acc_vpn_speed subacc_ipn_speed subacc_vpn_speed session nas_port_id "
        "framed_ip_address slot placement_id tag"
    ).split()
) | set(TEMPLATE_NAMES)
"""Their change alone never makes records anew: they move with money and state (or never, like the slot)."""


def identity(names: Iterable[str]) -> tuple[str, ...]:
    """Those of ``names`` whose change means other records, sorted."""
    return tuple(sorted(set(names) - _ALWAYS_MOVING))


def column_of(name: str) -> ColumnElement[Any] | InstrumentedAttribute[Any] | None:
    """The column that an identity variable of an account, subaccount or tariff comes from; None for a NAS's own variables."""
    special: dict[str, InstrumentedAttribute[Any]] = {
        "acc_account_id": Account.id,
        "acc_account_created": Account.created_at,
        "acc_password": Account.password_revision,
        "acc_tarif_id": Account.tariff_id,
        "acc_tarif_active": Tariff.active,
        "acc_tariff_name": Tariff.name,
        "subacc_password": Subaccount.password_revision,
        "access_type": Tariff.access_type,
    }
    if name in special:
        return special[name]
    prefix, _, rest = name.partition("_")
    if prefix == "acc":
        return getattr(Tariff if rest in _TARIFF_COLUMNS else Account, rest)  # type: ignore[no-any-return]
    return getattr(Subaccount, rest) if prefix == "subacc" else None


def collect(names: Iterable[str], facts: Facts) -> dict[str, object]:
    """The values of ``names``."""
    return {name: VARIABLES[name](facts) for name in names}


_SEALED_IN: Final = {
    "acc_password": ("account", "password"),
    "subacc_password": ("subaccount", "password"),
}


def keep(names: Iterable[str], facts: Facts) -> dict[str, Any]:
    """The values of ``names`` in the form that is stored with a placement: JSON, secrets sealed."""
    kept: dict[str, Any] = {}
    for name in names:
        if name in _SEALED_IN:
            part, column = _SEALED_IN[name]
            kept[name] = {"sealed": getattr(getattr(facts, part), column, None)}
            continue
        value = VARIABLES[name](facts)
        if isinstance(value, Secret):
            kept[name] = {"sealed": facts.secrets.seal(value) if value else None}
        elif isinstance(value, Decimal):
            kept[name] = str(value)
        elif isinstance(value, Mapping):
            kept[name] = dict(value)
        else:
            kept[name] = value if isinstance(value, str | int | bool | None) else str(value)
    return kept


def restore(kept: Mapping[str, Any], secrets: SecretBox) -> dict[str, object]:
    """The inverse of ``keep``, for rendering."""
    return {name: _restored(value, secrets) for name, value in kept.items()}


def _restored(value: Any, secrets: SecretBox) -> object:
    if isinstance(value, dict) and value.keys() == {"sealed"}:
        return secrets.open(value["sealed"]) if value["sealed"] else Secret("")
    return value
