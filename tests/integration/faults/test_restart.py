"""PostgreSQL that is stopped without warning in the middle of the work, and comes back."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import pytest

from ebs_core.domain.errors import StorageError
from tests.conftest import make_site
from tests.fixtures import postgres
from tests.integration.engine.conftest import wait_for
from tests.integration.faults.conftest import Cluster, Founder
from tests.integration.faults.town import edit

SEED = 15


@pytest.mark.xdist_group("heavy")
def test_workers_survive_restarts_in_mid_batch(own_cluster: Cluster, found: Founder, tmp_path: Path) -> None:
    site = make_site(postgres.new_database(own_cluster.url, "site"), tmp_path)
    town = found(site)
    town.settle(60)
    said, chance = tmp_path / "said", random.Random(SEED)
    for router in town.routers.values():
        router.faults.latency = 0.02

    def operations() -> int:
        return sum(router.router.journal.count for router in town.routers.values())

    with town.process("worker", said=said) as first, town.process("worker", said=said) as second:
        for _ in range(3):
            begun, point = operations(), chance.randrange(20, 200)
            for _ in range(30):
                edit(town, chance)
            town.release()
            wait_for(lambda begun=begun, point=point: operations() - begun >= min(point, 40), 30, "nobody works")  # type: ignore[misc]
            own_cluster.stop()
            with suppress(StorageError):
                site.editor.set_account(f"a-{town.numbers[0]}", {"comment": "refused"})
            own_cluster.start()
        town.release()
        town.wait(90)
        assert (first.poll(), second.poll()) == (None, None)
    assert "Traceback" not in said.read_text()
    town.check()
    site.close()
