"""Every variable a template can name, in all its spellings (source: ExpertBilling's documentation of command templates).

A variable has one **canonical** name: ``acc_…`` of the account, ``subacc_…`` of the subaccount, ``nas_…`` of the NAS; speed
and session figures and EBS's own carry no prefix. The original's odd spellings (``ballance``, ``tarif``, ``treshold``) are the
canonical ones, the correct ones are aliases. A bare name (``$ipn_ip_address``) means the nearest owner: in an action of a
subaccount or session the subaccount, then the account, then the NAS; in an action of an account the account, then the NAS.

The tables below give each name with a plausible value, which trial renderings use.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType

from ebs_core.domain.actions import ORIGINAL_NAMES, Action, Level
from ebs_core.domain.errors import InputError

BOOTSTRAP = "bootstrap"
"""The one template that is no action: the set-up of a fresh NAS."""

OPTIONS = "options"
"""The mapping of the NAS's options, used as ``options.NAME``."""

_MOMENT = datetime(2024, 1, 31, 12, 0, tzinfo=UTC)

_ACCOUNT: dict[str, object] = {
    "account_id": 17, "ballance": Decimal("10.00"), "credit": Decimal("5.00"), "datetime": _MOMENT, "tarif_id": 3,
    "access_parameters_id": 4, "time_access_service_id": 5, "traffic_transmit_service_id": 6, "cost": Decimal("20.00"),
    "reset_tarif_cost": True, "settlement_period_id": 7, "tarif_active": True, "acctf_id": 8, "account_created": _MOMENT,
    "disabled_by_limit": True, "balance_blocked": True, "nas_id": 2, "ipn_status": True, "ipn_speed": "10M/10M",
    "vpn_speed": "10M/10M", "ipn_added": True, "allow_express_pay": True, "account_status": 1, "username": "a-0017",
    "password": "secret", "current_acctf": 8, "allow_ipn_with_null": True, "allow_ipn_with_minus": True,
    "allow_ipn_with_block": True, "userblock_max_days": 30,
    "full_name": "Ivan Ivanov", "comment": "third floor", "contract": "C-17", "phone": "+375291234567",
    "email": "ivan@example.net", "postal_address": "Lesnaya 17", "tariff_name": "Home 50", "bonus_balance": Decimal("1.00"),
}  # fmt: skip

_SUBACCOUNT: dict[str, object] = {
    "id": 18, "account_id": 17, "username": "a-0017-1", "password": "secret", "vpn_ip_address": "10.88.0.2",
    "ipn_ip_address": "10.77.0.2", "ipn_mac_address": "02:00:00:00:00:02", "nas_id": 2, "ipn_added": True, "ipn_enabled": True,
    "need_resync": True, "speed": "10M/10M", "switch_id": 9, "switch_port": 12, "allow_dhcp": True, "allow_dhcp_with_null": True,
    "allow_dhcp_with_minus": True, "allow_dhcp_with_block": True, "allow_vpn_with_null": True, "allow_vpn_with_minus": True,
    "allow_vpn_with_block": True, "associate_pptp_ipn_ip": True, "associate_pppoe_ipn_mac": True, "ipn_speed": "10M/10M",
    "vpn_speed": "10M/10M", "allow_addonservice": True, "allow_ipn_with_null": True, "allow_ipn_with_minus": True,
    "allow_ipn_with_block": True, "vlan": 100, "vpn_ipv6_ip_address": "2001:db8::2", "ipv4_ipn_pool_id": 10,
    "ipv4_vpn_pool_id": 11,
    "comment": "second socket",
}  # fmt: skip

_NAS: dict[str, object] = {
    "id": 2, "type": "mikrotik", "name": "nas1", "ipaddress": "10.0.0.1", "secret": "secret", "login": "ebs",
    "password": "secret", "allow_pptp": True, "allow_pppoe": True, "allow_ipn": True,
    "user_add_action": "add", "user_enable_action": "enable",
    "user_disable_action": "disable", "user_delete_action": "delete", "vpn_speed_action": "speed", "ipn_speed_action": "speed",
    "reset_action": "reset", "speed_vendor_1": "14988", "speed_vendor_2": "14988", "speed_attr_id1": 8, "speed_attr_id2": 8,
    "speed_value1": "10M/10M", "speed_value2": "10M/10M", "identify": "nas1", "subacc_add_action": "add",
    "subacc_enable_action": "enable", "subacc_disable_action": "disable", "subacc_del_action": "delete",
    "subacc_ipn_speed_action": "speed", "acct_interim_interval": 60,
    "comment": "in the cellar",
}  # fmt: skip

_SPEED: dict[str, object] = {
    "access_type": "IPN", "max_limit_tx": 10_000_000, "max_limit_rx": 20_000_000, "burst_limit_tx": 15_000_000,
    "burst_limit_rx": 30_000_000, "burst_treshold_tx": 8_000_000, "burst_treshold_rx": 16_000_000, "burst_time_tx": 8,
    "burst_time_rx": 8, "priority": 8, "min_limit_tx": 1_000_000, "min_limit_rx": 2_000_000,
}  # fmt: skip

_SESSION: dict[str, object] = {"session": "81a00003", "nas_port_id": 15, "framed_ip_address": "10.88.0.2"}

