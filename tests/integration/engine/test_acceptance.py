"""The whole background job on a site at work: 200 NASes, four writers, failing devices, and on PostgreSQL kills and a restart."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from ebs_core.domain.speed import Speed
from ebs_core.storage.tables import Account, Nas, Placement, Subaccount, Tariff
from ebs_server.bootstrap import Site
from tests.conftest import make_site
from tests.fixtures import fleet, postgres
from tests.integration.engine.conftest import ROOT, load, wait_for
from tests.integration.engine.writer import TARIFFS, account, address, name

pytestmark = pytest.mark.xdist_group("heavy")

NASES, SUBSCRIBERS, WRITERS, EDITS = 200, 1000, 4, 10_000
"""So few subscribers on each NAS that no plan can cut off ten at once, which would wait for an operator."""
FAILURES = 0.03
WAIT_SECONDS = 15
"""Nobody may have to wait longer than that beyond the last edit."""
POLITE = ["nice", "-n", "5"]
"""Many programs share few processors here: who edits must not wait for the background."""
EBS = [sys.executable, "-c", "from ebs_server.cli.main import main; main()"]


class Workers:
    """Processes of the background job, started again as systemd would."""

    def __init__(self, site: Site, log: Path, words: list[str], count: int) -> None:
        environment = {"EBS_DATABASE_URL": site.config.database, "EBS_KEY_FILE": str(site.config.key_file)}
        self._environment = os.environ | environment
        self._words = words
        self._log = log
        self._running = [self._start() for _ in range(count)]

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen([*POLITE, *EBS, *self._words], cwd=ROOT, env=self._environment, stderr=log)

    def kill(self, number: int) -> None:
        """kill -9, and another one in its place."""
        self._running[number].kill()
        self._running[number].wait()
        self._running[number] = self._start()

    def stop(self) -> None:
        for one in self._running:
            one.terminate()
        assert [one.wait(30) for one in self._running] == [0] * len(self._running)

    def end(self) -> None:
        for one in self._running:
            if one.poll() is None:
                one.kill()
            one.wait()


class Edits:
    """The writers at work."""

    def __init__(self, site: Site, accounts: dict[int, dict[str, tuple[str, str]]], folder: Path) -> None:
        options = {"url": site.config.database, "key_file": str(site.config.key_file), "nases": NASES, "folder": str(folder)}
        self._progress = [folder / f"progress{number}" for number in range(1, WRITERS + 1)]
        self._writers = [
            self._start(options | {"number": number, "accounts": accounts[number], "edits": EDITS // WRITERS})
            for number in range(1, WRITERS + 1)
        ]

    def _start(self, options: dict[str, Any]) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.integration.engine.writer", json.dumps(options)]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)

    @property
    def share(self) -> float:
        """How much was edited, 0 to 1, as far as the writers have said."""
        return sum(int(path.read_text() or 0) for path in self._progress if path.exists()) / EDITS

    @property
    def done(self) -> bool:
        return all(one.poll() is not None for one in self._writers)

    def results(self) -> list[dict[str, Any]]:
        answers = [one.communicate()[0] for one in self._writers]
        assert [one.returncode for one in self._writers] == [0] * WRITERS
        return [json.loads(answer) for answer in answers]

    def end(self) -> None:
        for one in self._writers:
            if one.poll() is None:
                one.kill()
                one.communicate()


def documents(nases: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[int, dict[str, tuple[str, str]]]]:
    """The site file, and what each writer owns of it."""
    owned: dict[int, dict[str, tuple[str, str]]] = {number: {} for number in range(1, WRITERS + 1)}
    accounts = []
    for count in range(SUBSCRIBERS):
        writer, own = count % WRITERS + 1, count // WRITERS + 1
        row = account(name(writer, own), f"nas{count % NASES + 1}", address(writer, own))
        owned[writer][row["username"]] = (f"nas{count % NASES + 1}", address(writer, own))
        accounts.append(row)
    tariffs = [{"name": one, "speed": {"download": f"{rate}M", "upload": "5M"}} for rate, one in enumerate(TARIFFS, 10)]
    return {"nases": nases, "tariffs": tariffs, "accounts": accounts}, owned


def dirty(site: Site) -> int:
    with site.database.read() as session:
        return session.scalar(select(func.count()).where(Placement.changed != Placement.settled)) or 0


def wanted(site: Site) -> list[dict[str, list[dict[str, str]]]]:
    """What each router has to hold, worked out here from the rows of the database alone."""
    nases: list[dict[str, list[dict[str, str]]]] = [{fleet.LIST: [], fleet.QUEUE: []} for _ in range(NASES)]
    query = (
        select(Placement.id, Placement.nas_id, Account, Subaccount, Tariff)
        .join(Account, Account.id == Placement.account_id)
        .join(Subaccount, Subaccount.id == Placement.subaccount_id)
        .join(Tariff, Tariff.id == Account.tariff_id)
    )
    with site.database.read() as session:
        for placement, nas_id, owner, subaccount, tariff in session.execute(query):
            assert (owner.deleted_at, subaccount.nas_id) == (None, nas_id), "a placement that nobody wants is forgotten"
            tag, nas = f"ebs:{placement}", nases[nas_id - 1]
            speed = Speed.decode(subaccount.ipn_speed) if subaccount.ipn_speed else tariff
            paid = owner.balance + owner.credit > Decimal(0)
            entry = {"list": "ebs_active", "address": subaccount.ipn_ip_address, "disabled": "false" if paid else "true"}
            nas[fleet.LIST].append({"comment": tag, **entry})
            queue = {"target": f"{subaccount.ipn_ip_address}/32", "max-limit": f"{speed.upload}/{speed.download}"}
            nas[fleet.QUEUE].append({"comment": tag, "name": tag, **queue})
    return nases


def held_by(routers: fleet.Fleet) -> list[dict[str, list[dict[str, str]]]]:
    """What the routers hold, every record of theirs, in the properties that subscribers differ by."""
    names = {fleet.LIST: ("comment", "list", "address", "disabled"), fleet.QUEUE: ("comment", "name", "target", "max-limit")}
    return [
        {
            path: [{name: row.get(name, "") for name in names[path]} for row in rows if row.get("comment") != "ebs-bootstrap"]
            for path, rows in router.items()
        }
        for router in routers.items()
    ]


def ordered(router: dict[str, list[dict[str, str]]]) -> dict[str, list[dict[str, str]]]:
    return {path: sorted(rows, key=lambda row: row["comment"]) for path, rows in router.items()}


def arrived(site: Site, ended: float) -> float:
    """The moment when nothing is left to do. Fails if that is too long after the last edit."""
    while dirty(site):
        assert time.monotonic() < ended + WAIT_SECONDS, unsettled(site)
        time.sleep(0.05)
    return time.monotonic()


def unsettled(site: Site) -> str:
    """Who still waits, and why, for a failure's message."""
    with site.database.read() as session:
        query = select(Nas.name, Nas.failure, Nas.attempts, Placement.failure, Placement.attempts, Placement.next_try)
        return str(session.execute(query.join_from(Nas, Placement).where(Placement.changed != Placement.settled)).all()[:20])


