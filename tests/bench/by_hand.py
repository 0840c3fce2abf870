"""What an engineer with paramiko would do: command lines fed to one ``nft -f -``, one ``ip -batch -`` and one ``tc -batch -``."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from threading import Thread

import paramiko

from ebs_core.domain.commands import Job
from ebs_core.domain.nas import Endpoint
from tests.bench.figures import seconds

PROGRAMS = {"nft": "nft -f -", "ip": "ip -batch -", "tc": "tc -batch -"}
"""By dialect, in the order in which they are run."""


def connect(endpoint: Endpoint) -> paramiko.Transport:
    sock = socket.create_connection((endpoint.address, endpoint.port or 22))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    transport = paramiko.Transport(sock)
    transport.connect(username=endpoint.login, pkey=paramiko.Ed25519Key.from_private_key_file(Path(str(endpoint.key_file))))
    return transport


def run(transport: paramiko.Transport, command: str, stdin: bytes = b"") -> None:
    """Raises AssertionError unless it ends with status 0."""
    channel = transport.open_session()
    channel.set_combine_stderr(True)
    channel.exec_command(command)
    feeder = Thread(target=lambda: (channel.sendall(stdin), channel.shutdown_write()))
    feeder.start()
    output = b"".join(iter(lambda: channel.recv(65536), b""))
    feeder.join()
    assert channel.recv_exit_status() == 0, output.decode()
    channel.close()


def scripts(work: Sequence[Job]) -> dict[str, bytes]:
    """The very lines of these jobs, by dialect."""
    commands = [command for job in work for command in job.commands]
    found = {
        dialect: "".join(
            f"{command.statement.emit(command.values)}\n" for command in commands if command.statement.dialect == dialect
        )
        for dialect in PROGRAMS
    }
    assert sum(text.count("\n") for text in found.values()) == len(commands), "a command of another dialect"
    return {dialect: text.encode() for dialect, text in found.items() if text}


def connection_each(endpoint: Endpoint, lines: Sequence[str]) -> float:
    """Seconds for these shell commands with a connection for each."""

    def work() -> None:
        for line in lines:
            transport = connect(endpoint)
            run(transport, line)
            transport.close()

    return seconds(work)