_OWN: dict[str, object] = {"slot": 258, "tag": "ebs:258", "placement_id": 258}

_ACCOUNT_ALIASES = {
    "id": "account_id", "balance": "ballance", "tariff_id": "tarif_id", "tariff_active": "tarif_active",
    "reset_tariff_cost": "reset_tarif_cost",
}  # fmt: skip
_NAS_ALIASES = {"subacc_delete_action": "subacc_del_action"}
_SPEED_ALIASES = {f"burst_threshold_{way}": f"burst_treshold_{way}" for way in ("tx", "rx")}


def _prefixed(prefix: str, table: Mapping[str, object]) -> dict[str, object]:
    return {prefix + name: value for name, value in table.items()}


SAMPLES: Mapping[str, object] = MappingProxyType(
    {
        **_prefixed("acc_", _ACCOUNT),
        **_prefixed("subacc_", _SUBACCOUNT),
        **_prefixed("nas_", _NAS),
        **_SPEED,
        **_SESSION,
        **_OWN,
    }
)
"""A plausible, non-empty value of every variable but ``options``, by canonical name."""

CANONICAL: frozenset[str] = frozenset(SAMPLES) | {OPTIONS}
"""Every canonical name. Whoever renders must be able to supply each one that the action's scope has."""

SECRETS = frozenset({"acc_password", "subacc_password", "nas_password", "nas_secret"})
"""What must not be shown, nor anything computed from it."""

ADDRESSES = frozenset({"subacc_ipn_ip_address", "subacc_vpn_ip_address", "subacc_vpn_ipv6_ip_address", "framed_ip_address"})
"""What must not reach a command while it is empty or means "everybody"."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The variables one kind of template can name: every spelling, and the canonical name it stands for."""

    name: str
    names: Mapping[str, str]

    @property
    def canonical(self) -> frozenset[str]:
        return frozenset(self.names.values())

    def why_unknown(self, name: str) -> str:
        """Why ``name`` is no variable here, for people, with the closest name that is."""
        if name.startswith("addons_"):
            return f"unknown variable '{name}': add-on services do not exist in EBS yet"
        elsewhere = _SUBACCOUNT_NAMES.get(name) or _SESSION_NAMES.get(name)
        if elsewhere and self.name == BOOTSTRAP:
            return f"unknown variable '{name}': {BOOTSTRAP} prepares a NAS and knows only nas_… and options"
        if elsewhere and elsewhere.startswith("subacc_"):
            return f"unknown variable '{name}': it belongs to a subaccount, and this action is for an account"
        if elsewhere:
            return f"unknown variable '{name}': only session_speed and session_reset know it"
        close = difflib.get_close_matches(name, self.names, n=1)
        return f"unknown variable '{name}'" + (f"; did you mean '{close[0]}'?" if close else "")


def _scope(name: str, owners: tuple[str, ...], *unprefixed: Mapping[str, str]) -> Scope:
    """``owners`` are prefixes, the nearest first: its bare names win over those of the later ones."""
    names: dict[str, str] = {}
    for prefix in reversed(owners):
        names |= {bare: prefix + own for bare, own in _BARE[prefix].items()}
    for prefix in owners:
        names |= {prefix + bare: prefix + own for bare, own in _BARE[prefix].items()}
    for table in unprefixed:
        names |= table
    names[OPTIONS] = OPTIONS
    return Scope(name, MappingProxyType(names))


def _same(table: Mapping[str, object]) -> dict[str, str]:
    return {name: name for name in table}


_BARE: dict[str, dict[str, str]] = {
    "acc_": _same(_ACCOUNT) | _ACCOUNT_ALIASES,
    "subacc_": _same(_SUBACCOUNT),
    "nas_": _same(_NAS) | _NAS_ALIASES,
}
_COMMON = _same(_SPEED) | _SPEED_ALIASES | _same(_OWN)

SCOPES: Mapping[str, Scope] = {
    scope.name: scope
    for scope in (
        _scope(Level.ACCOUNT, ("acc_", "nas_"), _COMMON),
        _scope(Level.SUBACCOUNT, ("subacc_", "acc_", "nas_"), _COMMON),
        _scope(Level.SESSION, ("subacc_", "acc_", "nas_"), _COMMON, _same(_SESSION)),
        _scope(BOOTSTRAP, ("nas_",)),
    )
}
"""By level, and ``bootstrap``."""

_SUBACCOUNT_NAMES = SCOPES[Level.SUBACCOUNT].names
_SESSION_NAMES = SCOPES[Level.SESSION].names


def action_named(name: str) -> Action:
    """The action of that name, ours or the original's. Raises InputError."""
    if name in ORIGINAL_NAMES:
        return ORIGINAL_NAMES[name]
    try:
        return Action(name)
    except ValueError:
        close = difflib.get_close_matches(name, [*Action, *ORIGINAL_NAMES], n=1)
        hint = f"did you mean '{close[0]}'? " if close else ""
        raise InputError(f"there is no action '{name}'", remedy=f"{hint}Actions: {', '.join(Action)}") from None


def scope_of(name: str) -> Scope:
    """The variables of the template called ``name``: an action's, the original's name of one, or ``bootstrap``."""
    return SCOPES[BOOTSTRAP if name == BOOTSTRAP else action_named(name).level]
