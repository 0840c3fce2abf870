"""Reading nft, tc and ip back: what they print is cut into stable lines, and parsed to what folding predicts."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebs_core.domain.records import DeviceModel, Record, Vitals
from ebs_core.domain.text import Rendered
from nas_backends.dialects import lines
from nas_backends.dialects.linux_observe import LinuxObserver, table_named
from nas_backends.dialects.linux_spelling import atom, shown_rate

OBSERVER = LinuxObserver()
ALL = ("nft", "tc", "ip", "shell")
OLD_NFT = """table inet ebs {
\tset enabled {
\t\ttype ipv4_addr
\t\tcomment "elements of { somebody }"
\t\telements = { 10.0.0.1 comment "ebs:1", 10.0.0.2 comment "a, } {b : c",
\t\t\t     10.0.0.9 }
\t}
}
"""
NEW_NFT = """table inet ebs {
\tmap enabled {
\t\ttypeof ip saddr : meta priority
\t\tsize 65535\t# count 3
\t\tflags timeout
\t\tcounter
\t\telements = { 10.0.0.1 counter packets 7 bytes 99 timeout 10m expires 9m59s972ms comment "expires 5s, x" : 1:0a,
\t\t\t     10.0.0.2 counter packets 0 bytes 0 expires 5s comment "t" : 1:b,
\t\t\t     10.0.0.3 counter packets 0 bytes 0 : 1:0 }
\t}
}
"""


def fold(text: str, *values: str) -> DeviceModel:
    model, rest = DeviceModel(), list(values)
    for statement in lines.parse(ALL, text, "local"):
        statement.fold(rest[: statement.slots], model)
        del rest[: statement.slots]
    return model


def records(text: str, *values: str) -> dict[str, list[Record]]:
    return {table: found for table, found in fold(text, *values).tables.items() if found}


def shown(table: str, text: str) -> list[str]:
    found = table_named(table)
    assert found is not None
    return found.lines(text)


def parsed(table: str, text: str) -> list[Record]:
    return [OBSERVER.parse(table, line) for line in shown(table, text)]


def answer(wanted: dict[str, set[str]], outputs: dict[str, tuple[str, int]]) -> str:
    """What the device prints for the request, when its reads give these outputs by command."""
    script = OBSERVER.request(wanted, None).stdin.decode()
    mark = re.search(r"ebs-[0-9a-f]{16}", script)
    assert mark
    output = f"motd of the device\n{mark[0]}\n"
    for command, number in re.findall(r"^(.*); end ([0-9]+)$", script, re.MULTILINE):
        text, status = next((found for part, found in outputs.items() if part in command), ("", 0))
        output += f"{text}\n{mark[0]} {number} {status}\n"
    return output


def test_elements_of_a_set() -> None:
    table = "inet ebs enabled"
    assert shown(table, OLD_NFT) == ['10.0.0.1 comment "ebs:1"', '10.0.0.2 comment "a, } {b : c"', "10.0.0.9"]
    assert parsed(table, OLD_NFT) == [
        {"key": "10.0.0.1", "comment": "ebs:1"},
        {"key": "10.0.0.2", "comment": "a, } {b : c"},
        {"key": "10.0.0.9"},
    ]


def test_counters_and_ages_are_no_part_of_an_element() -> None:
    table = "inet ebs enabled"
    later = NEW_NFT.replace("packets 7 bytes 99", "packets 8 bytes 130").replace("9m59s972ms", "2m1s")
    assert shown(table, later) == shown(table, NEW_NFT)
    assert parsed(table, NEW_NFT) == [
        {"key": "10.0.0.1", "value": "1:a", "comment": "expires 5s, x", "timeout": "yes"},
        {"key": "10.0.0.2", "value": "1:b", "comment": "t"},
        {"key": "10.0.0.3", "value": "1:"},
    ]


def test_an_empty_set() -> None:
    assert shown("inet ebs enabled", "table inet ebs {\n\tset enabled {\n\t\ttype ipv4_addr\n\t}\n}\n") == []


def test_interface_names_verdicts_and_intervals() -> None:
    text = "table ip t {\n\tmap m {\n\t\telements = { %s }\n\t}\n}\n"
    assert parsed("ip t m", text % '"eth0" comment "c" : jump x,\n\t\t\t     "wlan,1" : accept') == [
        {"key": "eth0", "value": "jump x", "comment": "c"},
        {"key": "wlan,1", "value": "accept"},
    ]
    assert parsed("ip t m", text % '10.0.0.0/24 . 80-90 comment "c", 2001:db8::1 . 0x00000010') == [
        {"key": "10.0.0.0/24 . 80-90", "comment": "c"},
        {"key": "2001:db8::1 . 16"},
    ]


def test_classes() -> None:
    text = (
        "class htb 1:000a root leaf 8001: prio 0 rate 20004Kbit ceil 1Gbit burst 15498b cburst 15498b \n"
        "class fq_codel 8001:3f parent 8001: \n"
        "class htb 1:b parent 1:a prio 0 rate 8bit ceil 8bit burst 3Kb cburst 3Kb \n"
        "class hfsc 2:1 parent 2: sc m1 0bit d 0us m2 1Mbit \n"
    )
    assert parsed("class dev e", text) == [
        {"classid": "1:a", "parent": "root", "kind": "htb", "rate": "20004000", "ceil": "1000000000"},
        {"classid": "1:b", "parent": "1:a", "kind": "htb", "rate": "8", "ceil": "8"},
        {"classid": "2:1", "parent": "root", "kind": "hfsc"},
    ]


def test_queues_neighbours_and_routes() -> None:
    queue = "qdisc htb 1: root refcnt {} r2q 10 direct_packets_stat {} direct_qlen 1000\nqdisc sfq a: parent 1:5 limit 127p \n"
    assert shown("qdisc dev e", queue.format(3, 4)) == shown("qdisc dev e", queue.format(2, 900))
    assert parsed("qdisc dev e", queue) == [
        {"parent": "root", "handle": "1:", "kind": "htb"},
        {"parent": "1:5", "handle": "a:", "kind": "sfq"},
    ]
    assert parsed("neigh dev e", "10.0.0.1 lladdr 02:00:00:00:00:0A PERMANENT \n2001:db8::1 PERMANENT\n") == [
        {"dst": "10.0.0.1", "nud": "permanent", "lladdr": "02:00:00:00:00:0a"},
        {"dst": "2001:db8::1", "nud": "permanent"},
    ]
    table = "route inet table main proto boot"
    assert shown(table, "Dump was interrupted and may be inconsistent.\n10.9.0.0/16 dev e\n") == ["10.9.0.0/16 dev e"]
    assert shown(table, "10.9.0.0/16 dev e scope link linkdown \n") == shown(table, "10.9.0.0/16 dev e scope link \n")
    assert parsed(table, "default via 10.0.0.1 dev e metric 5 \nblackhole 10.8.0.0/16 \n") == [
        {"type": "unicast", "dst": "default", "metric": "5", "via": "10.0.0.1", "dev": "e"},
        {"type": "blackhole", "dst": "10.8.0.0/16", "metric": "0"},
    ]


@pytest.mark.parametrize(
    ("command", "table", "listing"),
    [
        ("nft add element inet e s { 10.0.0.1/32 }", "inet e s", "10.0.0.1"),
        ("nft add element inet e s { 10.1.2.3/16 }", "inet e s", "10.1.0.0/16"),
        ("nft add element inet e s { 10.4.0.0-10.4.0.255 }", "inet e s", "10.4.0.0/24"),
        ("nft add element inet e s { 10.4.0.1-10.4.0.9 }", "inet e s", "10.4.0.1-10.4.0.9"),
        ("nft add element e s { 2001:DB8:0::1 : 0x10 }", "ip e s", "2001:db8::1 : 0x00000010"),
        (
            'nft add element e s { 10.0.0.1 . 02:00:00:00:00:0A timeout 5m comment "x" }',
            "ip e s",
            '10.0.0.1 . 02:00:00:00:00:0a comment "x"',
        ),
        ('nft add element e s { "eth0" comment "x" : jump c }', "ip e s", '"eth0" comment "x" : jump c'),
        ("nft add element e s { 10.0.0.1 counter packets 0 bytes 0 : 1:00a }", "ip e s", "10.0.0.1 : 1:a"),
        (
            "tc class add dev e parent 1: classid 1:0A htb rate 1.5mbit",
            "class dev e",
            "class htb 1:a root prio 0 rate 1500Kbit ceil 1500Kbit burst 1b",
        ),
        (
            "tc class add dev e classid 1:a parent 1:1 htb ceil 1mbps rate 20000001bit",
            "class dev e",
            "class htb 1:a parent 1:1 prio 0 rate 20Mbit ceil 8Mbit",
        ),
        ("tc class add dev e root classid 2:1 drr quantum 1514", "class dev e", "class drr 2:1 root quantum 1514b"),
        ("tc qdisc add dev e parent 1:5 handle 0a: sfq perturb 10", "qdisc dev e", "qdisc sfq a: parent 1:5 limit 127p"),
        ("tc qdisc add dev e clsact", "qdisc dev e", "qdisc clsact ffff: parent ffff:fff1"),
        (
            "ip neigh add dev e to 10.0.0.1/32 lladdr 02-00-00-00-00-0A",
            "neigh dev e",
            "10.0.0.1 lladdr 02:00:00:00:00:0a PERMANENT",
        ),
        ("ip route add 0.0.0.0/0 via 10.0.0.1", "route inet table main proto boot", "default via 10.0.0.1"),
        ("ip route append blackhole 10.8.0.0/16 table 254", "route inet table main proto boot", "blackhole 10.8.0.0/16"),
        (
            "ip route replace 2001:db8:1::/48 dev e proto static table 7",
            "route inet6 table 7 proto static",
            "2001:db8:1::/48 dev e metric 1024 pref medium",
        ),
    ],
)
def test_fold_and_parse_have_one_spelling(command: str, table: str, listing: str) -> None:
    predicted = records(command)
    assert list(predicted) == [table]
    seen = OBSERVER.parse(table, listing)
    assert [{name: seen[name] for name in record} for record in predicted[table]] == predicted[table]
    assert OBSERVER.kind(table) is not None


@pytest.mark.parametrize(
    "command",
    [
        "tc filter add dev e parent 1: protocol ip u32 match ip dst 10.0.0.1 flowid 1:2",
        "ip neigh add 10.0.0.1 lladdr 02:00:00:00:00:01 dev e nud reachable",
        "ip neigh add proxy 10.0.0.1 dev e",
        "nft add set inet e s { type ipv4_addr; elements = { 10.0.0.1 } }",
        "ip addr add 10.0.0.1/24 dev e",
    ],
)
def test_what_cannot_be_compared_is_not_folded(command: str) -> None:
    assert records(command) == {}


def test_adding_what_is_there_changes_nothing_but_replacing_does() -> None:
    first = 'nft add element inet e m { 10.0.0.1 comment "a" : 1:1 }\n'
    assert records(first + 'nft add element inet e m { 10.0.0.1 comment "b" : 1:1, 10.0.0.2 : 1:2 }') == {
        "inet e m": [{"key": "10.0.0.1", "value": "1:1", "comment": "a"}, {"key": "10.0.0.2", "value": "1:2"}]
    }
    for text in ("nft flush map inet e m", "nft delete map inet e m", "nft delete element inet e m { 10.0.0.1/32 : 1:1 }"):
        assert records(first + text) == {}
    neighbour = "ip neigh {} 10.0.0.1 lladdr 02:00:00:00:00:0{} dev e\n"
    (kept,) = records(neighbour.format("add", 1) + neighbour.format("add", 2))["neigh dev e"]
    (new,) = records(neighbour.format("add", 1) + neighbour.format("replace", 2))["neigh dev e"]
    assert (kept["lladdr"][-1], new["lladdr"][-1]) == ("1", "2")
    assert records("ip route add 10.0.0.0/8 dev e proto static\nip route del 10.0.0.0/8") == {}
    assert records("tc qdisc add dev e root htb\ntc qdisc del dev e root") == {}


@given(st.integers(8, 10**11))
def test_a_rate_as_tc_shows_it_stays_what_it_is(rate: int) -> None:
    shown = shown_rate(f"{rate}bit")
    assert shown_rate(shown) == shown and shown_rate(f"{shown}Bit") == shown
    assert rate * 0.998 - 8 <= int(shown) <= rate


@given(st.ip_addresses())
def test_an_address_has_one_spelling(address: object) -> None:
    text = str(address)
    assert atom(text) == text
    assert atom(text.upper()) == text


_COMMENT = st.text(st.characters(exclude_characters='"', exclude_categories=["C"]), max_size=40)


@given(st.lists(_COMMENT, min_size=1, max_size=5))
def test_a_comment_is_data(comments: list[str]) -> None:
    elements = ", ".join(f'10.0.0.{n} comment "{comment}"' for n, comment in enumerate(comments))
    text = f"table inet e {{\n\tset s {{\n\t\ttype ipv4_addr\n\t\telements = {{ {elements} }}\n\t}}\n}}\n"
    assert [record["comment"] for record in parsed("inet e s", text)] == comments
    values = [value for n, comment in enumerate(comments) for value in (f"10.0.0.{n}", comment)]
    command = "\n".join(['nft add element inet e s { \0 comment "\0" }'] * len(comments))
    assert records(command, *values)["inet e s"] == parsed("inet e s", text)


def test_names_are_quoted_or_refused() -> None:
    script = OBSERVER.request({"class dev a;$(id)": {"rate"}, "neigh dev '": {"dst"}}, None).stdin.decode()
    assert "tc class show dev 'a;$(id)' 2>&1" in script
    assert """ip neigh show dev ''"'"'' nud permanent 2>&1""" in script
    for name in (
        "inet ebs x;y",
        "inet ebs 'x'",
        "inet ebs",
        "class dev",
        "class dev a b",
        "ip firewall filter more",
        "route inet table 1;x proto boot",
    ):
        assert OBSERVER.kind(name) is None


WANTED = {"inet ebs enabled": {"key", "comment"}, "inet ebs class": {"key", "value"}, "neigh dev e": {"dst"}}


def test_all_tables_of_one_answer() -> None:
    boot = {"boot_id": ("4f5ee1bc-b995-4726-8b8b-18b2cf607a07\n12886.53 100.0\n", 0)}
    seen, vitals = OBSERVER.lines(WANTED, answer(WANTED, boot | {"enabled": (OLD_NFT, 0), "neigh": ("10.0.0.1 PERMANENT", 0)}))
    assert {table: len(found) for table, found in seen.items()} == {"inet ebs enabled": 3, "inet ebs class": 0, "neigh dev e": 1}
    assert vitals == Vitals("4f5ee1bc-b995-4726-8b8b-18b2cf607a07", 12886.53)
    assert OBSERVER.lines({}, answer({}, boot)) == ({}, vitals)


@pytest.mark.parametrize(
    "words",
    [
        "Error: No such file or directory\nlist set inet ebs enabled\n",
        'Cannot find device "e"',
        "Error: ipv4: FIB table does not exist.",
    ],
)
def test_what_does_not_exist_has_no_lines(words: str) -> None:
    assert OBSERVER.lines(WANTED, answer(WANTED, {"enabled": (words, 1), "neigh": (words, 1)}))[0] == {
        table: [] for table in WANTED
    }


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("netlink: Error: cache initialization failed: Operation not permitted", 1),
        ("sh: 1: nft: not found", 127),
        ("sh: nft: No such file or directory", 127),
        ("RTNETLINK answers: Operation not supported\nDump terminated", 2),
    ],
)
def test_what_cannot_be_read_is_an_error_in_the_words_of_the_device(words: str, status: int) -> None:
    with pytest.raises(ValueError, match=re.escape(words.split("\n")[0])):
        OBSERVER.lines(WANTED, answer(WANTED, {"enabled": (words, status)}))


def test_an_answer_with_holes_is_an_error() -> None:
    whole = answer(WANTED, {})
    with pytest.raises(ValueError, match="did not run the script"):
        OBSERVER.lines(WANTED, "This account is currently not available.")
    with pytest.raises(ValueError, match="no answer about"):
        OBSERVER.lines(WANTED, whole[: whole.rindex("\nebs-")])


def test_removal_is_quoted_by_the_dialect() -> None:
    def emitted(table: str, line: str) -> list[str]:
        rendered = OBSERVER.removal(table, OBSERVER.parse(table, line))
        assert rendered is not None
        return [statement.emit(rendered.values) for statement in lines.parse(ALL, rendered.skeleton, "ssh")]

    assert emitted("inet e s", '10.0.0.1 . 02:00:00:00:00:0a comment "x"') == [
        "delete element inet e s { 10.0.0.1 . 02:00:00:00:00:0a }"
    ]
    assert emitted("ip e s", '"a}b" : accept') == ['delete element ip e s { "a}b" }']
    assert emitted("class dev a;b", "class htb 1:5 root rate 1Mbit") == ["class del dev 'a;b' classid 1:5"]
    assert emitted("neigh dev e", "10.0.0.1 PERMANENT") == ["neigh del 10.0.0.1 dev e"]
    assert emitted("qdisc dev e", "qdisc sfq a: parent 1:5") == ["qdisc del dev e parent 1:5"]
    assert OBSERVER.removal("qdisc dev e", OBSERVER.parse("qdisc dev e", "qdisc htb 1: root")) is None
    route = "route inet table main proto boot"
    assert emitted(route, "default via 10.0.0.1") == ["route del 0.0.0.0/0 table main proto boot metric 0"]


def test_adoption_is_one_statement_that_folds_to_the_tagged_element() -> None:
    table = "inet e m"
    rendered = OBSERVER.adoption(table, {"key": "10.0.0.1 . 02:00:00:00:00:0a", "value": "1:5"}, "ebs:7 ; }")
    assert isinstance(rendered, Rendered)
    (statement,) = lines.parse(ALL, rendered.skeleton, "ssh")
    key = "10.0.0.1 . 02:00:00:00:00:0a"
    assert statement.emit(rendered.values) == (
        f'delete element {table} {{ {key} }} ; add element {table} {{ {key} comment "ebs:7 ; }}" : 1:5 }}'
    )
    model = DeviceModel({table: [{"key": key, "value": "1:5"}]})
    statement.fold(rendered.values, model)
    assert model.tables == {table: [{"key": key, "value": "1:5", "comment": "ebs:7 ; }"}]}
    for record in ({"key": "10.0.0.1", "comment": "mine"}, {"key": "10.0.0.1", "timeout": "yes"}):
        assert OBSERVER.adoption(table, record, "ebs:7") is None
    assert OBSERVER.adoption(table, {"key": "10.0.0.1"}, 'a"b') is None
    assert OBSERVER.adoption("class dev e", {"classid": "1:5"}, "ebs:7") is None


@pytest.mark.parametrize(
    "line",
    [
        "nft add table x ; reboot",
        "nft add table x \\",
        "nft add set x y { type ipv4_addr \\; }",
        "nft add table x\\; add table y",
    ],
)
def test_only_a_separator_of_its_own_joins_commands(line: str) -> None:
    assert {statement.dialect for statement in lines.parse(ALL, line + "\n", "ssh")} == {"shell"}
