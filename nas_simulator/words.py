"""Words and sentences of the API protocol: bytes in, bytes out, no meaning.

Source: MikroTik documentation, "API", section "Protocol": a word is its length in one of five forms and its bytes; a sentence
is words up to an empty one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

MAX_WORD: Final = 4 * 1024 * 1024
"""Longer words are refused, so that a client cannot make the simulator keep any amount of memory."""

_SHORT: Final = tuple(bytes((length,)) for length in range(0x80))


class ProtocolError(Exception):
    """The bytes are no API protocol; the connection is of no further use."""


def encode_length(length: int) -> bytes:
    if length < 0x80:
        return _SHORT[length]
    if length < 0x4000:
        return (length | 0x8000).to_bytes(2, "big")
    if length < 0x20_0000:
        return (length | 0xC0_0000).to_bytes(3, "big")
    if length < 0x1000_0000:
        return (length | 0xE000_0000).to_bytes(4, "big")
    return b"\xf0" + length.to_bytes(4, "big")


def encode_word(word: bytes) -> bytes:
    length = len(word)
    return (_SHORT[length] if length < 0x80 else encode_length(length)) + word


def encode_sentence(words: Iterable[bytes]) -> bytes:
    return b"".join([encode_word(word) for word in words]) + b"\x00"


def decode_length(data: bytes, start: int) -> tuple[int, int] | None:
    """(length, where the word begins), or None when bytes are missing. Raises `ProtocolError` for a control byte."""
    if start >= len(data):
        return None
    first = data[start]
    if first < 0x80:
        return first, start + 1
    if first >= 0xF8:
        raise ProtocolError(f"control byte 0x{first:02X} in place of a length")
    size = 2 if first < 0xC0 else 3 if first < 0xE0 else 4 if first < 0xF0 else 5
    if start + size > len(data):
        return None
    if size == 5:
        return int.from_bytes(data[start + 1 : start + 5], "big"), start + 5
    mask = (0, 0, 0x3FFF, 0x1F_FFFF, 0x0FFF_FFFF)[size]
    return int.from_bytes(data[start : start + size], "big") & mask, start + size


def take_sentences(data: bytes) -> tuple[list[list[bytes]], int]:
    """All complete sentences at the start of `data`, and how many bytes they took. Empty sentences are skipped.

    The loop is written out, short lengths first, because a benchmark sends hundreds of thousands of words a second.
    """
    sentences: list[list[bytes]] = []
    words: list[bytes] = []
    position = taken = 0
    size = len(data)
    while position < size:
        length = data[position]
        if length < 0x80:
            position += 1
        else:
            found = decode_length(data, position)
            if found is None:
                break
            length, position = found
            if length > MAX_WORD:
                raise ProtocolError(f"a word of {length} bytes")
        if length:
            end = position + length
            if end > size:
                break
            words.append(data[position:end])
            position = end
        else:
            taken = position
            if words:
                sentences.append(words)
                words = []
    return sentences, taken
