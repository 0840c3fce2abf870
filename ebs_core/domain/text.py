"""Rendered templates as prepared statements: literal text with slots, and the values for the slots.

A rendering never pastes a value into text. It yields a **skeleton** (the template's own characters, with ``SLOT`` where a value
belongs) and the values in order. A dialect parses the skeleton, once per distinct skeleton, and quotes each value for the place
where its slot stands. So a value cannot become syntax, whatever it contains.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

SLOT = "\x00"
"""The character that stands for a value in a skeleton. Templates and values cannot contain it."""

MASK = "••••••"


class Secret(str):
    """A value that must not be shown: a password, a shared secret, or anything computed from one."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret(••••••)"


def mask(value: str) -> str:
    """``value`` as people and logs may see it."""
    return MASK if isinstance(value, Secret) and value else value


def redact(text: str, values: Sequence[str]) -> str:
    """``text`` without the secrets among ``values``, also where they stand with backslashes or shell quotes."""
    for value in values:
        if isinstance(value, Secret) and value:
            text = _quoted_forms(value).sub(MASK, text)
    return text


def _quoted_forms(secret: str) -> re.Pattern[str]:
    return re.compile("".join(r"(?:'\\''|\\*')" if char == "'" else r"\\*" + re.escape(char) for char in secret))


def visible(text: str) -> str:
    """``text`` for a terminal: characters that would drive it (escape, newline, bidirectional marks…) are spelled out."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


@dataclass(frozen=True, slots=True)
class Rendered:
    """One rendered template: ``skeleton.count(SLOT) == len(values)``."""

    skeleton: str
    values: tuple[str, ...]

    def plain(self) -> str:
        """The text with unquoted, masked values: for messages only, never to be sent."""
        return fill(self.skeleton, [mask(value) for value in self.values])


def fill(skeleton: str, values: Sequence[str]) -> str:
    """Put ``values`` into the slots of ``skeleton`` as they are. The caller has quoted them."""
    pieces = skeleton.split(SLOT)
    out = [pieces[0]]
    for value, piece in zip(values, pieces[1:], strict=True):
        out += (value, piece)
    return "".join(out)


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a command: literal pieces and slot numbers, in order. A slot number indexes the command's values."""

    parts: tuple[str | int, ...]

    @property
    def literal(self) -> str | None:
        """The word's text if it has no slot, else None."""
        if not self.parts:
            return ""
        return self.parts[0] if len(self.parts) == 1 and isinstance(self.parts[0], str) else None

    @property
    def slots(self) -> tuple[int, ...]:
        return tuple(part for part in self.parts if isinstance(part, int))

    def text(self, values: Sequence[str]) -> str:
        """The word's exact characters with ``values`` in its slots; ``Secret`` if any of them is."""
        parts = self.parts
        if len(parts) == 1:
            part = parts[0]
            return values[part] if isinstance(part, int) else part
        pieces = [values[part] if isinstance(part, int) else part for part in parts]
        joined = "".join(pieces)
        return Secret(joined) if Secret in map(type, pieces) else joined
