"""Conditions over rows, shared by API queries and the console's `where`.

Every condition can tell whether a row matches; those over an indexed property can also name the matching rows directly, which
is what keeps a query of a hundred or-ed comments fast in a menu of 50,000 items.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from typing import Protocol

from nas_simulator.schema import Row

Lookup = Callable[[str, str], Collection[str] | None]
"""(property, value) -> ids of the rows that have it, or None when the property has no index."""


class Condition(Protocol):
    def matches(self, row: Row) -> bool: ...

    def ids(self, lookup: Lookup) -> Collection[str] | None:
        """The ids of exactly the matching rows, or None when only a scan can tell."""
        ...


class _Scanned:
    """A condition that no index answers."""

    def ids(self, lookup: Lookup) -> Collection[str] | None:
        return None


class Always(_Scanned):
    def matches(self, row: Row) -> bool:
        return True


class Never:
    def matches(self, row: Row) -> bool:
        return False

    def ids(self, lookup: Lookup) -> Collection[str] | None:
        return ()


class Equals:
    """The property is present and has this value."""

    def __init__(self, name: str, value: str) -> None:
        self.name = name
        self.value = value

    def matches(self, row: Row) -> bool:
        return row.get(self.name) == self.value

    def ids(self, lookup: Lookup) -> Collection[str] | None:
        return lookup(self.name, self.value)


class Present(_Scanned):
    """The property is there; with `filled`, it is not empty either (the console's `where comment`)."""

    def __init__(self, name: str, *, filled: bool = False) -> None:
        self.name = name
        self.filled = filled

    def matches(self, row: Row) -> bool:
        return bool(row.get(self.name)) if self.filled else self.name in row


class Empty(_Scanned):
    """The property is absent or empty (the console's `where comment=""`)."""

    def __init__(self, name: str) -> None:
        self.name = name

    def matches(self, row: Row) -> bool:
        return not row.get(self.name)


class Compares(_Scanned):
    """`<` or `>`: numbers as numbers, everything else as text. An absent property matches neither."""

    def __init__(self, name: str, value: str, *, greater: bool, equal: bool = False) -> None:
        self.name = name
        self.value = value
        self.greater = greater
        self.equal = equal

    def matches(self, row: Row) -> bool:
        found = row.get(self.name)
        if found is None:
            return False
        if found == self.value:
            return self.equal
        if found.isdecimal() and self.value.isdecimal():
            return (int(found) > int(self.value)) == self.greater
        return (found > self.value) == self.greater


class Like(_Scanned):
    """`name~"regex"`."""

    def __init__(self, name: str, pattern: re.Pattern[str]) -> None:
        self.name = name
        self.pattern = pattern

    def matches(self, row: Row) -> bool:
        return self.pattern.search(row.get(self.name, "")) is not None


class Not(_Scanned):
    def __init__(self, part: Condition) -> None:
        self.part = part

    def matches(self, row: Row) -> bool:
        return not self.part.matches(row)


class Any:
    """At least one part matches."""

    def __init__(self, parts: Iterable[Condition]) -> None:
        self.parts = _flat(Any, parts)

    def matches(self, row: Row) -> bool:
        return any(part.matches(row) for part in self.parts)

    def ids(self, lookup: Lookup) -> Collection[str] | None:
        found: dict[str, None] = {}
        for part in self.parts:
            ids = part.ids(lookup)
            if ids is None:
                return None
            found.update(dict.fromkeys(ids))
        return found


class All:
    """Every part matches."""

    def __init__(self, parts: Iterable[Condition]) -> None:
        self.parts = _flat(All, parts)

    def matches(self, row: Row) -> bool:
        return all(part.matches(row) for part in self.parts)

    def ids(self, lookup: Lookup) -> Collection[str] | None:
        """Exact only when every part is; otherwise `narrowed` gives candidates."""
        found = [part.ids(lookup) for part in self.parts]
        known = [ids for ids in found if ids is not None]
        if not known or len(known) < len(found):
            return None
        known.sort(key=len)
        return [one for one in known[0] if all(one in ids for ids in known[1:])]

    def narrowed(self, lookup: Lookup) -> Collection[str] | None:
        """A superset of the matching rows, the smallest that an index offers."""
        known = [ids for part in self.parts if (ids := part.ids(lookup)) is not None]
        return min(known, key=len) if known else None


def _flat(kind: type[Any] | type[All], parts: Iterable[Condition]) -> list[Condition]:
    """Nested parts of the same kind become one list, so a chain of a thousand `or`s needs no deep recursion."""
    flat: list[Condition] = []
    for part in parts:
        if isinstance(part, kind):
            flat.extend(part.parts)
        else:
            flat.append(part)
    return flat
