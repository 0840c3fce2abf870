"""Leases: whatever the clocks do, one worker at a time, and nobody waits for a dead one."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from sqlalchemy import func, select, update

from ebs_core.storage import leases
from ebs_core.storage.database import Database
from ebs_core.storage.tables import Nas, Tariff
from ebs_server.bootstrap import Site
from tests.integration.engine.conftest import ROOT, nas, put, wait_for

HOUR_MS = 3_600_000
ELSEWHERE = "other/boot/space|1|1"


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases of a fraction of a second."""
    for name, seconds in (("LEASE_SECONDS", 0.6), ("RENEW_SECONDS", 0.1), ("POLL_SECONDS", 0.02)):
        monkeypatch.setattr(leases, name, seconds)


@pytest.fixture
def database(calm: Site) -> Database:
    return calm.database


def taken(database: Database) -> leases.Lease | None:
    try:
        return leases.take(database, 1, "nas1")
    except leases.NasBusy:
        return None


@pytest.mark.parametrize("jump", [-HOUR_MS, 0, HOUR_MS])
def test_a_renewed_lease_is_never_taken_whatever_the_clock_says(database: Database, jump: int) -> None:
    with leases.held(database, 1, "nas1") as lease:
        with database.write() as session:
            session.execute(update(Nas).where(Nas.id == 1).values(lease_until=Nas.lease_until + jump))
        seen: set[int] = set()

        def looked_on() -> bool:
            assert taken(database) is None
            assert leases.free_abandoned(database) == []
            seen.add(nas(database).lease_until)
            return len(seen) > 12  # twelve renewals: twice the life of a lease

        wait_for(looked_on)
        with database.write() as session:
            lease.guard(session)


@pytest.mark.parametrize("jump", [-HOUR_MS, 0, HOUR_MS])
def test_a_lease_that_nobody_renews_is_taken_whatever_the_clock_says(database: Database, jump: int) -> None:
    first = leases.take(database, 1, "nas1")
    put(database, lease_until=nas(database).lease_until + jump)
    assert taken(database) is None
    wait_for(lambda: taken(database) is not None)
    with pytest.raises(leases.LeaseLost), database.write() as session:
        session.add(Tariff(name="written by the one who lost"))
        first.guard(session)
    with database.read() as session:
        assert session.scalar(select(func.count()).where(Tariff.name == "written by the one who lost")) == 0


def test_the_sweep_frees_what_a_dead_machine_held(database: Database) -> None:
    put(database, lease_owner=ELSEWHERE, lease_token=7, lease_until=5)
    put(database, "nas2", lease_owner=ELSEWHERE, lease_token=7, lease_until=5)
    freed: list[int] = []

    def sweep() -> bool:
        put(database, "nas2", lease_until=nas(database, "nas2").lease_until + 1)  # its holder is alive
        freed.extend(leases.free_abandoned(database))
        return bool(freed)

    wait_for(sweep)
    assert freed == [1]
    assert (nas(database).lease_owner, nas(database).lease_token) == (None, 8)
    assert nas(database, "nas2").lease_owner == ELSEWHERE


def test_time_in_which_nobody_looked_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(leases, "time", SimpleNamespace(monotonic=lambda: now[0]))
    watch, lease = leases._Watch(), leases._Seen(ELSEWHERE, 1, 1)
    assert not watch.abandoned("db", 1, lease)
    now[0] = 3600.0  # this process was stopped for an hour
    assert not watch.abandoned("db", 1, lease)
    for _ in range(6):
        now[0] += 0.1
        answer = watch.abandoned("db", 1, lease)
    assert answer
    assert not watch.abandoned("db", 1, lease._replace(until=2)), "it was renewed"


def test_patience_waits_for_the_one_who_is_soon_ready(database: Database) -> None:
    entered, leave = threading.Event(), threading.Event()

    def work() -> None:
        with leases.held(database, 1, "nas1"):
            entered.set()
            leave.wait()

    thread = threading.Thread(target=work)
    thread.start()
    entered.wait()
    with pytest.raises(leases.NasBusy, match="is being worked by process"), leases.held(database, 1, "nas1", patient=False):
        raise AssertionError("taken twice")
    leave.set()
    with leases.held(database, 1, "nas1") as lease:
        assert nas(database).lease_token == lease.token
    thread.join()
    assert nas(database).lease_owner is None


def test_one_thread_renews_all(database: Database) -> None:
    with leases.held(database, 1, "nas1"), leases.held(database, 2, "nas2"), leases.held(database, 3, "nas3"):
        before = [nas(database, f"nas{n}").lease_until for n in (1, 2, 3)]
        wait_for(lambda: all(nas(database, f"nas{n}").lease_until > old for n, old in zip((1, 2, 3), before, strict=True)))
        assert sum(thread.name == "leases" for thread in threading.enumerate()) == 1
    wait_for(lambda: all(thread.name != "leases" for thread in threading.enumerate()))


HOLDER = """
import sys
from ebs_core.storage import leases
from ebs_core.storage.database import Database
leases.LEASE_SECONDS, leases.RENEW_SECONDS = 0.6, 0.1
database = Database(sys.argv[1])
with leases.held(database, 1, "nas1") as lease:
    print("taken", flush=True)
    sys.stdin.readline()
    try:
        with database.write() as session:
            lease.guard(session)
    except leases.LeaseLost:
        print("lost", flush=True)
"""


def test_a_stopped_holder_loses_the_lease_and_learns_of_it(database: Database) -> None:
    words = [sys.executable, "-c", HOLDER, database.url]
    with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"taken\n"
        assert taken(database) is None
        holder.send_signal(signal.SIGSTOP)
        wait_for(lambda: taken(database) is not None)
        holder.send_signal(signal.SIGCONT)
        assert holder.communicate(b"\n", timeout=30)[0] == b"lost\n"


def test_the_lease_of_a_killed_process_is_taken_at_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "LEASE_SECONDS", 3600.0)
    words = [sys.executable, "-c", HOLDER, database.url]
    with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"taken\n"
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        leases.take(database, 1, "nas1").release()


def test_a_row_that_somebody_writes_to_counts_as_busy(database: Database) -> None:
    if database.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has one writer: whoever comes second waits")
    with database.write() as session:
        session.execute(select(Nas.id).where(Nas.id == 1).with_for_update())
        with pytest.raises(leases.NasBusy, match="is being written to"):
            leases.take(database, 1, "nas1")
    leases.take(database, 1, "nas1").release()
