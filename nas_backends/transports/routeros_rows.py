"""Replies of large prints, cut at the speed of C: a row stays one piece of text until somebody asks what is in it.

A row's line is its sentence with the lengths of its words still in it (they tell words apart, whatever a value contains), without
the tag, each byte that is not printable ASCII as one character of U+0100 to U+01FF. So it has no line ends or other control
characters, can be stored anywhere, and two rows are the same characters exactly when they are the same bytes.

Where a sentence ends: a zero byte and one of the reply words. No value contains a zero byte (RouterOS strings end there), and
lengths are followed by ``=`` or ``.tag``. Tags are unpredictable besides; a sentence without one of them ends the conversation.
"""

from __future__ import annotations

import re
import secrets
from codecs import charmap_decode, charmap_encode
from collections.abc import Iterator, Sequence

from nas_backends.dialects.routeros_sentence import encode_word
from nas_backends.transports.routeros_wire import LONGEST_SENTENCE, BrokenWire, Sentences

_TEXT = "".join(chr(byte) if 0x20 <= byte < 0x7F else chr(0x100 + byte) for byte in range(256))
_BYTES = {ord(char): byte for byte, char in enumerate(_TEXT)}
_END = re.compile("\u0100(?=[\u0103\u0105\u0106]!)")
_ROW = "\u0103!re"
_DYNAMIC = "=dynamic=true"


class Print:
    """One print sentence; ``rows`` are the lines of its reply, dynamic ones left out. ``words`` is without tag and end."""

    __slots__ = ("ended", "mark", "rows", "tag", "traps", "words")

    def __init__(self, words: bytes) -> None:
        self.words = words
        self.tag = b".tag=%s" % secrets.token_hex(4).encode()
        self.mark = text(encode_word(self.tag))
        self.rows: list[str] = []
        self.traps: list[bytes] = []
        self.ended = False

    def encode(self) -> bytes:
        return self.words + encode_word(self.tag) + b"\0"

    def take(self, rows: list[str]) -> None:
        """Rows as they came, with the tag."""
        joined = "\n".join(rows).replace(self.mark, "")
        lines = joined.split("\n")
        self.rows += [line for line in lines if not _is_dynamic(line)] if _DYNAMIC in joined else lines


class Rows:
    """Shares received bytes out among the prints in flight."""

    def __init__(self, prints: Sequence[Print]) -> None:
        self._prints = {each.mark: each for each in prints}
        self._rest = ""
        self._current = prints[0] if prints else None

    def feed(self, data: bytes) -> None:
        """Raises BrokenWire for what is not the protocol, and for ``!fatal``."""
        *whole, rest = _END.split(self._rest + text(data))
        if len(rest) > LONGEST_SENTENCE:
            raise BrokenWire("the router sent a sentence that does not end")
        if rest.endswith("\u0100") and not rest.startswith(_ROW) and _complete(rest):
            whole.append(rest[:-1])
            rest = ""
        self._rest = rest
        current, joined = self._current, "".join(whole)
        if current is not None and whole and joined.count(_ROW + current.mark) == len(whole):
            current.take(whole)  # all of one table: the common case
        elif whole:
            self._share(whole)

    def _share(self, sentences: list[str]) -> None:
        rows: dict[str, list[str]] = {}
        for sentence in sentences:
            current = self._current
            if current is None or current.mark not in sentence:
                current = next((each for mark, each in self._prints.items() if mark in sentence), None)
            if current is None:
                raise BrokenWire(_stray(sentence))
            self._current = current
            if sentence.startswith(_ROW):
                rows.setdefault(current.mark, []).append(sentence)
            else:
                self._other(current, [word for word in words(sentence) if word != current.tag])
        for mark, each in rows.items():
            self._prints[mark].take(each)

    @staticmethod
    def _other(current: Print, reply: list[bytes]) -> None:
        if reply[0] == b"!done":
            current.ended = True
        elif reply[0] == b"!trap":
            message = (word[9:] for word in reply if word.startswith(b"=message="))
            current.traps.append(next(message, b"an error without a message"))


def text(data: bytes) -> str:
    """Bytes as one character each."""
    return charmap_decode(data, "strict", _TEXT)[0]


def words(line: str) -> Iterator[bytes]:
    """The words of a sentence. Raises ValueError for a line that is none."""
    try:
        return iter(next(Sentences().feed(charmap_encode(line, "strict", _BYTES)[0] + b"\0")))
    except (BrokenWire, UnicodeError, StopIteration):
        raise ValueError(f"not a reply of a router: {line[:80]!r}") from None


def attributes(line: str) -> Iterator[tuple[str, str]]:
    """``(name, value)`` of a row. Raises ValueError for a line that is none."""
    at, end = 0, len(line)
    while at < end:
        length = ord(line[at]) & 0xFF
        at += 1
        if length >= 0x80:
            extra = 1 if length < 0xC0 else 2 if length < 0xE0 else 3
            head = [length, *(ord(char) & 0xFF for char in line[at : at + extra])]
            length = int.from_bytes(head, "big") & (0x3FFF, 0x1FFFFF, 0xFFFFFFF)[extra - 1]
            at += extra
        word = line[at : at + length]
        at += length
        if at > end or not word:
            raise ValueError(f"not a reply of a router: {line[:80]!r}")
        if word[0] == "=":
            name, _, value = (word if word.isascii() else _utf8(word))[1:].partition("=")
            yield name, value


def _utf8(word: str) -> str:
    return charmap_encode(word, "strict", _BYTES)[0].decode("utf-8", "backslashreplace")


def _complete(rest: str) -> bool:
    return next(Sentences().feed(charmap_encode(rest, "strict", _BYTES)[0]), None) is not None


def _is_dynamic(line: str) -> bool:
    return _DYNAMIC in line and ("dynamic", "true") in attributes(line)


def _stray(sentence: str) -> str:
    reply = [word.decode("utf-8", "backslashreplace") for word in words(sentence)]
    if reply[0] == "!fatal":
        return "the router ended the session: " + " ".join(reply[1:])
    return "the router answered what nobody asked"
