"""Words of a one-line command (nft, tc, ip), with their slots numbered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from ebs_core.domain.text import SLOT, Word


@dataclass(frozen=True, slots=True)
class Token:
    """A word, quoted string or punctuation mark; ``word`` is its text without the quotes, ``start`` its offset."""

    word: Word
    start: int
    quoted: bool = False

    @property
    def mark(self) -> str | None:
        """Its text if it is bare and has no slot."""
        return None if self.quoted else self.word.literal


def tokens(line: str, offset: int, pattern: re.Pattern[str]) -> list[Token] | None:
    """Cut ``line`` by ``pattern``; None if something but white space lies between the tokens, such as an open quote."""
    found: list[Token] = []
    slot = at = 0
    for match in pattern.finditer(line):
        if line[at : match.start()].strip():
            return None
        text, at = match.group(), match.end()
        quoted = text[0] in "\"'"
        parts: list[str | int] = []
        for piece in re.split(f"({SLOT})", text[1:-1] if quoted else text):
            if piece == SLOT:
                parts.append(slot)
                slot += 1
            elif piece:
                parts.append(piece)
        found.append(Token(Word(tuple(parts)), offset + match.start(), quoted))
    return None if line[at:].strip() else found


@lru_cache(maxsize=4096)
def _form(skeleton: str) -> str:
    return skeleton.replace("%", "%%").replace(SLOT, "%s")


def quick_fill(skeleton: str, values: Sequence[str]) -> str:
    """As ``fill``, several times faster for the few skeletons of a batch."""
    return _form(skeleton) % tuple(values)


def join(words: Sequence[Word]) -> Word:
    """One word of several, with a space between them."""
    parts: list[str | int] = []
    for index, word in enumerate(words):
        if index:
            parts.append(" ")
        parts.extend(word.parts)
    return Word(tuple(_merged(parts)))


def _merged(parts: Sequence[str | int]) -> list[str | int]:
    merged: list[str | int] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    return merged
