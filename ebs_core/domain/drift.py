"""Drift: the records that should be on a device against those that were read from it. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from ebs_core.domain.records import DeviceModel, Record, TableKind
from ebs_core.domain.text import Secret, mask

Expected = Sequence[tuple[str, Record]]
"""The records of one subject, each with its table."""


class Found(NamedTuple):
    """A record that was read, with the line it came as."""

    table: str
    line: str
    record: Record


class Is(StrEnum):
    MISSING = "missing"
    DIFFERENT = "different"
    FOREIGN = "foreign"
    """Somebody else's record stands where ours should."""
    SURPLUS = "surplus"
    """It has the subject's tag and nothing wants it."""


class Difference(NamedTuple):
    """``what`` names the record, for people. ``expected`` and ``found`` are those of ``property``; secrets are masked."""

    kind: Is
    table: str
    what: str
    property: str = ""
    expected: str = ""
    found: str = ""

    def __str__(self) -> str:
        where = f"{self.table}: {self.what}"
        match self.kind:
            case Is.DIFFERENT:
                return f"{where}: {self.property} is {self.found or 'not set'}, should be {self.expected or 'not set'}"
            case Is.FOREIGN:
                return f"{where}: a record of others stands there ({self.property} is {self.found or 'not set'})"
            case Is.SURPLUS:
                return f"{where} is there and should not be"
        return f"{where} is missing"


@dataclass(slots=True)
class Matched:
    """What was found of one subject."""

    found: list[Found] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    surplus: list[Found] = field(default_factory=list)
    readable: bool = False
    """At least one of its records stands in a table that was read, or nothing is expected."""


class Tags:
    """Owner tags as a profile spells them (``ebs:{placement}``)."""

    def __init__(self, form: str) -> None:
        self._form = form
        before, _, after = form.partition("{placement}")
        self._owner = re.compile(re.escape(before) + r"([1-9][0-9]{0,18})" + re.escape(after)).fullmatch
        self._before = before

    def tag(self, subject: int) -> str:
        return self._form.format(placement=subject)

    def owner(self, record: Record, kind: TableKind | None) -> int | None:
        """Whose tag the record carries."""
        value = record.get(kind.tag) if kind is not None and kind.tag else None
        if value is None or not value.startswith(self._before):
            return None
        match = self._owner(value)
        return int(match[1]) if match else None


def compare(
    expected: Mapping[int, Expected],
    found: Iterable[Found],
    kind_of: Callable[[str], TableKind | None],
    read: Iterable[str],
    tags: Tags,
    vague: Mapping[int, Container[str]] = MappingProxyType({}),
    living: Container[int] | None = None,
    shared: Callable[[str, Record], Found | None] = lambda table, record: None,
) -> tuple[dict[int, Matched], list[Found]]:
    """What was found of each subject of ``expected``, and the records that are nobody's of them.

    ``read``: the tables that were read; a record expected in another one cannot be judged. ``vague``: tables where a subject may
    have more than is expected. ``living``: owners of tags that are somebody (None: all are); what others' tags mark stands in
    nobody's place. ``shared``: finds an untagged record that somebody else has already, which may be everybody's (a pool or
    queue type of a tariff).
    """
    shelf = _Shelf(found, kind_of, tags, living)
    readable = set(read)
    matched: dict[int, Matched] = {}
    for subject, records in expected.items():
        mine = matched[subject] = Matched(readable=not records)
        for table, record in records:
            if table in readable:
                mine.readable = True
                _match(table, record, tags.tag(subject), shelf, shared, mine)
    left = []
    for one, owner in shelf.rest():
        if owner in matched:
            if one.table in vague.get(owner, ()):
                continue
            mine = matched[owner]
            mine.surplus.append(one)
            mine.differences.append(Difference(Is.SURPLUS, one.table, describe(one.record, kind_of(one.table))))
        else:
            left.append(one)
    return matched, left


