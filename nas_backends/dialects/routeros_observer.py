"""Reading a router's tables back: which tables there are, what tells their records, and the script that prints them over SSH.

The print forms of the console cannot be told apart from hostile values (``print terse`` and ``as-value`` quote nothing,
``:serialize`` exists since 7.13 only), and none takes a list of properties on RouterOS 6. So a small script prints property by
property, each behind a mark that nobody can foresee: a value is what is between two marks. RouterOS 6 and 7 have what it uses:

- ``:foreach i in=[… find] do={ … [… get $i] … }`` yields every property of an item (danikf/tik4net, Docs/findings-cli.md);
  ``($item->"name")`` of one that is not there is nothing, which joins as an empty text (help.mikrotik.com, Scripting);
- ``[:parse "…"]`` makes a function of a text and fails for a menu that does not exist (a package that is not installed), which
  ``:do { } on-error={ }`` catches: one bad path in the script itself would keep all of it from running.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Mapping, Sequence

from ebs_core.domain.records import Record, TableKind, Vitals
from ebs_core.domain.text import SLOT, Rendered
from nas_backends.contract import Request
from nas_backends.dialects.routeros_batch import EXEC_LIMIT
from nas_backends.dialects.routeros_canonical import DYNAMIC, SECRETS, canonical_record, seconds
from nas_backends.dialects.routeros_statement import is_state
from nas_backends.dialects.routeros_words import quote

NEAR_MOST = 200
"""Up to so many records of a table are looked for by their tags; for more, the whole table is read."""
ALWAYS = (".id", "comment", "disabled", DYNAMIC)
"""Properties that are read of every table; a menu that has no such property leaves it out."""

_TABLE = re.compile(r"[a-z0-9][a-z0-9-]*(?: [a-z0-9][a-z0-9-]*)*")
_ID = re.compile(r"\*[0-9A-F]+")
_PROPERTY = re.compile(r"[A-Za-z][A-Za-z0-9.-]*")
_ALIKE: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "ip firewall address-list": (("list", "address"),),
    "queue simple": (("target",), ("name",)),
    "ppp secret": (("name",),),
    "ip dhcp-server lease": (("mac-address",), ("address",)),
    "ip arp": (("address", "interface"),),
    "ip hotspot user": (("name",),),
}
_PLACE: Mapping[str, tuple[str, ...]] = {
    "ip firewall address-list": ("list",),
    "ip dhcp-server lease": ("server",),
    "ip arp": ("interface",),
}
_BY_NAME = frozenset({"queue type", "ip pool", "ip hotspot", "ip hotspot profile", "ip hotspot user profile"})
"""Menus without comments (ip pool: until RouterOS 7), whose names the router keeps unique."""
_END = "~"
_ESCAPED = {"\\": "\\\\", "\t": "\\t", "\n": "\\n"}
_MEANT = {"\\\\": "\\", "\\t": "\t", "\\n": "\n"}
_ESCAPE = re.compile(r"\\[\\tn]")


def properties(wanted: Collection[str]) -> list[str]:
    """What is asked for: the wanted properties and those that tell whose record it is, in a fixed order."""
    return list(dict.fromkeys((*ALWAYS, *sorted(name for name in wanted if _PROPERTY.fullmatch(name)))))


def tags_near(near: Mapping[str, Sequence[Record]] | None, table: str) -> list[str] | None:
    """The comments by which to find in ``table`` what concerns the expected records; None: the whole table is to be read.

    They are the comments of all tables, so that a record which should be gone shows too.
    """
    if near is None or not all(record.get("comment") for record in near.get(table, ())):
        return None
    tags = list(dict.fromkeys(tag for records in near.values() for record in records if (tag := record.get("comment"))))
    return tags if len(tags) <= NEAR_MOST else None


def uptime(text: str) -> Vitals:
    """Of ``/system resource``; nothing where the router says nothing of the kind."""
    return Vitals(uptime=seconds(text))


class RouterosObserver:
    """See ``nas_backends.contract.Observer``. The API session uses all of it that does not concern text."""

    def kind(self, table: str) -> TableKind | None:
        """None for sessions and the like, which are no configuration."""
        if _TABLE.fullmatch(table) is None or is_state(table):
            return None
        if table in _BY_NAME:
            return TableKind(key=("name",), tag="comment")
        return TableKind(place=_PLACE.get(table, ()), alike=_ALIKE.get(table, (("comment",),)), tag="comment")

    def request(self, wanted: Mapping[str, Collection[str]], near: Mapping[str, Sequence[Record]] | None) -> Request:
        """One script, of at most ``EXEC_LIMIT`` bytes as long as the wanted properties allow."""
        mark = f"ebs{secrets.token_hex(8)}"
        room = EXEC_LIMIT // (len(wanted) + 1)
        script = [f':put "{mark}"', f':put ("{mark}^" . [:tostr [/system resource get uptime]])']
        for table, names in wanted.items():
            one = _table_script(mark, table, properties(names), tags_near(near, table))
            if len(one.encode()) > room:
                one = _table_script(mark, table, properties(names), None)
            script.append(one)
        return Request("\n".join([*script, f':put "{mark}{_END}"']))

    def lines(self, wanted: Mapping[str, Collection[str]], output: str) -> tuple[dict[str, list[str]], Vitals]:
        """Raises ValueError. Output before the first mark is nothing of ours; a table whose menu does not exist is left out."""
        mark, pieces = _marked(output)
        if not pieces or not pieces[-1].startswith(_END):
            raise ValueError(_complaint(output, mark))
        found: dict[str, list[str]] = {}
        lines: list[str] = []
        vitals = Vitals()
        for piece in pieces:
            if piece[:1] == "+":
                lines.append(piece[1:].partition("\n")[0])
                continue
            sign, text = piece[:1], piece[1:].partition("\\n")[0]
            if sign == ".":
                table, _, count = text.partition("=")
                if count != str(len(lines)):
                    raise ValueError(f"/{table} came incomplete: {len(lines)} of {count} records (use transport routeros_api)")
                found[table] = [line for line in lines if "\tdynamic=true" not in line]
                lines = []
            elif sign == "^":
                vitals = uptime(text)
            elif sign == "!":
                raise ValueError(f"/{text} could not be read to its end")
        return found, vitals

    def parse(self, table: str, line: str) -> Record:
        pairs = dict(field.partition("=")[::2] for field in line.split("\t"))
        for name in SECRETS & pairs.keys():
            if pairs.pop(f"{name}:type", "") in ("nothing", "nil"):
                del pairs[name]
        if "\\" in line:
            pairs = {name: _ESCAPE.sub(lambda match: _MEANT[match[0]], value) for name, value in pairs.items()}
        return canonical_record(table, pairs.items())

    def secret(self, table: str, properties: Collection[str]) -> bool:
        return not SECRETS.isdisjoint(properties)

    def removal(self, table: str, record: Record) -> Rendered | None:
        """By its ``.id``. Raises ValueError for one that is none."""
        return Rendered(f"/{table} remove {_id(record)}", ()) if ".id" in record else None

    def adoption(self, table: str, record: Record, tag: str) -> Rendered | None:
        """Its comment becomes the tag: nothing of what the record does is touched."""
        if ".id" not in record or (kind := self.kind(table)) is None or kind.key:
            return None
        return Rendered(f'/{table} set {_id(record)} comment="{SLOT}"', (tag,))


def _id(record: Record) -> str:
    if _ID.fullmatch(record[".id"]) is None:
        raise ValueError(f"{record['.id']!r} is no item's number")
    return record[".id"]


def _table_script(mark: str, table: str, names: Sequence[str], tags: Sequence[str] | None) -> str:
    """Prints ``mark+`` and the fields of each record, then ``mark.table=count``; ``mark-`` if there is no such menu."""
    if tags == []:
        return f':put "{mark}.{table}=0"'
    where = "" if tags is None else " where " + " or ".join(f"comment={quote(tag)}" for tag in tags)
    fields = " . ".join(_field(mark, name) for name in names)
    inner = (
        f":local n 0; :foreach i in=[/{table} find{where}] do={{ :local r [/{table} get $i]; :set n ($n + 1); "
        f':put ("{mark}+" . {fields}) }}; :put ("{mark}.{table}=" . $n)'
    )
    run = f':do {{ $f }} on-error={{ :put "{mark}!{table}" }}'
    return f':do {{ :local f [:parse {quote(inner)}]; {run} }} on-error={{ :put "{mark}-{table}" }}'


def _field(mark: str, name: str) -> str:
    """``name=value`` and a mark behind it; of a secret also its type, for one that is not shown is nothing."""
    if name == ".id":
        return f'".id=" . [:tostr $i] . "{mark}"'
    value = f'($r->"{name}")'
    field = f'"={name}=" . [:tostr {value}] . "{mark}"'
    return f'{field} . "={name}:type=" . [:typeof {value}] . "{mark}"' if name in SECRETS else field


def _marked(output: str) -> tuple[str, list[str]]:
    """The mark, and what stands behind each: ``+`` and a record's line with its end, or another sign and its text."""
    match = re.search(r"^(ebs[0-9a-f]{16})\r?\n", output, re.MULTILINE)
    if match is None:
        return "", []
    mark = match[1]
    text = output[match.end() :].replace("\r\n", "\n").replace("\r", "\n")
    for sign, escaped in _ESCAPED.items():
        text = text.replace(sign, escaped)
    return mark, text.replace(f"{mark}\\n", "\n").replace(f"{mark}=", "\t").split(mark)[1:]


def _complaint(output: str, mark: str) -> str:
    text = output.replace(mark, "").strip() if mark else output.strip()
    return f"the router answered {text[-200:]!r}" if text else "the router printed nothing"
