"""The ``nft`` dialect: one changing nft command per line, as ``nft -f`` takes it.

``\\;`` between commands makes them one statement, which the kernel takes or refuses as a whole. A line that only a shell can run
(options such as ``nft -f file``, single quotes, redirections, ``nft list``) is none of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ebs_core.domain.commands import Statement
from ebs_core.domain.errors import SkeletonError
from ebs_core.domain.records import DeviceModel, Record
from ebs_core.domain.text import SLOT, Word
from nas_backends.dialects.line_words import Token, join, quick_fill, tokens
from nas_backends.dialects.linux_spelling import concatenated
from nas_backends.dialects.nft_values import check_data, check_name, check_string
from nas_backends.dialects.shell import require_text_transport, show

_VERBS = frozenset("add create insert replace delete flush rename reset destroy".split())
_FAMILIES = frozenset("ip ip6 inet arp bridge netdev".split())
_NAMES = {
    "table": 1,
    "set": 2,
    "map": 2,
    "chain": 2,
    "rule": 2,
    "element": 2,
    "counter": 2,
    "quota": 2,
    "limit": 2,
    "flowtable": 2,
}
_TOKEN = re.compile(r'"[^"\n]*"|\\;|[{},;]|[^\s"{},;]+')
_SHELL_ONLY = re.compile(r"['\\`$&|<>#]")
_ELEMENT_STARTS = frozenset("{ , . : -".split())
_AND = "\\;"


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a set or map: key, and the data and comment if it has them."""

    key: Word
    data: Word | None
    comment: Word | None

    def record(self, values: Sequence[str]) -> Record:
        """As ``nft list`` shows it: ``value`` and ``comment`` only where there are such."""
        record = {"key": concatenated(self.key.text(values))}
        if self.data is not None:
            record["value"] = concatenated(self.data.text(values))
        if self.comment is not None:
            record["comment"] = self.comment.text(values)
        return record


@dataclass(frozen=True, slots=True)
class Change:
    """What one nft command does to the elements of ``table`` (``inet ebs enabled``); no elements: to all of them."""

    verb: str
    table: Word
    elements: tuple[Element, ...]

    def fold(self, values: Sequence[str], model: DeviceModel) -> None:
        """Adding an element that is there changes nothing about it, its comment included (the kernel keeps the old one)."""
        table = self.table.text(values)
        if self.verb in ("flush", "delete", "destroy") and not self.elements:
            model.remove(table, lambda _: True)
        for element in self.elements:
            record = element.record(values)
            there = model.find(table, lambda old, key=record["key"]: old["key"] == key)  # type: ignore[misc]
            if self.verb in ("add", "create") and not there:
                model.add(table, record)
            elif self.verb in ("delete", "destroy") and there:
                model.remove(table, lambda old, key=record["key"]: old["key"] == key)  # type: ignore[misc]


@dataclass(frozen=True, slots=True)
class NftStatement:
    """One line for ``nft -f``; ``names``, ``strings`` and ``data`` are its words with values, by their check."""

    skeleton: str
    slots: int
    names: tuple[Word, ...]
    strings: tuple[Word, ...]
    data: tuple[tuple[Word, bool], ...]
    """With each word: it stands where an element of a set stands."""
    changes: tuple[Change, ...] = ()
    """One per command that is about elements."""
    dialect: str = "nft"

    @property
    def deletes_one(self) -> bool:
        """It is the deletion of a single element and nothing else."""
        return (
            len(self.changes) == 1
            and self.skeleton.startswith("delete")
            and len(self.changes[0].elements) == 1
            and ";" not in self.skeleton
        )

    def emit(self, values: Sequence[str]) -> str:
        for name in self.names:
            check_name(name.text(values))
        for string in self.strings:
            check_string(string.text(values))
        for word, is_element in self.data:
            check_data(word.text(values), is_element=is_element)
        return quick_fill(self.skeleton, values)

    def show(self, values: Sequence[str]) -> str:
        return "nft " + show(self, values)

    def fold(self, values: Sequence[str], model: DeviceModel) -> None:
        """Elements that are added, deleted or flushed."""
        for change in self.changes:
            change.fold(values, model)


class NftDialect:
    """See ``nas_backends.contract.Dialect``."""

    name = "nft"

    def parse(self, skeleton: str, transport: str) -> tuple[Statement, ...]:
        """One statement per line, with or without the word ``nft``. Raises SkeletonError."""
        require_text_transport(self.name, transport)
        statements: list[Statement] = []
        offset = 0
        for line in skeleton.split("\n"):
            if line.strip():
                statement = parse_nft(line if line.split()[0] == "nft" else f"nft {line}", offset)
                if statement is None:
                    raise SkeletonError("this is no plain nft command", offset, remedy="list the dialect shell in the profile")
                statements.append(statement)
            offset += len(line) + 1
        return tuple(statements)