class _Shelf:
    """The found records, to be taken by key or by tag."""

    def __init__(
        self,
        found: Iterable[Found],
        kind_of: Callable[[str], TableKind | None],
        tags: Tags,
        living: Container[int] | None,
    ) -> None:
        self._kinds: dict[str, TableKind] = {}
        self._shared: set[int] = set()
        self._kind_of = kind_of
        self._by_key: dict[tuple[str, ...], list[int]] = defaultdict(list)
        self._by_tag: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._by_likeness: dict[tuple[str, ...], list[int]] = defaultdict(list)
        self._all: list[tuple[Found, int | None] | None] = []
        for number, one in enumerate(found):
            kind = self.kind(one.table)
            owner = tags.owner(one.record, kind)
            self._all.append((one, owner))
            stale = owner is not None and living is not None and owner not in living
            if not stale and (key := _key(one.table, one.record, kind)):
                self._by_key[key].append(number)
            if owner is not None:
                self._by_tag[one.table, tags.tag(owner)].append(number)
            else:
                for like in likenesses(one.table, one.record, kind):
                    self._by_likeness[like].append(number)

    def kind(self, table: str) -> TableKind:
        kind = self._kinds.get(table)
        if kind is None:
            kind = self._kinds[table] = self._kind_of(table) or TableKind()
        return kind

    def take(self, table: str, record: Record, tag: str) -> Found | None:
        """The record that stands where ``record`` should; of several with its tag the most similar one."""
        kind = self.kind(table)
        if key := _key(table, record, kind):
            numbers: Sequence[int] = self._by_key.get(key, ())
        elif record.get(kind.tag) == tag:
            numbers = self._by_tag.get((table, tag), ())
        else:  # his templates mark their records in another way
            likes = likenesses(table, record, kind)
            numbers = next((found for like in likes if (found := self._by_likeness.get(like))), ())
        free = [(number, one[0]) for number in numbers if (one := self._all[number]) is not None]
        if not free:
            return None
        number, taken = max(free, key=lambda one: len(record) - len(unequal(record, one[1].record)))
        if kind.key and kind.tag not in record and not unequal(record, taken.record):
            self._shared.add(number)  # several may want the same one: a queue type of a tariff, a pool
        else:
            self._all[number] = None
        return taken

    def rest(self) -> list[tuple[Found, int | None]]:
        return [one for number, one in enumerate(self._all) if one is not None and number not in self._shared]


def _key(table: str, record: Record, kind: TableKind) -> tuple[str, ...] | None:
    if not kind.key:
        return None
    values = tuple([record.get(name, "") for name in kind.key])
    return (table, *values) if all(values) else None


def likenesses(table: str, record: Record, kind: TableKind) -> Iterator[tuple[str, ...]]:
    """What makes the record the same as another one, in the order of trust."""
    for names in kind.alike:
        values = [record.get(name, "") for name in (*kind.place, *names)]
        if all(values):
            yield (table, *names, *values)


def _match(
    table: str, record: Record, tag: str, shelf: _Shelf, shared: Callable[[str, Record], Found | None], mine: Matched
) -> None:
    kind = shelf.kind(table)
    taken = shelf.take(table, record, tag)
    if taken is None and kind.key and kind.tag not in record:
        taken = shared(table, record)
    if taken is None:
        mine.differences.append(Difference(Is.MISSING, table, describe(record, kind)))
        return
    mine.found.append(taken)
    if wrong := unequal(record, taken.record):
        what = describe(record, kind)
        foreign = kind.tag in wrong and record[kind.tag] == tag
        for name in wrong:
            expected, seen = record[name], taken.record.get(name, "")
            if isinstance(expected, Secret):
                seen = Secret(seen)
            mine.differences.append(
                Difference(Is.FOREIGN if foreign else Is.DIFFERENT, table, what, name, mask(expected), mask(seen))
            )


def unequal(expected: Record, found: Record) -> list[str]:
    """Properties of ``expected`` that ``found`` has otherwise. A secret that the device does not show is not judged."""
    return [
        name
        for name, value in expected.items()
        if found.get(name, "") != value and not (isinstance(value, Secret) and name not in found)
    ]


def describe(record: Record, kind: TableKind | None) -> str:
    """The record by the properties that people know it by."""
    names: Sequence[str] = ()
    if kind is not None:
        names = kind.key or next((group for group in (kind.alike or ()) if all(name in record for name in group)), ())
        names = (*kind.place, *(name for name in names if name not in kind.place))
    names = [name for name in names if record.get(name)] or [name for name in record if name != ".id"][:3]
    return " ".join(mask(record[name]) if len(names) == 1 else f"{name}={mask(record[name])}" for name in names)


def mended(model: DeviceModel, expected: Expected) -> bool:
    """The model has every expected record, and no further one in those tables."""
    wanted: dict[str, list[Record]] = defaultdict(list)
    for table, record in expected:
        wanted[table].append(record)
    for table, records in model.tables.items():
        if len(records) != len(wanted.get(table, ())):
            return False
    for table, records in wanted.items():
        there = list(model.tables.get(table, ()))
        for record in records:
            fitting = next((one for one in there if not unequal(record, one)), None)
            if fitting is None:
                return False
            there.remove(fitting)
    return True
