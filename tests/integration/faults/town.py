"""A small site on simulated routers, with what must hold after every fault, found out without the program's own means."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import func, select

from ebs_core.domain.errors import EbsError
from ebs_core.domain.placement import Presence, Seen
from ebs_core.domain.rules import AccountStatus
from ebs_core.domain.speed import Speed
from ebs_core.services.due import due
from ebs_core.services.reconciler import RESYNC
from ebs_core.storage.job_queue import uses_queue
from ebs_core.storage.tables import Account, ActionLog, Nas, Placement, Subaccount, Tariff
from ebs_server.bootstrap import Site
from nas_simulator import SimulatedNas
from nas_simulator.catalogue import MENUS
from nas_simulator.journal import Operation
from nas_simulator.schema import Row
from tests.integration.engine.conftest import ROOT, wait_for
from tests.integration.services.conftest import LISTED, QUEUES, document, import_site, nas_row, subscriber

WRITES = frozenset({"add", "set", "remove", "enable", "disable"})
_TAG = re.compile(r'comment="(ebs:\d+)"')


class Write(NamedTuple):
    """A command that changes a router, and whose it is."""

    menu: str
    verb: str
    tag: str


@dataclass
class Town:
    """Some routers of one site. ``numbers`` are the subscribers, one account ``a-N`` with one subaccount each."""

    site: Site
    folder: Path
    routers: dict[str, SimulatedNas]
    transport: str = "routeros_api"
    numbers: list[int] = field(default_factory=list)
    _tags: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def settle(self, people: int, **nas: Any) -> None:
        """Register the routers and so many subscribers, in turn on each."""
        rows = [nas_row(router, name, self.transport, **nas) for name, router in self.routers.items()]
        names = list(self.routers)
        self.numbers = list(range(1, people + 1))
        accounts = [subscriber(number, names[number % len(names)]) for number in self.numbers]
        import_site(self.site, document(rows, accounts), self.folder)
        for name, router in self.routers.items():
            for menu in (LISTED, QUEUES):
                router.router.watch(MENUS[menu], self._watcher(name, menu))

    def _watcher(self, name: str, menu: str) -> Callable[[Row], None]:
        def note(row: Row) -> None:
            if ".dead" not in row:
                self._tags[name, menu, row[".id"]] = row["comment"]

        return note

    def add(self, number: int) -> None:
        """One subscriber more."""
        names = list(self.routers)
        import_site(self.site, document([], [subscriber(number, names[number % len(names)])]), self.folder)
        self.numbers.append(number)

    def delete(self, number: int) -> None:
        self.site.editor.delete_account(f"a-{number}")
        self.numbers.remove(number)

    def release(self) -> None:
        for name in self.routers:
            self.site.nas_editor.release(name, 10_000)

    # -- what should be, from the tables

    def expected(self, name: str) -> dict[str, list[tuple[str, ...]]]:
        """What the router should hold, by menu."""
        query = (
            select(Placement.id, Account, Subaccount, Tariff)
            .join(Account, Account.id == Placement.account_id)
            .join(Subaccount, Subaccount.id == Placement.subaccount_id)
            .join(Tariff, Tariff.id == Account.tariff_id)
            .join(Nas, (Nas.id == Placement.nas_id) & (Nas.id == Subaccount.nas_id))
            .where(Nas.name == name, Account.deleted_at.is_(None), Subaccount.deleted_at.is_(None), Tariff.active)
        )
        found: dict[str, list[tuple[str, ...]]] = {LISTED: [], QUEUES: []}
        with self.site.database.read() as session:
            for id_, account, subaccount, tariff in session.execute(query):
                funds = account.balance + account.credit + account.promised
                access = funds > 0 and account.status == AccountStatus.ACTIVE and not account.balance_blocked
                address, tag = subaccount.ipn_ip_address, f"ebs:{id_}"
                speed = Speed.decode(subaccount.ipn_speed) if subaccount.ipn_speed else tariff
                found[LISTED].append(("ebs_active", address, tag, "false" if access else "true"))
                if speed.download or speed.upload:
                    found[QUEUES].append((tag, f"{address}/32", f"{speed.upload}/{speed.download}", tag))
        return {menu: sorted(rows) for menu, rows in found.items()}

    def held(self, name: str) -> dict[str, list[tuple[str, ...]]]:
        """What it holds."""
        router = self.routers[name].router
        fields = {LISTED: ("list", "address", "comment", "disabled"), QUEUES: ("name", "target", "max-limit", "comment")}
        return {menu: sorted(tuple(row[one] for one in names) for row in router.items(menu)) for menu, names in fields.items()}

    # -- what was sent, from the routers' own journals

    def writes(self, name: str, since: int = 0) -> list[Write]:
        """Executed commands that changed something, in order."""
        found = []
        for operation in self.routers[name].router.journal.executed()[since:]:
            if operation.verb in WRITES:
                found += [Write(operation.path, operation.verb, tag) for tag in self._whose(name, operation)]
        return found

    def _whose(self, name: str, operation: Operation) -> list[str]:
        if operation.verb == "add":
            return [operation.attributes["comment"]]
        ids = filter(None, operation.attributes[".id"].split(","))
        return [self._tags[name, operation.path, id_] for id_ in ids]

    def logged(self, name: str) -> Counter[Write]:
        """What the action log knows of, whatever came of it."""
        with self.site.database.read() as session:
            texts = session.scalars(select(ActionLog.command).where(ActionLog.nas == name)).all()
        found: Counter[Write] = Counter()
        for line in (line for text in texts for line in text.split("\n")):
            if tag := _TAG.search(line):
                path, _, verb = line.partition(" [")[0].partition(" list=")[0].partition(" name=")[0].rpartition(" ")
                found[Write(path.replace(" ", "/"), verb, tag[1])] += 1
        return found

    def unlogged(self, name: str) -> list[tuple[Write, int]]:
        """Some of what the router executed and the log does not know."""
        return (Counter(self.writes(name)) - self.logged(name)).most_common(3)

    # -- is it over, and is it right?

    def is_settled(self) -> bool:
        """Nothing is due anywhere, nobody works."""
        with self.site.database.read() as session:
            dirty = session.scalar(select(func.count()).select_from(Placement).where(Placement.changed != Placement.settled))
            busy = session.scalar(select(func.count()).select_from(Nas).where(Nas.lease_owner.is_not(None)))
            return not dirty and not busy and not due(session)

    def wait(self, seconds: float = 60.0) -> None:
        def over() -> bool:
            try:
                return self.is_settled()
            except EbsError:
                return False  # the database is away for a moment

        wait_for(over, seconds, "something is still due")

    def check(self) -> None:
        """What has to hold after every fault."""
        for name in self.routers:
            assert self.held(name) == self.expected(name), f"{name} holds what it should, once"
            assert not self.unlogged(name), f"{name} executed what the log does not know"
        self._check_rows()
        for result in self.site.reconciler.apply(list(self.routers), goal=RESYNC):
            assert result.ok and (result.commands, result.drifted, result.orphans) == (0, {}, []), result
        with self.site.database.read() as session:
            assert set(session.scalars(select(Placement.seen))) <= {Seen.RIGHT}, "read back and found right"

    def _check_rows(self) -> None:
        with self.site.database.read() as session:
            rows = session.execute(select(Placement, Account.deleted_at).join(Account, Account.id == Placement.account_id)).all()
            assert [row.id for row, deleted in rows if deleted is not None] == [], "deleted and confirmed is forgotten"
            for row, _ in rows:
                assert (row.changed, row.presence, row.failure) == (row.settled, Presence.PRESENT, None), "nothing is left dirty"
                assert not row.urgent
            assert set(session.scalars(select(Nas.failure))) == {None}
        assert all(not plan.items for plan in self.site.planner.plan_all()), "desired is applied"

    def check_nothing_for(self, name: str, gone: set[str], since: int) -> None:
        """Nothing was sent for these tags after so many operations of the router."""
        assert [write for write in self.writes(name, since) if write.tag in gone] == []

    def tags(self, *numbers: int) -> set[str]:
        names = [f"a-{number}" for number in numbers]
        query = select(Placement.id).join(Account, Account.id == Placement.account_id).where(Account.username.in_(names))
        with self.site.database.read() as session:
            return {f"ebs:{id_}" for id_ in session.scalars(query)}

    # -- the program as processes

    @contextmanager
    def process(self, *words: str, said: Path, prelude: str = "") -> Iterator[subprocess.Popen[bytes]]:
        """``ebs`` as a process of its own, ended at the end of the block; what it says goes to ``said``."""
        with start(self.site, *words, said=said, prelude=prelude) as running:
            try:
                yield running
            finally:
                end(running)

    @property
    def worker(self) -> tuple[str, ...]:
        """The command that does the work on this kind of database."""
        return ("worker",) if uses_queue(self.site.database) else ("serve",)


_MAIN = "from ebs_server.cli.main import main; main()"
EBS = (sys.executable, "-c", _MAIN)


def environment(site: Site) -> dict[str, str]:
    return {**os.environ, "EBS_DATABASE_URL": site.config.database, "EBS_KEY_FILE": str(site.config.key_file)}


def start(site: Site, *words: str, said: Path | None = None, prelude: str = "") -> subprocess.Popen[bytes]:
    """``ebs`` as a process; what it says goes to ``said``, or to a pipe that somebody has to read.
    ``prelude`` is Python to be run before.
    """
    command = [sys.executable, "-c", prelude + _MAIN, *words]
    if said is None:
        return subprocess.Popen(command, cwd=ROOT, env=environment(site), stderr=subprocess.PIPE)
    with said.open("ab") as log:
        return subprocess.Popen(command, cwd=ROOT, env=environment(site), stderr=log)


def end(running: subprocess.Popen[bytes]) -> None:
    """Killed, if it still runs, also where it was stopped."""
    if running.poll() is None:
        running.send_signal(signal.SIGKILL)
    running.wait()


@contextmanager
def working(site: Site, threads: int = 4) -> Iterator[None]:
    """The background job within this process."""
    background = site.background(threads)
    background.start()
    try:
        yield
    finally:
        background.stop()
        assert background.join(20)
        site.reconciler.stopping = lambda: False


def edit(town: Town, chance: random.Random) -> None:
    """One edit of somebody, as an operator gives it."""
    number = chance.choice(town.numbers)
    match chance.randrange(10):
        case 0 if len(town.numbers) > 20:
            town.delete(number)
        case 1:
            town.add(max(town.numbers) + 1)
        case 2 | 3 | 4:
            town.site.editor.set_account(f"a-{number}", {"balance": chance.choice(["-1", "0", "1", "2"])})
        case 5:
            names = sorted(town.routers)
            town.site.editor.set_subaccount(f"a-{number}-1", {"nas": chance.choice(names)})
        case 6:
            address = f"10.{chance.randrange(100, 200)}.{number // 250}.{number % 250}"
            town.site.editor.set_subaccount(f"a-{number}-1", {"ipn_ip_address": address})
        case _:
            town.site.editor.set_subaccount(f"a-{number}-1", {"speed": f"{chance.randrange(1, 99)}M"})
