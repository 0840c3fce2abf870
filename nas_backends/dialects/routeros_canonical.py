"""One spelling for property values of RouterOS, whoever wrote them: a template, the API, or a script on the router.

Folding a template and reading the router both pass through here, so that equal means the same characters: truth values ``yes``
and ``no``, rates in bit/s, times in seconds, addresses without ``/32``, MACs in capitals. What is not listed stays as it is.

How the router spells: durations ``1w2d3h4m5s`` and ``yes``/``true`` on the API, ``1w2d03:04:05`` and lists with ``;`` in scripts
(measured: danikf/tik4net, Docs/findings-cli.md, section 1); a queue's pairs, ``upload/download``, where one value stands for
both: https://help.mikrotik.com/docs/spaces/ROS/pages/328088/Queues; an address list keeps networks without host bits or ``/32``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from ebs_core.domain.records import Record
from ebs_core.domain.text import Secret

Form = Callable[[str], str]

SECRETS = frozenset({"password"})
"""Properties that a login without the policy ``sensitive`` is not shown, or as asterisks; scripts of some releases never."""
DYNAMIC = "dynamic"
"""The router's own records have it: they come and go with leases and sessions."""

_SCALE = {"": 1, "k": 1_000, "M": 1_000_000, "G": 1_000_000_000}
_RATE = re.compile(r"(\d+(?:\.\d+)?)([kMG]?)(?:bps)?")
_UNITS = {"w": 604_800.0, "d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_UNIT = re.compile(r"(\d+(?:\.\d+)?)(ms|[wdhms])")
_TIME = re.compile(r"((?:\d+(?:\.\d+)?(?:ms|[wdhms]))*) ?(?:(\d+):(\d\d)(?::(\d\d(?:\.\d+)?))?|(\d+(?:\.\d+)?))?")
_IPV4 = re.compile(r"((?:\d{1,3}\.){3}\d{1,3})(?:/32)?")
_MAC = re.compile(r"[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}")
_HIDDEN = re.compile(r"\*+")


def seconds(text: str) -> float | None:
    """``1w2d03:04:05``, ``5m3s``, ``00:00:12``, ``12`` in seconds; None if it is no time."""
    match = _TIME.fullmatch(text)
    if not text or match is None:
        return None
    words, hours, minutes, rest, plain = match.groups()
    total = sum(float(number) * _UNITS[unit] for number, unit in _UNIT.findall(words))
    return total + int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(rest or 0) + float(plain or 0)


def _truth(value: str) -> str:
    return {"true": "yes", "false": "no"}.get(value, value)


def _rate(value: str) -> str:
    match = _RATE.fullmatch(value)
    return str(round(float(match[1]) * _SCALE[match[2]])) if match else value


def _time(value: str) -> str:
    found = seconds(value)
    return value if found is None else f"{found:.3f}".rstrip("0").rstrip(".")


def _number(value: str) -> str:
    return str(int(value)) if value.isascii() and value.isdecimal() else value


def _mac(value: str) -> str:
    return value.upper().replace("-", ":") if _MAC.fullmatch(value) else value


def _host(value: str) -> str:
    """An address as it is, without the prefix length of a single one."""
    if (match := _IPV4.fullmatch(value)) is not None:
        return match[1]
    if ":" not in value:
        return value
    try:
        found = ipaddress.ip_interface(value)
    except ValueError:
        return value
    return str(found.ip) if found.network.prefixlen == found.max_prefixlen else str(found)


def _network(value: str) -> str:
    """As ``_host``; a network without host bits."""
    if "/" not in value or value.endswith("/32"):
        return _host(value)
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        return value
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def _listed(form: Form) -> Form:
    return lambda value: ",".join(map(form, re.split("[,;]", value))) if "," in value or ";" in value else form(value)


def _pair(form: Form) -> Form:
    def both(value: str) -> str:
        upload, slash, download = value.partition("/")
        return f"{form(upload)}/{form(download)}" if slash else f"{form(upload)}/{form(upload)}" if upload else value

    return both


def _forms(form: Form, names: str) -> dict[str, Form]:
    return dict.fromkeys(names.split(), form)


_FORMS: Mapping[str, Form] = {
    **_forms(
        _truth,
        "disabled dynamic invalid published log block-access always-broadcast use-src-mac add-arp vlan-filtering passthrough "
        "running default use-service-tag complete blocked radius",
    ),
    **_forms(
        _rate,
        "max-limit limit-at burst-limit burst-threshold total-max-limit total-limit-at total-burst-limit total-burst-threshold",
    ),
    **_forms(
        _time,
        "timeout lease-time session-timeout idle-timeout keepalive-timeout limit-uptime interval address-list-timeout ttl "
        "burst-time total-burst-time uptime",
    ),
    **_forms(_number, "priority total-priority vlan-id vrid limit-bytes-in limit-bytes-out limit-bytes-total shared-users"),
    **_forms(_mac, "mac-address src-mac-address"),
    **_forms(_host, "address remote-address local-address gateway network"),
    **_forms(_listed(_network), "target dst src-address dst-address to-addresses"),
}
_BY_TABLE: Mapping[str, Mapping[str, Form]] = {
    "queue simple": {
        **_forms(_pair(_rate), "max-limit limit-at burst-limit burst-threshold"),
        "burst-time": _pair(_time),
        "priority": _pair(_number),
        "queue": _pair(str),
    },
    "ip firewall address-list": {"address": _network},
    "ip dhcp-server lease": {"address-lists": _listed(str)},
}

_DEFAULTS: Mapping[str, Mapping[str, str]] = {
    "ip firewall address-list": {},
    "queue simple": {
        "burst-limit": "0/0", "burst-threshold": "0/0", "burst-time": "0/0", "limit-at": "0/0", "max-limit": "0/0",
        "priority": "8/8", "parent": "none", "packet-marks": "", "queue": "default-small/default-small",
    },
    "queue tree": {
        "burst-limit": "0", "burst-threshold": "0", "burst-time": "0", "limit-at": "0", "max-limit": "0",
        "priority": "8", "packet-mark": "", "queue": "default-small",
    },
    "ip dhcp-server lease": {"server": "all", "address-lists": "", "block-access": "no", "rate-limit": "", "lease-time": "0"},
    "ip arp": {"published": "no"},
    "ppp secret": {
        "service": "any", "profile": "default", "caller-id": "", "limit-bytes-in": "0", "limit-bytes-out": "0", "routes": "",
    },
    "ip hotspot user": {
        "server": "all", "profile": "default", "limit-bytes-in": "0", "limit-bytes-out": "0", "limit-bytes-total": "0",
        "limit-uptime": "0",
    },
    "ip firewall filter": {"action": "accept", "log": "no", "log-prefix": ""},
    "interface vlan": {"arp": "enabled", "mtu": "1500", "use-service-tag": "no"},
}  # fmt: skip
"""What a record has where the router says nothing. Sources: the property tables of https://help.mikrotik.com/docs/spaces/ROS,
pages "Queues", "DHCP", "ARP", "PPP AAA", "HotSpot", "Filter", "VLAN"."""


@lru_cache(256)
def _forms_of(table: str) -> Mapping[str, Form]:
    return {**_FORMS, **_BY_TABLE.get(table, {})}


def canonical(table: str, name: str, value: str) -> str:
    """``value`` of property ``name``, in the one spelling. A secret stays one. All line ends are one: a console changes them."""
    form = _forms_of(table).get(name)
    if form is None and "\r" not in value:
        return value
    spelt = value.replace("\r\n", "\n").replace("\r", "\n") if form is None else form(value)
    return Secret(spelt) if isinstance(value, Secret) else spelt


def has_form(table: str, name: str) -> bool:
    """The property has a spelling of its own: it is compared by it, not character by character."""
    return name in _forms_of(table)


def canonical_record(table: str, pairs: Iterable[tuple[str, str]]) -> Record:
    """A record as the router gave it: canonical values, defaults where it gave nothing, no secret that it does not show."""
    record = {"disabled": "no", **_DEFAULTS.get(table, {})}
    for name, value in pairs:
        if name in SECRETS:
            if not _HIDDEN.fullmatch(value):
                record[name] = canonical(table, name, Secret(value))
        elif value or name not in record:
            record[name] = canonical(table, name, value)
    return record


def volatile(table: str, record: Mapping[str, str]) -> bool:
    """The router makes a dynamic record of it, which vanishes by itself: an address-list entry with a time to live."""
    return table == "ip firewall address-list" and record.get("timeout", "") not in ("", "none-static")
