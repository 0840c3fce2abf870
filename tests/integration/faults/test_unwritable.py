"""A database that cannot be written for a while: nothing goes to a NAS then, everybody says why, and later the work goes on."""

from __future__ import annotations

import os
import resource
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from ebs_server.bootstrap import Site
from tests.conftest import make_site
from tests.fixtures import postgres
from tests.integration.engine.conftest import ROOT, wait_for
from tests.integration.faults import small_disk
from tests.integration.faults.conftest import Cluster, Founder
from tests.integration.faults.town import EBS, Town, end, environment, start

PEOPLE = 30


def survives(town: Town, block: Callable[[int], None], free: Callable[[int], None], limited: tuple[str, ...], why: str) -> None:
    """A worker that cannot write while there is work: ``block`` and ``free`` get its process number, ``limited`` are words before
    the command of a process that cannot write from its start, ``why`` is in the messages."""
    heard: list[str] = []

    def said() -> str:
        return "".join(heard)

    with start(town.site, *town.worker) as worker:  # not to a file, which could not be written either
        assert worker.stderr is not None
        stderr = worker.stderr
        listener = threading.Thread(target=lambda: heard.extend(line.decode() for line in stderr))
        listener.start()
        try:
            wait_for(lambda: "started" in said())
            edit_all(town, "10M")
            town.wait()
            block(worker.pid)
            edit_all(town, "20M")
            wait_for(lambda: why in said(), 30, f"the worker does not complain: {heard}")
            before = {name: town.writes(name) for name in town.routers}
            applied = apply(town, limited)
            assert applied.returncode != 0
            for words in (why.encode(), b"database "):
                assert words in applied.stdout + applied.stderr
            assert b"Traceback" not in applied.stderr
            assert {name: town.writes(name) for name in town.routers} == before, "nothing is sent meanwhile"
            assert worker.poll() is None
            free(worker.pid)
            town.wait()
            wait_for(lambda: "works again" in said(), what=f"the worker does not say that it works again: {heard}")
            assert worker.poll() is None
        finally:
            end(worker)
            listener.join()
    town.check()


def apply(town: Town, limited: tuple[str, ...] = ()) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*limited, *EBS, "apply"], cwd=ROOT, env=environment(town.site), capture_output=True, check=False)


def edit_all(town: Town, speed: str) -> None:
    for number in town.numbers:
        town.site.editor.set_subaccount(f"a-{number}-1", {"speed": speed})


def test_no_room_for_the_database_file(site: Site, found: Founder) -> None:
    """By a limit on the size of files, which needs no root: what the kernel refuses then is what a full disk refuses."""
    town = found(site, 2)
    town.settle(PEOPLE)
    most = resource.RLIM_INFINITY

    def block(pid: int) -> None:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, most))

    def free(pid: int) -> None:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))

    survives(town, block, free, ("sh", "-c", 'ulimit -f 0; exec "$@"', "sh"), "make room on the disk")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.skipif(bool(small_disk.why_not()), reason=small_disk.why_not())
def test_a_full_disk(kind: str, tmp_path: Path) -> None:
    if kind == "postgresql" and postgres.find_binaries() is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    done = small_disk.run(kind)
    assert done.returncode == 0, done.stderr.decode()


def test_a_folder_that_is_read_only(site: Site, found: Founder, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    town = found(site, 1)
    town.settle(3)
    site.database.dispose()
    for path in (*tmp_path.glob("ebs.sqlite3*"), tmp_path):
        path.chmod(path.stat().st_mode & ~0o222)
    try:
        applied = apply(town)
    finally:
        for path in (tmp_path, *tmp_path.glob("ebs.sqlite3*")):
            path.chmod(path.stat().st_mode | 0o200)
    assert applied.returncode != 0
    assert b"writable" in applied.stdout + applied.stderr
    assert town.writes("nas1") == []


@pytest.mark.xdist_group("heavy")
def test_a_server_that_takes_no_writes(own_cluster: Cluster, found: Founder, tmp_path: Path) -> None:
    url = postgres.new_database(own_cluster.url, "readonly")
    writing = make_site(f"{url}?options=-c%20default_transaction_read_only%3Doff", tmp_path)
    town = found(writing, 2)
    town.settle(PEOPLE)
    writing.config = replace(writing.config, database=url)  # of the processes

    def set_read_only(value: str) -> None:
        with psycopg.connect(f"{own_cluster.url}/postgres", autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}".encode())
            connection.execute("SELECT pg_reload_conf()")

    survives(town, lambda _: set_read_only("on"), lambda _: set_read_only("off"), (), "takes no writes")
    writing.close()
