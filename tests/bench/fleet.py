"""Reading back and filling a whole site by worker processes: 500 simulated routers, and what a second worker is worth."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack

from sqlalchemy import select, update

from ebs_core.storage.database import wake_after_commit
from ebs_core.storage.tables import Nas
from ebs_server.bootstrap import Site
from tests.bench.figures import median, report, skip
from tests.bench.latency import folder, site
from tests.bench.processes import Process, background, in_step
from tests.fixtures import fleet, postgres

NASES, EACH, ROUNDS = 500, 100, 3
FAR_NASES, FAR_EACH, FAR_THREADS, LATENCY = 200, 20, 2, 0.02
NAME = "PostgreSQL, 500 NASes with 100 subscribers, 2 workers"
FAR = "PostgreSQL, 200 NASes that answer after 20 ms: whole resync by 2 workers, times that by 1"


def run() -> None:
    if postgres.find_binaries() is None:
        skip(NAME, "PostgreSQL is not installed")
        skip(FAR, "PostgreSQL is not installed")
        return
    with folder() as place, postgres.running(place) as server:
        with fleet.running(NASES) as routers, site(postgres.new_database(server, "near"), place / "near", routers, EACH) as one:
            _whole_fleet(one, routers)
        with (
            fleet.running(FAR_NASES) as routers,
            site(postgres.new_database(server, "far"), place / "far", routers, FAR_EACH) as one,
        ):
            _far(one, routers)


def _whole_fleet(one: Site, routers: fleet.Fleet) -> None:
    with ExitStack() as stack:
        started = time.monotonic()
        workers = [stack.enter_context(background(one, "worker")) for _ in range(2)]
        in_step(one)
        filled = time.monotonic() - started
        costs = _cpu(workers)
        rounds = [_resync(one) for _ in range(ROUNDS)]
        spent = [(after - before) / ROUNDS for before, after in zip(costs, _cpu(workers), strict=True)]
        peak = max(worker.peak() for worker in workers)
    load = os.getloadavg()[0]
    report(f"{NAME}: first filling", filled, "seconds", "lower", per_subscriber=filled / (NASES * EACH), load=load)
    made_of = {"per_nas": median(rounds) / NASES, "workers_cpu": sum(spent), "cpu_per_nas": sum(spent) / NASES, "load": load}
    report(f"{NAME}: whole resync", median(rounds), "seconds", "lower", **made_of)
    report(f"{NAME}: peak memory of a worker", peak, "MB", "lower")
    report(f"{NAME}: memory of the simulated routers", Process(routers.pid).peak(), "MB", "lower")


def _cpu(workers: list[Process]) -> list[float]:
    return [worker.cpu() for worker in workers]


def _resync(one: Site) -> float:
    """Seconds until everything was read back that is due from now on."""
    with one.database.write() as session:
        session.execute(update(Nas).values(resync_at=0))
        wake_after_commit(session, session.scalars(select(Nas.id)))
    started = time.monotonic()
    in_step(one)
    return time.monotonic() - started


def _far(one: Site, routers: fleet.Fleet) -> None:
    """So few threads that the wire, not the processor, is what everybody waits for."""
    options = ("worker", "--threads", str(FAR_THREADS))
    with background(one, *options):
        in_step(one)
    routers.misbehave(latency=LATENCY)
    took: dict[int, list[float]] = {1: [], 2: []}
    cpu: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(ROUNDS):
        for count, seconds in took.items():
            with ExitStack() as stack:
                workers = [stack.enter_context(background(one, *options)) for _ in range(count)]
                before = sum(_cpu(workers))
                seconds.append(_resync(one))
                cpu[count].append((sum(_cpu(workers)) - before) / seconds[-1])
    alone, together = median(took[1]), median(took[2])
    shares = {"one_worker_cpu": median(cpu[1]), "two_workers_cpu": median(cpu[2]), "load": os.getloadavg()[0]}
    report(FAR, together / alone, "ratio", "lower", 0.6, threads=FAR_THREADS, alone=alone, together=together, **shares)
