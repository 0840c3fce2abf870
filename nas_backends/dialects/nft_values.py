"""What a value may be in an nft command. nft has no escapes, and asks DNS for a bare word it does not know (nft 1.0.6)."""

from __future__ import annotations

import ipaddress
import re

from ebs_core.domain.errors import UnquotableValue
from ebs_core.domain.text import mask

COMMENT_BYTES = 127
"""NFTNL_UDATA_COMMENT_MAXLEN less the closing zero."""

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
_ELEMENT = re.compile(
    rf"{_IPV4}(?:/[0-9]{{1,2}}|-{_IPV4})?"
    r"|[0-9]{1,10}(?:-[0-9]{1,10})?|0x[0-9a-fA-F]{1,16}"  # numbers, ports, marks
    r"|(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}"  # Ethernet address
    r"|[0-9a-fA-F]{1,4}:[0-9a-fA-F]{0,4}"  # tc class
)
_AMOUNT = re.compile(r"[0-9]{1,19}[a-z]{0,8}(?:/[a-z]{1,8})?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\"]")


def check_data(value: str, *, is_element: bool) -> None:
    """Raises UnquotableValue unless the bare word is an address, network, range, number, MAC or class (not in an element: also an
    amount with a unit)."""
    if _ELEMENT.fullmatch(value) or (not is_element and _AMOUNT.fullmatch(value)) or _is_ipv6(value):
        return
    raise UnquotableValue(
        f"{mask(value)!r} is no address, number, MAC or class id: nft would look it up as a host name or as syntax"
    )


def check_name(value: str) -> None:
    """Raises UnquotableValue unless ``value`` can name a family, table, chain or set."""
    if not _NAME.fullmatch(value):
        raise UnquotableValue(f"{mask(value)!r} cannot be a name in nft", remedy="names are letters, digits and _ . -")


def check_string(value: str) -> None:
    """Raises UnquotableValue unless ``value`` can stand between double quotes."""
    if _CONTROL.search(value):
        raise UnquotableValue(
            f"{mask(value)!r} cannot be in an nft string, which has no escape for quotes and control characters"
        )
    if len(value.encode("utf-8", "surrogateescape")) > COMMENT_BYTES:
        raise UnquotableValue(f"{mask(value)!r} is longer than the {COMMENT_BYTES} bytes of an nft string")


def _is_ipv6(value: str) -> bool:
    if value.count(":") < 2:
        return False
    try:
        if "%" not in value:
            ipaddress.IPv6Interface(value)
            return True
    except ValueError:
        pass
    return False
