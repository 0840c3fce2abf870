"""A large site, filled by bare inserts, and brought to where every NAS has confirmed everything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from ebs_core.config import Config
from ebs_core.crypto import create_key_file
from ebs_core.domain.actions import Level
from ebs_core.domain.placement import Applied, Presence
from ebs_core.services.nases import NasContext
from ebs_core.services.results import ResultWriter, StateRow
from ebs_core.services.scan import Due, scan, watched
from ebs_core.services.variables import Facts, keep
from ebs_core.storage import schema
from ebs_core.storage.database import Database
from ebs_core.storage.leases import held
from ebs_core.storage.tables import Account, Base, Nas, Placement, Subaccount, Tariff
from ebs_server.bootstrap import Site
from tests.bench.figures import seconds
from tests.bench.subscribers import address, mac

HOME, FAST = 1, 2
BATCH = 1000
Rows = list[dict[str, Any]]


@contextmanager
def new_site(url: str, folder: Path) -> Iterator[Site]:
    """An empty one; its key is ``folder / "ebs.key"``."""
    database = Database(url)
    schema.upgrade(database)
    database.dispose()
    config = Config(url, folder / "ebs.key")
    create_key_file(config.key_file)
    site = Site(config)
    try:
        yield site
    finally:
        site.close()


def fill(site: Site, nases: Sequence[dict[str, Any]], each: int) -> None:
    """``each`` subscribers on every one of ``nases`` (columns of the NAS), paid and on the tariff HOME; nothing sent yet."""
    sealed = site.secrets.seal("secret")
    tariffs = [
        {"id": HOME, "name": "Home", "download": 50_000_000, "upload": 20_000_000},
        {"id": FAST, "name": "Fast", "download": 100_000_000, "upload": 100_000_000},
    ]
    numbers = range(1, each * len(nases) + 1)
    _insert(site.database, Nas, [{"id": number, "options": {}, **nas} for number, nas in enumerate(nases, 1)])
    _insert(site.database, Tariff, tariffs)
    _insert(site.database, Account, [_account(number) for number in numbers])
    _insert(site.database, Subaccount, [_subaccount(number, each, sealed) for number in numbers])
    _insert(site.database, Placement, [_placement(number, each) for number in numbers])
    analyze(site)


def analyze(site: Site) -> None:
    """Fresh statistics for the database's own planner, as it has on a site that is older than a minute."""
    with site.database.write() as session:
        session.connection().exec_driver_sql("ANALYZE")


def _insert(database: Database, table: type[Base], rows: Rows) -> None:
    with database.write() as session:
        session.connection().execute(insert(table.__table__), rows)  # type: ignore[arg-type]


def _account(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "username": f"a-{number:06d}",
        "full_name": f"Квартира {number}, ул. Лесная",
        "created_at": datetime(2024, 1, 1, tzinfo=UTC),
        "balance": Decimal(10),
        "tariff_id": HOME,
    }


def _subaccount(number: int, each: int, sealed: str) -> dict[str, Any]:
    return {
        "id": number,
        "account_id": number,
        "username": f"a-{number:06d}-1",
        "password": sealed,
        "nas_id": (number - 1) // each + 1,
        "ipn_ip_address": address(number),
        "ipn_mac_address": mac(number),
        "vlan": 100 + number % 1000,
    }


def _placement(number: int, each: int) -> dict[str, Any]:
    return {
        "id": number,
        "nas_id": (number - 1) // each + 1,
        "account_id": number,
        "subaccount_id": number,
        "slot": (number - 1) % each + 1,
    }


def confirmed_states(site: Site) -> dict[str, list[StateRow]]:
    """By NAS: what a successful apply of everything that is due would write."""
    with site.database.read() as session:
        return {
            context.name: [_confirmed(due, values) for due, values in zip(*_due(site, session, context), strict=True)]
            for context in site.catalogue.load_all(session)
        }


def _confirmed(due: Due, values: dict[str, Any]) -> StateRow:
    desired = due.desired
    state = Applied(Presence.PRESENT, desired.enabled, desired.speed, desired.key, desired.revision)
    return StateRow(due.placement_id, due.changed, state, settled=True, values=values)


def _due(site: Site, session: Session, context: NasContext) -> tuple[list[Due], list[dict[str, Any]]]:
    """What is due there, and the values to be kept with each."""
    names = watched(context, Level.SUBACCOUNT)
    rows = session.execute(
        select(Placement, Account, Subaccount, Tariff)
        .join(Account, Account.id == Placement.account_id)
        .join(Subaccount, Subaccount.id == Placement.subaccount_id)
        .join(Tariff, Tariff.id == Account.tariff_id)
        .where(Placement.nas_id == context.id)
        .execution_options(yield_per=5 * BATCH)
    )
    values = {row[0].id: keep(names, Facts(context.facts, site.secrets, *row)) for row in rows}
    due = scan(session, context).due
    return due, [values[item.placement_id] for item in due]


def write_states(site: Site, states: dict[str, list[StateRow]]) -> float:
    """Record them in batches under each NAS's lease; seconds without taking the leases."""
    took = 0.0
    for name, rows in states.items():
        nas_id = site.setup.context(name).id
        with held(site.database, nas_id, name) as lease:
            took += _record(ResultWriter(site.database, lease, nas_id), rows)
    return took


def _record(writer: ResultWriter, rows: Sequence[StateRow]) -> float:
    return seconds(lambda: [writer.record(rows[start : start + BATCH]) for start in range(0, len(rows), BATCH)])


def change(site: Site, numbers: Sequence[int]) -> None:
    """Something happens to these subscribers: the first third ran out of money, the second got another tariff, the rest an
    other address."""
    third = len(numbers) // 3
    poor, fast, moved = numbers[:third], numbers[third : 2 * third], numbers[2 * third :]
    with site.database.write() as session:
        for table, rows in (
            (Account, [{"row": number, "balance": Decimal(0)} for number in poor]),
            (Account, [{"row": number, "tariff_id": FAST} for number in fast]),
            (Subaccount, [{"row": number, "ipn_ip_address": address(number + 0x200000)} for number in moved]),
            (Placement, [{"row": number, "changed": 2} for number in numbers]),
        ):
            columns: Any = table.__table__
            statement = update(columns).where(columns.c.id == bindparam("row"))
            session.connection().execute(statement, rows)
