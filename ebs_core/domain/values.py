"""Reading of single values that people type: each function returns the canonical form or raises ValueError with the reason."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

MAX_TEXT: Final = 512
MONEY_STEP: Final = Decimal("0.0001")
MAX_MONEY: Final = Decimal(10) ** 12
_MAC = re.compile(r"[0-9a-f]{12}")
_RATE = re.compile(r"(\d{1,15}(?:\.\d{1,12})?)\s*(k|m|g)?(?:bit/s|bps|bit)?", re.IGNORECASE | re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,100}", re.ASCII)
_AMOUNT = re.compile(r"[+-]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][+-]?\d{1,2})?", re.ASCII)
_UNITS: Final = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3}
_YES: Final = frozenset({"true", "yes", "on", "1", "да"})
_NO: Final = frozenset({"false", "no", "off", "0", "нет"})
MAX_RATE: Final = 10**13
"""10 Tbit/s: more than any subscriber line, less than any integer column."""


def text(value: str, *, limit: int = MAX_TEXT) -> str:
    """Free text of one line: no control characters (NUL, newline, tab, escape…), at most ``limit`` characters, valid UTF-8."""
    for place, char in enumerate(value, 1):
        category = unicodedata.category(char)
        if category in {"Cc", "Zl", "Zp"}:
            raise ValueError(f"character {place} is {_char_name(char)}, which no NAS takes as plain text; remove it")
        if category == "Cs":
            raise ValueError(f"character {place} is half of a surrogate pair; the text is not valid Unicode")
    if len(value) > limit:
        raise ValueError(f"is {len(value)} characters long; at most {limit} are allowed")
    return value


def _char_name(char: str) -> str:
    names = {"\x00": "NUL", "\n": "a newline", "\r": "a carriage return", "\t": "a tab", "\x1b": "an escape"}
    return names.get(char, f"the control character U+{ord(char):04X}")


def name(value: str) -> str:
    """A name that others refer to: text, not empty, no white space around it."""
    text(value)
    if not value:
        raise ValueError("is empty")
    if value != value.strip():
        raise ValueError("has white space at its start or end")
    return value


def ipv4(value: str) -> str:
    """One IPv4 host address, canonical. Networks and wildcards are refused: they would open access to everybody."""
    value = value.strip()
    if "/" in value:
        raise ValueError(f"{value!r} is a network; a single address is needed, such as 10.0.0.2")
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        raise ValueError(f"{value!r} is not an IPv4 address") from None
    if address.version == 6:
        raise ValueError(f"{value!r} is an IPv6 address; give it as vpn_ipv6_ip_address")
    if address.is_unspecified:
        raise ValueError("0.0.0.0 means every address; give the subscriber's own")
    if address.is_multicast or address == ipaddress.IPv4Address("255.255.255.255"):
        raise ValueError(f"{value} is a multicast or broadcast address; give the subscriber's own")
    return str(address)


def ipv6(value: str) -> str:
    """One IPv6 address or a delegated prefix (``2001:db8:1::/56``), canonical."""
    value = value.strip()
    try:
        network = ipaddress.IPv6Network(value)
    except ValueError as error:
        raise ValueError(f"{value!r} is not an IPv6 address or prefix ({error})") from None
    if network.prefixlen == 0 or network.network_address.is_unspecified:
        raise ValueError(f"{value} means every address; give the subscriber's own")
    return str(network) if "/" in value else str(network.network_address)


def mac(value: str) -> str:
    """A unicast MAC address in any usual notation, as ``02:00:00:00:00:01``."""
    digits = re.sub(r"[-:.]", "", value.strip().lower())
    if not _MAC.fullmatch(digits) or not re.fullmatch(_MAC_FORMS, value.strip().lower()):
        raise ValueError(f"{value!r} is not a MAC address such as 02:00:00:00:00:01")
    if digits in {"0" * 12, "f" * 12} or int(digits[1], 16) & 1:
        raise ValueError(f"{value!r} is not the address of one station (zero, broadcast or multicast)")
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))


_MAC_FORMS: Final = (
    r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}|(?:[0-9a-f]{2}-){5}[0-9a-f]{2}|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}|[0-9a-f]{12}"
    r"|[0-9a-f]{6}[-:][0-9a-f]{6}"
)


def integer(low: int, high: int) -> Callable[[str], int]:
    """A reader of whole numbers from ``low`` to ``high``."""

    def read(value: str) -> int:
        if not _INTEGER.fullmatch(value.strip()):
            raise ValueError(f"{value!r:.40} is not a whole number")
        number = int(value)
        if not low <= number <= high:
            raise ValueError(f"{number} is not between {low} and {high}")
        return number

    return read


vlan = integer(1, 4094)
"""An 802.1Q VLAN id: 0 and 4095 are reserved."""

port = integer(1, 65535)


def boolean(value: str) -> bool:
    lowered = value.strip().lower()
    if lowered in _YES:
        return True
    if lowered in _NO:
        return False
    raise ValueError(f"{value!r} is neither true nor false")


def rate(value: str) -> int:
    """Bits per second from ``50M``, ``512k``, ``1.5G``, ``64000``: k, M, G are powers of 1000 (ExpertBilling)."""
    value = value.strip()
    if value.startswith("-"):
        raise ValueError(f"{value!r} is negative; a speed is zero (no limit) or more")
    match = _RATE.fullmatch(value)
    if not match:
        raise ValueError(f"{value!r:.40} is not a speed such as 512k, 50M or 1G")
    bits = Decimal(match[1]) * _UNITS[(match[2] or "").lower()]
    if bits != bits.to_integral_value():
        raise ValueError(f"{value!r} is not a whole number of bits per second")
    if bits > MAX_RATE:
        raise ValueError(f"{value!r} is more than 10 Tbit/s")
    return int(bits)


def money(value: str) -> Decimal:
    """An amount with at most four decimals."""
    if not _AMOUNT.fullmatch(value.strip()):
        raise ValueError(f"{value!r:.40} is not an amount of money such as 10.00")
    amount = Decimal(value.strip())
    if abs(amount) >= MAX_MONEY:
        raise ValueError(f"{value!r} is not an amount of money below {MAX_MONEY:.0E}")
    exact = amount.quantize(MONEY_STEP)
    if exact != amount:
        raise ValueError(f"{value!r} has more than four decimals")
    return exact


def moment(value: str) -> datetime:
    """A moment of ISO 8601 with its offset from UTC (``2026-12-01T00:00:00Z``), in UTC."""
    try:
        read = datetime.fromisoformat(value.strip())
    except ValueError:
        raise ValueError(f"{value!r:.40} is not a moment such as 2026-12-01T00:00:00Z") from None
    if read.tzinfo is None:
        raise ValueError(f"{value!r:.40} does not say its time zone; add Z (UTC) or an offset such as +03:00")
    try:
        return read.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{value!r:.40} is not a moment between the years 1 and 9999") from None