def disturb(edits: Edits, routers: fleet.Fleet, workers: Workers, restart: Callable[[], None] | None) -> None:
    """While the writers work: connections are cut, logins refused, and on PostgreSQL workers killed and the server restarted."""
    chance = random.Random(3)
    acts: list[Callable[[], object]] = [
        lambda: routers.cut(chance.sample(range(NASES), 20)),
        lambda: routers.misbehave(chance.sample(range(NASES), 2), refuse_login=True),
        lambda: routers.misbehave(refuse_login=False),
    ]
    if restart is not None:
        acts += [lambda: workers.kill(0), restart, lambda: workers.kill(1)]
    for number, act in enumerate(acts, 1):
        share = number / (len(acts) + 1)
        wait_for(lambda share=share: edits.done or edits.share >= share, 400, "the writers are too slow")
        assert not edits.done, "disturbed too late"
        act()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Callable[[], None] | None]:
    """The URL of an empty database, and how to restart its server the hard way."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ebs.sqlite3'}", None
    url, restart = request.getfixturevalue("own_server")
    return postgres.new_database(url, "site"), restart


def test_everything_arrives_whatever_happens(
    place: tuple[str, Callable[[], None] | None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url, restart = place
    with ExitStack() as stack:
        routers = stack.enter_context(fleet.running(NASES))
        site = make_site(url, tmp_path)
        stack.callback(site.close)
        content, owned = documents(routers.nases())
        load(site, tmp_path, content)
        workers = Workers(site, tmp_path / "log", ["worker"] if restart else ["serve"], 3 if restart else 1)
        stack.callback(workers.end)
        wait_for(lambda: dirty(site) == 0, 60, "the first filling")
        routers.forget()
        routers.misbehave(fail_writes=FAILURES)
        edits = Edits(site, owned, tmp_path)
        stack.callback(edits.end)
        disturb(edits, routers, workers, restart)
        results = edits.results()
        ended = max(one["ended"] for one in results)
        settled = arrived(site, ended)
        workers.stop()
        seen = Counter[str]()
        for one in routers.seen():
            seen.update(one)
        assert seen["sessions"] > NASES, "routers that were hardly worked prove nothing"
        assert seen["overlaps"] == 0
        assert seen["refused"] > 0.5 * FAILURES * seen["writes"] > 0
        assert not [plan.name for plan in site.planner.plan_all() if plan.items]
        assert list(map(ordered, held_by(routers))) == list(map(ordered, wanted(site)))
        with capsys.disabled():
            print(f"\n{site.database.engine.dialect.name}: {summary(results, settled - ended, seen)}")


def summary(results: list[dict[str, Any]], beyond: float, seen: Counter[str]) -> str:
    rate = EDITS / max(one["seconds"] for one in results)
    held, failed = (sum(one[what] for one in results) for what in ("held", "failed"))
    return (
        f"{rate:.0f} edits/s ({held} held open, {failed} tried again), everything in place {beyond:.1f} s after the last; "
        f"{seen['sessions']} sessions, {seen['writes']} changes, {seen['refused']} refused; load {os.getloadavg()[0]:.1f}"
    )
