"""Parsing one RouterOS command: ``/ip firewall address-list set [find comment="x"] disabled=no``.

Grammar: leading bare words are path and verb (a known verb ends the path, else the last bare word is the verb), then items
(``[find …]`` or names), ``name=value`` properties and bare flags in any order.
"""

from __future__ import annotations

import re

from ebs_core.domain.errors import SkeletonError
from ebs_core.domain.text import SLOT, Word
from nas_backends.dialects.routeros_statement import Condition, Find, RouterosStatement
from nas_backends.dialects.routeros_text import ITEM, command_text
from nas_backends.dialects.routeros_words import BadString, read_string

ITEM_VERBS = frozenset({"set", "remove", "enable", "disable", "comment", "unset", "move", "get", "edit", "make-static"})
ITEM_VERBS |= {"reset-counters", "reset-mac-address", "monitor"}
"""Verbs whose bare words are items."""
VERBS = ITEM_VERBS | {"add", "print", "find", "export", "reset-counters-all", "monitor-traffic", "reboot", "shutdown", "flush"}
"""Verbs that end a path. Any other word can be one too: then the last bare word before the arguments is it."""

_SPACE = re.compile(r"(?:[ \t\r]|\\\r?\n)*")
_BARE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.*-]*")
_NAME = re.compile(r"\.?[A-Za-z][A-Za-z0-9_.-]*")
_ASSIGNED = re.compile(r"(\.?[A-Za-z][A-Za-z0-9_.-]*)=")
_WHERE = re.compile(r"where\b")
_AND = re.compile(r"(?:and\b|&&)\s*")
_OPERATOR = re.compile(r"!=|<=|>=|[=<>~]")
_VALUE = re.compile(rf"[^ \t\r\n;\"$()\[\]{{}}\\#{SLOT}]+")
_PLAIN = re.compile(r"[A-Za-z0-9_./:,@*+-]+")
_TYPED = re.compile(r"yes|no|true|false|\d+")
_SCRIPT = re.compile(r"source|on-[a-z-]+|[a-z-]*script|command")


