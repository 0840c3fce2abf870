"""The texts of the reference, each at its menu, over the API."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from librouteros.exceptions import MultiTrapError, TrapError

from tests.unit.simulator.conftest import MakeNas
from tests.unit.simulator.raw_client import RawClient

DUPLICATES = [
    ("/ip/firewall/address-list", {"list": "a", "address": "10.0.0.1"}, "failure: already have such entry"),
    ("/ip/address", {"address": "10.0.0.1/24", "interface": "ether1"}, "failure: already have such address"),
    ("/ppp/secret", {"name": "a"}, "failure: secret with the same name already exists"),
    ("/ppp/profile", {"name": "a"}, "failure: profile with the same name already exists"),
    ("/ip/hotspot/user", {"name": "a"}, "failure: already have user with this name for this server"),
    ("/queue/simple", {"name": "a"}, "failure: already have such name"),
    ("/interface/bridge", {"name": "a"}, "failure: already have interface with such name"),
    ("/ip/dhcp-server", {"name": "a", "interface": "ether1"}, "failure: server with such name already exists"),
    ("/ip/dhcp-server/network", {"address": "10.0.0.0/24"}, "failure: such network already exists"),
    ("/ip/dns/static", {"name": "a.example", "address": "10.0.0.1"}, "failure: entry already exists"),
    ("/system/script", {"name": "a"}, "failure: item with this name already exists"),
    ("/system/scheduler", {"name": "a"}, "failure: item with this name already exists"),
]


@pytest.mark.parametrize(("path", "values", "text"), DUPLICATES)
def test_a_duplicate_has_the_menus_own_text(raw: RawClient, path: str, values: dict[str, str], text: str) -> None:
    words = [f"={name}={value}" for name, value in values.items()]
    ((done, ret),) = raw.talk(f"{path}/add", *words)
    assert (done, ret[:6]) == ("!done", "=ret=*")
    assert raw.messages(f"{path}/add", *words) == [text]


def test_duplicates_of_leases(raw: RawClient) -> None:
    path = "/ip/dhcp-server/lease/add"
    raw.add("/ip/dhcp-server/lease", address="10.0.0.1", **{"mac-address": "02:00:00:00:00:aa"})
    same_address = raw.messages(path, "=address=10.0.0.1", "=mac-address=02:00:00:00:00:BB")
    same_client = raw.messages(path, "=address=10.0.0.2", "=mac-address=02:00:00:00:00:AA")
    assert same_address == ["failure: already have static lease with this IP address"]
    assert same_client == ["failure: already have static lease for this client"]
    without_mac = [raw.add("/ip/dhcp-server/lease", address=f"10.0.0.{last}") for last in (3, 4)]
    assert len(set(without_mac)) == 2 and all(item.startswith("*") for item in without_mac)


def test_duplicate_interface_before_7(make_nas: MakeNas) -> None:
    with contextlib.closing(RawClient(make_nas("6.49.10").api_port)) as client:
        client.login()
        text = ["failure: already have device with such name"]
        assert client.messages("/interface/bridge/add", "=name=ether1") == text


def test_address_list_allows_a_disabled_copy_and_refuses_to_enable_it(raw: RawClient) -> None:
    path = "/ip/firewall/address-list"
    raw.add(path, list="a", address="10.0.0.1", comment="one")
    copy = raw.add(path, list="a", address="10.0.0.1", disabled="yes")
    text = ["failure: already have such entry"]
    assert raw.messages(f"{path}/add", "=list=a", "=address=10.0.0.1", "=comment=two", "=timeout=1h") == text
    assert raw.messages(f"{path}/enable", f"=.id={copy}") == text


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (["/ip/xyz/print"], ["no such command or directory (xyz)", "no such command prefix"]),
        (["/xyz/print"], ["no such command or directory (xyz)", "no such command prefix"]),
        (["/ip/xyz/abc/print"], ["no such command or directory (xyz)", "no such command prefix"]),
        (["/ip/arp/frobnicate"], ["no such command"]),
        (["/ip/arp/add", "=bogus=1"], ["unknown parameter bogus"]),
        (["/ip/arp/print", "=bogus=1"], ["unknown parameter bogus"]),
        (["/ip/arp/set", "=comment=x"], ["missing =.id="]),
        (["/ip/arp/remove"], ["missing =.id="]),
        (["/ip/arp/set", "=.id=*99", "=comment=x"], ["no such item"]),
        (["/ip/arp/enable", "=.id=*99"], ["no such item"]),
        (["/ip/arp/remove", "=.id=*99"], ["no such item (4)"]),
        (["/ip/firewall/filter/set", "=.id=*1", "=place-before=*1"], ["unknown parameter place-before"]),
        (["/ip/arp/add", "=address=1.2.3.4", "=interface=no"], ["input does not match any value of interface"]),
        (["/ppp/secret/add", "=name=x", "=profile=no"], ["input does not match any value of profile"]),
        (["/ip/dhcp-server/lease/add", "=address=1.2.3.4", "=server=no"], ["input does not match any value of server"]),
        (
            ["/ip/dhcp-server/add", "=interface=ether1", "=address-pool=no"],
            ["input does not match any value of address-pool"],
        ),
        (["/ip/arp/add", "=address=1.2.3.400", "=interface=ether1"], ["invalid value for argument address"]),
        (["/interface/vrrp/add", "=interface=ether1", "=priority=255"], ["value of priority out of range (1..254)"]),
        (["/ip/dhcp-server/network/add", "=address=10.0.0.1/24"], ["failure: invalid network"]),
        (["/ip/arp/add", "=address=1.2.3.4"], ["missing =interface="]),
    ],
)
def test_refusals(raw: RawClient, words: list[str], texts: list[str]) -> None:
    assert raw.messages(*words) == texts
    assert raw.talk("/ip/arp/print") == [["!done"]]  # the session stays usable


def test_categories_stand_where_routers_send_them(raw: RawClient) -> None:
    assert raw.talk("/xyz/print")[0][1] == "=category=0"
    assert raw.talk("/ip/arp/add", "=address=x", "=interface=ether1")[0][1] == "=category=1"
    assert [word[:9] for word in raw.talk("/queue/simple/add", "=bogus=1")[0]] == ["!trap", "=message="]


def test_librouteros_sees_one_trap_or_two(api) -> None:
    with pytest.raises(TrapError, match="no such item"):
        tuple(api("/ip/arp/set", **{".id": "*9", "comment": "x"}))
    with pytest.raises(MultiTrapError):
        tuple(api("/xyz/print"))


def test_dynamic_items_are_not_changed(nas, raw: RawClient) -> None:
    lease = nas.router.add("/ip/dhcp-server/lease", address="10.0.0.1", mac_address="02:00:00:00:00:01", dynamic="true")
    arp = nas.router.add("/ip/arp", address="10.0.0.1", interface="ether1", dynamic="true")
    changed = raw.messages("/ip/dhcp-server/lease/set", f"=.id={lease}", "=comment=x")
    assert changed == ["failure: can not change dynamic lease"]
    assert raw.messages("/ip/arp/disable", f"=.id={arp}") == ["can not change dynamic"]
    assert raw.talk("/ip/dhcp-server/lease/make-static", f"=.id={lease}") == [["!done"]]
    assert raw.messages("/ip/dhcp-server/lease/set", f"=.id={lease}", "=comment=x") == []


def test_stored_forms(nas, raw: RawClient) -> None:
    raw.add("/queue/simple", target="10.0.0.5", **{"max-limit": "10M/512k", "burst-time": "90/8s"})
    (queue,) = nas.router.items("/queue/simple")
    wanted = {"name": "queue1", "target": "10.0.0.5/32", "max-limit": "10000000/512000", "burst-time": "1m30s/8s"}
    assert {name: queue[name] for name in wanted} == wanted
    raw.add("/ppp/secret", name="u", password="p$w", disabled="yes")
    (secret,) = nas.router.items("/ppp/secret")
    assert (secret["password"], secret["disabled"]) == ("p$w", "true")
    assert "password" not in nas.router.items("/user")[0]


def test_items_are_named_by_lists_and_by_name_and_ids_are_not_reused(nas, raw: RawClient) -> None:
    path = "/queue/simple"
    ids = [raw.add(path, name=name) for name in "abc"]
    assert ids == ["*1", "*2", "*3"]
    assert raw.talk(f"{path}/disable", "=numbers=*1,c") == [["!done"]]
    assert [row["disabled"] for row in nas.router.items(path)] == ["true", "false", "true"]
    assert raw.talk(f"{path}/remove", "=.id=*2,*3") == [["!done"]]
    assert raw.add(path, name="d") == "*4"


def test_order(nas, raw: RawClient) -> None:
    path = "/ip/firewall/filter"
    first = raw.add(path, chain="forward", comment="1")
    raw.add(path, chain="forward", comment="2")
    raw.add(path, chain="forward", comment="0", **{"place-before": first})
    assert [row["comment"] for row in nas.router.items(path)] == ["0", "1", "2"]
    assert raw.talk(f"{path}/move", f"=numbers={first}") == [["!done"]]
    assert [row["comment"] for row in nas.router.items(path)] == ["0", "2", "1"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300))
def test_any_text_comes_back_unchanged(raw: RawClient, text: str) -> None:
    item = raw.add("/ip/firewall/address-list", list="t", address="10.9.9.9", comment=text)
    row, done = raw.talk("/ip/firewall/address-list/print", "=.proplist=comment", f"?.id={item}")
    assert (row, done) == (["!re", f"=comment={text}"], ["!done"])
    assert raw.talk("/ip/firewall/address-list/remove", f"=.id={item}") == [["!done"]]


def test_bytes_that_are_no_utf8_come_back_unchanged(raw: RawClient) -> None:
    raw.talk(b"/ppp/secret/add", b"=name=x", b"=comment=\xff\xfe=\x80")
    raw.send("/ppp/secret/print", "=.proplist=comment")
    assert [raw.word() for _ in range(2)] == [b"!re", b"=comment=\xff\xfe=\x80"]


@pytest.mark.parametrize(("version", "reply"), [("7.17", [["!done"]]), ("7.18", [["!empty"], ["!done"]])])
def test_empty_reply(make_nas: MakeNas, version: str, reply: list[list[str]]) -> None:
    with contextlib.closing(RawClient(make_nas(version).api_port)) as client:
        client.login()
        assert client.talk("/ip/arp/getall") == reply
