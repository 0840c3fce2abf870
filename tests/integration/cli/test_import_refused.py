"""`ebs import` of bad files: the whole file or nothing, every bad row named with its line and reason."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.integration.cli.conftest import Ebs, Stock, dead_nas, person, site

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]")


@pytest.fixture
def stocked(stock: Stock) -> Ebs:
    """nas1, nas2, tariff Home, account a-1 (10.7.0.1, vpn 10.8.0.1 on nas1)."""
    return stock("refused", site([dead_nas(), dead_nas("nas2")], person(1, own={"vpn_ip_address": "10.8.0.1"})))


def account(field: str, value: str) -> str:
    return f"accounts:\n  - username: a-9\n    tariff: Home\n    {field}: {value}\n"


def sub(field: str, value: str) -> str:
    """The bad field stands in line 7."""
    return (
        "accounts:\n  - username: a-9\n    tariff: Home\n    subaccounts:\n"
        f"      - username: a-9-1\n        nas: nas1\n        {field}: {value}\n"
    )


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        (account("balance", "ten"), 4, "balance"),
        (account("balance", "1,5"), 4, "balance"),
        (account("balance", "1.00001"), 4, "decimals"),
        (account("balance", "nan"), 4, "balance"),
        (account("balance", "1e99"), 4, "balance"),
        (account("balance", "''"), 4, "balance"),
        (account("status", "aktive"), 4, "suspended_charged"),
        (account("status", "5"), 4, "status"),
        (account("status", "²"), 4, "suspended_charged"),
        (account("full_name", '"a\\nb"'), 4, "newline"),
        (account("full_name", '"a\\0b"'), 4, "NUL"),
        (account("full_name", '"a\\eb"'), 4, "escape"),
        (account("full_name", '"a\\tb"'), 4, "tab"),
        (account("full_name", '"a\\u2028b"'), 4, "U+2028"),
        (account("full_name", "|\n      one\n      two"), 4, "newline"),
        (account("full_name", "x" * 513), 4, "512"),
        (account("password", '"a\\nb"'), 4, "newline"),
        (account("disabled_by_limit", "perhaps"), 4, "perhaps"),
        (account("nas", "nas9"), 4, "nas9"),
        (account("tarif", "Home"), 4, "tarif"),
        (account("id", "5"), 4, "id"),
        (account("deleted_at", "now"), 4, "deleted_at"),
        (account("password_revision", "5"), 4, "password_revision"),
        (account("balance", "[1, 2]"), 4, "balance"),
        (account("balance", "{a: 1}"), 4, "balance"),
        (account("subaccounts", "none"), 4, "subaccounts"),
        (account("subaccounts", "{a: b}"), 4, "subaccounts"),
        (account("subaccounts", "[a, b]"), 4, "subaccounts"),
        (account("username", "again"), 4, "twice"),
        (account("ipn_speed", "-5M"), 4, "negative"),
        ("accounts:\n  - tariff: Home\n", 2, "username"),
        ("accounts:\n  - username: ''\n", 2, "empty"),
        ("accounts:\n  - username: ' a'\n", 2, "white space"),
        ("accounts:\n  - username: a-9\n    tariff: Nothing\n", 3, "Nothing"),
        ("accounts:\n  - {username: a-9}\n  - {username: a-9}\n", 3, "line 2"),
        (sub("ipn_ip_address", "10.7.0.1"), 7, "a-1-1"),
        (sub("vpn_ip_address", "10.8.0.1"), 7, "a-1-1"),
        (sub("ipn_ip_address", "10.7.0.0/24"), 7, "network"),
        (sub("ipn_ip_address", "10.7.0.9/32"), 7, "network"),
        (sub("ipn_ip_address", "0.0.0.0"), 7, "every address"),
        (sub("ipn_ip_address", "0.0.0.0/0"), 7, "network"),
        (sub("ipn_ip_address", "255.255.255.255"), 7, "broadcast"),
        (sub("ipn_ip_address", "224.0.0.1"), 7, "multicast"),
        (sub("ipn_ip_address", "10.7.0.256"), 7, "10.7.0.256"),
        (sub("ipn_ip_address", "10.7.0.010"), 7, "10.7.0.010"),
        (sub("ipn_ip_address", "10.7.1"), 7, "10.7.1"),
        (sub("ipn_ip_address", "fe80::1"), 7, "IPv6"),
        (sub("ipn_ip_address", "router.example"), 7, "router.example"),
        (sub("vpn_ipv6_ip_address", "::/0"), 7, "every"),
        (sub("vpn_ipv6_ip_address", "2001:db8::1/56"), 7, "2001:db8"),
        (sub("ipn_mac_address", "02:00:00:00:00"), 7, "MAC"),
        (sub("ipn_mac_address", "02:00:00:00:00:0g"), 7, "MAC"),
        (sub("ipn_mac_address", "'0200.0000-0001'"), 7, "MAC"),
        (sub("ipn_mac_address", "ff:ff:ff:ff:ff:ff"), 7, "broadcast"),
        (sub("ipn_mac_address", "01:00:5e:00:00:01"), 7, "multicast"),
        (sub("vlan", "0"), 7, "4094"),
        (sub("vlan", "4095"), 7, "4094"),
        (sub("vlan", "-1"), 7, "4094"),
        (sub("vlan", "1.5"), 7, "whole number"),
        (sub("vlan", "1_0"), 7, "whole number"),
        (sub("vlan", "'１０'"), 7, "whole number"),
        (sub("switch_port", "99999999999999999999"), 7, "between"),
        (sub("speed", "-5M"), 7, "negative"),
        (sub("speed", "fast"), 7, "fast"),
        (sub("speed", "{download: 5M}"), 7, "single value"),
        (sub("nas", "nas2"), 7, "twice"),
        (sub("username", "b"), 7, "twice"),
        ("accounts:\n  - username: a-9\n    subaccounts:\n      - {username: a-1-1}\n", 4, "a-1"),
        ("accounts:\n  - username: a-9\n    subaccounts: [{username: x}, {username: x}]\n", 3, "twice"),
        ("accounts:\n  - username: a-8\n    subaccounts: [{username: x}]\n  - username: a-9\n    subaccounts: [{username: x}]\n", 5, "line 3"),  # noqa: E501
        ("tariffs:\n  - {name: T, speed: {download: -1}}\n", 2, "negative"),
        ("tariffs:\n  - name: T\n    speed: {download: 5X}\n", 3, "5X"),
        ("tariffs:\n  - name: T\n    speed: {dowload: 5M}\n", 3, "dowload"),
        ("tariffs:\n  - name: T\n    speed: {download: 5M, priority: 9}\n", 3, "priority"),
        ("tariffs:\n  - name: T\n    speed: {download: 5M, min_download: 6M}\n", 3, "min_download"),
        ("tariffs:\n  - name: T\n    speed: {download: 99999G}\n", 3, "Tbit"),
        ("tariffs:\n  - name: T\n    speed: [5M, 5M]\n", 3, "speed"),
        ("tariffs:\n  - name: T\n    speed: {download: [5M]}\n", 3, "download"),
        ("tariffs:\n  - name: T\n    access_type: ipoa\n", 3, "pppoe"),
        ("tariffs:\n  - name: T\n    cost: 1000000000000\n", 3, "cost"),
        ("nases:\n  - {name: n, profile: cisco, address: 10.0.0.1}\n", 2, "mikrotik"),
        ("nases:\n  - {name: n, address: 10.0.0.1}\n", 2, "profile"),
        ("nases:\n  - {name: n, profile: mikrotik}\n", 2, "address"),
        ("nases:\n  - {profile: mikrotik, address: 10.0.0.1}\n", 2, "name"),
        ("nases:\n  - {name: n, profile: mikrotik, transport: telnet, address: 10.0.0.1}\n", 2, "telnet"),
        ("nases:\n  - {name: n, profile: mikrotik, address: 10.0.0.1, options: {colour: red}}\n", 2, "colour"),
        ("nases:\n  - {name: n, profile: mikrotik, address: 10.0.0.1, options: {active_list: 'a b'}}\n", 2, "active_list"),
        ("nases:\n  - {name: n, profile: mikrotik, address: 10.0.0.1, options: red}\n", 2, "options"),
        ("nases:\n  - {name: n, profile: linux, address: 10.0.0.1}\n", 2, "subscriber_interface"),
        ("nases:\n  - {name: n, profile: linux, address: 10.0.0.1, options: {subscriber_interface: e0, uplink_interface: 'e1; reboot'}}\n", 2, "uplink_interface"),  # noqa: E501
        ("nases:\n  - {name: n, profile: mikrotik, address: 10.0.0.1, port: 65536}\n", 2, "port"),
        ("nases:\n  - {name: n, profile: mikrotik, address: 10.0.0.1, port: 0}\n", 2, "port"),
        ("nases:\n  - {name: n, profile: mikrotik, address: 10.0.0.1, templates: {user_ad: x}}\n", 2, "user_ad"),
        ("nases:\n  - {name: n, profile: mikrotik, address: 10.0.0.1, templates: x}\n", 2, "templates"),
        ("nases:\n  - {name: nas1, profile: linux}\n", 2, "subscriber_interface"),
        ("subscribers: []\n", 1, "subscribers"),
        ("accounts: []\naccounts: []\n", 2, "twice"),
        ("accounts: {a: b}\n", 1, "list"),
        ("accounts: many\n", 1, "list"),
        ("accounts:\n  - just a text\n", 2, "mapping"),
        ("accounts:\n  - [a]\n", 2, "mapping"),
        ("base: &b {balance: 1}\naccounts:\n  - {<<: *b, username: x}\n", 3, "keys"),
        ("accounts:\n  - {[a]: b}\n", 2, "names"),
        ("accounts:\n\t- username: x\n", 2, ""),
        ("accounts:\n  - username: x\n   full_name: y\n", 3, ""),
        ("accounts:\n  - username: *nothing\n", 2, "alias"),
        ("accounts: []\n--- \naccounts: []\n", 2, "document"),
        ("accounts: [\n", 2, ""),
        ("accounts: 'x\n", 2, ""),
    ],
)  # fmt: skip
def test_each_bad_row_is_named_with_its_line(stocked: Ebs, text: str, line: int, word: str) -> None:
    path = stocked.write(text)
    message = stocked.refused("import", path)
    assert f"{path}:{line}:" in message, message
    assert word in message.replace(path, "")
    assert not CONTROL.search(message.replace("\n", "")), "no control character reaches the terminal"


def test_a_hostile_name_in_a_message_cannot_drive_the_terminal(stocked: Ebs) -> None:
    for text in ('accounts: [{username: "\\e]0;owned\\a\\e[2J"}]', 'accounts: [{"\\e[2J": x, username: y}]', '"\\e[2J": []',
                 'accounts: [{username: y, tariff: "\\e[2J"}]', 'tariffs: [{name: y, speed: {"\\e[2J": 5M}}]',
                 'tariffs: [{name: y, speed: {download: "\\e[2J"}}]', 'nases: [{name: y, profile: "\\e[2J", address: x}]',
                 'nases: [{name: y, profile: mikrotik, address: x, options: {"\\e[2J": z}}]',
                 'nases: [{name: y, profile: mikrotik, address: x, templates: {"\\e[2J": z}}]'):  # fmt: skip
        assert "\x1b" not in stocked.load_refused(text), text


def test_every_bad_row_of_many_is_named_at_once(stocked: Ebs) -> None:
    bad = {
        3: "balance: ten",
        5: "status: x",
        8: "tariff: Nix",
        13: "subaccounts: [{username: s, vlan: 0, ipn_ip_address: 1.2.3}]",
    }
    rows = [f"  - {{username: b-{number}, {bad.get(number, 'balance: 1')}}}" for number in range(2, 20)]
    path = stocked.write("accounts:\n" + "\n".join(rows) + "\n")
    message = stocked.refused("import", path)
    lines = [int(found) for found in re.findall(re.escape(path) + r":(\d+)", message)]
    assert lines == [3, 5, 8, 13, 13]
    assert "5 problems" in message


def test_conflicts_and_bad_values_are_told_in_one_go(stocked: Ebs) -> None:
    """Not one class of mistake per attempt."""
    rows = [person(2), person(3, own={"ipn_ip_address": "10.7.0.2"}), person(4, tariff="Nix"), person(5, balance="ten")]
    message = stocked.load_refused({"accounts": rows})
    assert "Nix" in message and "ten" in message
    assert "10.7.0.2" in message, "the duplicate address too"


def test_a_thousand_bad_rows_are_counted_and_the_first_shown(stocked: Ebs) -> None:
    path = stocked.write("accounts:\n" + "".join(f"  - {{username: b-{number}, vlan: 1}}\n" for number in range(1000)))
    message = stocked.refused("import", path)
    assert "1000 problems" in message and "950 more" in message
    assert len(message.splitlines()) < 60


@pytest.mark.parametrize("column", ["ipn_ip_address", "vpn_ip_address"])
def test_an_address_belongs_to_one_subscriber_of_a_nas(any_ebs: Ebs, column: str) -> None:
    ebs = any_ebs
    own = {"ipn_ip_address": "", column: "10.9.0.1"}
    ebs.load(site([dead_nas(), dead_nas("nas2")], person(1, own=own)))
    rows: list[dict[str, Any]] = [
        person(2, own={"ipn_ip_address": "", column: "10.9.0.5"}),
        person(3, own={"ipn_ip_address": "", column: "10.9.0.5"}),
    ]
    assert "a-2-1" in ebs.load_refused({"accounts": rows}), "within the file"
    assert "a-1-1" in ebs.load_refused({"accounts": [person(2, own=own)]}), "against the database"
    assert "a-1-1" in ebs.load_refused({"accounts": [person(1, balance="7", own=own), person(2, own=own)]})
    ebs.load({"accounts": [person(2, nas="nas2", own=own)]})
    ebs.load({"accounts": [person(3, nas=None, own=own)]})
    assert "a-1-1" in ebs.refused("subaccount", "set", "a-2-1", "nas=nas1")
    assert "a-1-1" in ebs.refused("subaccount", "set", "a-3-1", "nas=nas1")
    assert "a-1-1" in ebs.refused("subaccount", "set", "a-3-1", "nas=nas1", f"{column}=10.9.0.1")


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b" \n\n\t\n", "empty"),
        (b"# only a comment\n", "site file"),
        (b"null\n", "site file"),
        (b"- a\n", "site file"),
        (b"just text", "site file"),
        ("accounts: [{username: Лес}]".encode("cp1251"), "UTF-8"),
        ("accounts: [{username: Лес}]".encode("utf-16"), "UTF-8"),
        (b"\x7fELF\x02\x01\x01\x00\x00", "U+"),
        (b"SQLite format 3\x00" + bytes(range(256)), "UTF-8"),
        (b"accounts: [{username: a\x00b}]", "U+0000"),
        (b"accounts: [{username: 'a\x1bb'}]", "U+001B"),
    ],
)
def test_files_that_are_no_site_files(stocked: Ebs, content: bytes, word: str) -> None:
    message = stocked.load_refused(content, "thing.yaml")
    assert word in message
    assert "thing.yaml" in message
    if content and word == "empty":
        assert "example" in message


def test_not_utf8_names_the_line(stocked: Ebs) -> None:
    assert ":3" in stocked.load_refused(b"accounts:\n  - username: a\n    full_name: \xcb\xe5\xf1\n", "cp.yaml")


@pytest.mark.parametrize(
    ("lines", "line", "word"),
    [
        ("username,balance\na-1,ten\n", 2, "balance"),
        ("username,colour\na-1,red\n", 1, "colour"),
        ("balance\n5\n", 2, "username"),
        ("username,balance\na-1\n", 2, "columns"),
        ("username,balance\na-1,1,2\n", 2, "columns"),
        ("username,username\na,b\n", 1, "twice"),
        ('username,full_name\na,"two\nlines"\nb,"x\n', 4, ""),
        ("username,full_name\nb,1\na,\"two\nlines\"\n", 3, "newline"),
        ("username,subaccount_vlan\na-9,5\n", 2, "username"),
        ("username,subaccount_username,subaccount_vlan\na-9,a-9-1,5000\n", 2, "4094"),
        ("username,balance\na-9,1\na-9,2\n", 3, "line 2"),
        ("username,balance,subaccount_username\na-9,1,x\na-9,2,y\n", 3, "line 2"),
        ("username,subaccount_username\na-9,x\na-9,x\n", 3, "line 2"),
        ("username,subaccounts\na-9,x\n", 2, "subaccounts"),
        ("username,full_name\na-9,a\x00b\n", 2, "NUL"),
        ("username;balance\na-9;1,5\n", 2, "1,5"),
    ],
)  # fmt: skip
def test_bad_csv_is_named_with_its_line(stocked: Ebs, lines: str, line: int, word: str) -> None:
    path = stocked.write(lines, "people.csv")
    message = stocked.refused("import", path)
    assert f"{path}:{line}:" in message, message
    assert word in message.replace(path, "")


def test_an_unknown_csv_column_is_named_even_if_it_is_empty(stocked: Ebs) -> None:
    assert "balanse" in stocked.load_refused("username,balanse\na-9,\n", "people.csv")


@pytest.mark.parametrize(
    ("template", "word", "where"),
    [
        ("/ip address add address={{ ip_adress }}", "ip_adress", "line 1"),
        ('/ip arp remove [find comment="{{ tag }}"]\n/ip arp add address={{ nothing }}', "nothing", "line 2, column 24"),
        ("{% if vlan %}", "", "line 1"),
        ("/ip arp add comment={{ vlan", "", "line 1"),
        (":foreach i in=[/ip arp find] do={ /ip arp remove $$i }", "API", "line 1"),
        ('/ip arp add comment="{{ tag }}" [find', "", "line 1"),
        ("{{ ''.__class__.__mro__ }}", "", "line 1"),
        ("{% include '/etc/passwd' %}", "", "line 1"),
        ("{{ password|attr('format') }}", "", "line 1"),
        ("{% for i in range(10**9) %}x{% endfor %}", "", "line 1"),
    ],
)
def test_a_broken_template_in_a_site_file(stocked: Ebs, template: str, word: str, where: str) -> None:
    row = dead_nas("nas3", templates={"subaccount_add": template})
    message = stocked.load_refused(site([row]))
    assert "subaccount_add" in message and "nas3" in message
    assert word in message
    assert where in message


def test_values_that_a_nas_cannot_be_given_are_refused_at_import(stocked: Ebs) -> None:
    """An opaque RouterOS text has no quoting for its value over SSH: the checker or the trial has to say so, not the night run."""  # noqa: E501
    row = dead_nas(
        "nas3",
        transport="ssh",
        templates={"subaccount_enable": ':foreach i in=[/ip arp find] do={ :log info "{{ acc_comment }}" }'},
    )
    document = site([row], person(9, nas="nas3", comment='"; /system reboot'))
    before = stocked.dump()
    result = stocked.run("import", stocked.write(json.dumps(document)))
    if result.status == 0:  # taken: then the text has to be quoted where it stands
        shown = stocked.json("template", "render", "--nas", "nas3", "--action", "subaccount_enable", "--subaccount", "a-9-1")
        assert '"\\"; /system reboot"' in shown["commands"][0]
    else:
        assert result.status == 2
        assert stocked.dump() == before
