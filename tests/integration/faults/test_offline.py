"""A NAS that is away while a thousand things change: what is left of them is sent once."""

from __future__ import annotations

import random
from collections import Counter

from sqlalchemy import select

from ebs_core.storage.tables import Nas
from ebs_server.bootstrap import Site
from tests.integration.engine.conftest import wait_for
from tests.integration.faults.conftest import Founder
from tests.integration.faults.town import Town, working
from tests.integration.services.conftest import document, import_site, subscriber

CHANGES = 1000
PEOPLE = 100
LEFT, PASSERS_BY = range(91, 101), range(201, 211)
"""Who was there and is deleted; who comes and goes before anything was sent."""


def test_a_thousand_changes_become_one_set_of_commands_each(any_site: Site, found: Founder) -> None:
    town = found(any_site, 1)
    town.settle(PEOPLE)
    router = town.routers["nas1"]
    port = router.api_port
    assert any_site.reconciler.apply(["nas1"])[0].ok
    with working(any_site):
        router.stop()
        town.site.editor.set_account("a-1", {"balance": "7"})
        town.site.editor.set_subaccount("a-1-1", {"speed": "1M"})
        wait_for(lambda: failure(town), 30, "nobody noticed that the NAS is away")
        change(town)
        gone, never = town.tags(*LEFT), town.tags(*PASSERS_BY)
        assert (len(gone), len(never)) == (len(LEFT), len(PASSERS_BY))
        before = len(router.router.journal)
        router.start(api_port=port, ssh=False)
        town.wait()
    sent = Counter(town.writes("nas1", before))
    assert set(sent.values()) == {1}, f"once each: {sent.most_common(3)}"
    assert {write.tag for write in sent} & never == set(), "nothing for those who never were there"
    assert {write.verb for write in sent if write.tag in gone} == {"remove"}
    assert len(sent) < 5 * PEOPLE
    after = len(router.router.journal)
    town.check()
    town.check_nothing_for("nas1", gone | never, after)


def change(town: Town) -> None:
    """So many changes, by files of a hundred subscribers and one by one; in the end five more have no access."""
    chance = random.Random(CHANGES)
    for number in PASSERS_BY:
        town.add(number)
    for number in (*PASSERS_BY, *LEFT):
        town.delete(number)
    for _ in range(CHANGES // 100):
        rows = [subscriber(number, "nas1", balance=chance.choice(["1", "2", "-1"])) for number in town.numbers]
        for row in rows:
            row["subaccounts"][0]["speed"] = f"{chance.randrange(1, 99)}M"
        import_site(town.site, document([], rows), town.folder)
    for number in town.numbers:
        town.site.editor.set_account(f"a-{number}", {"balance": "1" if number > 5 else "-1"})


def failure(town: Town) -> str | None:
    with town.site.database.read() as session:
        return session.scalar(select(Nas.failure).where(Nas.name == "nas1"))
