"""NASes that cannot be reached are knocked at, so that they are worked at once when they are back.

A knock is a TCP connection that is closed again: no login, no log entry on most devices. Hundreds are made at a time by one
thread, without blocking; names are looked up by a few threads of their own.
"""

from __future__ import annotations

import errno
import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Final

from sqlalchemy import select, update

from ebs_core.domain.errors import StorageError
from ebs_core.domain.nas import Endpoint, Profile
from ebs_core.ports import Backends
from ebs_core.storage import clock
from ebs_core.storage.database import Database, wake_after_commit
from ebs_core.storage.tables import Nas

PROBE_SECONDS: Final = 2.0
TIMEOUT_SECONDS: Final = 1.0
_AT_ONCE = 200
_RESOLVERS = 4
_log = logging.getLogger("ebs")

Door = tuple[str, int]


class Prober:
    """``run`` knocks at failing NASes until stopped; ``active`` says whether it is this process's task now."""

    def __init__(
        self,
        database: Database,
        backends: Backends,
        profiles: Callable[[], Mapping[str, Profile]],
        stopping: threading.Event,
        active: Callable[[], bool] = lambda: True,
    ) -> None:
        self._database = database
        self._backends = backends
        self._profiles = profiles
        self._stopping = stopping
        self._active = active
        self._silent: set[int] = set()
        """NASes that did not answer when they were last knocked at."""
        self._names = _Names()

    def run(self) -> None:
        while not self._stopping.wait(PROBE_SECONDS):
            if not self._active():
                self._silent.clear()
                continue
            try:
                self.round()
            except StorageError:
                continue  # the sweep tells of it
            except Exception:
                _log.exception("knocking at unreachable NASes: an error of this program; it is tried again")
        self._names.close()

    def round(self) -> list[int]:
        """Knock once at every NAS that is failing; the ids of those that are back, which are woken. Raises StorageError."""
        doors = self._failing()
        answered = knock(self._names.resolve(doors))
        back = sorted(answered & self._silent)
        self._silent = set(doors) - answered
        if back:
            with self._database.write() as session:
                session.execute(update(Nas).where(Nas.id.in_(back)).values(retry_at=0))
                wake_after_commit(session, back, urgent=True)
        return back

    def _failing(self) -> dict[int, Door]:
        columns = (Nas.id, Nas.name, Nas.profile, Nas.transport, Nas.address, Nas.port, Nas.options)
        with self._database.read() as session:
            now = clock.read(session)
            query = select(*columns).where(Nas.failure.is_not(None), Nas.maintenance.is_(None), Nas.retry_at > now)
            rows = session.execute(query).all()
        doors, profiles = {}, self._profiles()
        for nas_id, name, kind, transport, address, port, options in rows:
            if profile := profiles.get(kind):
                reach = Endpoint(name, profile, transport or profile.transports[0], address, port, options=options)
                if door := self._backends.door(reach):
                    doors[nas_id] = door
        return doors


class _Names:
    """Addresses of host names. A name that is being looked up is left out for now: nobody waits for it."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="names")
        self._pending: set[str] = set()
        self._known: dict[str, str] = {}

    def resolve(self, doors: Mapping[int, Door]) -> dict[int, Door]:
        found = {}
        for nas_id, (host, port) in doors.items():
            if _is_address(host):
                found[nas_id] = (host, port)
                continue
            if address := self._known.pop(host, None):  # looked up anew for the next time: it may change
                found[nas_id] = (address, port)
            if host not in self._pending:
                self._pending.add(host)
                self._pool.submit(self._look_up, host)
        return found

    def _look_up(self, host: str) -> None:
        try:
            self._known[host] = str(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0])
        except OSError:
            self._known.pop(host, None)
        finally:
            self._pending.discard(host)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def knock(doors: Mapping[int, Door], timeout: float = TIMEOUT_SECONDS) -> set[int]:
    """Which of these addresses (not names) accept a TCP connection within ``timeout`` seconds."""
    answered: set[int] = set()
    waiting = list(doors.items())
    for start in range(0, len(waiting), _AT_ONCE):
        answered |= _knock(waiting[start : start + _AT_ONCE], timeout)
    return answered


def _knock(doors: Collection[tuple[int, Door]], timeout: float) -> set[int]:
    answered: set[int] = set()
    sockets: list[socket.socket] = []
    deadline = time.monotonic() + timeout
    with selectors.DefaultSelector() as selector:
        try:
            for nas_id, door in doors:
                sock = _begin(door)
                if sock is not None:
                    sockets.append(sock)
                    selector.register(sock, selectors.EVENT_WRITE, nas_id)
            while selector.get_map() and (left := deadline - time.monotonic()) > 0:
                answered |= _settled(selector, left)
        finally:
            for sock in sockets:
                sock.close()
    return answered


def _begin(door: Door) -> socket.socket | None:
    sock = socket.socket(socket.AF_INET6 if ":" in door[0] else socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        if sock.connect_ex(door) in (0, errno.EINPROGRESS):
            return sock
    except OSError:
        pass
    sock.close()
    return None


def _settled(selector: selectors.BaseSelector, seconds: float) -> set[int]:
    answered = set()
    for key, _ in selector.select(seconds):
        sock = key.fileobj
        assert isinstance(sock, socket.socket)  # noqa: S101 - for mypy: only sockets are registered
        selector.unregister(sock)
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            answered.add(key.data)
    return answered
