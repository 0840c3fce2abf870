"""A model of a device: the records that commands leave behind. Folding templates predicts it, reading the device observes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

Record = dict[str, str]
"""One record of a device's table: property names and values as the device itself would show them."""


@dataclass(slots=True)
class DeviceModel:
    """Tables by name (``ip firewall address-list``, ``inet ebs enabled``, ``class dev eth1``), each a list of records."""

    tables: dict[str, list[Record]] = field(default_factory=dict)
    vague: set[str] = field(default_factory=set)
    """Tables where a command changes records that the model does not have: what is in them cannot be predicted."""
    opaque: bool = False
    """A command was applied of whose effect nothing is known: there may be more than the model has, in any table."""

    def add(self, table: str, record: Mapping[str, str]) -> None:
        self.tables.setdefault(table, []).append(dict(record))

    def put(self, table: str, key: Mapping[str, str], record: Mapping[str, str]) -> None:
        """Add a record, or replace the one that has the same ``key``."""
        self.remove(table, lambda old: all(old.get(name) == value for name, value in key.items()))
        self.add(table, {**key, **record})

    def find(self, table: str, matches: Callable[[Record], bool]) -> list[Record]:
        return [record for record in self.tables.get(table, ()) if matches(record)]

    def remove(self, table: str, matches: Callable[[Record], bool]) -> None:
        records = self.tables.get(table)
        if records:
            records[:] = [record for record in records if not matches(record)]

    def __iter__(self) -> Iterator[tuple[str, Record]]:
        for table, records in self.tables.items():
            for record in records:
                yield table, record


class TableKind(NamedTuple):
    """What a table of a device lets be known of its records."""

    key: tuple[str, ...] = ()
    """Properties that no two of its records share (an element's address, a class id). Empty: records are told by their tag."""
    place: tuple[str, ...] = ()
    """Properties that say on which list within the table a record stands: other lists are none of our business."""
    alike: tuple[tuple[str, ...], ...] = ()
    """Properties by which a record that somebody made by hand means the same as one of ours, in the order of trust."""
    tag: str = ""
    """The property that carries the owner's tag. Empty: records of this table cannot be told by it."""


class Vitals(NamedTuple):
    """What tells that a device restarted: another ``boot`` (empty: it has no such thing), or a smaller ``uptime`` in seconds."""

    boot: str = ""
    uptime: float | None = None


@dataclass(slots=True)
class Reading:
    """What a device showed. Bulk reads stay text as long as nothing is different: one line per record, parsed when asked for.

    A record gives the same line as long as nothing about it changes (no counters, no ages). ``parse`` gives the record in the
    very spelling in which folding the templates predicts it, so that equal means the same characters. Only a secret property
    (``password``) may be missing where the device does not show it to our login: nothing can be said of it then, so it counts as
    equal; a device that shows it says ``""`` for an empty one.
    """

    lines: dict[str, list[str]]
    """By table. A table that the device does not have (yet) has no lines; one that cannot be read at all is missing here."""
    parse: Callable[[str, str], Record]
    """The record of ``(table, line)``."""
    vitals: Vitals = field(default_factory=Vitals)
    secret: frozenset[str] = frozenset()
    """Tables whose lines carry passwords: such lines are not to be stored or shown."""