class NotData(Exception):
    """A construct that is more than one plain command: text for a script interpreter. ``offset`` is where it shows."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message, self.offset = message, offset


class CommandParser:
    """Parses ``skeleton[start:end]``, one construct, in the menu ``context``. Use once."""

    def __init__(self, skeleton: str, start: int, end: int, context: tuple[str, ...]) -> None:
        self.text, self.at, self.end, self.context = skeleton, start, end, context
        self.slots = 0
        self.find: Find | None = None
        self.items: str | None = None
        self.args: list[tuple[str, Word, bool]] = []
        self.flags: list[str] = []
        self.words: list[Word] = []

    def path(self) -> tuple[tuple[str, ...], bool, bool]:
        """Read the leading words: (absolute path with the verb last, ends with a known verb, nothing follows)."""
        absolute = self._peek() == "/"
        words = [] if absolute else list(self.context)
        known = False
        while not known:
            if self._peek() == "/":
                self.at += 1
                self._space()
            match = _BARE.match(self.text, self.at, self.end)
            if match is None or self.text[match.end() : match.end() + 1] in ("=", "~", "!"):
                break
            if self.text[match.end() : match.end() + 1] == SLOT:
                raise SkeletonError("a value cannot stand in a path or verb", match.end(), remedy="write the word itself")
            words.append(match[0])
            known = match[0] in VERBS
            self.at = match.end()
            self._space()
        if self._peek() == SLOT and not known:
            raise SkeletonError("a value cannot stand in a path or verb", self.at, remedy="write the word itself")
        return tuple(words), known, self.at >= self.end

    def statement(self, path: tuple[str, ...]) -> RouterosStatement:
        """Read the arguments of ``path[-1]``. Raises SkeletonError, NotData."""
        menu, verb = path[:-1], path[-1]
        while self._peek():
            self._argument(menu, verb)
        return RouterosStatement(
            menu,
            verb,
            command_text((*menu, verb), self.find, self.items, (*self.flags, *self.words), self.args),
            self.slots,
            self.find,
            self.items,
            tuple((name, word) for name, word, _ in self.args),
            tuple(self.flags),
            tuple(self.words),
        )

    def _argument(self, menu: tuple[str, ...], verb: str) -> None:
        start, char = self.at, self._peek()
        if char == "[":
            self._target(self._find(menu), start)
        elif char == '"' or char == SLOT:
            word, _ = self._value()
            self._unnamed(menu, verb, word, start)
        elif match := _ASSIGNED.match(self.text, self.at, self.end):
            self.at = match.end()
            self._property(menu, match[1], start)
        elif match := ITEM.match(self.text, self.at, self.end):
            self._word(menu, verb, match)
        elif char == "#":
            raise SkeletonError("a comment behind a command", self.at, remedy="put the comment on a line of its own")
        else:
            raise NotData(f"`{char}` does not belong to a plain command", self.at)
        self._separated()

    def _word(self, menu: tuple[str, ...], verb: str, match: re.Match[str]) -> None:
        word, self.at = match[0], match.end()
        following = self.text[self.at : self.at + 1]
        if following == SLOT:
            raise SkeletonError(
                "a value cannot stand in a name", self.at, remedy=f"write `{word}` whole, or in quotes with the value"
            )
        if word == "where" and verb in ("print", "find"):
            self.find = Find(menu, self._conditions(""))
        elif following in ("=", "~", "!") and verb == "find":
            self.at = match.start()
            self.find = Find(menu, self._conditions(""))
        elif verb in ITEM_VERBS and self.items is None and self.find is None:
            self.items = word
        else:
            self.flags.append(word)

    def _unnamed(self, menu: tuple[str, ...], verb: str, word: Word, start: int) -> None:
        if verb not in ITEM_VERBS:
            if self.text[start] == SLOT:
                raise SkeletonError("a value without a name", start, remedy="write name={{ … }}")
            self.words.append(word)
        elif word.slots:  # a name may look like `*5`, `0` or `a,b`: only a find takes it as the name it is
            self._target(Find(menu, (Condition("name", "=", word),)), start)
        elif self.items is None and self.find is None:
            self.items = word.literal
        else:
            self.words.append(word)

    def _property(self, menu: tuple[str, ...], name: str, start: int) -> None:
        if name in ("numbers", ".id") and self._peek() == "[":
            self._target(self._find(menu), start)
            return
        word, bare = self._value()
        if word.slots and _SCRIPT.fullmatch(name):
            raise SkeletonError(
                f"`{name}` is a script: a value in it would be run",
                start,
                remedy="keep values out of scripts; put them into a comment or name",
            )
        if any(name == other for other, *_ in self.args):
            raise SkeletonError(f"`{name}` is given twice", start, remedy="leave one of them out")
        self.args.append((name, word, bare))

    def _target(self, find: Find, start: int) -> None:
        if self.find is not None or self.items is not None:
            raise NotData("a second set of items", start)
        self.find = find

    def _find(self, menu: tuple[str, ...]) -> Find:
        """``[find …]`` or ``[/path find …]`` at the cursor."""
        start = self.at
        self.at += 1
        self._space()
        inner = CommandParser(self.text, self.at, self.end, menu)
        path, known, _ = inner.path()
        if not known or path[-1] != "find":
            raise NotData("only `[find …]` can be looked up for a plain command", start)
        self.at = inner.at
        where = _WHERE.match(self.text, self.at, self.end)
        self.at = where.end() if where else self.at
        find = Find(path[:-1], self._conditions("]"))
        self.at += 1
        return find

    def _conditions(self, closing: str) -> tuple[Condition, ...]:
        conditions: list[Condition] = []
        while True:
            self._space()
            char = self._peek()
            if char == closing:
                return tuple(conditions)
            joined = _AND.match(self.text, self.at, self.end)
            if joined and conditions:
                self.at = joined.end()
            conditions.append(self._condition())

    def _condition(self) -> Condition:
        start = self.at
        negated = self._peek() == "!"
        self.at += negated
        match = _NAME.match(self.text, self.at, self.end)
        if match is None or match[0] in ("or", "and", "in", "not"):
            if self._peek() == SLOT:
                raise SkeletonError("a value cannot stand for a property's name", self.at, remedy="write name={{ … }}")
            raise NotData("this condition is an expression", start)
        self.at = match.end()
        operator = _OPERATOR.match(self.text, self.at, self.end)
        if operator is None:
            if self._peek() == SLOT:
                raise SkeletonError("a value cannot stand in a name", self.at, remedy="write name={{ … }}")
            return Condition(match[0], "unset" if negated else "set")
        if negated:
            raise NotData("this condition is an expression", start)
        self.at = operator.end()
        word, bare = self._value()
        self._separated()
        return Condition(match[0], operator[0], word, bare and _TYPED.fullmatch(word.literal or "") is not None)

    def _value(self) -> tuple[Word, bool]:
        """A quoted string, or bare text with values in it. Returns the word and whether it can be written without quotes."""
        if self._peek() == '"':
            try:
                pieces, self.at = read_string(self.text, self.at)
            except BadString as bad:
                if bad.fatal:
                    raise SkeletonError(bad.message, bad.offset) from None
                raise NotData(bad.message, bad.offset) from None
            return self._take(pieces), False
        pieces = []
        while self.at < self.end:
            if self.text[self.at] == SLOT:
                pieces.append(SLOT)
                self.at += 1
            elif match := _VALUE.match(self.text, self.at, self.end):
                pieces.append(match[0])
                self.at = match.end()
            else:
                break
        return self._take(pieces), all(_PLAIN.fullmatch(piece) for piece in pieces) and bool(pieces)

    def _take(self, pieces: list[str]) -> Word:
        parts: list[str | int] = []
        for piece in pieces:
            if piece == SLOT:
                parts.append(self.slots)
                self.slots += 1
            else:
                parts.append(piece)
        return Word(tuple(parts))

    def _separated(self) -> None:
        """After an argument: space, or the end of the command or of its brackets."""
        before = self.at
        self._space()
        char = self._peek()
        if self.at > before or char in ("", "]"):
            return
        if char == SLOT:
            raise SkeletonError("a value glued to a word", self.at, remedy="put the whole word in quotes, or a space between")
        raise NotData(f"`{char}` does not belong to a plain command", self.at)

    def _peek(self) -> str:
        return self.text[self.at] if self.at < self.end else ""

    def _space(self) -> None:
        match = _SPACE.match(self.text, self.at, self.end)
        self.at = match.end() if match else self.at
