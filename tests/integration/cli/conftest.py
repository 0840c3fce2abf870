"""The command line as an operator meets it: `ebs …` in a folder of its own, statuses, streams, and simulated routers."""

from __future__ import annotations

import io
import itertools
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from ebs_core.storage.database import Database
from ebs_core.storage.tables import Base
from ebs_server.cli.main import main
from nas_simulator import SimulatedNas

LISTED, QUEUES, SECRETS = "/ip/firewall/address-list", "/queue/simple", "/ppp/secret"
_files = itertools.count(1)


@dataclass(frozen=True)
class Result:
    """What one run of ``ebs`` left: exit status, standard output and standard error."""

    words: tuple[str, ...]
    status: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    @property
    def json(self) -> Any:
        """Standard output as the one JSON document that it must be."""
        return json.loads(self.out)


class Ebs:
    """Runs the real entry point in this process. An exception that is no exit is what a user sees as a traceback: it is raised."""  # noqa: E501

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.key_file = folder / "ebs.key"

    def run(self, *words: str, stdin: bytes = b"") -> Result:
        streams = [io.TextIOWrapper(io.BytesIO(data), encoding="utf-8") for data in (stdin, b"", b"")]
        streams[2].reconfigure(errors="backslashreplace")  # as Python's own standard error
        before = sys.stdin, sys.stdout, sys.stderr
        sys.stdin, sys.stdout, sys.stderr = streams
        try:
            main(list(words))
            raise AssertionError("main returned without an exit status")
        except SystemExit as leaving:
            status = leaving.code
        finally:
            sys.stdin, sys.stdout, sys.stderr = before
        out, err = (_written(stream) for stream in streams[1:])
        assert isinstance(status, int), status
        return Result(words, status, out, err)

    __call__ = run

    def ok(self, *words: str, stdin: bytes = b"") -> Result:
        result = self.run(*words, stdin=stdin)
        assert result.status == 0, result.text
        return result

    def json(self, *words: str) -> Any:
        end = words.index("--") if "--" in words else len(words)
        result = self.ok(*words[:end], "--json", *words[end:])
        assert result.err == ""
        return result.json

    def refused(self, *words: str, stdin: bytes = b"") -> str:
        """The run ends with status 2, prints no result, and changes nothing in the database. Its message."""
        before = self.dump()
        result = self.run(*words, stdin=stdin)
        assert result.status == 2, f"{words}: {result}"
        assert result.out == "", "no result on standard output"
        assert result.err.strip(), "a refusal says why"
        assert self.dump() == before, "nothing was changed"
        return result.err

    # -- files

    def write(self, content: str | bytes, name: str | None = None) -> str:
        path = self.folder / (name or f"site{next(_files)}.yaml")
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    def load(self, document: dict[str, Any]) -> Result:
        """Import a site document; JSON is YAML."""
        return self.ok("import", self.write(json.dumps(document, ensure_ascii=False, indent=1)))

    def load_refused(self, document: dict[str, Any] | str | bytes, name: str | None = None) -> str:
        content = json.dumps(document, ensure_ascii=False, indent=1) if isinstance(document, dict) else document
        return self.refused("import", self.write(content, name))

    # -- looking behind

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table."""
        database = Database(self.url)
        try:
            with database.read() as session:
                return {
                    table.name: [tuple(row) for row in session.execute(select(table).order_by(*table.primary_key))]
                    for table in Base.metadata.sorted_tables
                }
        finally:
            database.dispose()

    def card(self, username: str) -> Any:
        return self.json("account", "show", username)


def _written(stream: io.TextIOWrapper) -> str:
    if stream.closed:
        return ""
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh current folder and home; no setting of EBS is inherited."""
    for name in [name for name in os.environ if name.startswith(("EBS_", "XDG_"))]:
        monkeypatch.delenv(name)
    folder = tmp_path / "place"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the SQLite file and the key that `ebs init` makes: copying them is faster than making them."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EBS_DATABASE_URL", f"sqlite:///{folder / 'ebs.sqlite3'}")
        patch.setenv("EBS_KEY_FILE", str(folder / "ebs.key"))
        patch.chdir(folder)
        Ebs(folder, "").ok("init")
    return folder


def _in_environment(monkeypatch: pytest.MonkeyPatch, ebs: Ebs) -> Ebs:
    monkeypatch.setenv("EBS_DATABASE_URL", ebs.url)
    monkeypatch.setenv("EBS_KEY_FILE", str(ebs.key_file))
    return ebs


