"""Servers that the contract suite runs over. A new kind of session is one more entry of ``OPENERS``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from ebs_core.domain.nas import Endpoint
from nas_backends.backends import DeviceBackends
from nas_backends.transports.text_session import TextSession
from tests.fixtures.sshd import PROFILE, SSHD, Sshd, running_sshd

Open = Callable[..., TextSession]


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    if SSHD is None:
        pytest.skip("sshd is not installed (apt-get install openssh-server)")
    with running_sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


def _local(_: pytest.FixtureRequest) -> Endpoint:
    return Endpoint("here", PROFILE, "local")


def _ssh(request: pytest.FixtureRequest) -> Endpoint:
    server: Sshd = request.getfixturevalue("sshd")
    return server.endpoint


OPENERS = {"local": _local, "ssh": _ssh}


@pytest.fixture(params=list(OPENERS))
def open_session(request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens sessions to the same machine; keyword arguments replace fields of the endpoint."""
    endpoint, opened = OPENERS[request.param](request), []

    def open_one(**changes: object) -> TextSession:
        opened.append(DeviceBackends().open(replace(endpoint, **changes)))  # type: ignore[arg-type]
        return opened[-1]

    yield open_one
    for session in opened:
        session.close()
