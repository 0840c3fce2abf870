"""Reading the console's language sign by sign: blanks, words, quoted strings, and errors with line and column.

Source of the rules for quoted strings: MikroTik documentation, "Scripting", section "Constant Escape Sequences"; measured
behaviour in danikf/tik4net, Docs/findings-cli.md.
"""

from __future__ import annotations

import re
from typing import Final

from nas_simulator.cli_values import CliError

_WORD: Final = re.compile(r"[A-Za-z0-9_.-]+")
_VARIABLE: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_HEX: Final = re.compile(r"[0-9A-F]{2}")
_ESCAPES: Final = {
    '"': '"',
    "\\": "\\",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "$": "$",
    "?": "?",
    "_": " ",
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "v": "\v",
}
_ENDS: Final = frozenset(";\n]})")
_UNQUOTED_STOP: Final = frozenset(" \t\r\n;]})")


class Reader:
    """A position in a script. All complaints are `CliError` with the place of `position`, or of `at`."""

    def __init__(self, text: str) -> None:
        self.text: Final = text
        self.position = 0

    def error(self, what: str, at: int | None = None) -> CliError:
        place = self.position if at is None else at
        line = self.text.count("\n", 0, place) + 1
        column = place - (self.text.rfind("\n", 0, place) + 1) + 1
        return CliError(f"{what} (line {line} column {column})")

    def peek(self) -> str:
        """The next sign, empty at the end."""
        return self.text[self.position : self.position + 1]

    def accept(self, sign: str) -> bool:
        if not self.text.startswith(sign, self.position):
            return False
        self.position += len(sign)
        return True

    def expect(self, sign: str) -> None:
        if not self.accept(sign):
            raise self.error("syntax error")

    def blanks(self) -> None:
        """Skips blanks within a line, and a line's end behind a backslash."""
        while True:
            if self.peek() and self.peek() in " \t\r":
                self.position += 1
            elif self.text.startswith(("\\\n", "\\\r\n"), self.position):
                self.position = self.text.index("\n", self.position) + 1
            else:
                return

    def at_end(self) -> bool:
        """At the end of a command."""
        return not self.peek() or self.peek() in _ENDS

    def expect_end(self) -> None:
        self.blanks()
        if not self.at_end():
            raise self.error("expected end of command")

    def word(self) -> str:
        """A name: letters, digits, `-`, `_`, `.`; empty when there is none."""
        match = _WORD.match(self.text, self.position)
        if match is None:
            return ""
        self.position = match.end()
        return match.group()

    def next_word(self) -> str:
        """The word that follows, without taking it."""
        match = _WORD.match(self.text, self.position)
        return match.group() if match else ""

    def starts_variable(self) -> bool:
        return _VARIABLE.match(self.text, self.position) is not None

    def variable(self) -> str:
        """The name behind a `$`."""
        if self.accept('"'):
            end = self.text.find('"', self.position)
            if end < 0:
                raise self.error("syntax error")
            name = self.text[self.position : end]
            self.position = end + 1
            return name
        match = _VARIABLE.match(self.text, self.position)
        if match is None:
            raise self.error("syntax error")
        self.position = match.end()
        return match.group()

    def unquoted(self) -> str:
        """A bare value up to a blank or the end. `$`, a backslash or a quote inside it is a syntax error."""
        start = self.position
        while self.peek() and self.peek() not in _UNQUOTED_STOP:
            if self.peek() in '$\\"':
                raise self.error("syntax error")
            self.position += 1
        return self.text[start : self.position]

    def escape(self) -> str:
        """What follows a backslash inside quotes."""
        if self.text.startswith(("\n", "\r\n"), self.position):
            self.position = self.text.index("\n", self.position) + 1
            self.blanks()
            return ""
        match = _HEX.match(self.text, self.position)
        if match is not None:
            return self._hex_bytes()
        sign = self.peek()
        if sign not in _ESCAPES or not sign:
            raise self.error("syntax error")
        self.position += 1
        return _ESCAPES[sign]

    def _hex_bytes(self) -> str:
        """`\\D0\\9F`: neighbouring bytes are taken together, so that they can form one UTF-8 sign."""
        data = bytearray()
        while True:
            match = _HEX.match(self.text, self.position)
            if match is None:
                self.position -= 1
                break
            data.append(int(match.group(), 16))
            self.position = match.end()
            if not self.accept("\\"):
                break
        return data.decode("utf-8", "surrogateescape")
