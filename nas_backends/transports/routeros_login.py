"""Connecting and logging in to the RouterOS API, by librouteros; everything foreign becomes a NasError here.

Plain on 8728, TLS on 8729 (or ``tls = yes`` among the NAS's options) with the certificate's fingerprint pinned: it is compared
before a password is sent. Without certificate checking by name: routers sign their own.
"""

from __future__ import annotations

import hashlib
import hmac
import socket
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING

from librouteros.api import Api
from librouteros.connections import SocketTransport
from librouteros.exceptions import FatalError, LibRouterosError, MultiTrapError, TrapError
from librouteros.protocol import ApiProtocol, decode_length, determine_length, encode_sentence

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
from nas_backends.transports.routeros_pipeline import decode

if TYPE_CHECKING:
    from collections.abc import Iterator

PLAIN_PORT, TLS_PORT = 8728, 8729
_REFUSED = ("invalid user name or password", "cannot log in", "too many commands before login")


def log_in(endpoint: Endpoint) -> socket.socket:
    """A socket with a logged-in session, TCP_NODELAY and keep-alive set. Raises NasError; then no socket is left open."""
    if not endpoint.login:
        raise Misconfigured("no login is set", nas=endpoint.name, remedy="set login and password of the NAS")
    with _translated(endpoint):
        sock = _connect(endpoint)
        try:
            if uses_tls(endpoint):
                sock = _wrap(sock)
                _check_pin(endpoint, _fingerprint(sock, endpoint))
            _authenticate(Api(_QuietProtocol(SocketTransport(sock), "utf-8")), endpoint.login, endpoint.password)
        except BaseException:
            sock.close()
            raise
    return sock


def host_key(endpoint: Endpoint) -> str | None:
    """``sha256:<hex>`` of the certificate that the NAS shows now, without logging in; None where the connection is plain.
    Raises NasError where nobody answers."""
    if not uses_tls(endpoint):
        with _translated(endpoint):
            _connect(endpoint).close()
        return None
    with _translated(endpoint), _connect(endpoint) as sock, _wrap(sock) as secure:
        return _fingerprint(secure, endpoint)


def uses_tls(endpoint: Endpoint) -> bool:
    return endpoint.port == TLS_PORT or endpoint.options.get("tls") == "yes"


def port_of(endpoint: Endpoint) -> int:
    return endpoint.port or (TLS_PORT if uses_tls(endpoint) else PLAIN_PORT)


