"""Fixtures for everybody: databases of both kinds, a site on one, simulated NASes."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ebs_core.config import Config
from ebs_core.crypto import create_key_file
from ebs_core.storage import schema
from ebs_core.storage.database import Database
from ebs_server.bootstrap import Site
from tests.fixtures import postgres

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Not below pytest's own folder, which is root's alone: the server runs as another user."""
    with tempfile.TemporaryDirectory(prefix="ebs-postgres-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        with postgres.running(Path(folder)) as url:
            yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ebs.sqlite3'}"
    return postgres.new_database(request.getfixturevalue("postgres_url"), f"test_{next(_numbers)}")


def make_site(url: str, folder: Path) -> Site:
    """A new site on an empty database."""
    database = Database(url)
    schema.upgrade(database)
    database.dispose()
    config = Config(url, folder / "ebs.key")
    create_key_file(config.key_file)
    return Site(config)


@pytest.fixture
def any_site(database_url: str, tmp_path: Path) -> Iterator[Site]:
    """A site on each kind of database."""
    site = make_site(database_url, tmp_path)
    yield site
    site.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site on SQLite."""
    site = make_site(f"sqlite:///{tmp_path / 'ebs.sqlite3'}", tmp_path)
    yield site
    site.close()
