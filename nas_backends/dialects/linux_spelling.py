"""One spelling for what templates write and what nft, tc and ip show: equal things are equal characters."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

_RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?)(?:(ki|k|mi|m|gi|g|ti|t)?(bit|bps))?", re.IGNORECASE)
_PREFIX = {
    "": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40,
}  # fmt: skip
_PLAIN_ADDRESS = re.compile(r"(?:[1-9][0-9]{0,2}|0)(?:\.(?:[1-9][0-9]{0,2}|0)){3}")
_MAC = re.compile(r"[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){5}")
_CLASS = re.compile(r"([0-9a-fA-F]{0,4}):([0-9a-fA-F]{0,4})")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]+")
_RANGE = re.compile(r"([0-9.]+)-([0-9.]+)")


def shown_rate(text: str) -> str:
    """A rate of tc (``50mbit``, ``1Gbit``, bytes with ``bps``; tc(8), UNITS) in bit/s, as exactly as tc shows it again.

    tc keeps whole bytes per second and shows four to six digits (``print_rate`` in tc/tc_util.c of iproute2): 20000001bit comes
    back as 20Mbit, so that is what can be compared. Anything that is no rate (``10%``) gives nothing.
    """
    match = _RATE.fullmatch(text)
    if not match:
        return ""
    unit = (match[3] or "bit").lower()
    bits = float(match[1]) * _PREFIX[(match[2] or "").lower()] * (8 if unit == "bps" else 1)
    shown, scale = int(bits / 8) * 8, 1
    while scale < 10**12 and shown >= 1000 and not (shown % 1000 and shown < 10**6):
        shown, scale = shown // 1000, scale * 1000
    return str(shown * scale)


def class_id(text: str) -> str:
    """``1:0a`` as ``1:a``, ``1:0`` as ``1:``; anything else unchanged."""
    match = _CLASS.fullmatch(text)
    if not match:
        return text
    major, minor = (part.lstrip("0").lower() for part in match.groups())
    return f"{major}:{minor}"


def parent_id(text: str) -> str:
    """The parent of a class. HTB shows ``root`` for a class right below its qdisc, whatever it was added with."""
    parent = class_id(text)
    return "root" if parent.endswith(":") else parent


@lru_cache(maxsize=1024)
def number(text: str) -> str:
    """Digits, from a decimal or ``0x`` number; anything else unchanged."""
    if not _NUMBER.fullmatch(text):
        return text
    return str(int(text, 16 if text[1:2] in "xX" and len(text) > 1 else 10))


def mac(text: str) -> str:
    """Lower case with colons; anything else unchanged."""
    return text.lower().replace("-", ":") if _MAC.fullmatch(text) else text


def address(text: str) -> str:
    """An address without its full prefix length, a network without host bits; anything else unchanged."""
    if _PLAIN_ADDRESS.fullmatch(text):
        return text
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return text
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def family(text: str) -> str:
    """``inet6`` for an IPv6 address or network, else ``inet``."""
    return "inet6" if text.count(":") > 1 else "inet"


def atom(text: str) -> str:
    """One part of a key or datum of nft: an address, network, range, number, MAC or class id; anything else unchanged."""
    if _PLAIN_ADDRESS.fullmatch(text):
        return text
    if _MAC.fullmatch(text):
        return mac(text)
    if _NUMBER.fullmatch(text):
        return number(text)
    if _CLASS.fullmatch(text):
        return class_id(text)
    if _RANGE.fullmatch(text):
        return _range(text)
    return address(text) if ":" in text or "/" in text else text


def _range(text: str) -> str:
    """nft shows a range of addresses that is a network as that network."""
    first, last = text.split("-")
    if first == last:
        return first
    try:
        networks = list(ipaddress.summarize_address_range(ipaddress.IPv4Address(first), ipaddress.IPv4Address(last)))
    except ValueError:
        return text
    return address(str(networks[0])) if len(networks) == 1 else text


def concatenated(text: str) -> str:
    """A key or datum of nft, its parts between `` . `` each by ``atom``."""
    return atom(text) if " " not in text else " . ".join([atom(part) for part in text.split(" . ")])
