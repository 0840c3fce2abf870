from __future__ import annotations

import contextlib
import datetime
import ssl
from pathlib import Path

import librouteros
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from nas_simulator import Faults
from tests.unit.simulator.conftest import MakeNas
from tests.unit.simulator.raw_client import RawClient


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key and its self-signed certificate for nas.test."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nas.test")])
    now = datetime.datetime.now(datetime.UTC)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
    built = built.not_valid_after(now + datetime.timedelta(days=1))
    built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName("nas.test")]), critical=False)
    path = tmp_path_factory.mktemp("tls") / "nas.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + built.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    return path


@pytest.mark.parametrize("latency", [0.0, 0.01])
def test_the_api_over_tls(make_nas: MakeNas, certificate: Path, latency: float) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    nas = make_nas(tls=server, faults=Faults(latency=latency))
    client = ssl.create_default_context(cafile=str(certificate))
    api = librouteros.connect(
        "127.0.0.1",
        "ebs",
        "secret",
        port=nas.api_port,
        ssl_wrapper=lambda sock: client.wrap_socket(sock, server_hostname="nas.test"),
    )
    with contextlib.closing(api):
        for number in range(1, 30):
            tuple(api("/ip/pool/add", name=f"p{number}", ranges="10.0.0.1", comment="x" * 1000))
        assert [row["name"] for row in api("/ip/pool/print")] == [f"p{number}" for number in range(1, 30)]
        nas.router.drop_sessions()
        with pytest.raises((librouteros.exceptions.ConnectionClosed, OSError)):
            tuple(api("/ip/pool/print"))


def test_a_plain_client_is_not_served(make_nas: MakeNas, certificate: Path) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    nas = make_nas(tls=server)
    with contextlib.closing(RawClient(nas.api_port)) as client:
        client.send("/login", "=name=ebs", "=password=secret")
        client.socket.settimeout(5)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while data := client.socket.recv(100):
                received += data
        assert b"!done" not in received
