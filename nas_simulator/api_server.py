"""The API door: a listening socket, with TLS if asked for."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Final

from nas_simulator.api_session import ApiSession
from nas_simulator.delayed_line import DelayedLine
from nas_simulator.listener import Listener, cut
from nas_simulator.router import Router


class ApiServer:
    """Serves the router's API from construction until `close`. `port` tells where."""

    def __init__(self, router: Router, bind: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self._router: Final = router
        self._tls: Final = tls
        self._listener: Final = Listener(router, bind, port, "api", self._serve)
        self.port: Final = self._listener.port

    def _serve(self, connection: socket.socket, peer: str, session: int) -> None:
        if self._tls is None:
            self._run(connection.recv, connection.sendall, connection, peer, session)
            return
        try:
            # a copy of the handle is wrapped: wrapping takes it away from `connection`, which the router cuts by
            secured = self._tls.wrap_socket(connection.dup(), server_side=True)
        except OSError:
            return
        with contextlib.closing(secured):
            wire = _TlsWire(secured)
            self._run(wire.receive, wire.send, secured, peer, session)

    def _run(
        self,
        receive: Callable[[int], bytes],
        send: Callable[[bytes], object],
        connection: socket.socket,
        peer: str,
        session: int,
    ) -> None:
        line = DelayedLine(send, lambda: cut(connection), self._router.faults)
        ApiSession(self._router, receive, line, peer, session).run()

    def close(self) -> None:
        """No new connections; see `Listener.close`."""
        self._listener.close()

    def join(self) -> None:
        self._listener.join()


class _TlsWire:
    """A TLS connection used by two threads: OpenSSL allows only one at a time, so reading waits outside the lock."""

    def __init__(self, connection: ssl.SSLSocket) -> None:
        self._connection: Final = connection
        self._lock: Final = threading.Lock()
        self._readable: Final = select.poll()
        self._readable.register(connection, select.POLLIN)

    def receive(self, size: int) -> bytes:
        if not self._connection.pending():
            self._readable.poll()
        with self._lock:
            return self._connection.recv(size)

    def send(self, data: bytes) -> None:
        with self._lock:
            self._connection.sendall(data)
