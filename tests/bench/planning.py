"""Planning a large site of which little changed, and writing down that everything was done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, update

from ebs_core.services.results import StateRow
from ebs_core.storage.tables import Placement
from ebs_server.bootstrap import Site
from tests.bench.figures import median, report, seconds, skip
from tests.bench.site import analyze, change, confirmed_states, fill, new_site, write_states
from tests.fixtures import postgres

PLACEMENTS, CHANGED = 100_000, 1000
SECONDS, MEGABYTES = 1.5, 400.0
PROCESSES = 3
PLAN, MEMORY = "planning: 100,000 placements, 1,000 changed", "planning: peak memory"
WRITE = "results: 100,000 states written"


def run() -> None:
    with _folder() as folder:
        _measure(f"sqlite:///{folder / 'ten.sqlite3'}", folder / "ten", "SQLite", nases=10, targets=True)
        _measure(f"sqlite:///{folder / 'one.sqlite3'}", folder / "one", "SQLite, one NAS", nases=1)
        if postgres.find_binaries() is None:
            for name in (PLAN, MEMORY, WRITE):
                skip(f"{name}, PostgreSQL", "PostgreSQL is not installed")
            return
        with postgres.running(folder) as server:
            _measure(postgres.new_database(server, "bench"), folder / "pg", "PostgreSQL", nases=10)


@contextmanager
def _folder() -> Iterator[Path]:
    """One that the database server's own user can pass through."""
    with tempfile.TemporaryDirectory(prefix="ebs-bench-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


def _measure(url: str, folder: Path, where: str, nases: int, *, targets: bool = False) -> None:
    folder.mkdir()
    each = PLACEMENTS // nases
    with new_site(url, folder) as site:
        fill(site, [{"name": f"nas{number:02d}", "profile": "mikrotik"} for number in range(1, nases + 1)], each)
        _writing(site, where)
        analyze(site)
        change(site, range(1, PLACEMENTS + 1, PLACEMENTS // CHANGED))
        key_file = site.config.key_file
    _planning(url, key_file, where, targets=targets)


def _planning(url: str, key_file: Path, where: str, *, targets: bool) -> None:
    """Fresh processes: templates are compiled and caches are cold, as for ``ebs plan``."""
    command = [sys.executable, "-m", "tests.bench.planning_process", url, str(key_file)]
    rounds: list[dict[str, Any]] = [
        json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, env=os.environ).stdout) for _ in range(PROCESSES)
    ]
    sizes = {name: rounds[0][name] for name in ("placements", "changed", "commands")}
    took = {name: median([each[name] for each in rounds]) for name in ("planned", "rendered", "again", "bare_join")}
    first = took["planned"] + took["rendered"]
    limit = SECONDS if targets else None
    times = took["again"] / took["bare_join"]
    report(f"{PLAN}, {where}", first, "seconds", "lower", limit, **sizes, **took, times_bare_join=times)
    peak, before = (max(each[name] for each in rounds) for name in ("peak", "imported"))
    report(f"{MEMORY}, {where}", peak, "MB", "lower", MEGABYTES if targets else None, program_alone_mb=before)


def _writing(site: Site, where: str) -> None:
    """Beside the same updates by one executemany in one transaction. The first writing has the values that go with an add."""
    states = confirmed_states(site)
    with_values = write_states(site, states)
    bare = {name: [replace(row, values=None) for row in rows] for name, rows in states.items()}
    ours = write_states(site, bare)
    one = _one_transaction(site, [row for rows in bare.values() for row in rows])
    took = {"ours": ours, "with_values": with_values, "one_executemany": one}
    report(f"{WRITE}, {where}", ours, "seconds", "lower", times_one_executemany=ours / one, **took)


def _one_transaction(site: Site, rows: list[StateRow]) -> float:
    table: Any = Placement.__table__
    names = ("presence", "enabled", "speed", "key", "revision")
    statement = update(table).where(table.c.id == bindparam("row")).values({name: bindparam(f"new_{name}") for name in names})
    values = [{"row": row.placement_id} | {f"new_{name}": getattr(row.state, name) for name in names} for row in rows]

    def write() -> None:
        with site.database.write() as session:
            session.connection().execute(statement, values)

    return seconds(write)
