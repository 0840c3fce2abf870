"""What is due now, told from the rows, by index."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import event, select, text, update

from ebs_core.domain.errors import InputError
from ebs_core.services import sitefile
from ebs_core.services.due import DueNas, due
from ebs_core.services.timed import revisit
from ebs_core.storage import clock
from ebs_core.storage.database import Database
from ebs_core.storage.tables import Account, AccountTariff, Placement, Tariff
from ebs_server.bootstrap import Site
from tests.integration.engine.conftest import dirty, document, load, nas, put

HOUR_MS = 3_600_000


def now_ms() -> int:
    return int(time.time() * 1000)


def ms(year: int, month: int = 1) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 1000


def due_ids(database: Database) -> list[int]:
    with database.read() as session:
        return [one.nas_id for one in due(session)]


def mark(database: Database, nas_id: int, **values: object) -> None:
    with database.write() as session:
        marked = update(Placement).where(Placement.nas_id == nas_id)
        session.execute(marked.values(changed=Placement.changed + 1, **values))


def test_urgent_ones_first_then_changes_then_looks(calm: Site) -> None:
    database = calm.database
    assert due_ids(database) == []
    put(database, "nas1", resync_at=0)
    put(database, "nas2", pulse_at=1)
    mark(database, 3)
    mark(database, 4, urgent=True)
    with database.read() as session:
        assert due(session) == [DueNas(4, True, True), DueNas(3, True, False), DueNas(1, False, False), DueNas(2, False, False)]
        assert due(session, 3) == [DueNas(3, True, False)]
        assert due(session, 5) == []


def test_what_failed_or_is_maintained_is_left_alone(calm: Site) -> None:
    database = calm.database
    for number in range(1, 5):
        mark(database, number)
    put(database, "nas1", maintenance="new power supply")
    put(database, "nas2", retry_at=now_ms() + 60_000)
    mark(database, 3, next_try=now_ms() + 60_000)
    assert due_ids(database) == [4]


def test_a_clock_set_back_an_hour_delays_nothing(calm: Site) -> None:
    database, later = calm.database, now_ms() + HOUR_MS
    mark(database, 1, next_try=later)
    mark(database, 2)
    put(database, "nas2", retry_at=later)
    put(database, "nas3", resync_at=later)
    put(database, "nas4", pulse_at=later)
    assert due_ids(database) == [1, 2, 3, 4]


def test_finding_what_is_due_reads_no_whole_table(calm: Site) -> None:
    """20,000 more placements, a quarter of them dirty; the statistics are those of the empty tables, as after an import."""
    database = calm.database
    with database.write() as session:
        series = (
            "generate_series(1, 20000) AS n"
            if database.engine.dialect.name == "postgresql"
            else "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 20000) SELECT n FROM s)"
        )
        session.execute(text("CREATE TABLE more AS SELECT * FROM account WHERE id = 1"))
        columns = [column.name for column in Account.__table__.columns if column.name not in ("id", "username")]
        names = ", ".join(columns)
        session.execute(
            text(f"INSERT INTO account (username, {names}) SELECT 'more-' || n, {names} FROM more CROSS JOIN {series}")
        )
        session.execute(
            text(
                "INSERT INTO placement (nas_id, account_id, slot, presence, changed, settled)"
                " SELECT id % 6 + 1, id, id + 1000, 0, 1, CASE WHEN id % 4 = 0 THEN 0 ELSE 1 END"
                " FROM account WHERE username LIKE 'more-%'"
            )
        )
    plans = explained(database, lambda session: due(session))
    assert any("ix_placement_dirty" in plan for plan in plans)
    assert not any("Seq Scan on placement" in plan or "SCAN placement" in plan for plan in plans)
    plans = explained(database, lambda session: session.scalars(select(Account.id).where(Account.revisit_at <= 5)).all())
    assert any("ix_account_revisit_at" in plan for plan in plans)


def explained(database: Database, ask) -> list[str]:
    """The plans of the queries that ``ask(session)`` makes."""
    plans: list[str] = []
    word = "EXPLAIN" if database.engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"

    def before(connection, cursor, statement, parameters, context, executemany) -> None:
        cursor.execute(f"{word} {statement}", parameters)
        plans.append("\n".join(str(row) for row in cursor.fetchall()))

    event.listen(database.engine, "before_cursor_execute", before)
    try:
        with database.read() as session:
            ask(session)
    finally:
        event.remove(database.engine, "before_cursor_execute", before)
    return plans


# -- what changes by itself


def account(database: Database, number: int = 1) -> Account:
    with database.read() as session:
        return session.scalars(select(Account).where(Account.username == f"a-{number}")).one()


def make_it_come(database: Database, *columns: str) -> None:
    """The moments of account 1 are now past."""
    with database.write() as session:
        row = session.scalars(select(Account).where(Account.username == "a-1")).one()
        for column in columns:
            setattr(row, column, getattr(row, column).replace(year=2020))
        row.revisit_at = 1


def test_a_promised_payment_ends_at_its_moment(calm: Site) -> None:
    database = calm.database
    calm.editor.set_account("a-1", {"promised": "100", "promised_until": "2099-12-01T03:00:00.0001+03:00"})
    assert account(database).revisit_at == ms(2099, 12) + 1, "a moment is never looked at too early"
    with database.write() as session:
        session.execute(update(Placement).values(settled=Placement.changed))
    assert revisit(database, calm.renderer.profiles) == 0
    make_it_come(database, "promised_until")
    assert revisit(database, calm.renderer.profiles) == 1
    row = account(database)
    assert (row.promised, row.promised_until, row.revisit_at) == (Decimal(0), None, None)
    assert dirty(database) == {1}


def test_the_next_tariff_begins_at_its_moment_and_stands_in_the_history(calm: Site) -> None:
    database = calm.database
    calm.editor.set_account("a-1", {"next_tariff": "Fast", "next_tariff_at": "2099-01-01T00:00:00Z"})
    calm.editor.set_account("a-1", {"promised": "5", "promised_until": "2098-01-01T00:00:00Z"})
    assert account(database).revisit_at == ms(2098), "the earlier of both"
    make_it_come(database, "next_tariff_at")
    assert revisit(database, calm.renderer.profiles) == 1
    row = account(database)
    with database.read() as session:
        assert session.get_one(Tariff, row.tariff_id).name == "Fast"
        history = session.scalars(select(AccountTariff).where(AccountTariff.account_id == row.id).order_by(AccountTariff.id))
        assert [(entry.tariff_id, entry.since.year) for entry in history][1:] == [(row.tariff_id, 2020)]
    assert (row.next_tariff_id, row.next_tariff_at, row.revisit_at) == (None, None, ms(2098))


def test_many_are_revisited_in_several_transactions(any_site: Site, tmp_path: Path) -> None:
    content = document(2)
    content["accounts"] = [
        {"username": f"b-{n}", "promised": "1", "promised_until": "2000-01-01T00:00:00Z", "nas": "nas1"} for n in range(700)
    ]
    load(any_site, tmp_path, content)
    assert revisit(any_site.database, any_site.renderer.profiles) == 700
    assert revisit(any_site.database, any_site.renderer.profiles) == 0


def test_deleting_an_account_ends_its_plans(calm: Site) -> None:
    calm.editor.set_account("a-1", {"promised": "100", "promised_until": "2099-12-01T00:00:00Z"})
    calm.editor.delete_account("a-1")
    assert account(calm.database).revisit_at is None


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"promised": "100"}, "promised payment needs its end"),
        ({"promised": "-1", "promised_until": "2099-01-01T00:00:00Z"}, "promised: '-1' is negative"),
        ({"promised": "100", "promised_until": "2020-01-01T00:00:00Z"}, "promised_until: 2020-01-01T00:00:00Z is in the past"),
        ({"promised": "100", "promised_until": "2099-01-01T00:00:00"}, "does not say its time zone"),
        ({"promised": "100", "promised_until": "'; DROP TABLE account --"}, "is not a moment such as"),
        ({"promised": "1", "promised_until": "0001-01-01T00:00:00+14:00"}, "between the years"),
        ({"next_tariff": "Fast"}, "next_tariff needs the moment"),
        ({"next_tariff": "None such", "next_tariff_at": "2099-01-01T00:00:00Z"}, "there is no tariff"),
    ],
)
def test_plans_that_cannot_be_are_refused(calm: Site, typed: dict[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        calm.editor.set_account("a-1", typed)
    assert account(calm.database).revisit_at is None
    assert dirty(calm.database) == set()


def test_plans_come_with_an_import_too(calm: Site, tmp_path: Path) -> None:
    plan = {"next_tariff": "Later", "next_tariff_at": "2099-01-01T00:00:00Z"}
    content = {"tariffs": [{"name": "Later"}], "accounts": [{"username": "a-1", **plan}]}
    path = tmp_path / "more.yaml"
    path.write_text(json.dumps(content))
    calm.importer.import_site(sitefile.read(path))
    row = account(calm.database)
    assert row.revisit_at == ms(2099)
    with calm.database.read() as session:
        assert session.get_one(Tariff, row.next_tariff_id).name == "Later"
    path.write_text(json.dumps({"accounts": [{"username": "a-2", "promised": "7"}]}))
    with pytest.raises(InputError, match="promised payment needs its end"):
        calm.importer.import_site(sitefile.read(path))


def test_the_databases_clock_is_read(calm: Site) -> None:
    with calm.database.read() as session:
        assert abs(clock.read(session) - now_ms()) < 60_000
    assert nas(calm.database).retry_at == 0
