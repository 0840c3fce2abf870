"""Sets and maps of nftables, read by ``nft list``."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from ebs_core.domain.errors import UnquotableValue
from ebs_core.domain.records import Record, TableKind
from ebs_core.domain.text import SLOT, Rendered
from nas_backends.dialects.linux_spelling import concatenated
from nas_backends.dialects.nft import element_record
from nas_backends.dialects.nft_values import check_data, check_string

_NAME = re.compile(r"(?:ip|ip6|inet|arp|bridge|netdev)(?: [A-Za-z_][A-Za-z0-9_./\\-]*){2}")
_ELEMENTS = re.compile(r"^\s*elements = \{", re.MULTILINE)
_ELEMENT = re.compile(r'(?:"[^"]*"|[^\s,"])[^",]*(?:"[^"]*"[^",]*)*')
_PASSING = (" expires ", " counter ", " last ", " used ")
_VOLATILE = re.compile(
    r'("[^"]*")| expires [^\s,]+| counter packets [0-9]+ bytes [0-9]+| last (?:never|used [^\s,]+)| used [0-9]+ [a-z]+'
)
_USUAL = re.compile(r'([^\s"{}]+(?: \. [^\s"{}]+)*)(?: comment "([^"]*)")?(?: : ([^\s"{}]+(?: \. [^\s"{}]+)*))?')
_VERDICT = re.compile(r"accept|drop|continue|return|(?:jump|goto) [A-Za-z_][A-Za-z0-9_.-]*")
_TIMEOUT = re.compile(r'^[^"]* timeout ')
_KIND = TableKind(key=("key",), alike=(("key",),), tag="comment")


def nft_table(name: str) -> NftTable | None:
    """``inet ebs enabled``: family, table, and set or map."""
    return NftTable(name) if _NAME.fullmatch(name) else None


@dataclass(frozen=True, slots=True)
class NftTable:
    """See ``linux_observe_table.Table``. nft has no list that works for sets and maps alike."""

    name: str
    kind: TableKind = _KIND

    def reading(self, properties: Collection[str]) -> str:
        """Asks first for what it will be: only elements of maps have a value."""
        first, second = ("map", "set") if "value" in properties else ("set", "map")
        return f"nft list {first} {self.name} 2>&1 || nft list {second} {self.name} 2>&1"

    def lines(self, text: str) -> list[str]:
        start = _ELEMENTS.search(text)
        if start is None:
            return []
        end = len(text)
        for _ in range(3):  # of the table, of the set, of the elements
            end = text.rindex("}", start.end() - 1, end)
        body = text[start.end() : end].rstrip()
        if any(word in body for word in _PASSING):
            body = _VOLATILE.sub(r"\1", body)
        return _ELEMENT.findall(body)

    def parse(self, line: str) -> Record:
        usual = _USUAL.fullmatch(line)
        if usual is None:
            return element_record(line) | ({"timeout": "yes"} if _TIMEOUT.match(line) else {})
        record = {"key": concatenated(usual[1])}
        if usual[3] is not None:
            record["value"] = concatenated(usual[3])
        if usual[2] is not None:
            record["comment"] = usual[2]
        return record

    def removal(self, record: Record) -> Rendered | None:
        try:
            key, values = _slots(record["key"])
        except UnquotableValue:
            return None
        return Rendered(f"nft delete element {self.name} {{ {key} }}", values)

    def adoption(self, record: Record, tag: str) -> Rendered | None:
        """Deleted and added again with our comment, in one statement: the kernel does both or neither, and no packet sees it
        between. None for an element with a comment of somebody, or with a timeout, which would start anew."""
        if "comment" in record or "timeout" in record:
            return None
        try:
            check_string(tag)
            key, values = _slots(record["key"])
            data, more = _slots(record["value"]) if "value" in record else ("", ())
        except UnquotableValue:
            return None
        add = f'add element {self.name} {{ {key} comment "{SLOT}"{f" : {data}" if data else ""} }}'
        return Rendered(f"nft delete element {self.name} {{ {key} }} \\; {add}", (*values, *values, tag, *more))


def _slots(text: str) -> tuple[str, tuple[str, ...]]:
    """A key or datum as skeleton and values. Raises UnquotableValue for one that nft would not take back."""
    if _VERDICT.fullmatch(text):
        return text, ()
    values = tuple(text.split(" . "))
    return " . ".join([_slot(value) for value in values]), values


def _slot(value: str) -> str:
    try:
        check_data(value, is_element=True)
    except UnquotableValue:
        check_string(value)
        return f'"{SLOT}"'
    return SLOT
