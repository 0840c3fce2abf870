"""nft, tc and ip lines: what is taken, what goes to the shell, what is refused, what records remain."""

from __future__ import annotations

import pytest

from ebs_core.domain.commands import Command, Outcome, Statement
from ebs_core.domain.errors import SkeletonError, UnquotableValue
from ebs_core.domain.records import DeviceModel
from nas_backends.contract import Answer, Line
from nas_backends.dialects import lines
from nas_backends.dialects.iproute_batch import IprouteBatcher
from nas_backends.dialects.nft_batch import NftBatcher

ALL = ("nft", "tc", "ip", "shell")


def one(skeleton: str) -> Statement:
    (statement,) = lines.parse(ALL, skeleton, "ssh")
    return statement


@pytest.mark.parametrize(
    ("skeleton", "dialect"),
    [
        ("nft add element inet ebs enabled { \0 }", "nft"),
        ("nft add set inet ebs x { type ipv4_addr; }", "nft"),
        ("nft list ruleset", "shell"),
        ("nft add table x && y", "shell"),
        ("nft -f x", "shell"),
        ("nft 'add table x'", "shell"),
        ("nftables x", "shell"),
        ("tc class del dev \0 parent 1: classid 1:\0", "tc"),
        ("tc class show dev x", "shell"),
        ("tc qdisc add dev x root htb || true", "shell"),
        ("tc class del dev $X", "shell"),
        ("ip neigh del \0 dev x", "ip"),
        ("ip netns exec a b", "shell"),
        ("ip route del 1.2.3.4 > /dev/null", "shell"),
    ],
)
def test_dispatch(skeleton: str, dialect: str) -> None:
    assert one(skeleton).dialect == dialect
    if "{" not in skeleton:
        assert lines.parse(("shell",), skeleton.replace("\0", "1"), "ssh")[0].dialect == "shell"


@pytest.mark.parametrize(
    "skeleton", ["nft \0 element x y { 1 }", "nft add \0 x", "tc \0 add dev x", "ip neigh \0 x", "nft add element x 'y \0'"]
)
def test_value_in_verb_is_refused(skeleton: str) -> None:
    with pytest.raises(SkeletonError) as caught:
        one(skeleton)
    assert skeleton[caught.value.offset] == "\0"


@pytest.mark.parametrize(
    "value", ["10.0.0.1", "10.0.0.0/8", "10.0.0.1-10.0.0.9", "2001:db8::1", "02:00:00:00:00:01", "5", "1:a", "0x10"]
)
def test_nft_element_values(value: str) -> None:
    assert one("nft add element inet e s { \0 }").emit([value]) == f"add element inet e s {{ {value} }}"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "host",
        "host.example",
        "999.1.1.1",
        "1.2.3.4 }",
        "1.2.3.4\n",
        "}; flush ruleset; {",
        "1,2",
        "@x",
        "-1",
        "10.0.0.1;",
        "a:b:c",
    ],
)
def test_nft_element_refuses(value: str) -> None:
    statement = one("nft add element inet e s { \0 }")
    with pytest.raises(UnquotableValue):
        statement.emit([value])
    assert repr(value) in statement.show([value])


@pytest.mark.parametrize(
    ("value", "taken"),
    [("Квартира 17; $(x)", True), ('a"b', False), ("a\nb", False), ("x" * 127, True), ("ы" * 64, False), ("a\\", True)],
)
def test_nft_strings(value: str, taken: bool) -> None:
    statement = one('nft add element inet e s { 1.2.3.4 comment "\0" }')
    if taken:
        assert f'"{value}"' in statement.emit([value])
    else:
        with pytest.raises(UnquotableValue):
            statement.emit([value])


@pytest.mark.parametrize(("value", "emitted"), [("a b", "'a b'"), ("it's", '"it\'s"'), ("", "''"), ("a;b|c$(d)", "'a;b|c$(d)'")])
def test_iproute_words(value: str, emitted: str) -> None:
    assert one("tc class del dev \0 classid 1:1").emit([value]) == f"class del dev {emitted} classid 1:1"


