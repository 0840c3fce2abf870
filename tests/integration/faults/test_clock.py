"""The database's clock and this machine's jump by an hour, forwards or backwards, while work is under way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import ColumnElement, select

from ebs_core.services.applier import utc_now
from ebs_core.storage import clock, leases
from ebs_core.storage.tables import Nas
from ebs_server.bootstrap import Site
from tests.integration.engine.conftest import wait_for
from tests.integration.faults.conftest import Founder
from tests.integration.faults.test_one_of_many import failing
from tests.integration.faults.town import Town, working

HOUR_MS = 3_600_000


class Clocks:
    """Both clocks, which can be set. The database's is shifted where it is read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead_ms = 0
        self._real: Callable[[str], ColumnElement[int]] = clock.now_ms
        for module in (clock, leases):
            monkeypatch.setattr(module, "now_ms", self._database)

    def _database(self, dialect: str) -> ColumnElement[int]:
        return self._real(dialect) + self.ahead_ms

    def host(self) -> datetime:
        return utc_now() + timedelta(milliseconds=self.ahead_ms)


@pytest.fixture
def clocks(any_site: Site, monkeypatch: pytest.MonkeyPatch) -> Clocks:
    clocks = Clocks(monkeypatch)
    any_site.reconciler.clock = clocks.host
    any_site.editor._clock = clocks.host
    return clocks


@pytest.mark.parametrize("jump", [HOUR_MS, -HOUR_MS], ids=["forwards", "backwards"])
def test_the_clock_jumps(any_site: Site, found: Founder, clocks: Clocks, jump: int) -> None:
    """One NAS is being worked, one is away, on one somebody is failing; nobody waits for the hour to pass."""
    town = found(any_site)
    town.settle(30)
    slow, away, picky = (town.routers[name] for name in ("nas1", "nas2", "nas3"))
    assert all(result.ok for result in any_site.reconciler.apply(list(town.routers)))
    port = away.api_port
    away.stop()
    picky.router.faults.fail = lambda one: "failure: not today" if one.verb == "add" else None
    slow.faults.latency = 0.5
    with working(any_site):
        for number in town.numbers:
            any_site.editor.set_subaccount(f"a-{number}-1", {"speed": "33M"})
        wait_for(lambda: failing(town) and row(town, "nas2").failure, 30, "nobody fails")
        wait_for(lambda: row(town, "nas1").lease_owner is not None, 30, "nobody works")
        token = row(town, "nas1").lease_token
        clocks.ahead_ms = jump
        most = 0

        def ended() -> bool:
            nonlocal most
            most = max(most, slow.router.session_count)
            return token_is_free(town, token)

        wait_for(ended, 30, "the work does not end")
        assert most == 1, "nobody else worked it meanwhile"
        picky.router.faults.fail = None
        slow.faults.latency = 0
        away.start(api_port=port, ssh=False)
        town.wait(60)
        any_site.editor.set_account("a-1", {"balance": "-1"})
        town.wait(20)
        clocks.ahead_ms = 0  # somebody sets it right again
        any_site.editor.set_account("a-2", {"balance": "-1"})
        town.wait(60)
    town.check()


def token_is_free(town: Town, token: int) -> bool:
    found = row(town, "nas1")
    return found.lease_owner is None or found.lease_token != token


def row(town: Town, name: str) -> Nas:
    with town.site.database.read() as session:
        return session.scalars(select(Nas).where(Nas.name == name)).one()
