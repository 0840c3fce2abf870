"""Connecting and logging in: both methods, TLS with a pinned certificate, and every refusal as our own error."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import logging
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import librouteros.exceptions
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ebs_core.domain.commands import Job, Outcome
from ebs_core.domain.errors import (
    HostKeyChanged,
    HostKeyUnknown,
    LoginFailed,
    Misconfigured,
    NasError,
    NotPermitted,
    Unreachable,
)
from nas_backends.dialects.routeros_sentence import encode_words
from nas_backends.transports import routeros_login
from nas_backends.transports.routeros_api import host_key, open_session
from nas_simulator import SimulatedNas
from tests.integration.routeros.conftest import LOGIN, PASSWORD, commands, endpoint

Peer = Callable[[Callable[[socket.socket], None]], int]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[socket.socket]:
    """Every socket that a login connects."""
    sockets: list[socket.socket] = []
    connect = socket.create_connection

    def remember(*args: object, **kwargs: object) -> socket.socket:
        sockets.append(connect(*args, **kwargs))  # type: ignore[arg-type]
        return sockets[-1]

    monkeypatch.setattr(routeros_login.socket, "create_connection", remember)
    return sockets


@pytest.fixture
def refusals(nas: SimulatedNas, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The logins that the router refused."""
    refused: list[str] = []
    monkeypatch.setattr(nas.router, "report_login_failure", lambda login, *_: refused.append(login))
    return refused


def test_both_logins_and_no_password_in_the_log(nas: SimulatedNas, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    session = open_session(endpoint(nas.api_port))
    ((reply,),) = session.run([Job(1, commands("/system identity print"))])
    session.close()
    session.close()
    assert reply.outcome is Outcome.OK
    assert "nas1" in reply.output
    assert PASSWORD not in caplog.text


def test_a_refused_login_is_tried_once_and_leaves_no_socket(
    nas: SimulatedNas, opened: list[socket.socket], refusals: list[str]
) -> None:
    with pytest.raises(LoginFailed) as caught:
        open_session(endpoint(nas.api_port, password="wrong"))
    assert "nas1" in str(caught.value) and LOGIN in str(caught.value) and "wrong" not in str(caught.value)
    assert [sock.fileno() for sock in opened] == [-1]
    assert refusals == [LOGIN]


def test_options_of_the_socket(nas: SimulatedNas) -> None:
    with routeros_login.log_in(endpoint(nas.api_port)) as sock:
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


def reply(*words: str) -> bytes:
    return encode_words(*words) + b"\0"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply("!trap", "=message=invalid user name or password (6)") + reply("!done"), LoginFailed),
        (reply("!trap", "=message=cannot log in") + reply("!done"), LoginFailed),
        (reply("!trap", "=message=cannot log in") + reply("!trap", "=message=really") + reply("!done"), LoginFailed),
        (reply("!fatal", "too many commands before login"), LoginFailed),
        (reply("!trap", "=message=not enough permissions (9)") + reply("!done"), NotPermitted),
        (reply("!trap", "=message=7") + reply("!done"), NasError),
        (reply("!trap", "=nonsense=7") + reply("!done"), NasError),
        (reply("!done", "=ret=no hex"), NasError),
        (b"", Unreachable),
        (b"SSH-2.0-OpenSSH_9.2\r\n", NasError),
        (b"\xff\xff", NasError),
        (encode_words("!trap") + b"\x0d=message=\xcf\xee\xf0\xf2" + b"\0" + reply("!done"), NasError),
    ],
)
def test_what_a_peer_may_answer(answer: bytes, kind: type[NasError], peer: Peer, opened: list[socket.socket]) -> None:
    def play(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(answer)

    with pytest.raises(kind) as caught:
        open_session(endpoint(peer(play)))
    assert caught.value.nas == "nas1" and caught.value.remedy
    assert all(sock.fileno() == -1 for sock in opened)


def test_unreachable_and_silent(peer: Peer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(Unreachable, match="nas1"):
        open_session(endpoint(port))

    def silent(connection: socket.socket) -> None:
        while connection.recv(4096):
            pass

    with pytest.raises(Unreachable, match="did not answer"):
        open_session(endpoint(peer(silent), connect_timeout=0.2))
    with pytest.raises(Misconfigured):
        open_session(endpoint(port, login=""))
    with pytest.raises(Misconfigured):
        open_session(dataclasses.replace(endpoint(port), address=""))


def test_every_error_of_librouteros_is_mapped() -> None:
    known = librouteros.exceptions
    classes = [each for each in vars(known).values() if isinstance(each, type) and issubclass(each, known.LibRouterosError)]
    assert len(classes) >= 6
    for each in classes:
        error = each(known.TrapError("x")) if each is known.MultiTrapError else each("x")
        assert isinstance(routeros_login.translate(error, endpoint(8728)), NasError)


@pytest.fixture
def secure(nas: SimulatedNas, tmp_path: Path) -> tuple[int, str]:
    """The port of a TLS door to a router of the same settings, and its certificate's fingerprint."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "router")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + datetime.timedelta(days=1))
    ).sign(key, hashes.SHA256())
    file = tmp_path / "router.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    nas.stop()
    nas.start(api=True, ssh=False, tls=context)
    return nas.api_port, "sha256:" + hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()


def test_tls_with_a_pinned_certificate(secure: tuple[int, str]) -> None:
    port, fingerprint = secure
    tls = {"tls": "yes"}
    assert host_key(endpoint(port, options=tls)) == fingerprint
    session = open_session(endpoint(port, options=tls, host_key=fingerprint.upper().replace("SHA256", "sha256")))
    jobs = [
        Job(n, commands("/ip firewall address-list add list=l address=\0 comment=\0", f"10.0.0.{n}", "x" * 5000))
        for n in range(200)
    ]
    replies = session.run(jobs)
    session.close()
    assert {reply.outcome for (reply,) in replies} == {Outcome.OK}


@pytest.mark.parametrize(("pinned", "kind"), [(None, HostKeyUnknown), ("sha256:" + "0" * 64, HostKeyChanged)])
def test_no_password_for_an_untrusted_certificate(
    secure: tuple[int, str],
    pinned: str | None,
    kind: type[NasError],
    nas: SimulatedNas,
    opened: list[socket.socket],
    refusals: list[str],
) -> None:
    nas.faults.refuse_login = True
    with pytest.raises(kind) as caught:
        open_session(endpoint(secure[0], options={"tls": "yes"}, host_key=pinned))
    assert secure[1] in str(caught.value) and "ebs nas trust nas1" in caught.value.remedy
    assert all(sock.fileno() == -1 for sock in opened)
    assert refusals == []


def test_plain_has_no_host_key_and_no_tls_is_explained(nas: SimulatedNas) -> None:
    assert host_key(endpoint(nas.api_port)) is None
    with pytest.raises(NasError) as caught:
        host_key(endpoint(nas.api_port, options={"tls": "yes"}, connect_timeout=0.5))
    assert caught.value.remedy