@pytest.fixture
def ebs(place: Path, made_once: Path, monkeypatch: pytest.MonkeyPatch) -> Ebs:
    """The command line on a fresh SQLite site."""
    for name in ("ebs.sqlite3", "ebs.key"):
        shutil.copy(made_once / name, place / name)
    return _in_environment(monkeypatch, Ebs(place, f"sqlite:///{place / 'ebs.sqlite3'}"))


Stock = Callable[..., "Ebs"]


@pytest.fixture(scope="session")
def cellar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SQLite files with something in them, by the name of what it is."""
    return tmp_path_factory.mktemp("cellar")


@pytest.fixture
def stock(ebs: Ebs, cellar: Path) -> Stock:
    """``stock(name, document…)``: the documents are imported the first time; later tests get a copy of that database."""

    def stock(name: str, *documents: dict[str, Any]) -> Ebs:
        kept = cellar / name
        if kept.exists():
            shutil.copy(kept, ebs.folder / "ebs.sqlite3")
            return ebs
        for document in documents:
            ebs.load(document)
        assert not (ebs.folder / "ebs.sqlite3-wal").exists(), "the command closed its database"
        shutil.copy(ebs.folder / "ebs.sqlite3", kept)
        return ebs

    return stock


@pytest.fixture
def any_ebs(place: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Ebs:
    """The command line on a fresh site of each kind of database."""
    ebs = _in_environment(monkeypatch, Ebs(place, database_url))
    ebs.ok("init")
    return ebs


@pytest.fixture(params=["routeros_api", "ssh"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def routers() -> Iterator[Callable[[str], SimulatedNas]]:
    """Starts simulated routers by name; all are stopped at the end."""
    started: list[SimulatedNas] = []

    def start(name: str) -> SimulatedNas:
        started.append(SimulatedNas(name, "ebs", "nas-password").start())
        return started[-1]

    yield start
    for router in started:
        router.stop()


@pytest.fixture
def router(routers: Callable[[str], SimulatedNas]) -> SimulatedNas:
    return routers("nas1")


def nas_row(router: SimulatedNas, name: str = "nas1", transport: str = "routeros_api", **more: Any) -> dict[str, Any]:
    port = router.api_port if transport == "routeros_api" else router.ssh_port
    row = {"name": name, "profile": "mikrotik", "transport": transport, "address": "127.0.0.1", "port": str(port)}
    key = {"host_key": router.host_key} if transport == "ssh" else {}
    return {**row, "login": "ebs", "password": "nas-password", **key, **more}


def dead_nas(name: str = "nas1", **more: Any) -> dict[str, Any]:
    """A NAS that nobody has to answer for: nothing is sent in the test."""
    return {"name": name, "profile": "mikrotik", "address": "127.0.0.1", "port": "1", "login": "ebs", **more}


HOME = {"name": "Home", "speed": {"download": "50M", "upload": "20M"}}


def person(number: int, nas: str | None = "nas1", own: dict[str, Any] | None = None, **account: Any) -> dict[str, Any]:
    """Account ``a-N`` with subaccount ``a-N-1`` at 10.7.x.N; ``own`` goes into the subaccount."""
    sub = {
        "username": f"a-{number}-1",
        "ipn_ip_address": f"10.7.{number // 250}.{number % 250 or 250}",
        **({"nas": nas} if nas else {}),
    }
    row = {"username": f"a-{number}", "balance": "10.00", "tariff": "Home", "subaccounts": [{**sub, **(own or {})}]}
    return {**row, **account}


def site(nases: list[dict[str, Any]], *accounts: dict[str, Any], tariffs: tuple[dict[str, Any], ...] = (HOME,)) -> dict[str, Any]:
    return {"nases": nases, "tariffs": list(tariffs), "accounts": list(accounts)}


def active(router: SimulatedNas) -> dict[str, bool]:
    """Address to "has access", from the router's own list."""
    return {item["address"]: item["disabled"] != "true" for item in router.router.items(LISTED)}


def state_of(router: SimulatedNas) -> dict[str, list[dict[str, str]]]:
    """Everything that a hostile value could have changed."""
    menus = (LISTED, QUEUES, SECRETS, "/ip/firewall/filter", "/user", "/system/identity", "/ip/dhcp-server/lease", "/ip/arp")
    return {menu: [dict(item) for item in router.router.items(menu)] for menu in menus}
