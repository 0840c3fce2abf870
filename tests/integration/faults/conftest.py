"""Towns: a site of each kind with three routers; a PostgreSQL server that may be broken."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from ebs_server.bootstrap import Site
from nas_simulator import SimulatedNas
from tests.fixtures import postgres
from tests.integration.faults.town import Town

Founder = Callable[..., Town]


@pytest.fixture
def found(tmp_path: Path) -> Iterator[Founder]:
    """``found(site, routers=3, transport="routeros_api")``: an empty town; its routers end with the test."""
    with ExitStack() as stack:

        def founder(site: Site, routers: int = 3, transport: str = "routeros_api") -> Town:
            names = [f"nas{number}" for number in range(1, routers + 1)]
            nases = {name: SimulatedNas(name, "ebs", "secret", journal_size=1_000_000).start() for name in names}
            for nas in nases.values():
                stack.callback(nas.stop)
            return Town(site, tmp_path, nases, transport)

        yield founder


@pytest.fixture
def town(any_site: Site, found: Founder) -> Town:
    """Three routers with twenty subscribers each, applied and read back, on each kind of database."""
    town = found(any_site)
    town.settle(60)
    assert all(result.ok for result in any_site.reconciler.apply(list(town.routers)))
    return town


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL server that no other test uses."""

    url: str
    folder: Path

    def stop(self) -> None:
        self._control("stop", "-m", "immediate")

    def start(self) -> None:
        self._control("start")

    def _control(self, *words: str) -> None:
        binaries = postgres.find_binaries()
        assert binaries is not None
        data = self.folder / "data"
        subprocess.run(
            [binaries / "pg_ctl", "-D", data, "-w", "-l", data / "again", "-o", self._options, *words],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
            **postgres._as_server_user(),  # type: ignore[arg-type]
        )

    @property
    def _options(self) -> str:
        port = self.url.rpartition(":")[2]
        return f"-c fsync=off -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c port={port}"


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ebs-postgres-", ignore_cleanup_errors=True)))
        folder.chmod(0o711)
        cluster = Cluster(stack.enter_context(postgres.running(folder)), folder)
        yield cluster
        if (folder / "data" / "postmaster.pid").exists():
            cluster.stop()
