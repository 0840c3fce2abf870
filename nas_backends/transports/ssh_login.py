"""SSH connections by paramiko: the host key is compared before the login, and every error becomes one of ours here."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from paramiko.ber import BERException
from paramiko.config import ConfigParseError
from paramiko.hostkeys import InvalidHostKey
from paramiko.packet import NeedRekeyException
from paramiko.pkey import UnknownKeyType

from ebs_core.domain.errors import (
    ConnectionLost,
    HostKeyChanged,
    HostKeyUnknown,
    LoginFailed,
    Misconfigured,
    NasError,
    NotPermitted,
    Unreachable,
)
from ebs_core.domain.nas import Endpoint

KEEP_ALIVE = 15
PORT = 22
_RSA_ALGORITHMS = ("rsa-sha2-512", "rsa-sha2-256")

_log = logging.getLogger("paramiko")
_log.addHandler(logging.NullHandler())
_log.propagate = False  # it logs tracebacks of what we report in our own words


def fingerprint(key: str) -> str:
    """``SHA256:…`` of a key ``ssh-ed25519 AAAA…``, as ssh-keygen -l shows it."""
    digest = hashlib.sha256(base64.b64decode(key.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def log_in(endpoint: Endpoint) -> paramiko.Transport:
    """An authenticated connection. Raises NasError; nothing is left open then."""
    pinned = _pinned(endpoint)
    key = _private_key(endpoint)
    transport = _handshake(endpoint, pinned)
    try:
        with translated(endpoint):
            _compare(endpoint, pinned, _shown_key(transport))
            _authenticate(transport, endpoint, key)
            transport.set_keepalive(KEEP_ALIVE)
    except BaseException:
        transport.close()
        raise
    return transport


def host_key(endpoint: Endpoint) -> str:
    """The key the NAS shows now (``ssh-ed25519 AAAA…``); of the pinned kind if one is pinned. No login. Raises NasError."""
    transport = _handshake(endpoint, None)
    try:
        with translated(endpoint):
            return _shown_key(transport)
    finally:
        transport.close()


def _handshake(endpoint: Endpoint, pinned: str | None) -> paramiko.Transport:
    with translated(endpoint):
        sock = socket.create_connection((endpoint.address, endpoint.port or PORT), endpoint.connect_timeout)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            transport = paramiko.Transport(sock)
        except BaseException:
            sock.close()
            raise
        try:
            transport.banner_timeout = transport.auth_timeout = endpoint.connect_timeout
            if pinned is not None:
                _negotiate_only(transport, pinned.split()[0])
            transport.start_client(timeout=endpoint.connect_timeout)
        except BaseException:
            transport.close()
            raise
        return transport


def _negotiate_only(transport: paramiko.Transport, kind: str) -> None:
    options = transport.get_security_options()
    wanted = _RSA_ALGORITHMS if kind == "ssh-rsa" else (kind,)
    if set(wanted) <= set(options.key_types):  # otherwise the NAS shows what it has, and the comparison tells
        options.key_types = wanted


def _shown_key(transport: paramiko.Transport) -> str:
    key = transport.get_remote_server_key()
    return f"{key.get_name()} {key.get_base64()}"


def _pinned(endpoint: Endpoint) -> str | None:
    if endpoint.host_key is None:
        return None
    words = endpoint.host_key.split()
    try:
        base64.b64decode(words[1], validate=True)
    except (IndexError, ValueError):  # binascii.Error is a ValueError, as is text that is not ASCII
        raise Misconfigured(
            "its trusted host key is no key like 'ssh-ed25519 AAAA…'", nas=endpoint.name, remedy=f"ebs nas trust {endpoint.name}"
        ) from None
    return " ".join(words[:2])


def _compare(endpoint: Endpoint, pinned: str | None, shown: str) -> None:
    if pinned is None:
        raise HostKeyUnknown(
            f"its host key was never trusted; it shows {fingerprint(shown)} ({shown.split()[0]})",
            nas=endpoint.name, remedy=f"compare it with the NAS's own, then: ebs nas trust {endpoint.name}",
        )  # fmt: skip
    if pinned != shown:
        raise HostKeyChanged(
            f"it shows the host key {fingerprint(shown)} instead of the trusted {fingerprint(pinned)}: another machine?",
            nas=endpoint.name, remedy=f"if the NAS was replaced or reinstalled: ebs nas trust {endpoint.name}",
        )  # fmt: skip


def _private_key(endpoint: Endpoint) -> paramiko.PKey | None:
    if not endpoint.key_file:
        return None
    path, why = Path(endpoint.key_file), ""
    try:
        path = path.expanduser()
        path.read_bytes()
        return paramiko.PKey.from_path(path)
    except OSError as error:
        why = f"cannot be read ({error.strerror or error})"
    except paramiko.PasswordRequiredException:
        why = "is encrypted"
    except (paramiko.SSHException, UnknownKeyType, ValueError, TypeError, RuntimeError, UnsupportedAlgorithm) as error:
        why = (
            "is encrypted"
            if "encrypted" in str(error) or "password" in str(error).lower()
            else "is no private key that can be used"
        )
    raise Misconfigured(
        f"its key file {path} {why}", nas=endpoint.name, remedy="name a readable private key without a passphrase"
    )


def _authenticate(transport: paramiko.Transport, endpoint: Endpoint, key: paramiko.PKey | None) -> None:
    """Key first, then password (as the second factor, or instead). Raises paramiko.AuthenticationException."""
    if key is not None:
        try:
            if not transport.auth_publickey(endpoint.login, key):
                return
        except paramiko.AuthenticationException:
            if not endpoint.password:
                raise
    transport.auth_password(endpoint.login, endpoint.password)
    if not transport.is_authenticated():
        raise paramiko.AuthenticationException("one more factor is wanted")


@contextlib.contextmanager
def translated(endpoint: Endpoint) -> Iterator[None]:
    """Turn what paramiko and sockets raise into the error tree."""
    try:
        yield
    except NasError:
        raise
    except (paramiko.SSHException, UnknownKeyType, OSError, EOFError, ValueError, *_INTERNAL) as error:
        raise translate(error, endpoint) from error


_INTERNAL = (NeedRekeyException, BERException, ConfigParseError, InvalidHostKey, paramiko.SFTPError)


def translate(error: Exception, endpoint: Endpoint) -> NasError:
    """Our error for one of paramiko's or of a socket."""
    name, where = endpoint.name, f"{endpoint.address} port {endpoint.port or PORT}"
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, paramiko.BadHostKeyException):
        return HostKeyChanged("its host key is not the trusted one", nas=name, remedy=f"ebs nas trust {name}")
    if isinstance(error, paramiko.AuthenticationException):
        return LoginFailed(
            f"login {endpoint.login!r} was refused ({text})", nas=name, remedy="check login, password and key file"
        )
    if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
        if "host key" in text and endpoint.host_key:
            kind = endpoint.host_key.split()[0]
            return HostKeyChanged(
                f"it no longer has the trusted host key (no {kind} at all)", nas=name, remedy=f"ebs nas trust {name}"
            )
        return Unreachable(f"no algorithm in common with {where}: {text}", nas=name, remedy="update its SSH server")
    if isinstance(error, paramiko.ChannelException):
        return NotPermitted(
            f"it opens no channel for commands: {text}", nas=name, remedy="allow command execution for this login"
        )
    if isinstance(error, UnknownKeyType | UnicodeError):
        return Misconfigured(f"{where}: {text}", nas=name, remedy="check address and keys")
    if isinstance(error, ConnectionError | EOFError) and not isinstance(error, ConnectionRefusedError):
        return ConnectionLost(f"{where} cut the connection: {text}", nas=name, remedy="try again")
    if isinstance(error, OSError):
        return Unreachable(f"no connection to {where}: {text}", nas=name, remedy="check address, port and network")
    if isinstance(error, ValueError):
        return Misconfigured(f"{where}: {text}", nas=name, remedy="check its settings")
    return Unreachable(f"no SSH with {where}: {text}", nas=name, remedy="check that an SSH server answers there")
