"""The background job in this process, on SQLite and on PostgreSQL, over a stand-in for the reconciler."""

from __future__ import annotations

import logging
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import select, update

from ebs_core.domain.errors import InputError
from ebs_core.services.applier import NasResult
from ebs_core.services.pauses import Schedule
from ebs_core.storage import job_queue, leases
from ebs_core.storage.tables import Account, Placement
from ebs_server.bootstrap import Site
from ebs_server.engine.nas_queue import NasQueue
from ebs_server.engine.prober import Prober, knock
from ebs_server.engine.work import Work
from nas_backends.backends import DeviceBackends
from tests.fixtures.postgres import free_port
from tests.integration.engine.conftest import ROOT, dirty, document, load, nas, put, quiet, running, wait_for
from tests.integration.engine.standin import StandIn, at_once

HOUR_MS = 3_600_000


def settled(standin: StandIn) -> bool:
    return not dirty(standin.database)


# -- waking


def test_a_commit_of_this_process_wakes_its_nas_only(calm: Site, standin: StandIn) -> None:
    with running(standin):
        calm.editor.set_account("a-3", {"balance": "-1"})
        wait_for(lambda: settled(standin))
    assert set(standin.begun()) == {3}


def test_a_commit_of_another_process_wakes_too(calm: Site, standin: StandIn) -> None:
    """By ``ebs``, as an operator gives it."""
    script = "from ebs_server.cli.main import main; main()"
    environment = {"EBS_DATABASE_URL": calm.config.database, "EBS_KEY_FILE": str(calm.config.key_file), "PATH": "/usr/bin:/bin"}
    with running(standin):
        words = [sys.executable, "-c", script, "account", "set", "a-2", "balance=-1"]
        subprocess.run(words, cwd=ROOT, env=environment, check=True, capture_output=True)
        wait_for(lambda: set(standin.begun()) == {2} and settled(standin))


def test_the_sweep_finds_what_nobody_told(standin: StandIn) -> None:
    with running(standin):
        with standin.database.write() as session:  # no wake-up goes with it
            session.execute(update(Placement).where(Placement.nas_id == 5).values(changed=Placement.changed + 1))
        wait_for(lambda: settled(standin))
        put(standin.database, "nas6", resync_at=0)
        wait_for(lambda: nas(standin.database, "nas6").resync_at > 0)
    assert set(standin.begun()) == {5, 6}


def test_a_moment_that_comes_is_carried_out(calm: Site, standin: StandIn) -> None:
    calm.editor.set_account("a-4", {"promised": "50", "promised_until": "2099-01-01T00:00:00Z"})
    quiet(calm.database)
    with running(standin):
        with calm.database.write() as session:
            account = session.scalars(select(Account).where(Account.username == "a-4")).one()
            account.promised_until, account.revisit_at = account.created_at, 1
        wait_for(lambda: standin.begun() == [4] and settled(standin))
    with calm.database.read() as session:
        assert session.scalars(select(Account.promised).where(Account.username == "a-4")).one() == 0


def test_an_operators_act_overtakes_bulk_work(calm: Site, standin: StandIn) -> None:
    standin.gate.clear()
    with running(standin, threads=1):
        calm.editor.set_account("a-1", {"balance": "-1"})
        wait_for(lambda: standin.begun() == [1])
        calm.editor.set_tariff("Home", {"speed": "download=9M"})  # bulk: every NAS
        calm.editor.set_account("a-6", {"balance": "-1"})
        standin.gate.set()
        wait_for(lambda: settled(standin))
    assert standin.begun()[1] == 6


def test_a_change_while_the_nas_is_worked_is_worked_afterwards(calm: Site, standin: StandIn) -> None:
    standin.gate.clear()
    with running(standin):
        calm.editor.set_account("a-1", {"balance": "-1"})
        wait_for(lambda: standin.begun() == [1])
        calm.editor.set_account("a-1", {"balance": "-2"})
        standin.gate.set()
        wait_for(lambda: settled(standin))
    assert at_once(standin.journal) == 0


def test_no_nas_is_worked_by_two_at_once(calm: Site, standin: StandIn) -> None:
    other = StandIn(standin.database, standin.journal)
    with running(standin), running(other):
        for number in range(60):
            calm.editor.set_account(f"a-{number % 6 + 1}", {"comment": str(number)})
        wait_for(lambda: settled(standin))
    assert at_once(standin.journal) == 0
    assert set(standin.begun()) == {1, 2, 3, 4, 5, 6}


