"""A NAS that accepts everything and stores nothing: reading back exposes it."""

from __future__ import annotations

from collections import Counter

import pytest

from ebs_core.services.status import Status
from ebs_server.bootstrap import Site
from tests.integration.engine.conftest import wait_for
from tests.integration.faults.conftest import Founder
from tests.integration.faults.test_one_of_many import failing, pause, shown
from tests.integration.faults.town import working

PEOPLE = 12


@pytest.mark.parametrize("transport", ["routeros_api", "ssh"])
def test_it_is_exposed_left_in_peace_and_comes_right_by_itself(any_site: Site, found: Founder, transport: str) -> None:
    town = found(any_site, 1, transport)
    town.settle(PEOPLE)
    nas = town.routers["nas1"]
    nas.faults.accept_and_forget = True
    with working(any_site):
        wait_for(lambda: [one.attempts for one in failing(town)] == [1] * PEOPLE, 60, "nobody noticed")
        assert Counter(one.status for one in shown(town)) == {Status.FAILING: PEOPLE}
        assert all("sent and confirmed, but not there when read back" in one.detail for one in shown(town))
        first = max(pause(town, one) for one in failing(town))
        wait_for(lambda: [one.attempts for one in failing(town)] == [2] * PEOPLE, 60, "it was not tried again")
        assert max(pause(town, one) for one in failing(town)) > first, "the pauses grow"
        adds = [one for one in nas.router.journal if one.verb == "add"]
        assert len(adds) == 2 * 2 * PEOPLE, "two records each, twice: it is not hammered"
        assert town.held("nas1") == {menu: [] for menu in town.held("nas1")}
        nas.faults.accept_and_forget = False
        town.wait()
    town.check()
