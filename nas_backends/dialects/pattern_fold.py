"""Predicts the records of ``[[read]]`` tables from commands whose dialect says nothing of them.

The expressions are matched against a command's skeleton, in which each value is the one character ``SLOT``: they never see what
a value contains, so no login can forge a record, and each skeleton is matched once for all subscribers. A group that spans
values and literal text becomes a ``Word``, which is filled per command.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from ebs_core.domain.commands import Command
from ebs_core.domain.nas import Effect, Read
from ebs_core.domain.records import DeviceModel, Record
from ebs_core.domain.text import SLOT, Word
from nas_backends.dialects.opaque import OpaqueStatement
from nas_backends.dialects.shell import ShellStatement

SKELETONS = 4096
"""Skeletons whose effects are kept; a profile has a few dozen."""

_Apply = Callable[[Read, Record, DeviceModel], None]


class _Change(NamedTuple):
    """What one match in a skeleton does: ``apply`` a record of these properties."""

    apply: _Apply
    read: Read
    properties: tuple[tuple[str, Word], ...]


class PatternFold:
    """Folds commands by the tables of one profile. Thread-safe."""

    def __init__(self, reads: Sequence[Read]) -> None:
        self._changes = lru_cache(SKELETONS)(lambda skeleton: tuple(_changes(reads, skeleton)))

    def fold(self, command: Command, model: DeviceModel) -> bool:
        """Apply what the expressions find in the command; False where they find nothing, as in hooks."""
        statement = command.statement
        if not isinstance(statement, ShellStatement | OpaqueStatement):
            return False
        changes = self._changes(statement.skeleton)
        for apply, read, properties in changes:
            apply(read, {name: word.text(command.values) for name, word in properties}, model)
        return bool(changes)


@lru_cache(maxsize=64)
def pattern_fold(reads: tuple[Read, ...]) -> PatternFold:
    """The fold of these tables, shared."""
    return PatternFold(reads)


def _changes(reads: Sequence[Read], skeleton: str) -> list[_Change]:
    """In each table first what is removed, then added, then set."""
    found: list[_Change] = []
    for read in reads:
        for effects, apply, whole in ((read.removes, _remove, False), (read.adds, _add, True), (read.sets, _set, False)):
            for effect in effects:
                found += [_Change(apply, read, properties) for properties in _matches(effect, skeleton, whole)]
    return found


def _matches(effect: Effect, skeleton: str, whole: bool) -> list[tuple[tuple[str, Word], ...]]:
    """The properties of each match; with ``whole``, those of groups that took no part are empty, else they are left out."""
    found = []
    for match in re.finditer(effect.match, skeleton, re.MULTILINE):
        words = {name: Word((value,)) for name, value in effect.constants}
        for name in match.re.groupindex:
            if match[name] is not None:
                words[name] = _word(skeleton, *match.span(name))
            elif whole:
                words[name] = Word(())
        found.append(tuple(words.items()))
    return found


def _word(skeleton: str, start: int, end: int) -> Word:
    """The piece of a skeleton as literal text and numbered values."""
    parts: list[str | int] = []
    slot = skeleton.count(SLOT, 0, start)
    for piece in re.split(f"({SLOT})", skeleton[start:end]):
        if piece == SLOT:
            parts.append(slot)
            slot += 1
        elif piece:
            parts.append(piece)
    return Word(tuple(parts))


def _add(read: Read, record: Record, model: DeviceModel) -> None:
    model.put(read.table, {name: record[name] for name in read.key}, record)


def _set(read: Read, record: Record, model: DeviceModel) -> None:
    for old in model.find(read.table, lambda old: all(old.get(name) == record[name] for name in read.key)):
        old.update(record)


def _remove(read: Read, record: Record, model: DeviceModel) -> None:
    model.remove(read.table, lambda old: all(old.get(name) == value for name, value in record.items()))
