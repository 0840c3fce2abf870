"""The database: migrations, both engines, errors that people can act on, leases."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from ebs_core.domain.errors import StorageError
from ebs_core.storage import leases, schema
from ebs_core.storage.database import Database
from ebs_core.storage.tables import Account, Nas, Tariff
from tests.check_migrations import differences


@pytest.fixture
def database(database_url: str):
    database = Database(database_url)
    schema.upgrade(database)
    yield database
    database.dispose()


def test_migrations_build_the_tables_of_the_code(database: Database) -> None:
    assert differences(database) == []
    schema.check_current(database)


def test_down_and_up_again_leaves_the_same_tables(database: Database) -> None:
    schema.downgrade(database, "base")
    with pytest.raises(StorageError, match="run 'ebs init'"):
        schema.check_current(database)
    schema.upgrade(database)
    assert differences(database) == []


def test_values_come_back_exactly(database: Database) -> None:
    now = datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=UTC)
    with database.write() as session:
        session.add(Account(username="я 💥", created_at=now, balance=Decimal("-12345678.9012"), full_name="\"';$( )"))
    with database.read() as session:
        account = session.scalars(select(Account)).one()
    assert (account.username, account.created_at, account.balance) == ("я 💥", now, Decimal("-12345678.9012"))
    assert account.full_name == "\"';$( )"


def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError, match="half way"), database.write() as session:
        session.add(Tariff(name="T"))
        session.flush()
        raise RuntimeError("half way")
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Tariff)) == 0


def test_reading_cannot_write(postgres_url: str, tmp_path: Path) -> None:
    from tests.fixtures.postgres import new_database

    database = Database(new_database(postgres_url, f"ro_{os.getpid()}"))
    schema.upgrade(database)
    with pytest.raises(StorageError, match="read-only"), database.read() as session:
        session.execute(text("DELETE FROM nas"))
    database.dispose()


def test_deleted_usernames_are_free_again(database: Database) -> None:
    now = datetime.now(UTC)
    with database.write() as session:
        session.add(Account(username="a", created_at=now, deleted_at=now))
        session.add(Account(username="a", created_at=now))
    with pytest.raises(StorageError), database.write() as session:
        session.add(Account(username="a", created_at=now))


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense://", "postgresql://u:hidden@127.0.0.1:1/x"])
def test_unusable_urls_are_named_without_their_password(url: str) -> None:
    with pytest.raises(StorageError) as caught:
        schema.check_current(Database(url))
    assert "hidden" not in str(caught.value)
    assert caught.value.message


def test_a_missing_folder_has_a_remedy(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/none/x.db")
    with pytest.raises(StorageError, match="folder exists"):
        schema.check_current(database)


def _nas(database: Database) -> int:
    with database.write() as session:
        session.add(nas := Nas(name="n", profile="mikrotik"))
        session.flush()
        return nas.id


def test_only_one_of_many_takes_the_lease(database: Database) -> None:
    nas_id = _nas(database)
    barrier, taken = threading.Barrier(8), []

    def contend() -> None:
        barrier.wait()
        try:
            taken.append(leases.take(database, nas_id, "n"))
        except leases.NasBusy:
            return

    threads = [threading.Thread(target=contend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 1
