"""The SSH door: a RouterOS console over exec requests and interactive shells, by paramiko's server side."""

from __future__ import annotations

import contextlib
import hmac
import logging
import socket
import threading
import time
from collections.abc import Callable
from typing import Final

import paramiko
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_SUCCEEDED,
)

from nas_simulator.cli_console import Console, Quit, SessionCut
from nas_simulator.listener import Listener, cut
from nas_simulator.router import Caller, Router
from nas_simulator.ssh_keys import key_blob, new_host_key, public_line
from nas_simulator.ssh_shell import Shell, Terminal

_LOG_NAME: Final = "nas_simulator.ssh"
_CHUNK: Final = 256 * 1024
_SUCCESS: Final = 99
"""SSH_MSG_CHANNEL_SUCCESS (RFC 4254, section 9)."""

logging.getLogger(_LOG_NAME).addHandler(logging.NullHandler())


class SshServer:
    """Serves from construction until `close`. `host_key` is the public line, `port` tells where."""

    def __init__(self, router: Router, bind: str = "127.0.0.1", port: int = 0, host_key: paramiko.PKey | None = None) -> None:
        self._router: Final = router
        self._key: Final = host_key if host_key is not None else new_host_key()
        self._authorised: Final[dict[str, set[bytes]]] = {}
        self.host_key: Final = public_line(self._key)
        self._listener: Final = Listener(router, bind, port, "ssh", self._serve)
        self.port: Final = self._listener.port

    def authorise_key(self, login: str, line: str) -> None:
        """Lets `login` in with this public key (`ssh-ed25519 AAAA… comment`)."""
        self._authorised.setdefault(login, set()).add(key_blob(line))

    def accepts_key(self, login: str, key: paramiko.PKey) -> bool:
        return key.asbytes() in self._authorised.get(login, ())

    def _serve(self, connection: socket.socket, peer: str, session: int) -> None:
        if self._router.faults.stall:
            _swallow(connection)
            return
        # a copy of the handle: the transport closes what it was given, the router cuts by the original
        transport = _Transport(connection.dup())
        transport.set_log_channel(_LOG_NAME)
        transport.add_server_key(self._key)
        door = _Door(self, self._router, transport, peer, session, lambda: cut(connection))
        try:
            transport.start_server(event=threading.Event(), server=door)
            transport.join()
        except (paramiko.SSHException, EOFError, OSError):
            logging.getLogger(_LOG_NAME).debug("handshake with %s failed", peer)
        finally:
            transport.close()
            door.join()

    def close(self) -> None:
        """No new connections; see `Listener.close`."""
        self._listener.close()

    def join(self) -> None:
        self._listener.join()


