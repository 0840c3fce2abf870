"""Runs requests on a NAS over SSH: one connection, one exec channel per request, no terminal."""

from __future__ import annotations

import threading
import time

import paramiko

from ebs_core.domain.nas import Endpoint
from nas_backends.contract import Answer, Request
from nas_backends.transports.ssh_login import host_key, log_in, translate
from nas_backends.transports.text_session_output import Output

__all__ = ["SshExecutor", "host_key"]

_INLINE = 32 * 1024
"""Stdin up to this size fits the channel's window and is written before reading."""


class SshExecutor:
    """See ``nas_backends.contract.Executor``. Connects when made; raises NasError."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._transport = log_in(endpoint)

    @property
    def alive(self) -> bool:
        return self._transport.is_active()

    def run(self, request: Request, timeout: float) -> Answer:
        """``timeout`` in seconds. When it is over the connection is closed: what runs there cannot be told from what hangs."""
        started = time.monotonic()
        output = Output()
        try:
            status = self._exec(request, output, started + timeout)
        except TimeoutError:
            self.close()
            return Answer(output.text(), None, time.monotonic() - started, f"no end after {timeout:g} s")
        except (paramiko.SSHException, OSError, EOFError) as error:
            self.close()
            return Answer(output.text(), None, time.monotonic() - started, translate(error, self._endpoint).message)
        duration = time.monotonic() - started
        if status < 0:
            reason = "it ended without an exit status" if self.alive else "the connection was cut"
            return Answer(output.text(), None, duration, reason)
        return Answer(output.text(), status, duration, whole=output.whole)

    def _exec(self, request: Request, output: Output, deadline: float) -> int:
        """The exit status, -1 if none came."""
        channel = self._transport.open_session(timeout=_left(deadline))
        try:
            channel.settimeout(_left(deadline))
            channel.set_combine_stderr(True)
            channel.exec_command(request.command.encode("utf-8", "surrogateescape"))
            writer = _write(channel, request.stdin)
            while data := channel.recv(65536):
                output.add(data)
                channel.settimeout(_left(deadline))
            if not channel.status_event.wait(_left(deadline)):
                raise TimeoutError
            status = channel.recv_exit_status()
        finally:
            channel.close()
        if writer is not None:
            writer.join(_left(deadline))
        return status

    def close(self) -> None:
        self._transport.close()


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _write(channel: paramiko.Channel, stdin: bytes) -> threading.Thread | None:
    """Feed stdin and close it; by a thread where it is large, so that the output is read meanwhile."""
    if len(stdin) <= _INLINE:
        _feed(channel, stdin)
        return None
    thread = threading.Thread(target=_feed, args=(channel, stdin), name="ssh stdin", daemon=True)
    thread.start()
    return thread


def _feed(channel: paramiko.Channel, stdin: bytes) -> None:
    try:
        channel.sendall(stdin)
        channel.shutdown_write()
    except (paramiko.SSHException, OSError, EOFError):
        return  # it reads no more, or the connection is gone: reading tells which
