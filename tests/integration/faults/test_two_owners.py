"""Two workers that both believe they own a NAS: one was stopped in the middle of a batch for longer than a lease lives."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import threading
from contextlib import closing, suppress
from pathlib import Path

import pytest
from sqlalchemy import select

from ebs_core.config import sqlite_path
from ebs_core.storage import leases
from ebs_core.storage.tables import ActionLog
from ebs_server.bootstrap import Site
from nas_simulator.journal import Operation
from tests.integration.engine.conftest import wait_for
from tests.integration.faults.conftest import Founder
from tests.integration.faults.town import WRITES, working

pytestmark = pytest.mark.xdist_group("heavy")

PEOPLE = 20
NEW = range(101, 141)
SHORT = "from ebs_core.storage import leases; leases.LEASE_SECONDS, leases.RENEW_SECONDS = 2.0, 0.5; "
"""For both workers, so that the test need not wait so long."""
ASKING = ".id,comment"
"""What is asked over the API for the records that ``[find comment=…]`` means."""


class Gate:
    """Where the router waits, at the fifth command of a stage, until the worker was stopped."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._left = 5
        self.reached = threading.Event()
        self.opened = threading.Event()

    def __call__(self, operation: Operation) -> None:
        asked = operation.attributes.get(".proplist") == ASKING
        if asked if self._stage == "asked" else operation.verb in WRITES:
            self._left -= 1
            if self._left == 0 or self._stage == "asked":
                self.reached.set()
                self.opened.wait(60)


def stop(worker: subprocess.Popen[bytes], site: Site) -> None:
    """While it waits for the router, and not just while it renews its lease: nobody could write to SQLite then."""
    path = sqlite_path(site.config.database)
    for _ in range(100):
        worker.send_signal(signal.SIGSTOP)
        wait_for(lambda: stands_still(worker.pid))
        if path is None:
            return
        with closing(sqlite3.connect(path, isolation_level=None, timeout=0.2)) as connection, suppress(sqlite3.OperationalError):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
            return
        worker.send_signal(signal.SIGCONT)
    raise AssertionError("it always writes")


def stands_still(pid: int) -> bool:
    """Every thread of it is stopped."""
    stats = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    return all(stat.rpartition(") ")[2][0] == "T" for stat in stats)


@pytest.mark.parametrize(("transport", "stage"), [("routeros_api", "asked"), ("routeros_api", "sent"), ("ssh", "sent")])
def test_who_wakes_up_after_his_lease_was_taken_does_nothing(
    any_site: Site, found: Founder, transport: str, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped when he had asked for the old records of new subscribers, but made no new ones, or when he had begun to."""
    monkeypatch.setattr(leases, "LEASE_SECONDS", 2.0)
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.5)
    town = found(any_site, 1, transport)
    town.settle(PEOPLE)
    assert any_site.reconciler.apply(["nas1"])[0].ok
    nas, said = town.routers["nas1"], town.folder / "said"
    gate = Gate(stage)
    nas.faults.fail = gate
    with town.process(*town.worker, said=said, prelude=SHORT) as first:
        wait_for(lambda: said.exists() and "started" in said.read_text())
        for number in NEW:
            town.add(number)
        wait_for(gate.reached.is_set, 30, "the first does nothing")
        stop(first, any_site)
        gate.opened.set()
        for number in NEW[::2]:
            town.delete(number)
        for number in NEW[1::2]:
            any_site.editor.set_subaccount(f"a-{number}-1", {"speed": "77M", "ipn_ip_address": f"10.79.0.{number}"})
        town.release()
        with working(any_site):
            town.wait(120)  # where the stopped one leads, PostgreSQL first has to cut it off
        after = nas.router.journal.count
        assert town.held("nas1") == town.expected("nas1"), "the second one finishes the work"
        first.send_signal(signal.SIGCONT)
        wait_for(lambda: "another worker took over" in said.read_text(), 30, "the first did not notice")
        wait_for(lambda: town.is_settled() and nas.router.session_count == 0)
    assert town.writes("nas1", after) == [], "the first one writes nothing more"
    with any_site.database.read() as session:
        unknown = session.scalars(select(ActionLog.output).where(ActionLog.outcome == "unknown")).all()
    assert any("no result was recorded" in output for output in unknown), "the log tells what became of its commands"
    town.check()
