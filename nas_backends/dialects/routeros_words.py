"""RouterOS strings: how a value is quoted for the command line, and how a quoted string of a template is read.

Rules: https://help.mikrotik.com/docs/spaces/ROS/pages/47579229/Scripting (constant escape sequences). Inside ``"…"`` both ``$``
and ``\\`` are interpreted; there are no single quotes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ebs_core.domain.errors import UnquotableValue
from ebs_core.domain.text import MASK, SLOT, Secret

_SPECIAL = re.compile('[\x00-\x1f\x7f"$?\\\\\ud800-\udfff]').search
_REFUSED = re.compile("[\x00\ud800-\udfff]").search
_REGEX_SYNTAX = re.compile(r"[\\.\[\](){}*+?^$|]")

ESCAPES: dict[int, str] = {
    **{code: f"\\{code:02X}" for code in (*range(1, 32), 127)},
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): "\\t",
    ord("\\"): "\\\\",
    ord('"'): '\\"',
    ord("$"): "\\$",
    ord("?"): "\\3F",  # a bare ? asks an interactive console for help, quoted or not
}
_MEANINGS = {"n": 10, "r": 13, "t": 9, "a": 7, "b": 8, "f": 12, "v": 11, "_": 32, "\\": 92, '"': 34, "$": 36, "?": 63}
_HEX = re.compile("[0-9A-Fa-f]{2}")


def check(value: str) -> None:
    """Raises UnquotableValue for what neither the command line nor the API can be given: NUL and lone surrogates."""
    if (bad := _REFUSED(value)) is not None:
        what = "NUL" if bad[0] == "\0" else "half a character (a lone surrogate)"
        shown = MASK if isinstance(value, Secret) else repr(value[:60])
        raise UnquotableValue(f"the value {shown} contains {what}", remedy="RouterOS cannot store it: correct the value")


def escape(value: str) -> str:
    """``value`` as it must stand inside ``"…"`` on a RouterOS command line. Raises UnquotableValue."""
    if _SPECIAL(value) is None:
        return value
    check(value)
    return value.translate(ESCAPES)


def quote(value: str) -> str:
    """``value`` as a RouterOS string. Raises UnquotableValue."""
    return f'"{escape(value)}"'


def regex_literal(value: str) -> str:
    """``value`` as part of a regular expression that matches just it (in ``comment~"^…"`` a value must not become a pattern)."""
    return _REGEX_SYNTAX.sub(r"\\\g<0>", value)


class BadString(Exception):
    """A quoted string that is not plain data: ``offset`` is where. ``fatal``: not valid in a script either."""

    def __init__(self, message: str, offset: int, *, fatal: bool) -> None:
        super().__init__(message)
        self.message, self.offset, self.fatal = message, offset, fatal


def read_string(text: str, start: int) -> tuple[list[str], int]:
    """Read the quoted string whose opening quote is at ``start``.

    Returns its pieces (literal text, or ``SLOT``) and the offset after the closing quote. Raises BadString.
    """
    pieces: list[str] = []
    raw = bytearray()
    at = start + 1

    def flush() -> None:
        try:
            if raw:
                pieces.append(raw.decode())
        except UnicodeDecodeError:
            raise BadString("this string is not UTF-8", start, fatal=False) from None
        raw.clear()

    while at < len(text):
        char = text[at]
        if char == '"':
            flush()
            return pieces, at + 1
        if char == SLOT:
            flush()
            pieces.append(SLOT)
        elif char == "$":
            raise BadString("`$` in a string names a RouterOS variable (write `\\$` for a dollar sign)", at, fatal=False)
        elif char == "\\":
            at = _read_escape(text, at, raw)
            continue
        else:
            raw += char.encode("utf-8", "surrogatepass")
        at += 1
    raise BadString("this quote is never closed", start, fatal=True)


def _read_escape(text: str, at: int, raw: bytearray) -> int:
    """Append what the escape at ``at`` means to ``raw``; returns the offset after it."""
    following = text[at + 1 : at + 2]
    if following in ("\n", "\r"):  # a continued line: the break and the indentation are not part of the string
        continued = re.compile(r"\r?\n[ \t]*").match(text, at + 1)
        return continued.end() if continued else at + 2
    if following in _MEANINGS and following:
        raw.append(_MEANINGS[following])
        return at + 2
    digits = _HEX.match(text, at + 1)
    if digits is None or digits[0] != digits[0].upper():
        raise BadString("no such escape in a RouterOS string (write `\\\\` for a backslash)", at, fatal=True)
    raw.append(int(digits[0], 16))
    return at + 3


@dataclass(frozen=True, slots=True, eq=False)
class TextForm:
    """A command's text with its values' places prepared: ``form % values`` when no value has a special character."""

    form: str
    order: tuple[int, ...]
    """Which slot stands at each ``%s``."""
    patterns: frozenset[int] = frozenset()
    """Slots inside regular expressions."""

    def emit(self, values: Sequence[str]) -> str:
        """The text with each value escaped for the inside of a string. Raises UnquotableValue."""
        if not self.patterns and _SPECIAL("".join(values)) is None:
            return self.form % (tuple(values) if self._in_order else tuple(values[slot] for slot in self.order))
        return self.form % tuple(
            escape(regex_literal(values[slot]) if slot in self.patterns else values[slot]) for slot in self.order
        )

    def show(self, values: Sequence[str]) -> str:
        """As ``emit``, secrets masked; never raises."""
        shown = []
        for slot in self.order:
            value = values[slot]
            try:
                shown.append(MASK if isinstance(value, Secret) and value else escape(value))
            except UnquotableValue:
                shown.append(repr(value))
        return self.form % tuple(shown)

    @property
    def _in_order(self) -> bool:
        return self.order == _IN_ORDER[: len(self.order)]


_IN_ORDER = tuple(range(1000))
