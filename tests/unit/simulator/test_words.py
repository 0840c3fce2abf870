from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from librouteros.protocol import encode_length as their_length

from nas_simulator.words import ProtocolError, decode_length, encode_length, encode_sentence, take_sentences

WORDS = st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=6)


@given(st.lists(WORDS, max_size=5), st.integers(min_value=0, max_value=2000))
def test_sentences_survive_being_split_anywhere(sentences: list[list[bytes]], cut: int) -> None:
    data = b"".join(encode_sentence(words) for words in sentences)
    first, taken = take_sentences(data[:cut])
    second, rest = take_sentences(data[taken:])
    assert first + second == sentences
    assert taken + rest == len(data)


@given(st.integers(min_value=0, max_value=0xFFFF_FFFF))
def test_every_length_survives(length: int) -> None:
    encoded = encode_length(length)
    assert decode_length(encoded, 0) == (length, len(encoded))
    assert decode_length(encoded[:-1], 0) is None


@pytest.mark.parametrize(
    ("length", "encoded"),
    [
        (0x7F, "7f"),
        (0x80, "8080"),
        (0x3FFF, "bfff"),
        (0x4000, "c04000"),
        (0x1FFFFF, "dfffff"),
        (0x200000, "e0200000"),
        (0xFFFFFFF, "efffffff"),
        (0x10000000, "f010000000"),
    ],
)
def test_lengths_at_the_borders_of_the_five_forms(length: int, encoded: str) -> None:
    assert encode_length(length).hex() == encoded
    if length <= 0xFFFFFFF:
        assert their_length(length).hex() == encoded


@pytest.mark.parametrize("data", [b"\xf8", b"\xff\x01", encode_length(5 * 1024 * 1024)])
def test_control_bytes_and_giant_words_are_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        take_sentences(data)
