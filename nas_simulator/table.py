"""The items of one menu: rows by id, uniqueness, indexes that are built on first use, order, expiry.

Not thread-safe: the router's lock guards it. Rows are replaced, never changed in place, so a list of rows taken under the lock
may be read without it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from nas_simulator.conditions import All, Condition
from nas_simulator.refusals import Refusal
from nas_simulator.schema import Menu, Row, Unique

_Index = dict[str, dict[str, None]]


class Table:
    """`old_texts` selects the wording of refusals before RouterOS 7; `clock` gives seconds that only grow."""

    def __init__(self, menu: Menu, *, old_texts: bool, clock: Callable[[], float]) -> None:
        self.menu: Final = menu
        self.rows: dict[str, Row] = {}
        self._clock = clock
        self._issued = 0
        self._named = 0
        self._uniques: list[tuple[Unique, str, dict[tuple[str, ...], str]]] = [
            (rule, rule.text_v6 if old_texts and rule.text_v6 else rule.text, {}) for rule in menu.uniques
        ]
        self._indexes: dict[str, _Index] = {}
        self._deadlines: dict[str, float] = {}
        self._soonest = float("inf")

    def next_id(self) -> str:
        """A new `.id`, never given before."""
        self._issued += 1
        return f"*{self._issued:X}"

    def free_name(self, stem: str) -> str:
        names = self.index("name")
        while True:
            self._named += 1
            name = f"{stem}{self._named}"
            if name not in names:
                return name

    def insert(self, row: Row) -> None:
        """Adds a complete row. Raises `Refusal` with the menu's own text for a duplicate."""
        keys = [rule.key(row) for rule, _, _ in self._uniques]
        for key, (_, text, taken) in zip(keys, self._uniques, strict=True):
            if key is not None and key in taken:
                raise Refusal(text)
        row_id = row[".id"]
        for key, (_, _, taken) in zip(keys, self._uniques, strict=True):
            if key is not None:
                taken[key] = row_id
        self.rows[row_id] = row
        for name, index in self._indexes.items():
            index.setdefault(row.get(name, ""), {})[row_id] = None

    def replace(self, row: Row) -> None:
        """Puts a changed row in the place of the one with the same id. Raises `Refusal` for a duplicate."""
        row_id = row[".id"]
        old = self.rows[row_id]
        keys = [rule.key(row) for rule, _, _ in self._uniques]
        for key, (_, text, taken) in zip(keys, self._uniques, strict=True):
            if key is not None and taken.get(key, row_id) != row_id:
                raise Refusal(text)
        for key, (rule, _, taken) in zip(keys, self._uniques, strict=True):
            before = rule.key(old)
            if before != key:
                if before is not None and taken.get(before) == row_id:
                    del taken[before]
                if key is not None:
                    taken[key] = row_id
        self.rows[row_id] = row
        for name, index in self._indexes.items():
            if old.get(name, "") != row.get(name, ""):
                self._unindex(index, old.get(name, ""), row_id)
                index.setdefault(row.get(name, ""), {})[row_id] = None

    def delete(self, row_id: str) -> None:
        row = self.rows.pop(row_id)
        self._deadlines.pop(row_id, None)
        for rule, _, taken in self._uniques:
            key = rule.key(row)
            if key is not None and taken.get(key) == row_id:
                del taken[key]
        for name, index in self._indexes.items():
            self._unindex(index, row.get(name, ""), row_id)

    @staticmethod
    def _unindex(index: _Index, value: str, row_id: str) -> None:
        ids = index[value]
        del ids[row_id]
        if not ids:
            del index[value]

    def index(self, name: str) -> _Index:
        """value -> ids, for one property; an absent property counts as empty."""
        index = self._indexes.get(name)
        if index is None:
            index = self._indexes[name] = {}
            for row_id, row in self.rows.items():
                index.setdefault(row.get(name, ""), {})[row_id] = None
        return index

    def matching(self, condition: Condition | None) -> list[Row]:
        """The rows that match, in their order."""
        if condition is None:
            return list(self.rows.values())
        ids = condition.ids(self._lookup)
        if ids is not None:
            return [self.rows[row_id] for row_id in self._in_order(ids)]
        candidates = condition.narrowed(self._lookup) if isinstance(condition, All) else None
        if candidates is None:
            return [row for row in self.rows.values() if condition.matches(row)]
        return [row for row_id in self._in_order(candidates) if condition.matches(row := self.rows[row_id])]

    def _lookup(self, name: str, value: str) -> Collection[str] | None:
        if name == ".id":
            return (value,) if value in self.rows else ()
        if name not in self.menu.indexed or not value:
            return None
        return self.index(name).get(value, ())

    def _in_order(self, ids: Collection[str]) -> Collection[str]:
        if len(ids) < 2:
            return ids
        if self.menu.ordered:
            wanted = set(ids)
            return [row_id for row_id in self.rows if row_id in wanted]
        return sorted(ids, key=lambda row_id: int(row_id[1:], 16))

    def place(self, row_ids: list[str], before: str | None) -> None:
        """Moves items in front of another one, or to the end."""
        moving = {row_id: self.rows[row_id] for row_id in row_ids}
        rest = [(row_id, row) for row_id, row in self.rows.items() if row_id not in moving]
        self.rows = {}
        for row_id, row in rest:
            if row_id == before:
                self.rows.update(moving)
            self.rows[row_id] = row
        self.rows.update(moving)

    def expire_after(self, row_id: str, seconds: float | None) -> None:
        """The row disappears by itself after `seconds`; None: it stays."""
        if seconds is None:
            self._deadlines.pop(row_id, None)
        else:
            self._deadlines[row_id] = deadline = self._clock() + seconds
            self._soonest = min(self._soonest, deadline)

    def remaining(self, row_id: str) -> float | None:
        deadline = self._deadlines.get(row_id)
        return None if deadline is None else max(0.0, deadline - self._clock())

    @property
    def has_deadlines(self) -> bool:
        return bool(self._deadlines)

    def drop_expired(self) -> None:
        if not self._deadlines or (now := self._clock()) < self._soonest:
            return
        for row_id in [row_id for row_id, deadline in self._deadlines.items() if deadline <= now]:
            self.delete(row_id)
        self._soonest = min(self._deadlines.values(), default=float("inf"))
