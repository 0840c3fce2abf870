"""kill -9 at any moment of an apply: the recorded state is the truth, or 'unknown', and the next run finishes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from ebs_core.domain.placement import Presence
from ebs_core.storage.tables import Placement
from ebs_server.bootstrap import Site
from nas_simulator import SimulatedNas
from tests.integration.services.conftest import LISTED, QUEUES, active, document, import_site, nas_row, subscriber

SCRIPT = "from ebs_server.cli.main import main; main(['apply'])"
SUBSCRIBERS = 40
ROUNDS = 12


def apply_and_kill(site: Site, router: SimulatedNas, operations: int) -> None:
    """Start ``ebs apply`` as a process of its own; kill it when the router has executed so many operations."""
    environment = {**os.environ, "EBS_DATABASE_URL": site.config.database, "EBS_KEY_FILE": str(site.config.key_file)}
    start = router.router.journal.count
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while process.poll() is None and router.router.journal.count - start < operations:
        assert time.monotonic() < deadline
        time.sleep(0.0005)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize("transport", ["routeros_api", "ssh"])
def test_killed_again_and_again(any_site: Site, router: SimulatedNas, tmp_path: Path, transport: str) -> None:
    site = any_site
    people = [subscriber(number, "nas1") for number in range(1, SUBSCRIBERS + 1)]
    import_site(site, document([nas_row(router, transport=transport)], people), tmp_path)
    router.faults.latency = 0.002
    chance = random.Random(transport)
    for _ in range(ROUNDS):
        apply_and_kill(site, router, chance.randrange(0, SUBSCRIBERS * 4))
        check_recorded_is_true(site, router)
        for number in chance.sample(range(1, SUBSCRIBERS + 1), 4):
            site.editor.set_subaccount(f"a-{number}-1", {"speed": f"{chance.randrange(1, 99)}M"})
            site.editor.set_account(f"a-{number}", {"balance": chance.choice(["-1", "1"])})
        site.nas_editor.release("nas1", SUBSCRIBERS)
    site.nas_editor.release("nas1", SUBSCRIBERS)
    (result,) = site.reconciler.apply(["nas1"])
    assert result.ok
    assert sum(len(plan.items) for plan in site.planner.plan_all()) == 0
    with site.database.read() as session:
        states = session.scalars(select(Placement)).all()
        assert active(router) == {f"10.77.0.{state.slot}": state.enabled for state in states}
    assert len(router.router.items(LISTED)) == len(router.router.items(QUEUES)) == SUBSCRIBERS, "nothing twice"


def check_recorded_is_true(site: Site, router: SimulatedNas) -> None:
    """What is recorded as certain is so on the router."""
    found = active(router)
    with site.database.read() as session:
        for state in session.scalars(select(Placement)):
            address = f"10.77.0.{state.slot}"
            if state.presence == Presence.PRESENT:
                assert address in found
                if state.enabled is not None:
                    assert found[address] is state.enabled
            elif state.presence == Presence.ABSENT:
                assert address not in found
