"""A model of a device: the records that commands leave behind. Folding templates predicts it, reading the device observes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

Record = dict[str, str]
"""One record of a device's table: property names and values as the device itself would show them."""


@dataclass(slots=True)
class DeviceModel:
    """Tables by name (``ip firewall address-list``, ``inet ebs enabled``, ``class dev eth1``), each a list of records."""

    tables: dict[str, list[Record]] = field(default_factory=dict)

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
