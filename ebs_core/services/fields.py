"""The fields that people may set on each object: one table for site files, CSV files and ``ebs … set``.

A reader takes what was typed and returns the column's value, or raises ValueError with the reason. References to other objects
(``tariff``, ``nas``) are names here; ``ebs_core.services.edit`` resolves them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from ebs_core.domain import speed, values
from ebs_core.domain.rules import AccessType, AccountStatus

Reader = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Field:
    """``column`` of the table; ``empty`` is stored for an empty input (None: empty input goes to the reader)."""

    column: str
    read: Reader
    empty: Any = None
    optional: bool = False
    secret: bool = False
    reference: bool = False
    """The value names another object."""

    def parse(self, typed: str) -> Any:
        if self.optional and not (typed if self.secret else typed.strip()):
            return self.empty
        return self.read(typed)


def parse_all(known: Mapping[str, Field], typed: Mapping[str, str], problem: Callable[[str, str], None]) -> dict[str, Any]:
    """Values by field name, of those that are known and can be read; ``problem(field, reason)`` is called for the others but
    unknown ones."""
    parsed: dict[str, Any] = {}
    columns: dict[str, str] = {}
    for name, text in typed.items():
        field = known.get(name)
        if field is None:
            continue
        if twin := columns.get(field.column):
            problem(name, f"is the same as {twin}; give one of them")
            continue
        columns[field.column] = name
        try:
            parsed[name] = field.parse(text)
        except ValueError as error:
            problem(name, str(error))
    return parsed


def _optional(column: str, read: Reader, empty: Any = "") -> Field:
    return Field(column, read, empty=empty, optional=True)


def _enum(kind: type[AccountStatus] | type[AccessType]) -> Reader:
    words = {member.word: member.value for member in kind}

    def read(typed: str) -> int:
        word = typed.strip().lower()
        if word.isascii() and word.isdigit() and int(word[:9]) in words.values():
            return int(word)
        if word not in words:
            raise ValueError(f"{typed!r} is not one of {', '.join(words)}")
        return words[word]

    return read


def _own_speed(typed: str) -> str:
    return speed.read_line(typed).encode()


def _password(typed: str) -> str:
    values.text(typed)
    return typed


def _owed(typed: str) -> Decimal:
    amount = values.money(typed)
    if amount < 0:
        raise ValueError(f"{typed!r} is negative; a promised payment is zero (none) or more")
    return amount


def _flags(*names: str) -> dict[str, Field]:
    return {name: Field(name, values.boolean) for name in names}


def _texts(*names: str) -> dict[str, Field]:
    return {name: Field(name, values.text) for name in names}


_number = values.integer(0, 2**31 - 1)

TARIFF: Final[Mapping[str, Field]] = {
    "name": Field("name", values.name),
    "access_type": Field("access_type", _enum(AccessType)),
    **_flags("nas_actions", "active", "reset_tarif_cost", "allow_express_pay"),
    "cost": Field("cost", values.money),
    "comment": Field("comment", values.text),
    "userblock_max_days": Field("userblock_max_days", _number),
    **{
        name: _optional(name, _number, None)
        for name in ("access_parameters_id", "time_access_service_id", "traffic_transmit_service_id", "settlement_period_id")
    },
}
"""Besides ``speed``, a mapping of figures."""

ACCOUNT: Final[Mapping[str, Field]] = {
    "username": Field("username", values.name),
    "password": Field("password", _password, optional=True, secret=True),
    **_texts("full_name", "contract", "phone", "email", "postal_address", "comment"),
    "balance": Field("balance", values.money),
    "credit": Field("credit", values.money),
    "bonus_balance": Field("bonus_balance", values.money),
    "status": Field("status", _enum(AccountStatus)),
    "tariff": Field("tariff_id", values.text, optional=True, reference=True),
    "nas": Field("nas_id", values.text, optional=True, reference=True),
    "promised": Field("promised", _owed),
    "promised_until": _optional("promised_until", values.moment, None),
    "next_tariff": Field("next_tariff_id", values.text, optional=True, reference=True),
    "next_tariff_at": _optional("next_tariff_at", values.moment, None),
    **_flags("disabled_by_limit", "balance_blocked", "allow_ipn_with_null", "allow_ipn_with_minus", "allow_ipn_with_block"),
    "ipn_speed": _optional("ipn_speed", _own_speed),
    "vpn_speed": _optional("vpn_speed", _own_speed),
}

SUBACCOUNT: Final[Mapping[str, Field]] = {
    "username": Field("username", values.name),
    "password": Field("password", _password, optional=True, secret=True),
    "nas": Field("nas_id", values.text, optional=True, reference=True),
    "ipn_ip_address": _optional("ipn_ip_address", values.ipv4),
    "ipn_mac_address": _optional("ipn_mac_address", values.mac),
    "vpn_ip_address": _optional("vpn_ip_address", values.ipv4),
    "vpn_ipv6_ip_address": _optional("vpn_ipv6_ip_address", values.ipv6),
    "vlan": _optional("vlan", values.vlan, None),
    **{name: _optional(name, _number, None) for name in ("switch_id", "switch_port", "ipv4_ipn_pool_id", "ipv4_vpn_pool_id")},
    "ipn_speed": _optional("ipn_speed", _own_speed),
    "vpn_speed": _optional("vpn_speed", _own_speed),
    "speed": _optional("ipn_speed", _own_speed),  # the short name of ipn_speed
    **_flags(
        *(f"allow_{service}_with_{case}" for service in ("ipn", "vpn", "dhcp") for case in ("null", "minus", "block")),
        "allow_dhcp",
        "associate_pptp_ipn_ip",
        "associate_pppoe_ipn_mac",
        "allow_addonservice",
    ),
    "comment": Field("comment", values.text),
}

NAS: Final[Mapping[str, Field]] = {
    "name": Field("name", values.name),
    "profile": Field("profile", values.name),
    "transport": _optional("transport", values.name, None),
    "address": Field("address", values.text),
    "port": _optional("port", values.port, None),
    "login": Field("login", values.text),
    "password": Field("password", _password, optional=True, secret=True),
    "key_file": _optional("key_file", values.text, None),
    "host_key": _optional("host_key", values.text, None),
    "comment": Field("comment", values.text),
    "maintenance": _optional("maintenance", values.text, None),
    "secret": Field("secret", _password, optional=True, secret=True),
    **_texts("identify", "speed_vendor_1", "speed_vendor_2", "speed_attr_id1", "speed_attr_id2", "speed_value1", "speed_value2"),
    **_flags("allow_pptp", "allow_pppoe", "allow_ipn"),
    "acct_interim_interval": Field("acct_interim_interval", values.integer(60, 86_400)),
}
"""Besides ``options`` and ``templates``, both mappings of texts."""
