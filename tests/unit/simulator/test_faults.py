from __future__ import annotations

import contextlib
import socket
import time

import pytest

from nas_simulator import Faults, SimulatedNas
from nas_simulator.refusals import ACTION_TIMED_OUT
from tests.unit.simulator.raw_client import RawClient, encode

ADD = ("/ip/pool/add", "=ranges=10.0.0.1")


@pytest.mark.parametrize(("when", "stored"), [("before", ["a"]), ("after", ["a", "b"])])
def test_disconnect(nas: SimulatedNas, raw: RawClient, when: str, stored: list[str]) -> None:
    nas.faults.disconnect_after, nas.faults.disconnect_when = 1, when
    assert raw.talk(*ADD, "=name=a")[0][0] == "!done"
    raw.send(*ADD, "=name=b")
    assert raw.ended()
    assert [row["name"] for row in nas.router.items("/ip/pool")] == stored


def test_fail_and_accept_and_forget(nas: SimulatedNas, raw: RawClient) -> None:
    nas.faults.fail = lambda op: ACTION_TIMED_OUT if op.attributes.get("name") == "a" else None
    assert raw.messages(*ADD, "=name=a") == [ACTION_TIMED_OUT]
    assert raw.talk(*ADD, "=name=b") == [["!done", "=ret=*1"]]
    nas.faults.accept_and_forget = True
    assert raw.talk(*ADD, "=name=c") == [["!done", "=ret=*2"]]
    assert raw.talk("/ip/pool/remove", "=.id=*77") == [["!done"]]
    assert [row["name"] for row in nas.router.items("/ip/pool")] == ["b"]
    assert [refused.message for refused in nas.router.journal.refused()] == [ACTION_TIMED_OUT]


def test_fail_share_is_repeatable() -> None:
    def draw() -> list[bool]:
        with SimulatedNas(faults=Faults(fail_share=0.5, seed=7)) as nas, contextlib.closing(RawClient(nas.api_port)) as raw:
            raw.login("admin", "")
            return [bool(raw.messages("/ip/arp/print")) for _ in range(40)]

    first = draw()
    assert first == draw()
    assert 5 < sum(first) < 35


def test_stall_answers_nothing_and_holds_up_nobody(nas: SimulatedNas, raw: RawClient) -> None:
    nas.faults.stall = True
    with contextlib.closing(RawClient(nas.api_port)) as other:
        other.send("/login", "=name=ebs", "=password=secret")
        other.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            other.socket.recv(1)
    nas.faults.stall = False
    assert raw.talk("/ip/arp/print") == [["!done"]]


def test_max_sessions(nas: SimulatedNas, raw: RawClient) -> None:
    nas.faults.max_sessions = 1
    with contextlib.closing(RawClient(nas.api_port)) as second:
        assert second.ended()
    assert raw.talk("/ip/arp/print") == [["!done"]]


def test_a_client_that_does_not_read_delays_nobody(nas: SimulatedNas, raw: RawClient) -> None:
    for number in range(2000):
        nas.router.add("/ip/pool", name=str(number), ranges="10.0.0.1", comment="x" * 200)
    with socket.create_connection(("127.0.0.1", nas.api_port), timeout=5) as deaf:
        deaf.sendall(encode("/login", "=name=ebs", "=password=secret") + encode("/ip/pool/print") * 40)
        assert deaf.recv(1) == b"\x05"
        assert raw.talk("/ip/arp/print") == [["!done"]]


def test_a_tired_session_slows_down_and_a_new_one_does_not(make_nas) -> None:
    nas = make_nas(faults=Faults(tired_after=100, tired_latency=0.05))
    nas.router.add("/ip/pool", name="a", ranges="10.0.0.1", comment="x" * 200)

    def spent() -> float:
        began = time.monotonic()
        assert client.talk("/ip/arp/print") == [["!done"]]
        return time.monotonic() - began

    with contextlib.closing(RawClient(nas.api_port)) as client:
        client.login()
        client.talk("/ip/pool/print")
        assert min(spent() for _ in range(3)) >= 0.05
    with contextlib.closing(RawClient(nas.api_port)) as client:
        client.login()
        assert spent() < 0.05


def test_broken_protocol_ends_the_connection(nas: SimulatedNas) -> None:
    with contextlib.closing(RawClient(nas.api_port)) as client:
        client.socket.sendall(b"\xff\xff")
        assert client.ended()