def test_bulk_edits_wake_every_nas_once(calm: Site) -> None:
    woken: list[dict[int, bool]] = []
    calm.database.on_commit.append(lambda found: woken.append(dict(found)))
    calm.editor.set_tariff("Home", {"speed": "download=9M"})
    calm.editor.set_account("a-2", {"comment": "x"})
    calm.nas_editor.release("nas3", 5)
    calm.nas_editor.refill("nas4")
    with pytest.raises(InputError):
        calm.editor.set_account("a-2", {"nas": "none such"})
    assert woken == [dict.fromkeys(range(1, 7), False), {2: True}, {3: True}, {4: True}]


def test_an_edit_is_tried_at_once_although_the_last_try_failed(calm: Site) -> None:
    far = int(time.time() * 1000) + HOUR_MS
    with calm.database.write() as session:
        session.execute(update(Placement).values(next_try=far, changed=Placement.changed + 1))
    put(calm.database, "nas1", retry_at=far)
    calm.editor.set_account("a-1", {"balance": "-1"})
    calm.editor.set_tariff("Home", {"speed": "download=9M"})
    calm.nas_editor.release("nas1", 3)
    with calm.database.read() as session:
        rows = session.execute(select(Placement.next_try, Placement.urgent).order_by(Placement.nas_id)).all()
    assert [tuple(row) for row in rows] == [(0, True), *[(0, False)] * 5]
    assert nas(calm.database).retry_at == 0


def test_a_listener_that_fails_fails_no_edit(calm: Site, caplog: pytest.LogCaptureFixture) -> None:
    def listener(_woken: object) -> None:
        raise OSError("the queue is away")

    calm.database.on_commit.append(listener)
    assert calm.editor.set_account("a-1", {"balance": "-1"}) == ["balance"]
    assert "its sweep finds it: the queue is away" in caplog.text


# -- faults


