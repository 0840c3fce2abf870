"""`ebs template …`: an engineer writes a template, is told what is wrong with it, puts it into force, and takes it back."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas_simulator import SimulatedNas
from tests.integration.cli.conftest import LISTED, Ebs, Stock, active, dead_nas, nas_row, person, site

ADD = ("--nas", "nas1", "--action", "subaccount_add")
ENABLE = ("--nas", "nas1", "--action", "subaccount_enable")
GOOD = '/ip firewall address-list enable [find comment="{{ tag }}"]\n'


@pytest.fixture
def stocked(stock: Stock) -> Ebs:
    return stock("templates", site([dead_nas()], person(1, own={"vlan": 100, "password": "topsecret"}), person(2)))


def test_list_names_all_twelve_and_where_they_come_from(stocked: Ebs) -> None:
    rows = {row["action"]: row for row in stocked.json("template", "list", "--nas", "nas1")}
    assert len(rows) == 12
    assert {row["source"] for row in rows.values()} == {"profile"}
    assert rows["account_add"]["empty"] is True
    assert rows["subaccount_add"]["empty"] is False
    stocked.ok("template", "set", *ENABLE, stocked.write(GOOD, "t.j2"))
    after = {row["action"]: row for row in stocked.json("template", "list")}
    assert (after["subaccount_enable"]["source"], after["subaccount_enable"]["version"]) == ("operator", 1)


def test_show_prints_exactly_the_text(stocked: Ebs) -> None:
    text = GOOD + "# комментарий\n"
    stocked.ok("template", "set", *ENABLE, "-", stdin=text.encode())
    assert stocked.ok("template", "show", *ENABLE).out == text
    assert "options.active_list" in stocked.ok("template", "show", *ADD).out
    assert "ebs-bootstrap" in stocked.ok("template", "show", "--nas", "nas1", "--action", "bootstrap").out


def test_the_originals_names_of_actions_work(stocked: Ebs) -> None:
    ours = stocked.ok("template", "show", *ADD).out
    assert stocked.ok("template", "show", "--nas", "nas1", "--action", "subacc_add_action").out == ours
    stocked.ok("template", "set", "--nas", "nas1", "--action", "subacc_enable_action", "-", stdin=GOOD.encode())
    assert stocked.ok("template", "show", *ENABLE).out == GOOD


@pytest.mark.parametrize(
    ("text", "line", "column", "word"),
    [
        ("/ip arp add address={{ ip_adress }}", 1, 24, "ip_adress"),
        ("\n\n/ip arp add address={{ ipn_ip_addres }}", 3, 24, "ipn_ip_address"),
        ("/ip arp add address=$nonsense", 1, 21, "nonsense"),
        ("/ip arp add address={{ addons_x }}", 1, 24, "add-on"),
        ("/ip arp add address={{ framed_ip_address }}", 1, 24, "session"),
        ("/ip arp add address={{ options.colour }}", 1, 0, "colour"),
        ("/ip arp add address={{ vlan|frobnicate }}", 1, 0, "frobnicate"),
        ("{% if vlan %}\n/ip arp add", 0, 0, "endif"),
        ("a\nb {{ vlan", 2, 0, ""),
        ('/ip arp add comment="{{ tag }}\n', 1, 0, ""),
        ("/ip arp add [find comment={{ tag }}", 1, 0, ""),
        (":foreach i in=[find] do={ :put 1 }", 1, 0, "API"),
        ("/ip arp add address={{ 1/0 }}", 1, 0, ""),
        ("{{ vlan.__class__ }}", 1, 0, ""),
        ("{% set x = 5 %}{% for i in range(99999999) %}{{ i }}{% endfor %}", 1, 0, ""),
        ("{% include 'x' %}", 1, 0, ""),
        ("{% import 'os' as os %}", 1, 0, ""),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", 1, 0, ""),
        ("{{ {{ }}", 1, 0, ""),
        ("{{ vlan }} arp add", 1, 0, ""),
        ("/ip {{ vlan }} add", 1, 0, ""),
        ("/ip arp {{ vlan }}", 1, 0, ""),
        ("/ip arp add {{ vlan }}=5", 1, 0, ""),
    ],
)
def test_what_is_wrong_is_told_with_line_and_column(stocked: Ebs, text: str, line: int, column: int, word: str) -> None:
    path = stocked.write(text, "шаблон.j2")
    place = f"{path}:{line}:" if line else f"{path}:"
    for words in (("check", *ADD, path), ("set", *ADD, path)):
        message = stocked.refused("template", *words)
        assert (f"{place}{column}:" if column else place) in message
        assert word in message
    piped = stocked.refused("template", "check", *ADD, "-", stdin=text.encode())
    assert "standard input" in piped


def test_standard_input_is_called_that_by_set_too(stocked: Ebs) -> None:
    assert "standard input:1:" in stocked.refused("template", "set", *ADD, "-", stdin=b"{{ nothing }}")


def test_check_changes_nothing_and_says_ok(stocked: Ebs) -> None:
    before = stocked.dump()
    assert stocked.ok("template", "check", *ENABLE, stocked.write(GOOD, "t.j2")).out.strip() == "ok"
    stocked.ok("template", "check", *ENABLE, stdin=GOOD.encode())
    stocked.ok("template", "check", *ENABLE, stdin=b"")
    assert stocked.dump() == before


@pytest.mark.parametrize("raw", ["/ip arp # \xcb".encode("latin-1"), b"\xff\xfe/\x00", b"/ip arp\x00add", b"\x7fELF\x00\x01\xff"])
def test_a_template_file_that_is_no_text(stocked: Ebs, raw: bytes) -> None:
    path = stocked.write(raw, "t.j2")
    for words in (("check", *ADD, path), ("set", *ADD, path)):
        stocked.refused("template", *words)
    stocked.refused("template", "set", *ADD, "-", stdin=raw)
    stocked.refused("template", "check", *ADD, str(stocked.folder))


def test_a_template_saved_on_windows(stocked: Ebs, router: SimulatedNas) -> None:
    """Byte order mark and CR LF are the editor's, not the engineer's."""
    text = '/ip firewall address-list enable [find comment="{{ tag }}"]\r\n# end\r\n'
    stocked.ok("template", "set", *ENABLE, "-", stdin=b"\xef\xbb\xbf" + text.encode())
    (command,) = stocked.json("template", "render", *ENABLE, "--subaccount", "a-1-1")["commands"]
    assert command.startswith("/ip firewall")
    assert "\r" not in command


def test_versions_and_the_way_back(stocked: Ebs) -> None:
    for number in (1, 2, 3):
        assert "ebs plan" in stocked.ok("template", "set", *ENABLE, "-", stdin=f"{GOOD}# {number}\n".encode()).out
    assert "already" in stocked.ok("template", "set", *ENABLE, "-", stdin=f"{GOOD}# 3\n".encode()).out
    assert len(stocked.dump()["nas_template"]) == 3
    profile = "active_list" not in stocked.ok("template", "show", *ENABLE).out
    stocked.ok("template", "set", *ENABLE, "--default")
    assert "already" in stocked.ok("template", "set", *ENABLE, "--default").out
    rows = {row["action"]: row for row in stocked.json("template", "list")}
    assert (rows["subaccount_enable"]["source"], rows["subaccount_enable"]["version"]) == ("profile", 4)
    assert profile
    assert "{% if ipn_ip_address %}" in stocked.ok("template", "show", *ENABLE).out


def test_set_wants_a_file_or_default_not_both(stocked: Ebs) -> None:
    stocked.refused("template", "set", *ENABLE, "--default", stocked.write(GOOD, "t.j2"))
    stocked.refused("template", "set", "--nas", "nas1", "--action", "bootstrap", "--default")


def test_render_shows_what_would_be_sent(stocked: Ebs) -> None:
    text = (
        '/ppp secret add name="{{ subacc_username }}" password="{{ subacc_password }}"\n'
        '{% if vlan %}/ip arp add address={{ ipn_ip_address }} comment="{{ vlan }} $acc_username $subacc_vlan"{% endif %}\n'
    )
    stocked.ok("template", "set", *ADD, "-", stdin=text.encode())
    before = stocked.dump()
    one = stocked.json("template", "render", *ADD, "--subaccount", "a-1-1")["commands"]
    two = stocked.json("template", "render", *ADD, "--subaccount", "a-2-1")["commands"]
    assert one[1].replace('"10.7.0.1"', "10.7.0.1") == '/ip arp add address=10.7.0.1 comment="100 a-1 100"'
    assert len(two) == 1
    assert "topsecret" not in one[0] and "••" in one[0]
    assert stocked.dump() == before


def test_render_on_a_nas_where_he_is_not(stocked: Ebs) -> None:
    stocked.load(site([dead_nas("nas2")]))
    rendered = stocked.json("template", "render", "--nas", "nas2", "--action", "subaccount_add", "--subaccount", "a-1-1")
    assert any("10.7.0.1" in command for command in rendered["commands"])


def test_render_for_an_account(stocked: Ebs) -> None:
    action = ("--nas", "nas1", "--action", "account_enable")
    stocked.ok("template", "set", *action, "-", stdin=b'/ip dns static add name="{{ username }}" address=10.0.0.1')
    assert stocked.json("template", "render", *action, "--account", "a-1")["commands"] == [
        '/ip dns static add name="a-1" address=10.0.0.1'
    ]
    assert "nobody" in stocked.refused("template", "render", *action, "--account", "nobody")


def test_render_of_an_address_that_he_lacks_names_it(stocked: Ebs) -> None:
    stocked.ok("subaccount", "set", "a-1-1", "ipn_ip_address=")
    stocked.ok("template", "set", *ADD, "-", stdin=b"/ip arp add address={{ ipn_ip_address }}")
    message = stocked.refused("template", "render", *ADD, "--subaccount", "a-1-1")
    assert "ipn_ip_address" in message or "address" in message


def test_every_profile_template_renders(stocked: Ebs) -> None:
    stocked.ok("subaccount", "set", "a-1-1", "ipn_mac_address=02:00:00:00:00:01", "vpn_ip_address=10.8.0.1")
    for row in stocked.json("template", "list"):
        whom = ("--account", "a-1") if row["action"].startswith("account") else ("--subaccount", "a-1-1")
        stocked.ok("template", "render", "--nas", "nas1", "--action", row["action"], *whom)


def test_a_new_template_reaches_the_nas_at_the_next_apply(any_ebs: Ebs, router: SimulatedNas, transport: str) -> None:
    any_ebs.load(site([nas_row(router, transport=transport)], person(1), person(2)))
    any_ebs.ok("apply")
    count = router.router.journal.count
    text = GOOD + '/ip firewall address-list set [find comment="{{ tag }}"] list=vip\n'
    any_ebs.ok("template", "set", *ENABLE, "-", stdin=text.encode())
    assert router.router.journal.count == count
    (plan,) = any_ebs.json("plan")["nases"]
    assert plan["items"][0]["steps"][0]["reason"] == "templates changed"
    any_ebs.ok("apply")
    assert {item["list"] for item in router.router.items(LISTED)} == {"vip"}
    assert active(router) == {"10.7.0.1": True, "10.7.0.2": True}
    assert any_ebs.json("apply")["nases"][0]["commands"] == 0


def test_scripts_are_sent_over_ssh_as_they_are(ebs: Ebs, router: SimulatedNas) -> None:
    ebs.load(site([nas_row(router, transport="ssh")], person(1)))
    script = b":foreach i in=[/ip firewall address-list find list=x] do={ /ip firewall address-list remove $$i }\n"
    ebs.ok("template", "check", *ENABLE, stdin=script)
    ebs.ok("template", "set", *ENABLE, "-", stdin=script)
    (command,) = ebs.json("template", "render", *ENABLE, "--subaccount", "a-1-1")["commands"]
    assert "remove $i" in command


def test_relative_files_are_read_from_here(stocked: Ebs) -> None:
    Path("mine.j2").write_text(GOOD)
    stocked.ok("template", "set", *ENABLE, "mine.j2")
