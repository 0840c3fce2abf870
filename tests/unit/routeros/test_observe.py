"""What a router's replies and a script's output become, without a router."""

from __future__ import annotations

import itertools
import re

import pytest

from ebs_core.domain.records import TableKind
from ebs_core.domain.text import SLOT
from nas_backends.dialects.routeros_batch import EXEC_LIMIT
from nas_backends.dialects.routeros_observer import NEAR_MOST, RouterosObserver
from nas_backends.dialects.routeros_sentence import encode_words
from nas_backends.transports.routeros_rows import Print, Rows, attributes, words
from nas_backends.transports.routeros_wire import BrokenWire

OBSERVER = RouterosObserver()
LIST = "ip firewall address-list"
HOSTILE = ["\t=dynamic=true", "x\r=dynamic=true", "\x08.tag=1", "é" * 200, "a" * 254, "\\n", "", "!re", "=list=x", "😀\x7f\xa0"]


def reply(kind: str, tag: str, *attributes: str, tag_last: bool = False) -> bytes:
    parts = [*attributes, tag] if tag_last else [tag, *attributes]
    return encode_words(kind, *parts) + b"\0"


@pytest.mark.parametrize("tag_last", [False, True])
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_rows_survive_any_value_and_any_cut(size: int, tag_last: bool) -> None:
    prints = [Print(b""), Print(b"")]
    first, second = (each.tag.decode() for each in prints)
    stream = b""
    for number, value in enumerate(HOSTILE):
        for tag in (first, second):
            stream += reply("!re", tag, f"=.id=*{number:X}", f"=comment={value}", tag_last=tag_last)
    stream += reply("!re", first, "=.id=*F", "=dynamic=true", tag_last=tag_last)
    stream += reply("!done", first) + reply("!trap", second, "=message=no", tag_last=tag_last) + reply("!done", second)
    rows = Rows(prints)
    for at in range(0, len(stream), size):
        assert not prints[1].ended
        rows.feed(stream[at : at + size])
    for each in prints:
        assert each.ended
        assert [list(words(line)) for line in each.rows] == [
            [b"!re", b"=.id=*%X" % number, b"=comment=" + value.encode()] for number, value in enumerate(HOSTILE)
        ]
        assert [dict(attributes(line))["comment"] for line in each.rows] == HOSTILE
        assert all(line.isprintable() for line in each.rows)
    assert (prints[0].traps, prints[1].traps) == ([], [b"no"])


def test_what_nobody_asked_for_ends_the_conversation() -> None:
    for stream, text in [
        (reply("!re", ".tag=other", "=a=b") + reply("!done", ".tag=other"), "nobody asked"),
        (encode_words("!fatal", "too tired") + b"\0", "too tired"),
    ]:
        with pytest.raises(BrokenWire, match=text):
            Rows([Print(b"")]).feed(stream)
    for line in ("nonsense", "\u0103=a", "\u0100"):
        with pytest.raises(ValueError, match="not a reply"):
            list(attributes(line))


def answered(*parts: str) -> str:
    """The output of a script whose mark is ``mark``; each part with ``M`` for the mark and ``|`` for its end of line."""
    mark = "ebs0123456789abcdef"
    return "".join(f"{part}\r\n" for part in itertools.chain(["M"], parts)).replace("M", mark)


def test_output_is_taken_apart_by_marks_only() -> None:
    hostile = "a=b\tc\\n;+.=\r\nx\n"
    output = "motd\r\n" + answered(
        "M^1w2d03:04:05",
        f"M+.id=*1M=comment={hostile}M=disabled=falseM=dynamic=M",
        "M+.id=*2M=comment=M=disabled=trueM=dynamic=trueM",
        f"M.{LIST}=2",
        "M-ip hotspot user",
        "M~",
    )
    lines, vitals = OBSERVER.lines({}, output)
    assert vitals.uptime == 788645
    assert list(lines) == [LIST]
    (line,) = lines[LIST]
    assert "\n" not in line
    record = OBSERVER.parse(LIST, line)
    assert (record[".id"], record["comment"], record["disabled"]) == ("*1", hostile.replace("\r", ""), "no")


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ("", "nothing"),
        ("bad command name ip (line 1 column 2)\r\n", "bad command name"),
        (answered("M^1s", f"M.{LIST}=0"), "answered"),
        (answered(f"M.{LIST}=1", "M~"), "0 of 1"),
        (answered("M+.id=*1M", f"M!{LIST}", "M~"), "could not be read"),
    ],
)
def test_output_that_is_not_all_of_it(output: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        OBSERVER.lines({}, output)


def test_a_secret_that_is_not_shown_is_missing() -> None:
    assert "password" not in OBSERVER.parse("ppp secret", ".id=*1\tpassword=\tpassword:type=nothing")
    assert OBSERVER.parse("ppp secret", ".id=*1\tpassword=\tpassword:type=str")["password"] == ""
    assert OBSERVER.secret("ppp secret", ["name", "password"])
    assert not OBSERVER.secret("ppp secret", ["name"])


def test_a_request_is_one_script_of_bounded_size() -> None:
    tables = {LIST: ["list"], "queue simple": ["target"], "ip arp": ["address"]}
    near = {table: [{"comment": f"ebs:{number}" + "x" * 300} for number in range(NEAR_MOST)] for table in tables}
    for each in (None, near):
        script = OBSERVER.request(tables, each).command
        assert len(script) < EXEC_LIMIT
        assert len(set(re.findall("ebs[0-9a-f]{16}", script))) == 1
    assert 'comment=\\"ebs:7\\"' in OBSERVER.request({LIST: []}, {LIST: [{"comment": "ebs:7"}]}).command
    assert "find]" in OBSERVER.request({LIST: []}, {LIST: [{"list": "no comment"}]}).command
    assert "find" not in OBSERVER.request({LIST: []}, {}).command


def test_kinds() -> None:
    assert OBSERVER.kind("ppp active") is OBSERVER.kind("ip hotspot active") is OBSERVER.kind("inet; x") is None
    assert OBSERVER.kind("ip hotspot user profile") == TableKind(key=("name",), tag="comment")
    assert OBSERVER.kind("ip dhcp-server lease") == TableKind((), ("server",), (("mac-address",), ("address",)), "comment")
    assert OBSERVER.kind("interface vlan") == TableKind(alike=(("comment",),), tag="comment")


def test_removal_and_adoption_name_one_item() -> None:
    removal = OBSERVER.removal(LIST, {".id": "*1F"})
    adoption = OBSERVER.adoption(LIST, {".id": "*1F"}, 'a"b')
    assert removal is not None and (removal.skeleton, removal.values) == (f"/{LIST} remove *1F", ())
    assert adoption is not None and (adoption.skeleton, adoption.values) == (f'/{LIST} set *1F comment="{SLOT}"', ('a"b',))
    assert OBSERVER.removal(LIST, {}) is OBSERVER.adoption(LIST, {}, "t") is None
    assert OBSERVER.adoption("queue type", {".id": "*1"}, "t") is None
    for bad in ("*1,*2", "1", "*1 [find]", "*", "*1\n"):
        with pytest.raises(ValueError, match="no item's number"):
            OBSERVER.removal(LIST, {".id": bad})