def _swallow(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while connection.recv(4096):
            pass


class _Transport(paramiko.Transport):
    """Tells when the answer to a channel request has left, so that no output and no close can overtake it."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection)
        self.on_success: Callable[[], None] | None = None

    def _send_user_message(self, data: paramiko.Message) -> None:
        super()._send_user_message(data)  # type: ignore[misc]
        ready = self.on_success
        if ready is not None and data.asbytes()[:1] == bytes((_SUCCESS,)):
            self.on_success = None
            ready()


class _Door(paramiko.ServerInterface):
    """One connection: who it is, and a thread for each of its channels."""

    def __init__(
        self,
        server: SshServer,
        router: Router,
        transport: _Transport,
        peer: str,
        session: int,
        cut_connection: Callable[[], None],
    ) -> None:
        self._server: Final = server
        self._router: Final = router
        self._transport: Final = transport
        self._peer: Final = peer
        self._session: Final = session
        self._cut: Final = cut_connection
        self._caller: Caller | None = None
        self._flags = ""
        self._terminals: Final[dict[int, Terminal]] = {}
        self._threads: Final[list[threading.Thread]] = []

    def join(self) -> None:
        for thread in self._threads:
            thread.join(timeout=5)

    # -- login

    def get_allowed_auths(self, username: str) -> str:
        return "publickey,password"

    def check_auth_password(self, username: str, password: str) -> int:
        login, _, flags = username.partition("+")
        expected = self._router.password_of(login)
        right = expected is not None and hmac.compare_digest(expected.encode(), password.encode())
        return self._admit(login, flags, proven=right, report=True)

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        login, _, flags = username.partition("+")
        known = self._router.password_of(login) is not None and self._server.accepts_key(login, key)
        return self._admit(login, flags, proven=known, report=False)

    def _admit(self, login: str, flags: str, *, proven: bool, report: bool) -> int:
        """`flags` is what follows `+` in the login name (`admin+ct200w`)."""
        if not proven or self._router.faults.refuse_login:
            if report:
                self._router.report_login_failure(login, self._peer, "ssh")
            return AUTH_FAILED
        self._caller = Caller("ssh", self._session, login, self._router.may_write(login))
        self._flags = flags
        return AUTH_SUCCESSFUL

    # -- channels

    def check_channel_request(self, kind: str, chanid: int) -> int:
        allowed = kind == "session"
        return OPEN_SUCCEEDED if allowed else OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_pty_request(
        self,
        channel: paramiko.Channel,
        term: bytes,
        width: int,
        height: int,
        pixelwidth: int,
        pixelheight: int,
        modes: bytes,
    ) -> bool:
        self._terminals[channel.get_id()] = Terminal(self._flags)
        return True

    def check_channel_window_change_request(
        self, channel: paramiko.Channel, width: int, height: int, pixelwidth: int, pixelheight: int
    ) -> bool:
        return True

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        script = command.decode("utf-8", "surrogateescape")
        return self._start(channel, lambda caller: self._exec(channel, caller, script))

    def check_channel_shell_request(self, channel: paramiko.Channel) -> bool:
        return self._start(channel, lambda caller: self._shell(channel, caller))

    def _start(self, channel: paramiko.Channel, work: Callable[[Caller], None]) -> bool:
        caller = self._caller
        if caller is None:
            return False
        accepted = threading.Event()
        self._transport.on_success = accepted.set
        thread = threading.Thread(
            target=self._run, args=(channel, accepted, lambda: work(caller)), name="nas-channel", daemon=True
        )
        self._threads[:] = [one for one in self._threads if one.is_alive()] + [thread]
        thread.start()
        return True

    def _run(self, channel: paramiko.Channel, accepted: threading.Event, work: Callable[[], None]) -> None:
        accepted.wait(timeout=1.0)  # a client that wants no answer gets none, hence the limit
        try:
            work()
        except (OSError, EOFError, paramiko.SSHException):
            logging.getLogger(_LOG_NAME).debug("%s left in the middle", self._peer)
        except SessionCut:
            self._cut()
        finally:
            self._terminals.pop(channel.get_id(), None)
            with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
                channel.close()

    def _exec(self, channel: paramiko.Channel, caller: Caller, script: str) -> None:
        """Runs the script; whatever happens in it, the exit status is 0."""
        output = _DelayedOutput(channel, time.monotonic() + self._router.faults.latency)
        if self._router.faults.stall:
            _wait_for_end(channel)
            return
        console = Console(self._router, caller, output.write, terminal=channel.get_id() in self._terminals)
        with contextlib.suppress(Quit):
            console.run(script)
        output.flush()
        channel.send_exit_status(0)

    def _shell(self, channel: paramiko.Channel, caller: Caller) -> None:
        Shell(self._router, caller, channel, self._terminals.get(channel.get_id()), self._cut).run()


def _wait_for_end(channel: paramiko.Channel) -> None:
    while channel.recv(4096):
        pass
    while not channel.closed and channel.active:
        time.sleep(0.05)


class _DelayedOutput:
    """Collects output and sends it in pieces, none before `due`."""

    def __init__(self, channel: paramiko.Channel, due: float) -> None:
        self._channel: Final = channel
        self._due: Final = due
        self._parts: list[str] = []
        self._size = 0

    def write(self, text: str) -> None:
        self._parts.append(text)
        self._size += len(text)
        if self._size > _CHUNK:
            self.flush()

    def flush(self) -> None:
        early = self._due - time.monotonic()
        if early > 0:
            time.sleep(early)
        data = "".join(self._parts).encode("utf-8", "surrogateescape")
        self._parts, self._size = [], 0
        if data:
            self._channel.sendall(data)
