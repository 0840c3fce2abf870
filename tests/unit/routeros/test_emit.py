"""A value reaches the router as exactly its characters, or is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebs_core.domain.errors import UnquotableValue
from ebs_core.domain.text import SLOT, Secret
from nas_backends.dialects.routeros import RouterosDialect
from nas_backends.dialects.routeros_sentence import sentence
from nas_backends.dialects.routeros_statement import RouterosStatement
from nas_backends.transports.routeros_wire import Sentences
from tests.unit.routeros.reader import commands, unescape

DIALECT = RouterosDialect()
HOSTILE = [
    '";/system reboot;"',
    "$(reboot) $[x] $y",
    "[find]",
    "a\\",
    "a\r\n/quit",
    "'",
    "Ж😀",
    "?\t\x01\x7f",
    "x" * 512,
    "%s %d",
    "",
]
VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])) | st.sampled_from(HOSTILE)


def statement(skeleton: str, transport: str = "ssh") -> RouterosStatement:
    (parsed,) = DIALECT.parse(skeleton, transport)
    assert isinstance(parsed, RouterosStatement)
    return parsed


SET = statement(f'/ip arp set [find comment="{SLOT}"] comment="a{SLOT}b" address={SLOT} x={SLOT}/{SLOT}')
(LOOP,) = DIALECT.parse(f':foreach i in={SLOT} do={{ set $i comment="%{SLOT}" }}', "ssh")


@given(st.tuples(VALUES, VALUES, VALUES, VALUES, VALUES))
def test_emitted_text_reads_back_as_the_same_values(values: tuple[str, ...]) -> None:
    a, b, c, d, e = values
    assert commands(SET.emit(values)) == [
        ["/ip", "arp", "set", "[find", f"comment={a}]", f"comment=a{b}b", f"address={c}", f"x={d}/{e}"]
    ]


@given(VALUES, VALUES)
def test_script_values_stay_inside_their_strings(first: str, second: str) -> None:
    text = LOOP.emit((first, second))
    assert text.startswith(':foreach i in="') and text.endswith('" }')
    inner = text.removeprefix(':foreach i in="').removesuffix('" }')
    head, _, tail = inner.partition('" do={ set $i comment="%')
    assert (unescape(head), unescape(tail)) == (first, second)


@given(st.tuples(VALUES, VALUES, VALUES, VALUES))
def test_sentences_carry_the_same_values(values: tuple[str, ...]) -> None:
    words = sentence(statement(f'/ip arp add comment="{SLOT}" name=b{SLOT} x={SLOT}/{SLOT} y=1', "routeros_api")).encode(values)
    (read,) = Sentences().feed(words + b"\0")
    a, b, c, d = (value.encode() for value in values)
    assert read == [b"/ip/arp/add", b"=y=1", b"=comment=" + a, b"=name=b" + b, b"=x=" + c + b"/" + d]


@given(VALUES)
def test_a_value_in_a_pattern_matches_only_itself(value: str) -> None:
    condition = statement(f'/ip arp remove [find comment~"^{SLOT}\\$"]').find
    assert condition is not None
    matches = condition.matcher((value,))
    assert matches({"comment": value})
    assert not matches({"comment": value + "x"})


@pytest.mark.parametrize("bad", ["a\0b", "\ud800"])
def test_what_routeros_cannot_hold_is_refused(bad: str) -> None:
    values = (bad, "", "", "", "")
    with pytest.raises(UnquotableValue):
        SET.emit(values)
    with pytest.raises(UnquotableValue):
        sentence(SET).encode(("", *values[:4]))
    assert "comment=" in SET.show(values)


def test_secrets_are_masked_when_shown_and_in_refusals() -> None:
    add = statement(f'/ppp secret add name={SLOT} password="{SLOT}"')
    values = ("u", Secret("hunter2"))
    assert add.show(values) == '/ppp secret add name="u" password="••••••"'
    assert "hunter2" in add.emit(values)
    with pytest.raises(UnquotableValue) as caught:
        add.emit(("u", Secret("hunter2\0")))
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in add.show(("u", Secret("hunter2\0")))


def test_typed_words_of_a_condition_keep_their_type() -> None:
    text = "/ip arp remove [find disabled=yes address=10.0.0.1 list=a !dynamic mtu>=5]"
    assert statement(text).emit(()) == '/ip arp remove [find disabled=yes address="10.0.0.1" list="a" !dynamic mtu>=5]'
