"""One simulated router with its doors: what tests, the demo and the command line start."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import paramiko

from nas_simulator.api_server import ApiServer
from nas_simulator.faults import Faults
from nas_simulator.router import Router
from nas_simulator.ssh_server import SshServer


class SimulatedNas:
    """A `Router` behind an API door and an SSH door, served by daemon threads. Also a context manager that stops it."""

    def __init__(
        self,
        name: str = "nas1",
        login: str = "admin",
        password: str = "",
        version: str = "7.16.2",
        faults: Faults | None = None,
        *,
        bind: str = "127.0.0.1",
        host_key: paramiko.PKey | None = None,
        clock: Callable[[], float] = time.monotonic,
        journal_size: int = 100_000,
    ) -> None:
        self.router = Router(name, login, password, version, faults, clock, journal_size)
        self._bind = bind
        self._host_key = host_key
        self._api: ApiServer | None = None
        self._ssh: SshServer | None = None

    @property
    def faults(self) -> Faults:
        return self.router.faults

    def start(
        self,
        api: bool = True,
        ssh: bool = True,
        api_port: int = 0,
        ssh_port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> Self:
        """Opens the doors; port 0 takes a free one. `tls` is for the API door. Raises OSError for a port in use."""
        if self._api is not None or self._ssh is not None:
            raise RuntimeError(f"simulated NAS {self.router.name} is already started")
        try:
            if api:
                self._api = ApiServer(self.router, self._bind, api_port, tls)
            if ssh:
                self._ssh = SshServer(self.router, self._bind, ssh_port, self._host_key)
        except OSError:
            self.stop()
            raise
        return self

    @property
    def api_port(self) -> int:
        """Raises RuntimeError when the API door is not open."""
        if self._api is None:
            raise RuntimeError("the API door is not open; call start(api=True)")
        return self._api.port

    @property
    def ssh_port(self) -> int:
        """Raises RuntimeError when the SSH door is not open."""
        return self._open_ssh().port

    @property
    def host_key(self) -> str:
        """`ssh-ed25519 AAAA…`. Raises RuntimeError when the SSH door is not open."""
        return self._open_ssh().host_key

    def authorise_key(self, login: str, line: str) -> None:
        """Lets `login` in over SSH with this public key (`type base64 [comment]`). Raises ValueError for another text."""
        self._open_ssh().authorise_key(login, line)

    def _open_ssh(self) -> SshServer:
        if self._ssh is None:
            raise RuntimeError("the SSH door is not open; call start(ssh=True)")
        return self._ssh

    def stop(self) -> None:
        """Closes the doors, cuts every connection and waits for their threads. May be called again."""
        doors = [door for door in (self._api, self._ssh) if door is not None]
        self._api = self._ssh = None
        for door in doors:
            door.close()
        self.router.drop_sessions()
        for door in doors:
            door.join()

    def __enter__(self) -> Self:
        if self._api is None and self._ssh is None:
            self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
