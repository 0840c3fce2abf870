"""Classes, queues, neighbours and routes, read by ``tc`` and ``ip``. Their records carry no tag."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

from ebs_core.domain.records import Record, TableKind
from ebs_core.domain.text import SLOT, Rendered
from nas_backends.dialects.iproute_fold import ROUTE_TYPES, class_record, pairs
from nas_backends.dialects.linux_spelling import address, class_id, mac, parent_id

_DEVICE = r"([^\s/\x00-\x1f]{1,15})"
_CONFIGURED = tuple(f"class {kind} " for kind in ("htb", "hfsc", "drr", "qfq", "cbq", "ets", "dsmark", "atm"))
"""Kinds whose classes somebody made. Other queues show their flows or bands as classes, which come and go."""
_QDISC_COUNTS = re.compile(r" (?:refcnt|direct_packets_stat) [0-9]+")
_LINK_STATE = re.compile(r" (?:linkdown|dead)\b")


@dataclass(frozen=True, slots=True)
class IprouteTable:
    """See ``linux_observe_table.Table``: one listing, a line per record."""

    kind: TableKind
    command: str
    record: Callable[[str], Record]
    remove: Callable[[Record], Rendered | None]
    starts: tuple[str, ...] = ()
    """Only lines that begin so are records; empty: all but remarks (``Dump was interrupted…``), which have a capital letter."""
    volatile: re.Pattern[str] | None = None

    def reading(self, properties: Collection[str]) -> str:
        return f"{self.command} 2>&1"

    def lines(self, text: str) -> list[str]:
        if self.volatile is not None:
            text = self.volatile.sub("", text)
        lines = text.split("\n")
        if self.starts:
            return [line for line in lines if line.startswith(self.starts)]
        return [line for line in lines if line and not line[0].isupper()]

    def parse(self, line: str) -> Record:
        return self.record(line)

    def removal(self, record: Record) -> Rendered | None:
        return self.remove(record)

    def adoption(self, record: Record, tag: str) -> Rendered | None:
        """There is no place for a tag."""
        return None


def iproute_table(name: str) -> IprouteTable | None:
    """``class dev X``, ``qdisc dev X``, ``neigh dev X``, ``route inet table main proto boot``."""
    for pattern, make in _TABLES:
        if match := pattern.fullmatch(name):
            return make(*match.groups())
    return None


def _classes(device: str) -> IprouteTable:
    return IprouteTable(
        TableKind(("classid",)),
        f"tc class show dev {shlex.quote(device)}",
        _class,
        lambda record: Rendered(f"tc class del dev {SLOT} classid {SLOT}", (device, record["classid"])),
        _CONFIGURED,
    )


def _class(line: str) -> Record:
    """``class htb 1:5 parent 1:1 leaf 10: prio 0 rate 20Mbit ceil 20Mbit …``; ``root`` instead of ``parent …``."""
    words = line.split()
    parent = "root" if words[3] == "root" else parent_id(words[4])
    return {"classid": class_id(words[2]), "parent": parent} | class_record(words[1:])


def _qdiscs(device: str) -> IprouteTable:
    return IprouteTable(
        TableKind(("parent",)),
        f"tc qdisc show dev {shlex.quote(device)}",
        _qdisc,
        partial(_remove_qdisc, device),
        ("qdisc ",),
        _QDISC_COUNTS,
    )


def _qdisc(line: str) -> Record:
    """``qdisc sfq 10: parent 1:5 …``; ``root`` instead of ``parent …``."""
    words = line.split()
    parent = "root" if words[3] == "root" else class_id(words[4])
    return {"parent": parent, "handle": class_id(words[2]), "kind": words[1]}


def _remove_qdisc(device: str, record: Record) -> Rendered | None:
    """Not a root one, which would take everybody's classes with it."""
    if record["parent"] == "root":
        return None
    return Rendered(f"tc qdisc del dev {SLOT} parent {SLOT}", (device, record["parent"]))


def _neighbours(device: str) -> IprouteTable:
    return IprouteTable(
        TableKind(("dst",)),
        f"ip neigh show dev {shlex.quote(device)} nud permanent",
        _neighbour,
        lambda record: Rendered(f"ip neigh del {SLOT} dev {SLOT}", (record["dst"], device)),
    )


def _neighbour(line: str) -> Record:
    """``10.0.0.1 lladdr 02:00:00:00:00:01 PERMANENT``."""
    words = line.split()
    record = {"dst": address(words[0]), "nud": "permanent"}
    return record | ({"lladdr": mac(words[2])} if words[1] == "lladdr" else {})


def _routes(family: str, table: str, protocol: str) -> IprouteTable:
    def remove(record: Record) -> Rendered:
        type_ = "" if record["type"] == "unicast" else f"{record['type']} "
        everywhere = "::/0" if family == "inet6" else "0.0.0.0/0"
        destination = everywhere if record["dst"] == "default" else record["dst"]
        words = f"table {table} proto {protocol} metric {SLOT}"
        return Rendered(f"ip route del {type_}{SLOT} {words}", (destination, record["metric"]))

    return IprouteTable(
        TableKind(("dst", "metric")),
        f"ip -o -f {family} route show table {table} proto {protocol}",
        partial(_route, "1024" if family == "inet6" else "0"),
        remove,
        volatile=_LINK_STATE,
    )


def _route(metric: str, line: str) -> Record:
    """``10.0.0.0/8 via 10.1.1.1 dev eth0 metric 5``; the type stands first unless it is ``unicast``."""
    words = line.split()
    type_ = words.pop(0) if words[0] in ROUTE_TYPES else "unicast"
    record = {"type": type_, "dst": address(words[0]), "metric": metric} | pairs(words, ("via", "dev", "metric"))
    if "via" in record:
        record["via"] = address(record["via"])
    return record


_TABLES: tuple[tuple[re.Pattern[str], Callable[..., IprouteTable]], ...] = (
    (re.compile(f"class dev {_DEVICE}"), _classes),
    (re.compile(f"qdisc dev {_DEVICE}"), _qdiscs),
    (re.compile(f"neigh dev {_DEVICE}"), _neighbours),
    (re.compile(r"route (inet6?) table ([A-Za-z0-9_.]+) proto ([A-Za-z0-9_.]+)"), _routes),
)
