"""The command-line text of one plain command, as a form that values are dropped into."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ebs_core.domain.text import Word
from nas_backends.dialects.routeros_statement import Find
from nas_backends.dialects.routeros_words import TextForm, escape, quote

ITEM = re.compile(r"[*A-Za-z0-9][A-Za-z0-9_.*,@:<>-]*")
"""An item's name or number that needs no quotes."""


def command_text(
    path: Sequence[str],
    find: Find | None,
    items: str | None,
    unnamed: Sequence[str | Word],
    args: Sequence[tuple[str, Word, bool]],
) -> TextForm:
    """``path`` with the verb last; ``unnamed``: bare flags (str), quoted words; ``args``: name, value, may stand without quotes.

    Every value is written between quotes; only the template's own plain words are not.
    """
    text = _Text()
    text.add("/" + " ".join(path))
    filters = path[-1] in ("print", "find")
    if find is not None and not filters:
        text.add(" [" + ("" if find.path == tuple(path[:-1]) else f"/{find.table} ") + "find")
        text.conditions(find)
        text.add("]")
    if items is not None:
        text.add(" " + (items if ITEM.fullmatch(items) else quote(items)))
    for word in unnamed:
        text.add(" ")
        text.value(Word((word,)) if isinstance(word, str) else word, bare=isinstance(word, str))
    for name, word, bare in args:
        text.add(f" {name}=")
        text.value(word, bare=bare)
    if find is not None and filters and find.conditions:
        text.add(" where")
        text.conditions(find)
    return text.done()


class _Text:
    """A ``%`` form built piece by piece."""

    def __init__(self) -> None:
        self.form: list[str] = []
        self.order: list[int] = []
        self.patterns: set[int] = set()

    def add(self, literal: str) -> None:
        self.form.append(literal.replace("%", "%%"))

    def value(self, word: Word, *, bare: bool, pattern: bool = False) -> None:
        if bare and word.literal is not None:
            self.add(word.literal)
            return
        self.add('"')
        for part in word.parts:
            if isinstance(part, str):
                self.add(escape(part))
            else:
                self.form.append("%s")
                self.order.append(part)
        self.add('"')
        if pattern:
            self.patterns.update(word.slots)

    def conditions(self, find: Find) -> None:
        for condition in find.conditions:
            if condition.operator in ("set", "unset"):
                self.add(" " + "!" * (condition.operator == "unset") + condition.name)
            else:
                self.add(f" {condition.name}{condition.operator}")
                self.value(condition.value, bare=condition.bare, pattern=condition.operator == "~")

    def done(self) -> TextForm:
        return TextForm("".join(self.form), tuple(self.order), frozenset(self.patterns))