def _connect(endpoint: Endpoint) -> socket.socket:
    if not endpoint.address:
        raise Misconfigured("no address is set", nas=endpoint.name, remedy="set the address of the NAS")
    port = port_of(endpoint)
    sock = socket.create_connection((endpoint.address, port), timeout=endpoint.connect_timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return sock


def _wrap(sock: socket.socket) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the fingerprint is compared instead
    return context.wrap_socket(sock)


def _fingerprint(sock: socket.socket, endpoint: Endpoint) -> str:
    certificate = sock.getpeercert(binary_form=True) if isinstance(sock, ssl.SSLSocket) else None
    if not certificate:
        raise Misconfigured("its API shows no certificate", nas=endpoint.name, remedy=_NO_CERTIFICATE)
    return "sha256:" + hashlib.sha256(certificate).hexdigest()


def _check_pin(endpoint: Endpoint, shown: str) -> None:
    if not endpoint.host_key:
        raise HostKeyUnknown(
            f"its API certificate {shown} was never trusted",
            nas=endpoint.name,
            remedy=f"compare it with the router's (/certificate print detail), then: ebs nas trust {endpoint.name}",
        )
    if not hmac.compare_digest(endpoint.host_key.strip().lower().encode(), shown.encode()):
        raise HostKeyChanged(
            f"its API shows certificate {shown}, trusted was {endpoint.host_key}",
            nas=endpoint.name,
            remedy=f"find out why it changed; if the new one is right: ebs nas trust {endpoint.name}",
        )


def _authenticate(api: Api, login: str, password: str) -> None:
    """Log in as RouterOS 6.43 and later does; an older one answers with a challenge, which is then answered.

    A refusal is final: a second try with the other method would count as a second failed login.
    """
    rows = list(api.rawCmd("/login", f"=name={login}", f"=password={password}"))
    challenge = next((str(row["ret"]) for row in rows if "ret" in row), None)
    if challenge is None:
        return
    digest = hashlib.md5(b"\0" + password.encode() + bytes.fromhex(challenge), usedforsecurity=False).hexdigest()
    list(api.rawCmd("/login", f"=name={login}", f"=response=00{digest}"))


class _QuietProtocol(ApiProtocol):  # type: ignore[misc]  # librouteros has no type information
    """librouteros's protocol without its two habits: it logs every word (the password) and drops what is not in its encoding."""

    def writeSentence(self, cmd: str, *words: str) -> None:
        self.transport.write(encode_sentence(cmd, *words, encoding=self.encoding))

    def readSentence(self) -> tuple[str, tuple[str, ...]]:
        words = tuple(iter(self.readWord, ""))
        if words[:1] == ("!fatal",):
            raise FatalError(" ".join(words[1:]))
        return words[0], words[1:]

    def readWord(self) -> str:
        first = self.transport.read(1)
        length = decode_length(first + self.transport.read(determine_length(first)))
        return decode(self.transport.read(length))


@contextmanager
def _translated(endpoint: Endpoint) -> Iterator[None]:
    """Everything that connecting and logging in raise, as a NasError of ``endpoint``."""
    try:
        yield
    except NasError:
        raise
    except (LibRouterosError, OSError, ValueError, LookupError, TypeError) as error:
        # the last three: librouteros reading a reply that is not the protocol's
        raise translate(error, endpoint) from None


def translate(error: Exception, endpoint: Endpoint) -> NasError:
    """The NasError for what a socket, TLS or librouteros raised while connecting to ``endpoint``."""
    where = f"{endpoint.address}:{port_of(endpoint)}"
    nas = endpoint.name
    if isinstance(error, (TrapError, MultiTrapError, FatalError)):
        traps = error.traps if isinstance(error, MultiTrapError) else (error,)
        text = "; ".join(str(getattr(trap, "message", trap)) for trap in traps) or "no reason given"
        if "not enough permissions" in text:
            return NotPermitted(
                f"login {endpoint.login!r}: {text}", nas=nas, remedy="give the login's group the policies api and write"
            )
        if any(known in text for known in _REFUSED):
            return LoginFailed(
                f"login {endpoint.login!r} refused: {text}",
                nas=nas,
                remedy="correct login or password; the login's group needs policy api",
            )
        return ConnectionLost(f"the API at {where} refused the login: {text}", nas=nas, remedy="see /log print on the router")
    if isinstance(error, ssl.SSLError):
        return Misconfigured(f"no TLS with {where}: {error.reason or error}", nas=nas, remedy=_NO_CERTIFICATE)
    if isinstance(error, TimeoutError):
        return Unreachable(
            f"{where} did not answer in {endpoint.connect_timeout:g} s",
            nas=nas,
            remedy="check the address, the route and /ip service of the router",
        )
    if isinstance(error, OSError):
        return Unreachable(
            f"{where}: {error.strerror or error}", nas=nas, remedy="check address and port, and that /ip service api is enabled"
        )
    if isinstance(error, LibRouterosError):
        return Unreachable(
            f"{where} closed the connection at login: {error}",
            nas=nas,
            remedy="check the port, and that /ip service allows this machine's address",
        )
    return Unreachable(f"what answers at {where} is not the RouterOS API", nas=nas, remedy="check the port: 8728 plain, 8729 TLS")


_NO_CERTIFICATE = "give the router's api-ssl a certificate: /ip service set api-ssl certificate=NAME disabled=no"