def test_a_database_that_comes_and_goes_ends_nothing(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locked for longer than anybody waits: said once, then the work goes on."""
    monkeypatch.setattr("ebs_core.storage.database._BUSY_SECONDS", 0.05)
    caplog.set_level(logging.INFO, "ebs")
    load(site, tmp_path, document())
    from ebs_core.storage.database import Database

    database = Database(site.config.database)
    standin = StandIn(database, tmp_path / "journal")
    blocker = sqlite3.connect(tmp_path / "ebs.sqlite3", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with running(standin):
        wait_for(lambda: "locked" in caplog.text)
        blocker.execute("ROLLBACK")
        wait_for(lambda: settled(standin))
    blocker.close()
    database.dispose()
    assert sum("working NASes: database" in message for message in caplog.messages) == 1


def test_a_fault_of_ours_is_told_once_and_tried_again(
    calm: Site, standin: StandIn, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries = []
    real = standin.reconcile

    def faulty(nas_id: int):
        tries.append(nas_id)
        if len(tries) < 3:
            raise ZeroDivisionError("oops")
        return real(nas_id)

    monkeypatch.setattr(standin, "reconcile", faulty)
    with running(standin):
        calm.editor.set_account("a-1", {"balance": "-1"})
        wait_for(lambda: settled(standin))
    assert sum("an error of this program" in message for message in caplog.messages) == 1


def test_a_lost_job_and_one_of_a_dead_worker_cost_a_sweep(calm: Site, standin: StandIn) -> None:
    database = standin.database
    if not job_queue.uses_queue(database):
        pytest.skip("SQLite has no queue")
    calm.editor.set_account("a-1", {"balance": "-1"})
    calm.editor.set_account("a-2", {"balance": "-1"})
    with psycopg.connect(**job_queue.connect_arguments(database), autocommit=True) as queue:
        queue.execute("DELETE FROM procrastinate_jobs WHERE queueing_lock = 'nas:1'")
        queue.execute("UPDATE procrastinate_jobs SET status = 'doing'")
        with running(standin):
            wait_for(lambda: settled(standin))
            wait_for(lambda: queue.execute("SELECT count(*) FROM procrastinate_jobs").fetchone() == (0,))


def test_an_urgent_job_overtakes_its_own_waiting_one(calm: Site) -> None:
    if not job_queue.uses_queue(calm.database):
        pytest.skip("SQLite has no queue")
    calm.editor.set_tariff("Home", {"speed": "download=9M"})
    calm.editor.set_account("a-2", {"balance": "-1"})
    with psycopg.connect(**job_queue.connect_arguments(calm.database)) as queue:
        rows = queue.execute("SELECT queueing_lock, priority FROM procrastinate_jobs ORDER BY priority DESC, id").fetchall()
    assert rows == [("nas:2", 2), *[(f"nas:{n}", 1) for n in (1, 3, 4, 5, 6)]]


# -- probing


class Door:
    """A TCP port that is open or closed."""

    def __init__(self) -> None:
        self.port = free_port()
        self._socket: socket.socket | None = None

    def open(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", self.port))

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()


def test_a_nas_that_is_back_is_worked_at_once(calm: Site) -> None:
    door, database = Door(), calm.database
    far = int(time.time() * 1000) + 200_000
    put(database, "nas1", port=door.port, failure="refused", retry_at=far)
    put(database, "nas2", port=door.port, retry_at=far)  # held, not failing
    put(database, "nas3", port=door.port, failure="refused", retry_at=far, maintenance="being moved")
    put(database, "nas4", address="localhost", port=door.port, failure="refused", retry_at=far)
    woken: list[dict[int, bool]] = []
    database.on_commit.append(lambda found: woken.append(dict(found)))
    prober = Prober(database, DeviceBackends(), calm.renderer.profiles, threading.Event())
    assert prober.round() == []
    wait_for(lambda: prober.round() == [] and prober._silent == {1, 4})  # the name has been looked up
    door.open()
    wait_for(lambda: prober.round() != [])
    wait_for(lambda: prober.round() or prober._silent == set())
    door.close()
    assert nas(database, "nas1").retry_at == 0
    assert [nas(database, f"nas{n}").retry_at for n in (2, 3)] == [far, far]
    assert {1: True} in woken or {1: True, 4: True} in woken


def test_an_open_door_alone_shortens_no_pause(calm: Site) -> None:
    """The login fails, not the connection: knocking would try it again and again."""
    door = Door()
    door.open()
    put(calm.database, port=door.port, failure="wrong password", retry_at=int(time.time() * 1000) + 200_000)
    prober = Prober(calm.database, DeviceBackends(), calm.renderer.profiles, threading.Event())
    assert [prober.round() for _ in range(3)] == [[], [], []]
    door.close()
    assert nas(calm.database).retry_at > 0


def test_many_silent_ones_delay_nobody() -> None:
    """Two hundred that drop packets (TEST-NET-1 of RFC 5737) and one that answers."""
    door = Door()
    door.open()
    doors = {number: (f"192.0.2.{number}", 22) for number in range(1, 200)} | {0: ("127.0.0.1", door.port), 999: ("::1", 1)}
    assert knock(doors) == {0}
    door.close()


# -- the queue in memory


def test_the_queue_gives_each_nas_to_one_thread_at_a_time() -> None:
    queue = NasQueue()
    for nas_id, priority in ((1, 0), (2, 1), (3, 1), (1, 2), (2, 0)):
        queue.put(nas_id, priority)
    assert [queue.take(), queue.take()] == [1, 2]
    queue.put(1, 2)
    queue.put(1, 0)
    assert queue.take() == 3
    assert queue.working == {1, 2, 3}
    queue.done(1)
    assert queue.take() == 1
    queue.done(1)
    queue.put(4, 0)
    queue.close()
    assert queue.take() is None


def test_a_lease_of_another_machine_is_waited_out(calm: Site, standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "LEASE_SECONDS", 1.0)
    put(calm.database, lease_owner="other/boot/space|1|1", lease_until=int(time.time() * 1000) + HOUR_MS)
    with running(standin):
        calm.editor.set_account("a-1", {"balance": "-1"})
        wait_for(lambda: settled(standin))


def test_an_admin_is_told_of_what_changes_and_only_then(site: Site, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    load(site, tmp_path, document(1))
    caplog.set_level(logging.INFO, "ebs")
    results = [
        NasResult("nas1", failure="NAS nas1: refused\n  → look at it"),
        NasResult("nas1", failure="NAS nas1: refused\n  → look at it"),
        NasResult("nas1", busy=True),
        NasResult("nas1", held=True, cut_off=30),
        NasResult("nas1", looked=True, drifted={"a-1": ["speed"]}, orphans=["x", "y"]),
    ]
    work = Work(site.database, lambda _nas_id: results.pop(0) if results else None, threading.Event(), Schedule())
    while results:
        work(1)
    assert caplog.messages == [
        "NAS nas1: refused   → look at it",
        "NAS nas1: HELD: it would cut off 30 placements; look at 'ebs plan --nas nas1', then 'ebs hold release nas1'",
        "NAS nas1: works again",
        "NAS nas1: read back: 1 drifted, 2 orphans",
    ]
