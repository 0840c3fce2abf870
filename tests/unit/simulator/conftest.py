"""Simulated routers, and the clients that talk to them."""

from __future__ import annotations

import base64
import contextlib
import io
from collections.abc import Callable, Iterator
from typing import Any

import librouteros
import paramiko
import pytest

from nas_simulator import Faults, Router, SimulatedNas
from nas_simulator.cli_console import Console
from nas_simulator.router import Caller
from tests.unit.simulator.raw_client import RawClient

MakeNas = Callable[..., SimulatedNas]


@pytest.fixture
def make_nas() -> Iterator[MakeNas]:
    with contextlib.ExitStack() as stack:

        def make(version: str = "7.16.2", faults: Faults | None = None, **doors: Any) -> SimulatedNas:
            nas = SimulatedNas("nas1", "ebs", "secret", version, faults)
            stack.callback(nas.stop)
            return nas.start(**({"ssh": False} | doors))

        yield make


@pytest.fixture
def nas(make_nas: MakeNas) -> SimulatedNas:
    return make_nas()


@pytest.fixture
def raw(nas: SimulatedNas) -> Iterator[RawClient]:
    with contextlib.closing(RawClient(nas.api_port)) as client:
        client.login()
        yield client


@pytest.fixture
def api(nas: SimulatedNas) -> Iterator[librouteros.api.Api]:
    with contextlib.closing(librouteros.connect("127.0.0.1", "ebs", "secret", port=nas.api_port)) as client:
        yield client


@pytest.fixture
def router() -> Router:
    return Router("nas1", "ebs", "secret")


@pytest.fixture
def cli(router: Router) -> Callable[[str], str]:
    """Runs a script in a console of its own, as one exec request does; returns its output."""
    return console_of(router)


def console_of(router: Router, *, terminal: bool = False) -> Callable[[str], str]:
    def run(script: str) -> str:
        output = io.StringIO()
        write: Callable[[str], object] = output.write
        Console(router, Caller("ssh", 1, "ebs"), lambda text: void(write(text)), terminal=terminal).run(script)
        return output.getvalue()

    return run


def void(_: object) -> None:
    return None


@contextlib.contextmanager
def ssh_to(nas: SimulatedNas, login: str = "ebs", password: str = "secret", **options: Any) -> Iterator[paramiko.SSHClient]:
    client = paramiko.SSHClient()
    kind, data = nas.host_key.split()
    key = paramiko.PKey.from_type_string(kind, base64.b64decode(data))
    client.get_host_keys().add(f"[127.0.0.1]:{nas.ssh_port}", kind, key)
    try:
        client.connect(
            "127.0.0.1",
            nas.ssh_port,
            login,
            None if "pkey" in options else password,
            allow_agent=False,
            look_for_keys=False,
            timeout=10,
            **options,
        )
        yield client
    finally:
        client.close()
