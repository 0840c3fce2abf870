"""The filters EBS adds to Jinja's.

    {{ max_limit_rx | bps }}            10000000            bit/s from a number or from "10M", "512k" (×1000)
    {{ max_limit_rx | kbit }}           10000kbit           the same for tc, rounded up
    {{ ipn_ip_address | ip }}           10.77.0.2           an IPv4 or IPv6 address in its normal form
    {{ ipn_ip_address | net(32) }}      10.77.0.2/32        a network in its normal form; 32 where the value has no prefix length
    {{ ipn_mac_address | mac('cisco') }} 0200.0000.0002     also 'colon' (the default), 'dash', 'plain'
    {{ subacc_allow_dhcp | yesno }}     yes                 yes or no
    {{ slot | hex(4) }}                 0102                lower-case hexadecimal, at least so many digits

A value that is not what the filter takes is refused with UnquotableValue and never sent.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from ebs_core.domain.errors import UnquotableValue

_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKmMgG]?)(?:bit/s|bit|bps)?", re.ASCII)
_FACTORS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3}
_MAC = re.compile(r"[0-9a-f]{2}([:-]?)(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}|[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}", re.ASCII)
_MAC_STYLES = {"colon": (2, ":"), "dash": (2, "-"), "cisco": (4, "."), "plain": (12, "")}


class BadValue(UnquotableValue):
    """A value that is not what a filter takes. ``discreet`` says so without quoting it."""

    def __init__(self, value: object, what: str) -> None:
        super().__init__(f"{value!r:.60} is not {what}", remedy="correct the value, or test it in the template before it is used")
        self.discreet = f"a value is not {what}"


def bps(value: object) -> int:
    """Bit/s, whole; nothing is 0. ``k``, ``M`` and ``G`` are powers of 1000 as in the original."""
    if type(value) is int and value >= 0:
        return value
    if value is None or value == "":
        return 0
    match = _RATE.fullmatch(str(value).strip())
    if not match:
        raise BadValue(value, "a rate in bit/s such as 512k or 10M")
    return int(Decimal(match[1]) * _FACTORS[match[2].lower()])


def kbit(value: object) -> str:
    """A rate as tc reads it; rounded up, so that a small rate does not become none."""
    return f"{-(-bps(value) // 1000)}kbit"


def ip(value: object) -> str:
    try:
        return str(ipaddress.ip_address(str(value).strip()))
    except ValueError:
        raise BadValue(value, "an IP address") from None


def net(value: object, prefix: int | None = None) -> str:
    """``address/prefix`` with the host bits cleared. ``prefix`` counts where the value has none; without both it is one host."""
    text = str(value).strip()
    if prefix is not None and "/" not in text:
        text = f"{text}/{prefix}"
    try:
        return str(ipaddress.ip_interface(text).network)
    except ValueError:
        raise BadValue(value, "an IP address or network") from None


def mac(value: object, style: str = "colon") -> str:
    text = str(value).strip().lower()
    if style not in _MAC_STYLES:
        raise BadValue(style, f"a way to write a MAC address ({', '.join(_MAC_STYLES)})")
    if not _MAC.fullmatch(text):
        raise BadValue(value, "a MAC address")
    digits = re.sub(r"[^0-9a-f]", "", text)
    size, separator = _MAC_STYLES[style]
    return separator.join(digits[at : at + size] for at in range(0, 12, size))


def yesno(value: object) -> str:
    return "yes" if value else "no"


def hexadecimal(value: object, width: int = 0) -> str:
    if isinstance(value, bool) or not re.fullmatch(r"\d{1,20}", str(value), re.ASCII):
        raise BadValue(value, "a whole number")
    return f"{int(str(value)):0{min(int(width), 32)}x}"


FILTERS: dict[str, Callable[..., Any]] = {
    "bps": bps, "kbit": kbit, "ip": ip, "net": net, "mac": mac, "yesno": yesno, "hex": hexadecimal,
}  # fmt: skip

REMOVED = frozenset({"e", "escape", "forceescape", "safe", "urlize", "xmlattr", "striptags", "pprint", "random"})
"""Jinja's filters that make HTML, which would alter values silently, and ``random``: rendering twice must give the same."""
