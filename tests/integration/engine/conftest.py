"""Databases with a few NASes and subscribers, the engine over a stand-in for the reconciler, waiting with deadlines."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from ebs_core.services import sitefile
from ebs_core.storage.database import Database
from ebs_core.storage.tables import Nas, Placement
from ebs_server.bootstrap import Site
from tests.fixtures import postgres
from tests.integration.engine.standin import FAR_MS, StandIn, background

NASES = 6
ROOT = Path(__file__).parents[3]


def wait_for(condition: Callable[[], object], seconds: float = 30.0, what: str = "") -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what or "it did not happen in time"
        time.sleep(0.005)


def document(nases: int = NASES, port: int = 1) -> dict[str, Any]:
    """One subscriber ``a-N`` with ``a-N-1`` on each ``nasN``, from 1."""
    numbers = range(1, nases + 1)
    row = {"profile": "mikrotik", "address": "127.0.0.1", "port": port, "login": "x", "password": "y"}
    return {
        "nases": [{"name": f"nas{n}", **row} for n in numbers],
        "tariffs": [{"name": "Home", "speed": {"download": "50M", "upload": "20M"}}, {"name": "Fast"}],
        "accounts": [
            {
                "username": f"a-{n}",
                "balance": "10.00",
                "tariff": "Home",
                "subaccounts": [{"username": f"a-{n}-1", "nas": f"nas{n}", "ipn_ip_address": f"10.0.{n // 250}.{n % 250 + 1}"}],
            }
            for n in numbers
        ],
    }


def load(site: Site, folder: Path, content: dict[str, Any]) -> None:
    path = folder / "site.yaml"
    path.write_text(json.dumps(content))
    site.importer.import_site(sitefile.read(path))


def quiet(database: Database) -> None:
    """Nothing is due anywhere."""
    with database.write() as session:
        session.execute(update(Placement).values(settled=Placement.changed, urgent=False))
        far = int(time.time() * 1000) + FAR_MS
        session.execute(update(Nas).values(resync_at=far, pulse_at=far))


def dirty(database: Database) -> set[int]:
    with database.read() as session:
        return set(session.scalars(select(Placement.nas_id).where(Placement.changed != Placement.settled)))


def nas(database: Database, name: str = "nas1") -> Nas:
    with database.read() as session:
        return session.scalars(select(Nas).where(Nas.name == name)).one()


def put(database: Database, name: str = "nas1", **values: Any) -> None:
    with database.write() as session:
        session.execute(update(Nas).where(Nas.name == name).values(**values))


@pytest.fixture
def calm(any_site: Site, tmp_path: Path) -> Site:
    """A site on each kind of database where nothing is due; the ids of its NASes are the numbers of their names."""
    load(any_site, tmp_path, document())
    quiet(any_site.database)
    return any_site


@contextmanager
def running(standin: StandIn, threads: int = 4) -> Iterator[None]:
    with background(standin, threads) as engine:
        engine.start()
        try:
            yield
        finally:
            standin.gate.set()
            engine.stop()
            assert engine.join(20)


@pytest.fixture
def standin(calm: Site, tmp_path: Path) -> StandIn:
    return StandIn(calm.database, tmp_path / "journal")


@contextmanager
def process(url: str, journal: Path, mode: str = "settle") -> Iterator[subprocess.Popen[bytes]]:
    """The engine as a process of its own; killed at the end if it still runs."""
    words = [sys.executable, "-m", "tests.integration.engine.standin", url, str(journal), mode]
    with subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE) as running:
        try:
            yield running
        finally:
            if running.poll() is None:
                running.send_signal(signal.SIGKILL)


@pytest.fixture
def own_server(controlled_server: tuple[str, Callable[..., None]]) -> tuple[str, Callable[[], None]]:
    """The URL of a server of our own, and how to restart it."""
    url, control = controlled_server
    return url, lambda: control("restart", "-m", "immediate")


@pytest.fixture
def controlled_server() -> Iterator[tuple[str, Callable[..., None]]]:
    """The URL of a server of our own, and pg_ctl with the words for it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ebs-postgres-", ignore_cleanup_errors=True)))
        folder.chmod(0o711)
        url = stack.enter_context(postgres.running(folder))
        binaries = postgres.find_binaries()
        assert binaries is not None

        def control(*words: str) -> None:
            subprocess.run(
                [binaries / "pg_ctl", "-D", folder / "data", "-w", "-l", folder / "data" / "again", *words],
                check=True,
                stdout=subprocess.DEVNULL,
                cwd="/",
                **postgres._as_server_user(),  # type: ignore[arg-type]
            )

        stack.callback(lambda: control("stop", "-m", "immediate"))
        yield url, control
