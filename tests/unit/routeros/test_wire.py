"""The API's framing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_backends.dialects.routeros_sentence import encode_word
from nas_backends.transports.routeros_wire import BrokenWire, Sentences

WORDS = st.binary(min_size=1, max_size=40) | st.sampled_from(
    [b"x" * 0x7F, b"x" * 0x80, b"x" * 0x3FFF, b"x" * 0x4000, b"x" * 0x200000]
)


@given(st.lists(st.lists(WORDS, min_size=1, max_size=4), max_size=4), st.lists(st.integers(1, 70_000), max_size=6))
def test_sentences_survive_any_cutting(sentences: list[list[bytes]], cuts: list[int]) -> None:
    stream = b"".join(b"".join(map(encode_word, words)) + b"\0" for words in sentences)
    reader = Sentences()
    read = []
    for cut in cuts:
        read += list(reader.feed(stream[:cut]))
        stream = stream[cut:]
    read += list(reader.feed(stream))
    assert read == sentences


def test_what_is_not_the_protocol_is_refused_and_memory_is_bounded() -> None:
    with pytest.raises(BrokenWire):
        list(Sentences().feed(b"\xf8\x00"))
    with pytest.raises(BrokenWire):
        list(Sentences().feed(b"\xef\xff\xff\xff"))
    reader = Sentences()
    with pytest.raises(BrokenWire):
        for _ in range(20):
            list(reader.feed(encode_word(b"x" * 1_000_000)))
