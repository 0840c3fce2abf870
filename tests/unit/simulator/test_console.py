"""The console's language: paths, quoting, `[find]`, errors with their places."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nas_simulator import Router
from tests.unit.simulator.conftest import console_of

Cli = Callable[[str], str]
LIST = "/ip/firewall/address-list"


@pytest.mark.parametrize(
    "script",
    [
        "/ip firewall address-list add list=l address=10.0.0.1",
        "/ip/firewall/address-list/add list=l address=10.0.0.1",
        "/ip firewall address-list\nadd list=l address=10.0.0.1",
        "/ip firewall filter\n.. address-list add address=10.0.0.1 list=l",
        "ip firewall; address-list; add list=l address=10.0.0.1",
    ],
)
def test_ways_to_name_a_command(router: Router, cli: Cli, script: str) -> None:
    assert cli(script) == ""
    assert [row["address"] for row in router.items(LIST)] == ["10.0.0.1"]


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ('"x$y z"', "x z"),
        (r'"x\$y z"', "x$y z"),
        (r'"a\"b\\c"', 'a"b\\c'),
        (r'"\n\r\t\?\_|"', "\n\r\t? |"),
        (r'"\41\D0\9F\42"', "AПB"),
        ("\"Ж'q'\"", "Ж'q'"),
        ("'q'", "'q'"),
        ("plain", "plain"),
        ('"a;b # [c] {d}"', "a;b # [c] {d}"),
        ('"$[:len "four"]-$(1 + 2)"', "4-3"),
    ],
)
def test_quoting(router: Router, cli: Cli, written: str, stored: str) -> None:
    assert cli(f"/ppp secret add name=u comment={written} password=end") == ""
    (row,) = router.items("/ppp/secret")
    assert (row["comment"], row["password"]) == (stored, "end")


def test_an_empty_value_in_mid_line_eats_the_next_word(router: Router, cli: Cli) -> None:
    assert cli("/ppp secret add name=u comment= password=p") == ""
    (row,) = router.items("/ppp/secret")
    assert (row["comment"], row["password"]) == ("password=p", "")


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("/foo", "bad command name foo (line 1 column 2)"),
        ("/ip arp\nfrob x=1", "bad command name frob (line 2 column 1)"),
        (":frob", "bad command name frob (line 1 column 2)"),
        ("/ip arp getall", "bad command name getall (line 1 column 9)"),
        ("/ip arp add bogus=1", "expected end of command (line 1 column 13)"),
        ("/ip arp print bogus", "expected end of command (line 1 column 15)"),
        (":put a b", "expected end of command (line 1 column 8)"),
        ("/ip arp add comment=a$b", "syntax error (line 1 column 22)"),
        ("/ip arp add comment=a\\b", "syntax error (line 1 column 22)"),
        (r':put "\q"', "syntax error (line 1 column 8)"),
        ("/ip arp remove foo", "expected item id (line 1 column 16)"),
        ("/ip arp set 0 comment=x", "no such item"),
        ("/ip arp remove *9", "no such item (4)"),
        ("/ppp secret set foo comment=x", "no such item"),
        ("/ip arp add address=10.0.0.1", "Script Error: missing value(s) of argument(s) interface"),
        ("/ip arp set comment=x", "Script Error: missing value(s) of argument(s) numbers"),
        ("/ip arp add address=10.0.0.1 interface=no", "input does not match any value of interface"),
        ("/ip arp add address=10.0.0 interface=ether1", "invalid value for argument address"),
        ("/interface vrrp add interface=ether1 priority=0", "value of priority out of range (1..254)"),
        ("/ip dhcp-server network add address=10.0.0.1/8", "failure: invalid network"),
        ("/ppp profile add name=default", "failure: profile with the same name already exists"),
        (":error boom", "boom"),
    ],
)
def test_errors_are_text_and_end_the_script(router: Router, cli: Cli, script: str, text: str) -> None:
    assert (
        cli(f"/ip arp add address=10.9.9.9 interface=ether1 comment=before\n/ip arp remove [find]\n:put before\n{script}\n")
        .replace("line 4", "line 1")
        .replace("line 5", "line 2")
        == f"before\r\n{text}\r\n"
    )
    assert cli(f"{script}\n:put after") == f"{text}\r\n"


@pytest.mark.parametrize(
    ("script", "place"),
    [(':put "open', "1 column 11"), (":put [/ip arp find", "1 column 19"), (":do {\n:put a\n", "3 column 1")],
)
def test_what_is_not_closed_is_a_syntax_error(cli: Cli, script: str, place: str) -> None:
    assert cli(script) == f"syntax error (line {place})\r\n"


def test_old_console_has_no_proplist() -> None:
    old, new = console_of(Router(version="6.49")), console_of(Router(version="7.1"))
    assert old("/ip arp print proplist=address") == "expected end of command (line 1 column 15)\r\n"
    assert "address=10.0.0.1\r\n" in new("/ip arp add address=10.0.0.1 interface=ether1\n/ip arp print terse proplist=address")


@pytest.fixture
def filled(router: Router, cli: Cli) -> Router:
    for number, (name, comment, off) in enumerate([("a", "one", "no"), ("b", "two", "yes"), ("b", "", "no"), ("c", None, "no")]):
        given = "" if comment is None else f' comment="{comment}"'
        assert cli(f"{LIST}/add list={name} address=10.0.0.{number} disabled={off}{given}") == ""
    return router


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("", "0123"),
        ("list=b", "12"),
        ("list=b disabled=yes", "1"),
        ("list=b and !disabled", "2"),
        ("list=a or list=c", "03"),
        ("list=a || (list=b && disabled)", "01"),
        ("list!=b", "03"),
        ('comment~"^t|e$"', "01"),
        ("comment", "01"),
        ('comment=""', "23"),
        ("comment=", "23"),
        ('address="10.0.0.1"', "1"),
        ("address=10.0.0.1", ""),
        ("address!=10.0.0.1", "0123"),
        ("disabled=true", "1"),
        ("where list=c", "3"),
        (".id=*2", "1"),
        ('address~"[02]$" && list<"b"', "0"),
    ],
)
def test_find(filled: Router, cli: Cli, where: str, found: str) -> None:
    ids = [f"*{int(number) + 1}" for number in found]
    assert cli(f":put [{LIST}/find {where}]") == ";".join(ids) + "\r\n"
    assert cli(f"{LIST} set [find {where}] timeout=none-static list=found; :put ok") == "ok\r\n"
    assert [row[".id"] for row in filled.items(LIST) if row["list"] == "found"] == ids


def test_an_empty_find_is_no_error(filled: Router, cli: Cli) -> None:
    assert cli(f"{LIST}\nremove [find list=none]\nset [find list=none] comment=x\ndisable [find list=none]") == ""
    assert len(filled.items(LIST)) == 4


def test_numbers_are_those_of_the_last_print(filled: Router, cli: Cli) -> None:
    cli(f"{LIST}\nprint where list=b\nremove 0,1")
    assert [row["list"] for row in filled.items(LIST)] == ["a", "c"]


def test_the_idempotent_idiom(router: Router, cli: Cli) -> None:
    script = (
        ':if ([:len [/ppp secret find name="u"]] = 0) do={\n  /ppp secret add name="u"\n  :put "added"\n} else={\n'
        '  /ppp secret set [find name="u"] disabled=yes; :put "changed"\n}'
    )
    assert (cli(script), cli(script)) == ("added\r\n", "changed\r\n")
    assert [row["disabled"] for row in router.items("/ppp/secret")] == ["true"]


def test_script_language(filled: Router, cli: Cli) -> None:
    assert cli(f":foreach i in=[{LIST}/find list=b] do={{ :put [{LIST}/get $i address] }}") == "10.0.0.1\r\n10.0.0.2\r\n"
    assert cli(':do { /ip arp remove *9 } on-error={ :put "rescued" }; :put on') == "rescued\r\non\r\n"
    assert cli(':local x "a b"; :global n 3; :set n ($n + 4); :put "$x/$n"') == "a b/7\r\n"
    assert cli(':if ("a" = "b" || !(2 < 1)) do={ :put yes }; :delay 0s; :put ("a" . "b")') == "yes\r\nab\r\n"
    assert cli(f":put [{LIST}/get [find comment=two] disabled]") == "true\r\n"
    assert cli("# note\n:put [/system identity get name]") == "nas1\r\n"


def test_print_forms(filled: Router, cli: Cli) -> None:
    stamp = filled.items(LIST)[1]["creation-time"]
    assert cli(f"{LIST}/print terse where list=a") == f" 0     comment=one list=a address=10.0.0.0 creation-time={stamp}\r\n"
    assert cli(f"{LIST}/print count-only where list=b") == "2\r\n"
    shown = f".id=*2;address=10.0.0.1;comment=two;creation-time={stamp};disabled=true;dynamic=false;list=b"
    assert cli(f":put [{LIST}/print as-value where comment=two]") == f"{shown}\r\n"
    assert console_of(filled, terminal=True)(f"{LIST}/print as-value") == ""
    table = cli(f"{LIST}/print where list=b").split("\r\n")
    assert table[:2] == ["Flags: X - DISABLED; D - DYNAMIC", "Columns: LIST, ADDRESS, CREATION-TIME"]
    assert table[3:5] == ["       ;;; two", f" 0 X   b     10.0.0.1  {stamp}"]
    assert cli("/queue simple add target=10.0.0.1 max-limit=10M/1500k; /queue simple print").count("max-limit=10M/1500k") == 1
