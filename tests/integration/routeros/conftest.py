"""A simulated router per test, commands from text, and a peer that plays a script of bytes."""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections.abc import Callable, Iterator

import paramiko
import pytest

from ebs_core.domain.commands import Command
from ebs_core.domain.nas import Endpoint, Profile
from nas_backends.contract import Answer, Request
from nas_backends.dialects.routeros import RouterosDialect
from nas_simulator import Faults, SimulatedNas

PROFILE = Profile("mikrotik", "MikroTik", ("routeros",), ("routeros_api", "ssh"))
LOGIN, PASSWORD = "ebs", "пароль"
_DIALECT = RouterosDialect()
Run = Callable[[Request], Answer]


def commands(skeleton: str, *values: str, transport: str = "routeros_api") -> tuple[Command, ...]:
    """The commands of ``skeleton`` with ``values`` dealt out in order."""
    out = []
    rest = values
    for statement in _DIALECT.parse(skeleton, transport):
        out.append(Command(statement, rest[: statement.slots]))
        rest = rest[statement.slots :]
    assert not rest
    return tuple(out)


def endpoint(port: int, **changes: object) -> Endpoint:
    fields: dict[str, object] = {"login": LOGIN, "password": PASSWORD, "connect_timeout": 5.0, "command_timeout": 5.0, **changes}
    return Endpoint("nas1", PROFILE, "routeros_api", "127.0.0.1", port, **fields)  # type: ignore[arg-type]


@pytest.fixture(params=["7.18", "6.42.12"])
def nas(request: pytest.FixtureRequest) -> Iterator[SimulatedNas]:
    with SimulatedNas(name="nas1", login=LOGIN, password=PASSWORD, version=request.param, faults=Faults()) as router:
        yield router


@pytest.fixture
def peer() -> Iterator[Callable[[Callable[[socket.socket], None]], int]]:
    """``peer(play)`` listens for one connection, plays it in a thread and returns the port."""
    started: list[tuple[socket.socket, threading.Thread]] = []

    def start(play: Callable[[socket.socket], None]) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(10)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(10)
                play(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        started.append((listener, thread))
        return int(listener.getsockname()[1])

    yield start
    for listener, thread in started:
        thread.join(10)
        listener.close()
        assert not thread.is_alive()


@pytest.fixture
def run(nas: SimulatedNas) -> Iterator[Run]:
    """One exec per call over one connection."""
    kind, blob = nas.host_key.split()[:2]
    key = paramiko.PKey.from_type_string(kind, base64.b64decode(blob))
    client = paramiko.SSHClient()
    client.get_host_keys().add(f"[127.0.0.1]:{nas.ssh_port}", kind, key)
    client.connect("127.0.0.1", nas.ssh_port, LOGIN, PASSWORD, look_for_keys=False, allow_agent=False, timeout=10)

    def execute(request: Request) -> Answer:
        began = time.monotonic()
        _, out, _ = client.exec_command(request.command, timeout=10)
        text = out.read().decode()
        return Answer(text, out.channel.recv_exit_status(), time.monotonic() - began)

    yield execute
    client.close()
