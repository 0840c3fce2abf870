"""The background job as processes: signals, kills, a PostgreSQL that is restarted."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ebs_core.storage import job_queue
from ebs_server.bootstrap import Site
from tests.conftest import make_site
from tests.fixtures import postgres
from tests.integration.engine.conftest import ROOT, dirty, document, load, nas, process, quiet, running, wait_for
from tests.integration.engine.standin import StandIn, at_once, begun, workers


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def settled(site: Site) -> bool:
    return not dirty(site.database)


def said(worker: subprocess.Popen[bytes], words: bytes) -> None:
    assert worker.stderr is not None
    for line in worker.stderr:
        if words in line:
            return
    raise AssertionError(f"{words!r} was not said")


def test_sigterm_ends_a_worker_that_hangs(calm: Site, journal: Path) -> None:
    with process(calm.config.database, journal, "hang") as worker:
        said(worker, b"started")
        calm.editor.set_account("a-1", {"balance": "-1"})
        wait_for(lambda: begun(journal) == [1])
        asked = time.monotonic()
        worker.terminate()
        assert worker.wait(30) == 0
        assert time.monotonic() - asked < 10, "the limit that the issue sets"
        said(worker, b"what hangs is abandoned")
    with running(StandIn(calm.database, journal)):
        wait_for(lambda: settled(calm))
    assert at_once(journal) == 0


def test_sigterm_ends_an_idle_worker_cleanly(calm: Site, journal: Path) -> None:
    with process(calm.config.database, journal) as worker:
        said(worker, b"started")
        worker.send_signal(signal.SIGINT)
        assert worker.wait(30) == 0
        said(worker, b"stopped")


def test_a_second_signal_leaves_at_once(calm: Site, journal: Path) -> None:
    with process(calm.config.database, journal, "hang") as worker:
        said(worker, b"started")
        calm.editor.set_account("a-1", {"balance": "-1"})
        wait_for(lambda: begun(journal) == [1])
        worker.terminate()
        said(worker, b"stopping")
        worker.terminate()
        assert worker.wait(30) == 128 + signal.SIGTERM


def test_a_killed_worker_blocks_nothing(calm: Site, journal: Path) -> None:
    with process(calm.config.database, journal, "hang") as worker:
        said(worker, b"started")
        for number in (1, 2, 3):
            calm.editor.set_account(f"a-{number}", {"balance": "-1"})
        wait_for(lambda: sorted(begun(journal)) == [1, 2, 3])
        worker.kill()
        worker.wait()
    assert nas(calm.database).lease_owner is not None
    with process(calm.config.database, journal):
        wait_for(lambda: settled(calm))
    assert at_once(journal) == 0


def test_two_workers_share_the_work_and_one_is_killed(calm: Site, journal: Path) -> None:
    if not job_queue.uses_queue(calm.database):
        pytest.skip("one process serves a site on SQLite")
    with process(calm.config.database, journal) as first, process(calm.config.database, journal) as second:
        said(first, b"started")
        said(second, b"started")
        for number in range(200):
            calm.editor.set_account(f"a-{number % 6 + 1}", {"comment": str(number)})
            if number == 100:
                first.kill()
        wait_for(lambda: settled(calm))
        assert workers(journal) == {first.pid, second.pid}
        first.wait()
    assert at_once(journal) == 0


# -- the command line


def ebs(site: Site, *words: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "EBS_DATABASE_URL": site.config.database, "EBS_KEY_FILE": str(site.config.key_file)}
    script = "from ebs_server.cli.main import main; main()"
    return subprocess.Popen([sys.executable, "-c", script, *words], cwd=ROOT, env=environment, stderr=subprocess.PIPE)


def test_serve_tells_systemd(any_site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(any_site, tmp_path, document(1))
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"{folder}/notify")
        systemd.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", f"{folder}/notify")
        with ebs(any_site, "serve", "--threads", "2") as serving:
            assert systemd.recv(100) == b"READY=1"
            said(serving, b"NAS nas1: ")  # it is not there: that is said once, by name
            serving.terminate()
            assert systemd.recv(100) == b"STOPPING=1"
            assert serving.wait(30) == 0
            serving.communicate()
    assert nas(any_site.database).failure


def test_worker_on_sqlite_says_what_to_do(site: Site) -> None:
    with ebs(site, "worker") as refused:
        _, err = refused.communicate(timeout=30)
    assert refused.returncode == 2
    assert b"need PostgreSQL" in err
    assert b"'ebs serve' does all the work" in err


def test_a_missing_queue_has_a_remedy(calm: Site) -> None:
    if not job_queue.uses_queue(calm.database):
        pytest.skip("SQLite has no queue")
    with calm.database.write() as session:
        session.connection().exec_driver_sql("DROP SCHEMA ebs_queue CASCADE")
    with ebs(calm, "worker") as refused:
        _, err = refused.communicate(timeout=30)
    assert refused.returncode == 2
    assert b"run 'ebs init'" in err
    with ebs(calm, "init") as made:
        made.communicate(timeout=30)
    job_queue.check_current(calm.database)


# -- PostgreSQL restarts


def test_a_restart_of_postgresql_is_survived(own_server: tuple[str, Callable[[], None]], tmp_path: Path, journal: Path) -> None:
    url, restart = own_server
    site = make_site(postgres.new_database(url, "site"), tmp_path)
    load(site, tmp_path, document())
    quiet(site.database)
    with process(site.config.database, journal) as first, process(site.config.database, journal) as second:
        said(first, b"started")
        said(second, b"started")
        for balance in ("-1", "-2", "-3"):
            site.editor.set_account("a-1", {"balance": balance})
            wait_for(lambda: settled(site))
            restart()
        site.editor.set_account("a-2", {"balance": "-1"})
        site.editor.set_tariff("Home", {"speed": "download=9M"})
        wait_for(lambda: settled(site))
        with running(StandIn(site.database, journal)):  # woken by a job, not only by a sweep: the workers listen again
            wait_for(lambda: idle_workers(site) >= 3)
        for worker in (first, second):
            worker.terminate()
            assert worker.wait(30) == 0
    assert at_once(journal) == 0
    site.close()


@pytest.mark.parametrize("words", [("worker",), ("serve", "--threads", "2")])
def test_a_process_that_starts_while_postgresql_is_away_waits_for_it(
    controlled_server: tuple[str, Callable[..., None]], tmp_path: Path, words: tuple[str, ...]
) -> None:
    url, control = controlled_server
    site = make_site(postgres.new_database(url, "site"), tmp_path)
    load(site, tmp_path, document(1))
    site.close()
    control("stop", "-m", "immediate")
    with ebs(site, *words) as waiting, ebs(site, *words) as impatient:
        said(waiting, b"it is waited for")
        said(impatient, b"it is waited for")
        impatient.terminate()
        assert impatient.wait(30) == 0, "a signal ends the waiting"
        control("restart")
        said(waiting, words[0].encode() + b": started")
        said(waiting, b"NAS nas1: ")
        waiting.terminate()
        assert waiting.wait(30) == 0
        waiting.communicate()


def idle_workers(site: Site) -> int:
    """Connections that listen for jobs."""
    with site.database.read() as session:
        query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%LISTEN %%' AND pid <> pg_backend_pid()"
        return int(session.connection().exec_driver_sql(query).scalar_one())
