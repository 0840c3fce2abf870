"""A template whose command the router refuses for one subscriber of five thousand."""

from __future__ import annotations

from collections import Counter

import pytest
from sqlalchemy import select, update

from ebs_core.domain.placement import Seen
from ebs_core.services.pauses import FIRST_PAUSE_MS, LONGEST_PAUSE_MS
from ebs_core.services.status import Standing, Status, standings
from ebs_core.storage import clock
from ebs_core.storage.database import wake_after_commit
from ebs_core.storage.tables import Account, Nas, Placement
from ebs_server.bootstrap import Site
from tests.integration.engine.conftest import wait_for
from tests.integration.faults.conftest import Founder
from tests.integration.faults.town import Town, working

pytestmark = pytest.mark.xdist_group("heavy")

PEOPLE = 5000
ODD = 2500
TEMPLATE = """\
/ip firewall address-list remove [find comment="{{ tag }}"]
/ip firewall address-list add list="{{ options.active_list }}" address="{{ ipn_ip_address }}" comment="{{ tag }}" disabled=yes\
{% if ipn_ip_address == "10.77.10.0" %} timeout="soon"{% endif %}
"""


def test_the_others_are_done_and_he_is_named(any_site: Site, found: Founder) -> None:
    town = found(any_site, 1)
    town.settle(PEOPLE, templates={"subaccount_add": TEMPLATE})
    router = town.routers["nas1"].router
    with working(any_site):
        wait_for(lambda: left(town) == {f"a-{ODD}"}, 120, "the others are not done")
        (him,) = failing(town)
        sent, tried = len(router.journal), him.attempts
        for tries in range(tried + 1, tried + 4):
            try_now(town, him)
            wait_for(lambda tries=tries: [one.attempts for one in failing(town)] == [tries], 30)  # type: ignore[misc]
        (him,) = failing(town)
        assert 2 * FIRST_PAUSE_MS < pause(town, him) <= LONGEST_PAUSE_MS, "the pauses grow"
        (standing,) = [one for one in shown(town) if one.account == f"a-{ODD}"]
        assert standing.status is Status.FAILING and standing.next_try is not None
        assert "subaccount_add: " in standing.detail and router.journal.refused()[-1].message in standing.detail
        assert {write.tag for write in town.writes("nas1", sent)} <= {f"ebs:{him.id}"}, "nothing again for the others"
        counts = Counter(one.status for one in shown(town))
        assert counts == {Status.IN_SYNC: PEOPLE - 1, Status.FAILING: 1}
        any_site.editor.set_subaccount(f"a-{ODD}-1", {"ipn_ip_address": "10.99.0.1"})
        town.wait()
    town.check()


def left(town: Town) -> set[str]:
    """Who is not done yet."""
    query = select(Account.username).join(Placement, Placement.account_id == Account.id)
    with town.site.database.read() as session:
        return set(session.scalars(query.where((Placement.changed != Placement.settled) | (Placement.seen != Seen.RIGHT))))


def failing(town: Town) -> list[Placement]:
    with town.site.database.read() as session:
        return list(session.scalars(select(Placement).where(Placement.failure.is_not(None))))


def shown(town: Town) -> list[Standing]:
    plan = town.site.planner.plan("nas1")
    with town.site.database.read() as session:
        return list(standings(session, plan))


def pause(town: Town, one: Placement) -> int:
    """Milliseconds until he is tried again."""
    with town.site.database.read() as session:
        return one.next_try - clock.read(session)


def try_now(town: Town, one: Placement) -> None:
    """As if his pause were over."""
    with town.site.database.write() as session:
        session.execute(update(Placement).where(Placement.id == one.id).values(next_try=0))
        wake_after_commit(session, [session.scalars(select(Nas.id)).one()])
