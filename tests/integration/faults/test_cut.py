"""A connection that is cut when commands were carried out, before their replies came."""

from __future__ import annotations

import random

import pytest
from sqlalchemy import select

from ebs_core.storage.tables import ActionLog
from ebs_server.bootstrap import Site
from tests.integration.faults.conftest import Founder
from tests.integration.faults.town import edit


@pytest.mark.parametrize("transport", ["routeros_api", "ssh"])
def test_cut_after_sending_and_before_the_reply(any_site: Site, found: Founder, transport: str) -> None:
    town = found(any_site, 1, transport)
    town.settle(40)
    assert any_site.reconciler.apply(["nas1"])[0].ok
    faults, chance = town.routers["nas1"].faults, random.Random(transport)
    faults.disconnect_when = "after"
    cuts = 0
    for _ in range(10):
        for _ in range(8):
            edit(town, chance)
        town.release()
        faults.disconnect_after = chance.randrange(1, 30)
        (result,) = any_site.reconciler.apply(["nas1"])
        cuts += "connection" in result.failure
        faults.disconnect_after = None
    assert cuts >= 4, "most of these runs were cut"
    town.release()
    assert any_site.reconciler.apply(["nas1"])[0].ok
    with any_site.database.read() as session:
        assert session.scalars(select(ActionLog).where(ActionLog.outcome == "unknown")).all()
    town.check()