def parse_nft(line: str, offset: int) -> NftStatement | None:
    """Parse ``nft …``, one line that starts at ``offset`` of its skeleton. None: only a shell can run it.

    Raises SkeletonError for a value in the verb, the type of object or a keyword's place.
    """
    found = tokens(line, offset, _TOKEN)
    if found is None or _SHELL_ONLY.search(_unquoted(found)):
        return None
    names, strings, data = list[Word](), list[Word](), list[tuple[Word, bool]]()
    changes: list[Change] = []
    for command in _commands(found[1:]):
        for token in command[:2]:
            if token.word.slots:
                raise SkeletonError("a value cannot be the verb or the kind of object of an nft command", token.start)
        if len(command) < 2 or command[0].mark not in _VERBS or _shell_separators(command):
            return None
        table_at = 3 if command[2:3] and command[2].mark in _FAMILIES else 2
        arguments_at = table_at + _NAMES.get(command[1].mark or "", 0)
        _check(command, arguments_at, names, strings, data)
        changes += _changes(command, table_at, arguments_at)
    skeleton = _plain(line, [token.start - offset for token in found if token.mark == _AND])
    return NftStatement(skeleton, skeleton.count(SLOT), tuple(names), tuple(strings), tuple(data), tuple(changes))


def _commands(found: Sequence[Token]) -> list[list[Token]]:
    commands: list[list[Token]] = [[]]
    for token in found:
        if token.mark == _AND:
            commands.append([])
        else:
            commands[-1].append(token)
    return commands


def _plain(line: str, separators: Sequence[int]) -> str:
    """What follows ``nft``, with the bare ``;`` that nft itself knows in the place of each ``\\;``."""
    for start in reversed(separators):
        line = f"{line[:start]};{line[start + len(_AND) :]}"
    return line.strip()[len("nft") :].strip()


def _unquoted(found: Sequence[Token]) -> str:
    return " ".join(str(part) for token in found if not token.quoted and token.mark != _AND for part in token.word.parts)


def _shell_separators(found: Sequence[Token]) -> bool:
    """A ``;`` outside braces ends the command for a shell; unbalanced braces end nothing on this line."""
    depth = 0
    for token in found:
        depth += (token.mark == "{") - (token.mark == "}")
        if depth < 0 or (token.mark == ";" and not depth):
            return True
    return depth != 0


def _check(
    found: Sequence[Token], arguments_at: int, names: list[Word], strings: list[Word], data: list[tuple[Word, bool]]
) -> None:
    """Puts each word that has a value where its check is."""
    depth = 0
    for index, token in enumerate(found):
        depth += (token.mark == "{") - (token.mark == "}")
        if not token.word.slots:
            continue
        if token.quoted:
            strings.append(token.word)
        elif index < arguments_at:
            names.append(token.word)
        else:
            data.append((token.word, bool(depth) and found[index - 1].mark in _ELEMENT_STARTS))


def _changes(found: Sequence[Token], table_at: int, arguments_at: int) -> list[Change]:
    """At most one. ``add set`` and the like say nothing about elements."""
    verb, kind = found[0].mark or "", found[1].mark
    of_all = kind in ("set", "map") and verb in ("flush", "delete", "destroy")
    if (kind != "element" and not of_all) or len(found) < arguments_at:
        return []
    family = [found[2].word] if table_at == 3 else [Word(("ip",))]
    table = join([*family, *(token.word for token in found[table_at:arguments_at])])
    return [Change(verb, table, _elements(found[arguments_at + 1 : -1]) if kind == "element" else ())]


def element_record(text: str) -> Record:
    """The record of one element as ``nft list`` shows it between the braces."""
    found = tokens(text, 0, _TOKEN)
    return _element(found).record(()) if found else {"key": text}


def _elements(found: Sequence[Token]) -> tuple[Element, ...]:
    """What stands between the braces."""
    groups: list[list[Token]] = [[]]
    for token in found:
        if token.mark == ",":
            groups.append([])
        else:
            groups[-1].append(token)
    return tuple(_element(group) for group in groups if group)


def _element(group: Sequence[Token]) -> Element:
    """``key [options] [: data]``: of the options (timeout, counter, limit…) only the comment is looked at."""
    colon = next((index for index, token in enumerate(group) if token.mark == ":"), len(group))
    key_end = 1
    while key_end + 1 < colon and group[key_end].mark == ".":
        key_end += 2
    data = [token.word for token in group[colon + 1 :]]
    comments = [later.word for token, later in pairwise(group[key_end:colon]) if token.mark == "comment"]
    return Element(join([token.word for token in group[:key_end]]), join(data) if data else None, next(iter(comments), None))
