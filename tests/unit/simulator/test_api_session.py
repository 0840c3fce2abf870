from __future__ import annotations

import time

from nas_simulator import SimulatedNas
from tests.unit.simulator.raw_client import RawClient, encode


def test_tags_are_echoed_on_every_sentence(nas: SimulatedNas, raw: RawClient) -> None:
    raw.add("/ip/arp", address="10.0.0.1", interface="ether1")
    assert [sentence[:2] for sentence in raw.talk("/ip/arp/print", ".tag=7")] == [["!re", ".tag=7"], ["!done", ".tag=7"]]
    assert [sentence[:2] for sentence in raw.talk("/x/y", ".tag=a b")] == [
        ["!trap", ".tag=a b"],
        ["!trap", ".tag=a b"],
        ["!done", ".tag=a b"],
    ]


def test_pipelined_commands_are_executed_in_order(nas: SimulatedNas, raw: RawClient) -> None:
    count = 500
    raw.socket.sendall(
        b"".join(
            encode("/ip/firewall/address-list/add", "=list=l", f"=address=10.0.{n >> 8}.{n & 255}", f".tag={n}")
            for n in range(count)
        )
    )
    assert [raw.sentence()[:2] for _ in range(count)] == [["!done", f".tag={n}"] for n in range(count)]
    assert [one.verb for one in nas.router.journal] == ["add"] * count
    assert nas.router.journal.count == count


def test_latency_delays_commands_in_flight_once(nas: SimulatedNas, raw: RawClient) -> None:
    latency = nas.faults.latency = 0.2
    began = time.monotonic()
    raw.socket.sendall(encode("/ip/arp/print") * 100)
    assert [raw.sentence() for _ in range(100)] == [["!done"]] * 100
    assert latency <= time.monotonic() - began < 10 * latency


def test_listen_tells_changes_until_cancelled(nas: SimulatedNas, raw: RawClient) -> None:
    raw.send("/ip/arp/listen", ".tag=1")
    raw.send("/ip/arp/add", "=address=10.0.0.1", "=interface=ether1", ".tag=2")
    first = sorted([raw.sentence()[:3], raw.sentence()[:3]])
    assert first == [["!done", ".tag=2", "=ret=*1"], ["!re", ".tag=1", "=.id=*1"]]
    raw.send("/cancel", "=tag=1", ".tag=3")
    assert [raw.sentence() for _ in range(3)] == [
        ["!trap", ".tag=1", "=category=2", "=message=interrupted"],
        ["!done", ".tag=1"],
        ["!done", ".tag=3"],
    ]


def test_count_only_proplist_and_getall(raw: RawClient) -> None:
    item = raw.add("/ip/arp", address="10.0.0.1", interface="ether1", comment="c")
    assert raw.talk("/ip/arp/print", "=count-only=") == [["!done", "=ret=1"]]
    assert raw.talk("/ip/arp/getall", "=.proplist=comment,.id,nothing") == [["!re", "=comment=c", f"=.id={item}"], ["!done"]]


def test_reboot_drops_sessions_and_dynamic_items(nas: SimulatedNas, raw: RawClient) -> None:
    raw.add("/ip/firewall/address-list", list="a", address="10.0.0.1")
    raw.add("/ip/firewall/address-list", list="a", address="10.0.0.2", timeout="1h")
    nas.router.reboot()
    assert raw.ended()
    assert [row["address"] for row in nas.router.items("/ip/firewall/address-list")] == ["10.0.0.1"]
    nas.router.wipe()
    assert nas.router.items("/ip/firewall/address-list") == []


def test_a_timeout_counts_down_and_ends() -> None:
    now = [0.0]
    nas = SimulatedNas(clock=lambda: now[0])
    nas.router.add("/ppp/active", name="u")
    with nas:
        client = RawClient(nas.api_port)
        client.login("admin", "")
        client.add("/ip/firewall/address-list", list="a", address="10.0.0.2", timeout="10m")
        now[0] = 90.0
        (row,) = nas.router.items("/ip/firewall/address-list")
        assert (row["timeout"], row["dynamic"]) == ("8m30s", "true")
        now[0] = 600.0
        assert client.talk("/ip/firewall/address-list/print") == [["!done"]]
        client.close()
