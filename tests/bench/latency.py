"""From commit to the command's arrival at the NAS, with two worker processes; and what a worker costs that has nothing to do."""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import update

from ebs_core.storage.tables import Nas
from ebs_server.bootstrap import Site
from tests.bench.figures import median, report, skip
from tests.bench.processes import Process, background, in_step
from tests.bench.site import analyze, fill, new_site
from tests.fixtures import fleet, postgres

NASES, EACH, EDITS, PER_SECOND = 20, 50, 300, 10
IDLE_SECONDS = 12.0
ARRIVAL = "PostgreSQL, 2 workers: commit to command's arrival"
IDLE = "processor time of an idle"


def run() -> None:
    with folder() as place:
        _idle_serve(place)
        if postgres.find_binaries() is None:
            for name in (f"{ARRIVAL}, median", f"{ARRIVAL}, p99", f"{IDLE} ebs worker, PostgreSQL"):
                skip(name, "PostgreSQL is not installed")
            return
        with ExitStack() as stack:
            server, routers = stack.enter_context(postgres.running(place)), stack.enter_context(fleet.running(NASES))
            one = stack.enter_context(site(postgres.new_database(server, "bench"), place / "pg", routers))
            workers = [stack.enter_context(background(one, "worker")) for _ in range(2)]
            in_step(one)
            _latency(one, routers)
            quiet(one)
            _idle(f"{IDLE} ebs worker, PostgreSQL", workers)


@contextmanager
def folder() -> Iterator[Path]:
    """One that the database server's own user can pass through."""
    with tempfile.TemporaryDirectory(prefix="ebs-bench-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


@contextmanager
def site(url: str, place: Path, routers: fleet.Fleet, each: int = EACH) -> Iterator[Site]:
    """``each`` subscribers on every router, nothing sent yet."""
    place.mkdir()
    with new_site(url, place) as one:
        fill(one, nases(one, routers), each)
        yield one


def nases(one: Site, routers: fleet.Fleet) -> list[dict[str, Any]]:
    """Rows of the NASes."""
    password = one.secrets.seal(fleet.PASSWORD)
    return [{**nas, "transport": "routeros_api", "password": password} for nas in routers.nases()]


def quiet(one: Site) -> None:
    """No whole read-back for a while: what idle means. The pulse, once a minute and NAS, stays."""
    with one.database.write() as session:
        far = int((time.time() + 600) * 1000)
        session.execute(update(Nas).values(resync_at=far))


def _latency(one: Site, routers: fleet.Fleet) -> None:
    """An edit's own figure is its speed, so each command tells whose it is. A pace at which every edit meets idle workers."""
    analyze(one)
    quiet(one)
    routers.forget()
    chance = random.Random(1)
    committed: dict[str, float] = {}
    started, processor = time.monotonic(), time.process_time()
    for number in range(EDITS):
        time.sleep(max(0.0, started + number / PER_SECOND + chance.uniform(0, 0.5 / PER_SECOND) - time.monotonic()))
        rate = 1_000_000 + number * 1000
        one.editor.set_subaccount(f"a-{chance.randrange(NASES * EACH) + 1:06d}-1", {"speed": f"download={rate} upload={rate}"})
        committed[f"{rate}/{rate}"] = time.time()
    processor = time.process_time() - processor
    in_step(one)
    arrived = {limit: at for at, _, verb, limit in routers.writes() if verb == "add"}
    took = sorted(arrived[limit] - at for limit, at in committed.items() if limit in arrived)
    assert len(took) >= 0.98 * EDITS, f"only {len(took)} of {EDITS} edits arrived by themselves"
    figures = {"edits": len(took), "per_second": PER_SECOND, "nases": NASES, "load": os.getloadavg()[0]}
    report("PostgreSQL: processor time of one edit", processor / EDITS, "seconds", "lower")
    report(f"{ARRIVAL}, median", median(took), "seconds", "lower", 0.1, **figures, worst=took[-1])
    report(f"{ARRIVAL}, p99", took[int(0.99 * len(took))], "seconds", "lower", 0.3, **figures)


def _idle_serve(place: Path) -> None:
    with ExitStack() as stack:
        routers = stack.enter_context(fleet.running(NASES))
        one = stack.enter_context(site(f"sqlite:///{place / 'ebs.sqlite3'}", place / "lite", routers))
        serving = stack.enter_context(background(one, "serve"))
        in_step(one)
        quiet(one)
        _idle(f"{IDLE} ebs serve, SQLite", [serving])


def _idle(name: str, processes: list[Process]) -> None:
    """Of the one that costs most: one of the workers sweeps for all."""
    time.sleep(2)  # whatever ends after the last piece of work
    before = [one.cpu() for one in processes]
    started = time.monotonic()
    time.sleep(IDLE_SECONDS)
    seconds = time.monotonic() - started
    shares = [100 * (one.cpu() - was) / seconds for one, was in zip(processes, before, strict=True)]
    report(name, max(shares), "% of a core", "lower", 2, seconds=seconds, least=min(shares), load=os.getloadavg()[0])
