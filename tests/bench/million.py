"""A million placements on PostgreSQL: what planning one NAS and finding what is due cost there, and how large it all is."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
from sqlalchemy import insert, text

from ebs_core.services.due import due
from ebs_core.services.planner import NasPlan
from ebs_core.services.scan import ALL, Selection
from ebs_core.storage.job_queue import connect_arguments
from ebs_core.storage.tables import Account, ActionLog, Base, Nas, Placement, Subaccount
from ebs_server.bootstrap import Site
from tests.bench.figures import median, report, seconds, skip
from tests.bench.latency import folder
from tests.bench.site import FAST, confirmed_states, fill, new_site, write_states
from tests.fixtures import postgres

NASES, EACH, DIRTY, DIRTY_NASES = 200, 5000, 300, 20
ROUNDS, TARGET = 9, 0.3
LOG_ROWS = 100_000
NAME = "PostgreSQL, a million placements on 200 NASes"
PARTS = (Account, Subaccount, Placement, ActionLog)


def run() -> None:
    if postgres.find_binaries() is None:
        skip(NAME, "PostgreSQL is not installed")
        return
    with folder() as place, postgres.running(place) as server:
        (place / "site").mkdir()
        with new_site(postgres.new_database(server, "bench"), place / "site") as site:
            started = time.monotonic()
            _one_nas(site)
            _many(site)
            report(f"{NAME}: made", time.monotonic() - started, "seconds", "lower", load=os.getloadavg()[0])
            _finding(site, "before ANALYZE")
            report(f"{NAME}: VACUUM ANALYZE", seconds(lambda: _vacuum(site)), "seconds", "lower")
            _finding(site, "after ANALYZE")
            _planning(site)
            _sizes(site)
            _tariff(site)


def _one_nas(site: Site) -> None:
    """With everything confirmed, by the real code: the pattern of all others."""
    fill(site, [{"name": "nas001", "profile": "mikrotik", "lease_until": 0}], EACH)
    write_states(site, confirmed_states(site))
    with site.database.write() as session:
        session.execute(text("UPDATE placement SET seen = 1, observed_at = now(), lines = :lines"), {"lines": LINES})


LINES = '["' + '","'.join(("0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210")) + '"]'
"""As large as what a read-back leaves of two records."""


def _many(site: Site) -> None:
    """Copies of the first NAS's rows with other numbers, by the server itself; without its indexes it would be no site."""
    others = [{"id": number, "name": f"nas{number:03d}", "profile": "mikrotik", "options": {}} for number in range(2, NASES + 1)]
    with site.database.write() as session:
        session.execute(insert(Nas), others)
        for table, changed in (
            (Account, {"id": f"id + (n - 1) * {EACH}", "username": f"'a-' || lpad((id + (n - 1) * {EACH})::text, 7, '0')"}),
            (
                Subaccount,
                {
                    "id": f"id + (n - 1) * {EACH}",
                    "account_id": f"account_id + (n - 1) * {EACH}",
                    "username": f"'a-' || lpad((id + (n - 1) * {EACH})::text, 7, '0') || '-1'",
                    "nas_id": "n",
                },
            ),
            (
                Placement,
                {
                    "id": f"id + (n - 1) * {EACH}",
                    "nas_id": "n",
                    "account_id": f"account_id + (n - 1) * {EACH}",
                    "subaccount_id": f"subaccount_id + (n - 1) * {EACH}",
                },
            ),
        ):
            session.execute(text(_copied(table, changed)))
        dirty = f"UPDATE placement SET settled = 0, speed = NULL WHERE nas_id <= {DIRTY_NASES} AND slot <= {DIRTY}"
        session.execute(text(dirty))
        session.execute(text("UPDATE nas SET resync_at = :far, pulse_at = :far"), {"far": int((time.time() + 600) * 1000)})
        session.execute(insert(ActionLog), [_entry(number) for number in range(LOG_ROWS)])


def _tariff(site: Site) -> None:
    """Every tenth subscriber has the other tariff: one edit, one transaction, a hundred thousand placements."""
    concerned = NASES * EACH // 10
    with site.database.write() as session:
        session.execute(text(f"UPDATE account SET tariff_id = {FAST} WHERE id % 10 = 0"))
    took = seconds(lambda: site.editor.set_tariff("Fast", {"speed": "download=90M upload=90M"}))
    report(f"{NAME}: a tariff's speed edited", took, "seconds", "lower", placements=concerned, each=took / concerned)


def _copied(table: type[Base], changed: dict[str, str]) -> str:
    names = [column.name for column in table.__table__.columns]
    quoted = ", ".join(f'"{name}"' for name in names)
    values = ", ".join(changed.get(name, f'"{name}"') for name in names)
    return (
        f"INSERT INTO {table.__tablename__} ({quoted}) SELECT {values} FROM {table.__tablename__}"
        f" CROSS JOIN generate_series(2, {NASES}) AS n"
    )


def _entry(number: int) -> dict[str, Any]:
    command = f'/queue simple add name="ebs:{number}" target="10.64.1.2/32" max-limit="20000000/50000000" comment="ebs:{number}"'
    return {
        "at": datetime.now(UTC),
        "nas": f"nas{number % NASES:03d}",
        "account": f"a-{number:07d}",
        "subaccount": f"a-{number:07d}-1",
        "placement_id": number + 1,
        "action": "subaccount_speed",
        "cause": "speed changed",
        "command": command,
        "outcome": "ok",
        "status": None,
        "output": "",
        "duration": 0.002,
    }


def _vacuum(site: Site) -> None:
    arguments = connect_arguments(site.database) | {"options": ""}
    with psycopg.connect(**arguments, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def _finding(site: Site, when: str) -> None:
    def ask() -> None:
        with site.database.read() as session:
            assert len(due(session)) == DIRTY_NASES

    report(f"{NAME}: finding what is due anywhere, {when}", _repeated(ask), "seconds", "lower", dirty=DIRTY * DIRTY_NASES)


def _repeated(work: Callable[[], None]) -> float:
    return median([seconds(work) for _ in range(ROUNDS)])


def _planning(site: Site) -> None:
    everything = _repeated(lambda: _check(site.planner.plan("nas001", ALL)))
    changed = _repeated(lambda: _check(site.planner.plan("nas001", Selection(now=int(time.time() * 1000)))))
    made_of = {"dirty": DIRTY, "load": os.getloadavg()[0]}
    report(f"{NAME}: planning one of 5,000 entirely, 300 changed", everything, "seconds", "lower", TARGET, **made_of)
    report(f"{NAME}: planning only what changed on it", changed, "seconds", "lower", TARGET, **made_of)


def _check(plan: NasPlan) -> None:
    assert (plan.placements, len(plan.items)) == (EACH, DIRTY), (plan.placements, len(plan.items))


def _sizes(site: Site) -> None:
    """Bytes per row with all indexes, and how much of it are indexes."""
    with site.database.read() as session:
        connection = session.connection()
        total = connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
        for table in PARTS:
            name = table.__tablename__
            whole, indexes = connection.execute(
                text("SELECT pg_total_relation_size(cast(:name AS regclass)), pg_indexes_size(cast(:name AS regclass))"),
                {"name": name},
            ).one()
            rows = connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one()
            sizes = {"rows": rows, "megabytes": whole / 1e6, "of_it_indexes": indexes / 1e6}
            report(f"{NAME}: a row of {name}", whole / rows, "bytes", "lower", **sizes)
    report(f"{NAME}: the database", total / 1e6, "MB", "lower")
