from __future__ import annotations

import contextlib

import librouteros
import pytest
from librouteros.exceptions import TrapError
from librouteros.login import plain, token

from nas_simulator import Faults, SimulatedNas
from tests.unit.simulator.conftest import MakeNas
from tests.unit.simulator.raw_client import RawClient


def identity(nas: SimulatedNas, method, password: str = "secret") -> list[dict[str, str]]:
    """The socket is kept at hand, because librouteros leaves it open after a refused login."""
    with contextlib.ExitStack() as stack:
        api = librouteros.connect(
            "127.0.0.1",
            "ebs",
            password,
            port=nas.api_port,
            login_method=method,
            ssl_wrapper=lambda sock: stack.enter_context(contextlib.closing(sock)),
        )
        return list(api("/system/identity/print"))


@pytest.mark.parametrize(("version", "method"), [("6.42.12", token), ("6.43", plain), ("7.16.2", plain)])
def test_the_login_of_the_release_works(make_nas: MakeNas, version: str, method) -> None:
    assert identity(make_nas(version), method) == [{"name": "nas1"}]


@pytest.mark.parametrize(
    ("version", "method", "text"),
    [
        ("6.42", token, "cannot log in"),
        ("7.16.2", plain, "invalid user name or password (6)"),
        ("7.16.2", token, "invalid user name or password (6)"),
    ],
)
def test_a_wrong_password_has_the_text_of_the_release(make_nas: MakeNas, version: str, method, text: str) -> None:
    with pytest.raises(TrapError) as refused:
        identity(make_nas(version), method, "wrong")
    assert refused.value.message == text


def test_before_6_43_a_password_alone_does_not_log_in(make_nas: MakeNas) -> None:
    with contextlib.closing(RawClient(make_nas("6.42").api_port)) as client:
        ((done, ret),) = client.talk("/login", "=name=ebs", "=password=secret")
        assert (done, len(ret)) == ("!done", len("=ret=") + 32)
        assert client.talk("/ip/arp/print") == [["!fatal", "not logged in"]]
        assert client.ended()


def test_the_fifth_failure_ends_the_connection(nas: SimulatedNas) -> None:
    with contextlib.closing(RawClient(nas.api_port)) as client:
        for _ in range(4):
            assert client.messages("/login", "=name=ebs", "=password=no") == ["invalid user name or password (6)"]
        assert client.talk("/login", "=name=ebs", "=password=no") == [["!fatal", "too many commands before login"]]
        assert client.ended()


def test_quit(raw: RawClient) -> None:
    assert raw.talk("/quit") == [["!fatal", "session terminated on request"]]
    assert raw.ended()


def test_refused_login_and_disabled_user(make_nas: MakeNas) -> None:
    faults = Faults(refuse_login=True)
    nas = make_nas(faults=faults)
    wrong = ["invalid user name or password (6)"]
    with contextlib.closing(RawClient(nas.api_port)) as client:
        assert client.messages("/login", "=name=ebs", "=password=secret") == wrong
        faults.refuse_login = False
        client.login()
        client.add("/user", name="b", group="read", password="p", disabled="yes")
        assert client.messages("/login", "=name=b", "=password=p") == wrong


def test_readers_may_not_write(nas: SimulatedNas, raw: RawClient) -> None:
    raw.add("/user", name="reader", group="read", password="p")
    with contextlib.closing(RawClient(nas.api_port)) as client:
        client.login("reader", "p")
        assert client.messages("/ip/arp/remove", "=.id=*1") == ["not enough permissions (9)"]
        assert client.talk("/ip/arp/print") == [["!done"]]
