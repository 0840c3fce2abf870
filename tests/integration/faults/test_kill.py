"""kill -9 of a worker at any stage of its work, again and again, while people go on editing."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from contextlib import ExitStack

import pytest

from ebs_core.storage.job_queue import uses_queue
from tests.integration.engine.conftest import wait_for
from tests.integration.faults.town import Town, edit, end, start

pytestmark = pytest.mark.xdist_group("heavy")

KILLS = 28
"""On each kind of database."""
SEED = int(os.environ.get("EBS_KILL_SEED", "4711"))


def operations(town: Town) -> int:
    return sum(router.router.journal.count for router in town.routers.values())


def test_killed_at_every_stage(town: Town) -> None:
    print(f"EBS_KILL_SEED={SEED}")
    chance = random.Random(SEED)
    for router in town.routers.values():
        router.faults.latency = 0.004
    enough = threading.Event()
    edits = [0]

    def operators() -> None:
        busy = random.Random(SEED + 1)
        while not enough.wait(0.01):
            edit(town, busy)
            edits[0] += 1
            if edits[0] % 20 == 0:
                town.release()

    editing = threading.Thread(target=operators)
    with ExitStack() as stack:
        stack.callback(lambda: (enough.set(), editing.join()))
        editing.start()
        said = town.folder / "said"
        workers = [start(town.site, *town.worker, said=said) for _ in range(2 if uses_queue(town.site.database) else 1)]
        stack.callback(lambda: [end(worker) for worker in workers])
        for _ in range(KILLS):
            begun, point = operations(town), chance.randrange(1, 120)
            wait_for(lambda begun=begun, point=point: operations(town) - begun >= point, 30, "nobody works")  # type: ignore[misc]
            time.sleep(chance.random() * 0.03)  # any moment, not only those right after a command
            victim = chance.randrange(len(workers))
            workers[victim].send_signal(signal.SIGKILL)
            workers[victim].wait()
            workers[victim] = start(town.site, *town.worker, said=said)
        enough.set()
        editing.join()
        assert edits[0] > KILLS
        town.release()
        town.wait(90)
        assert all(worker.poll() is None for worker in workers)
    town.check()
