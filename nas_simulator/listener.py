"""A listening socket on which every connection gets a thread of its own."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Final

from nas_simulator.router import Router

Serve = Callable[[socket.socket, str, int], None]
"""(connected socket, peer address, session number): serves until the client or the router ends it. Closes nothing."""


def cut(connection: socket.socket) -> None:
    """Ends a connection from any thread: whoever reads from it sees its end."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class Listener:
    """Accepts connections for one door. `port` 0 takes a free one; after construction `port` is the real one."""

    def __init__(self, router: Router, bind: str, port: int, door: str, serve: Serve) -> None:
        self._router: Final = router
        self._serve: Final = serve
        self._door: Final = door
        self._socket: Final = socket.create_server((bind, port), backlog=256)
        self.port: Final[int] = self._socket.getsockname()[1]
        self._threads: Final[set[threading.Thread]] = set()
        self._lock: Final = threading.Lock()
        self._accepting: Final = threading.Thread(target=self._accept, name=f"nas-{door}-accept", daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, peer = self._socket.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            name = f"nas-{self._door}-{peer[1]}"
            thread = threading.Thread(target=self._run, args=(connection, peer[0]), name=name, daemon=True)
            with self._lock:
                self._threads.add(thread)
            thread.start()

    def _run(self, connection: socket.socket, peer: str) -> None:
        session = self._router.open_session(lambda: cut(connection))
        try:
            if session is not None:
                self._serve(connection, peer, session)
        finally:
            if session is not None:
                self._router.close_session(session)
            with contextlib.suppress(OSError):
                connection.close()
            with self._lock:
                self._threads.discard(threading.current_thread())

    def close(self) -> None:
        """No new connections. Those that are open must be cut by the caller (`Router.drop_sessions`) before `join`."""
        cut(self._socket)
        self._socket.close()
        self._accepting.join(timeout=5)

    def join(self, timeout: float = 5.0) -> None:
        """Waits for the connections' threads."""
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(timeout)
