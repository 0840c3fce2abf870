"""Logging in over SSH, host keys, and no foreign exception."""

from __future__ import annotations

import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from ebs_core.domain import errors
from nas_backends.backends import DeviceBackends
from nas_backends.contract import Request
from nas_backends.transports.ssh import SshExecutor
from nas_backends.transports.ssh_login import translate, translated
from tests.fixtures.sshd import Sshd, free_port

BACKENDS = DeviceBackends()


def test_host_key(sshd: Sshd) -> None:
    assert BACKENDS.host_key(replace(sshd.endpoint, host_key=None, login="", key_file=None)) == sshd.endpoint.host_key


def test_unknown_host_key_shows_fingerprint_and_remedy(sshd: Sshd) -> None:
    listed = subprocess.run(["ssh-keygen", "-lf", sshd.directory / "host.pub"], capture_output=True, text=True, check=True).stdout
    with pytest.raises(errors.HostKeyUnknown) as caught:
        BACKENDS.open(replace(sshd.endpoint, host_key=None))
    assert listed.split()[1] in str(caught.value) and "ebs nas trust testnas" in caught.value.remedy


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_changed_host_key_stops_before_the_login(sshd: Sshd, tmp_path: Path, kind: str) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", tmp_path / "k"], check=True)
    other = " ".join((tmp_path / "k.pub").read_text().split()[:2])
    with pytest.raises(errors.HostKeyChanged, match="testnas"):
        BACKENDS.open(replace(sshd.endpoint, host_key=other, login="never-tried"))
    assert "never-tried" not in (sshd.directory / "sshd.log").read_text()


def test_refused_login(sshd: Sshd, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "k"], check=True)
    with pytest.raises(errors.LoginFailed, match="refused"):
        BACKENDS.open(replace(sshd.endpoint, key_file=str(tmp_path / "k"), password="secret"))


def test_key_files_that_cannot_be_used(sshd: Sshd, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", tmp_path / "locked"], check=True)
    (tmp_path / "junk").write_text("junk")
    for name, why in (("none", "cannot be read"), ("locked", "encrypted"), ("junk", "no private key"), ("", "cannot be read")):
        with pytest.raises(errors.Misconfigured, match=why):
            BACKENDS.open(replace(sshd.endpoint, key_file=str(tmp_path / name)))


def test_unreachable(sshd: Sshd) -> None:
    with pytest.raises(errors.Unreachable, match="check address"):
        BACKENDS.open(replace(sshd.endpoint, port=free_port()))


def test_a_server_that_never_answers(sshd: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(errors.NasError):
        BACKENDS.open(replace(sshd.endpoint, port=silent.getsockname()[1], connect_timeout=0.3))


def test_ten_megabytes_each_way(sshd: Sshd) -> None:
    executor = SshExecutor(sshd.endpoint)
    answer = executor.run(Request("cat", b"x" * 10_000_000), 60)
    assert answer.status == 0 and len(answer.output) == 10_000_000
    assert executor.run(Request("head -c 1; exit 3", b"y" * 5_000_000), 60).status == 3
    assert executor.run(Request("echo a; echo b >&2"), 60).output == "a\nb\n"
    executor.close()


def _classes(base: type[BaseException]) -> list[type[BaseException]]:
    return [base, *(one for child in base.__subclasses__() for one in _classes(child))]


def _made(kind: type[BaseException]) -> BaseException:
    error = kind.__new__(kind)
    error.args = ("why",)
    for name in ("hostname", "key", "expected_key", "allowed_types", "explanation", "code", "text", "errors", "command", "error"):
        if not hasattr(error, name):
            error.__dict__[name] = "why"
    return error


FOREIGN = sorted(
    {kind for kind in [*_classes(Exception), socket.timeout, socket.gaierror] if kind.__module__.startswith("paramiko")}
    | {EOFError, TimeoutError, ConnectionResetError},
    key=str,
)


@pytest.mark.parametrize("kind", FOREIGN, ids=lambda kind: kind.__name__)
def test_every_foreign_exception_is_translated(sshd: Sshd, kind: type[Exception]) -> None:
    assert issubclass(kind, Exception) and paramiko.SSHException in FOREIGN
    error = _made(kind)
    try:
        str(error)
    except Exception:
        error = (
            kind("why", "why")
            if kind is paramiko.ChannelException
            else paramiko.ssh_exception.BadAuthenticationType("why", ["x"])
        )
    with pytest.raises(errors.NasError, match="testnas") as caught, translated(sshd.endpoint):
        raise error
    assert caught.value.remedy and isinstance(translate(error, sshd.endpoint), errors.NasError)  # type: ignore[arg-type]
