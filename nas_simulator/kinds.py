"""Kinds of property values: what the router accepts, the form in which it keeps it and the form in which it shows it.

A kind's `parse(value, argument, names)` returns the stored form or raises a `Refusal`. `argument` is the property's name, for
the text of the refusal; `names(path)` gives the names that exist in another menu. A kind whose `parse` is None takes any text.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Final

from nas_simulator.durations import format_duration, parse_duration
from nas_simulator.refusals import Refusal, invalid_value, no_match, out_of_range

Names = Callable[[str], Container[str]]
Parse = Callable[[str, str, Names], str]


def _as_is(value: str) -> str:
    return value


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of value is read (`parse`) and how the console shows it (`show`)."""

    parse: Parse | None = None
    show: Callable[[str], str] = _as_is
    quoted: bool = False
    """The console's `print detail` puts the value in quotes."""
    boolean: bool = False
    address: bool = False
    """Unquoted, such a value never equals the stored one in a console condition."""
    duration: bool = False
    """Scripts get it as time by the clock."""
    listed: bool = False
    """Comma separated; scripts get several as an array."""


_TRUTH: Final = {"yes": "true", "true": "true", "no": "false", "false": "false"}
_OCTET: Final = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4: Final = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}").fullmatch
_HOST_NAME: Final = re.compile(r"(?=.*[A-Za-z_])[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?").fullmatch
_MAC: Final = re.compile(r"[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}").fullmatch
_RATE: Final = re.compile(r"(\d+)([kMG]?)").fullmatch
_SCALE: Final = {"": 1, "k": 1_000, "M": 1_000_000, "G": 1_000_000_000}


def _boolean(value: str, argument: str, names: Names) -> str:
    truth = _TRUTH.get(value)
    if truth is None:
        raise no_match(argument)
    return truth


def _network(value: str, argument: str, *, strict: bool = False) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(value, strict=strict)
    except ValueError:
        raise invalid_value(argument) from None


def _ip(value: str, argument: str, names: Names) -> str:
    if _IPV4(value):
        return value
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise invalid_value(argument) from None


def _ip_or_name(value: str, argument: str, names: Names) -> str:
    """For remote-address and local-address of PPP: an address or the name of a pool."""
    if not value or value in names("/ip/pool"):
        return value
    return _ip(value, argument, names)


def _ip_with_prefix(value: str, argument: str, names: Names) -> str:
    try:
        return str(ipaddress.ip_interface(value))
    except ValueError:
        raise invalid_value(argument) from None


def _prefix(value: str, argument: str, names: Names) -> str:
    return str(_network(value, argument))


def _exact_network(value: str, argument: str, names: Names) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        raise Refusal("failure: invalid network") from None


def _list_address(value: str, argument: str, names: Names) -> str:
    """An address-list takes an address, a prefix (host bits are dropped, /32 is not kept), a range or a DNS name."""
    if _IPV4(value):
        return value
    if "/" in value:
        network = _network(value, argument)
        return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)
    first, dash, last = value.partition("-")
    if dash and _IPV4(first) and _IPV4(last):
        return value
    if _HOST_NAME(value) or ":" in value:
        return value if _HOST_NAME(value) else _ip(value, argument, names)
    raise invalid_value(argument)


def _target(value: str, argument: str, names: Names) -> str:
    """A queue's target: prefixes (an address becomes /32) or interface names, comma separated."""
    if not value:
        return value
    interfaces = names("/interface")
    return ",".join(part if part in interfaces else str(_network(part, argument)) for part in value.split(","))


def _mac(value: str, argument: str, names: Names) -> str:
    if not _MAC(value):
        raise invalid_value(argument)
    return value.upper().replace("-", ":")


def _one_rate(value: str, argument: str) -> str:
    match = _RATE(value)
    if match is None:
        raise invalid_value(argument)
    number = int(match[1]) * _SCALE[match[2]]
    if number > 0xFFFF_FFFF_FFFF:
        raise out_of_range(argument, 0, 0xFFFF_FFFF_FFFF)
    return str(number)


def _rate(value: str, argument: str, names: Names) -> str:
    return _one_rate(value, argument)


def _rate_pair(value: str, argument: str, names: Names) -> str:
    upload, slash, download = value.partition("/")
    first = _one_rate(upload, argument)
    return f"{first}/{_one_rate(download, argument)}" if slash else f"{first}/{first}"


def _short_rate(number: str) -> str:
    for suffix in ("G", "M", "k"):
        count, rest = divmod(int(number), _SCALE[suffix])
        if count and not rest:
            return f"{count}{suffix}"
    return number


def _show_rate_pair(value: str) -> str:
    return "/".join(_short_rate(part) for part in value.split("/"))


def _duration(value: str, argument: str, names: Names) -> str:
    seconds = parse_duration(value)
    if seconds is None:
        raise invalid_value(argument)
    return format_duration(seconds)


def _duration_pair(value: str, argument: str, names: Names) -> str:
    upload, slash, download = value.partition("/")
    first = _duration(upload, argument, names)
    return f"{first}/{_duration(download, argument, names)}" if slash else f"{first}/{first}"


def _timeout(value: str, argument: str, names: Names) -> str:
    return value if value in ("none-dynamic", "none-static") else _duration(value, argument, names)


TEXT: Final = Kind()
STRING: Final = Kind(quoted=True)
BOOLEAN: Final = Kind(_boolean, boolean=True)
IP: Final = Kind(_ip, address=True)
IP_OR_NAME: Final = Kind(_ip_or_name, address=True)
IP_WITH_PREFIX: Final = Kind(_ip_with_prefix, address=True)
PREFIX: Final = Kind(_prefix, address=True)
NETWORK: Final = Kind(_exact_network, address=True)
LIST_ADDRESS: Final = Kind(_list_address, address=True)
TARGET: Final = Kind(_target, address=True, listed=True)
MAC: Final = Kind(_mac)
RATE: Final = Kind(_rate, _short_rate)
RATE_PAIR: Final = Kind(_rate_pair, _show_rate_pair)
DURATION: Final = Kind(_duration, duration=True)
UPTIME: Final = Kind(duration=True)
DURATION_PAIR: Final = Kind(_duration_pair)
TIMEOUT: Final = Kind(_timeout, duration=True)


def whole(low: int, high: int) -> Kind:
    """A whole number within bounds."""

    def parse(value: str, argument: str, names: Names) -> str:
        if not value.isdecimal():
            raise invalid_value(argument)
        if not low <= int(value) <= high:
            raise out_of_range(argument, low, high)
        return str(int(value))

    return Kind(parse)


def whole_pair(low: int, high: int) -> Kind:
    """`upload/download` of whole numbers; one number stands for both."""
    one = whole(low, high).parse
    assert one is not None  # noqa: S101 - whole() always parses

    def parse(value: str, argument: str, names: Names) -> str:
        upload, slash, download = value.partition("/")
        first = one(upload, argument, names)
        return f"{first}/{one(download, argument, names)}" if slash else f"{first}/{first}"

    return Kind(parse)


def one_of(*choices: str) -> Kind:
    def parse(value: str, argument: str, names: Names) -> str:
        if value not in choices:
            raise no_match(argument)
        return value

    return Kind(parse)


def name_in(path: str, *also: str) -> Kind:
    """The name of an item of another menu, or one of a few fixed words."""

    def parse(value: str, argument: str, names: Names) -> str:
        if value in also or value in names(path):
            return value
        raise no_match(argument)

    return Kind(parse)