@pytest.mark.parametrize("value", ["a\nb", "a#b", "'\"", "a\0"])
def test_iproute_refuses(value: str) -> None:
    with pytest.raises(UnquotableValue):
        one("tc class del dev \0 classid 1:1").emit([value])


def test_ip_address_place_takes_no_keyword() -> None:
    with pytest.raises(UnquotableValue, match="keyword"):
        one("ip neigh del \0 dev x").emit(["proxy"])


def test_fold() -> None:
    model = DeviceModel()
    text = """nft add element inet e m { \0 comment "t" : 1:\0, 1.1.1.1 : 1:9 }
nft delete element inet e m { 1.1.1.1 }
tc class replace dev d parent 1: classid 1:5 htb rate 50mbit ceil 1Gbit
tc class replace dev d parent 1: classid 1:5 htb rate 60mbit
ip neigh replace 1.2.3.4 lladdr 02:00:00:00:00:01 dev d nud permanent
ip route add 10.0.0.0/8 via 1.2.3.4
ip route del 10.0.0.0/8
echo hi"""
    values = ["1.2.3.4", "a"]
    for statement in lines.parse(ALL, text, "local"):
        statement.fold(values[: statement.slots], model)
        values = values[statement.slots :]
    assert {table: records for table, records in model.tables.items() if records} == {
        "inet e m": [{"key": "1.2.3.4", "value": "1:a", "comment": "t"}],
        "class dev d": [{"classid": "1:5", "parent": "root", "kind": "htb", "rate": "60000000", "ceil": "60000000"}],
        "neigh dev d": [{"dst": "1.2.3.4", "lladdr": "02:00:00:00:00:01", "nud": "permanent"}],
    }


def batch(*commands: str) -> list[Line]:
    """One line per command; a command ``N:text`` belongs to subject N."""
    return [Line(index, int(text[0]), Command(one(text[2:]), ())) for index, text in enumerate(commands)]


def test_nft_reading_settles_bad_lines_and_sends_the_rest_again() -> None:
    sent = batch(
        "0:nft add element inet e s { 1.1.1.1 }",
        "1:nft delete element inet e s { 1.1.1.2 }",
        "2:nft delete element inet e no { 1.1.1.3 }",
        "2:nft add element inet e s { 1.1.1.4 }",
        "1:nft add element inet e s { 1.1.1.5 }",
    )
    answer = Answer(
        "/dev/stdin:2:27-33: Error: Could not process rule: No such file or directory\nx\n   ^^^\n"
        "/dev/stdin:3:23-24: Error: No such file or directory\ny\n ^^\n",
        1,
        0.1,
    )
    replies, again = NftBatcher().read(sent, answer)
    assert {index: reply.outcome for index, reply in replies.items()} == {1: Outcome.OK, 2: Outcome.FAILED, 3: Outcome.NOT_SENT}
    assert "No such file" in replies[2].output
    assert [line.index for line in again] == [0, 4]
    everything, none = NftBatcher().read(sent, Answer("sh: nft: not found", 127, 0.1))
    assert {reply.outcome for reply in everything.values()} == {Outcome.FAILED} and not none


def test_tc_reading() -> None:
    sent = batch(
        "0:tc class del dev a classid 1:1",
        "1:tc class add dev b classid 1:1",
        "1:tc class add dev b classid 1:2",
        "2:tc class del dev c classid 1:1",
    )
    text = 'RTNETLINK answers: No such file or directory\nCommand failed -:1\nWarning: big\nCannot find device "b"\nCommand failed -:2\n'  # noqa: E501
    replies, again = IprouteBatcher("tc").read(sent, Answer(text + "Object x\nCommand failed -:5\n", 1, 0.1))
    assert [replies[index].outcome for index in range(4)] == [Outcome.OK, Outcome.FAILED, Outcome.OK, Outcome.OK] and not again
    assert replies[1].output == 'Cannot find device "b"'
    replies, again = IprouteBatcher("tc").read(sent, Answer(text + 'Error: argument "x" is wrong', 255, 0.1))
    assert replies[2].outcome is Outcome.NOT_SENT
    assert [(line.index, line.command.statement.dialect) for line in again] == [(3, "iproute alone")]
