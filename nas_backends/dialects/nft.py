"""The ``nft`` dialect: one changing nft command per line, as ``nft -f`` takes it.

A line that only a shell can run (options such as ``nft -f file``, single quotes, redirections, ``nft list``) is none of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ebs_core.domain.commands import Statement
from ebs_core.domain.errors import SkeletonError
from ebs_core.domain.records import DeviceModel, Record
from ebs_core.domain.text import SLOT, Word
from nas_backends.dialects.line_words import Token, join, quick_fill, tokens
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
_TOKEN = re.compile(r'"[^"\n]*"|[{},;]|[^\s"{},;]+')
_SHELL_ONLY = re.compile(r"['\\`$&|<>#]")
_ELEMENT_STARTS = frozenset("{ , . : -".split())


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a set or map: key, and the data and comment if it has them."""

    key: Word
    data: Word | None
    comment: Word | None

    def record(self, values: Sequence[str]) -> Record:
        """As ``nft list`` shows it: ``value`` and ``comment`` only where there are such."""
        named = {"value": self.data, "comment": self.comment}
        return {name: word.text(values) for name, word in named.items() if word is not None}


@dataclass(frozen=True, slots=True)
class NftStatement:
    """One line for ``nft -f``; ``names``, ``strings`` and ``data`` are its words with values, by their check."""

    skeleton: str
    slots: int
    verb: str
    names: tuple[Word, ...]
    strings: tuple[Word, ...]
    data: tuple[tuple[Word, bool], ...]
    """With each word: it stands where an element of a set stands."""
    table: Word | None = None
    """``inet ebs enabled`` if the command is about a set's elements."""
    elements: tuple[Element, ...] = ()
    dialect: str = "nft"

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
        if self.table is None:
            return
        table = self.table.text(values)
        if self.verb == "flush":
            model.remove(table, lambda _: True)
        for element in self.elements:
            key = {"key": element.key.text(values)}
            if self.verb in ("add", "create"):
                model.put(table, key, element.record(values))
            elif self.verb in ("delete", "destroy"):
                model.remove(table, lambda old, key=key: old["key"] == key["key"])  # type: ignore[misc]


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
    verb = found[1].mark if len(found) > 1 else ""
    for token in found[1:3]:
        if token.word.slots:
            raise SkeletonError("a value cannot be the verb or the kind of object of an nft command", token.start)
    if len(found) < 3 or verb not in _VERBS or _shell_separators(found):
        return None
    table_at = 4 if found[3:4] and found[3].mark in _FAMILIES else 3
    arguments_at = table_at + _NAMES.get(found[2].mark or "", 0)
    names, strings, data = _checked(found, arguments_at)
    table, elements = _elements(found, table_at, arguments_at)
    body = line[len(line) - len(line.lstrip()) :].rstrip()[len("nft") :].strip()
    return NftStatement(body, body.count(SLOT), verb, names, strings, data, table, elements)


def _unquoted(found: Sequence[Token]) -> str:
    return " ".join(str(part) for token in found if not token.quoted for part in token.word.parts)


def _shell_separators(found: Sequence[Token]) -> bool:
    """A ``;`` outside braces ends the command for a shell; unbalanced braces end nothing on this line."""
    depth = 0
    for token in found:
        depth += (token.mark == "{") - (token.mark == "}")
        if depth < 0 or (token.mark == ";" and not depth):
            return True
    return depth != 0


def _checked(
    found: Sequence[Token], arguments_at: int
) -> tuple[tuple[Word, ...], tuple[Word, ...], tuple[tuple[Word, bool], ...]]:
    names, strings, data = [], [], []
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
    return tuple(names), tuple(strings), tuple(data)


def _elements(found: Sequence[Token], table_at: int, arguments_at: int) -> tuple[Word | None, tuple[Element, ...]]:
    kind, verb = found[2].mark, found[1].mark
    if kind not in ("element", "set", "map") or (kind != "element" and verb != "flush") or len(found) < arguments_at:
        return None, ()
    family = [found[3].word] if table_at == 4 else [Word(("ip",))]
    table = join([*family, *(token.word for token in found[table_at:arguments_at])])
    groups: list[list[Token]] = [[]]
    for token in found[arguments_at + 1 : -1] if kind == "element" else ():
        if token.mark == ",":
            groups.append([])
        else:
            groups[-1].append(token)
    return table, tuple(_element(group) for group in groups if group)


def _element(group: Sequence[Token]) -> Element:
    key: list[Word] = []
    data: list[Word] = []
    comment: Word | None = None
    target, skip = key, False
    for index, token in enumerate(group):
        if skip:
            skip = False
        elif token.mark in ("comment", "timeout", "expires") and index + 1 < len(group):
            comment = group[index + 1].word if token.mark == "comment" else comment
            skip = True
        elif token.mark == ":":
            target = data
        else:
            target.append(token.word)
    return Element(join(key), join(data) if data else None, comment)
