"""`ebs rollout …` and `--canary`: an operator tries a change on a few, sees it stop, and decides."""

from __future__ import annotations

import pytest

from nas_simulator import SimulatedNas
from tests.integration.cli.conftest import QUEUES, Ebs, Stock, dead_nas, nas_row, person, site

SPEED = ("--nas", "nas1", "--action", "subaccount_speed")
GOOD = """/queue simple remove [find comment="{{ tag }}"]
/queue simple add name="{{ tag }}" target="{{ ipn_ip_address }}/32" max-limit="1M/1M" comment="{{ tag }}"
"""
REFUSED = '/queue simple add name="{{ tag }}" target="{{ ipn_ip_address }}/32" parent="nobody" comment="{{ tag }}"\n'


@pytest.fixture
def stocked(stock: Stock) -> Ebs:
    return stock("rollouts", site([dead_nas(), dead_nas("nas2")], *(person(n) for n in range(1, 5)), person(5, "nas2")))


@pytest.fixture
def working(ebs: Ebs, router: SimulatedNas) -> Ebs:
    ebs.load(site([nas_row(router)], *(person(n) for n in range(1, 5))))
    ebs.ok("apply")
    return ebs


def limits(router: SimulatedNas) -> list[str]:
    return sorted(queue["max-limit"] for queue in router.router.items(QUEUES))


def test_a_template_over_all_stages(working: Ebs, router: SimulatedNas) -> None:
    said = working.ok("template", "set", *SPEED, "--canary", "1", working.write(GOOD, "t.j2")).out
    assert "rollout 1 begins" in said
    (planned,) = working.json("plan")["nases"]
    assert [item["account"] for item in planned["items"]] == ["a-1"] and "1M/1M" in str(planned["items"])
    working.ok("apply")
    assert limits(router).count("1000000/1000000") == 1
    card = working.json("rollout", "show", "1")
    assert (card["stage"], card["state"], card["text"], card["admitted"], card["right"]) == ("one", "running", GOOD, 4, 1)
    working.ok("apply")
    (row,) = working.json("rollout", "list")
    assert (row["what"], row["state"], row["nases"]) == ("template subaccount_speed", "done", ["nas1"])
    assert limits(router) == ["1000000/1000000"] * 4
    assert working.ok("template", "show", *SPEED).out == GOOD
    assert working.json("plan")["nases"][0]["items"] == []


def test_stopped_continued_withdrawn(working: Ebs, router: SimulatedNas) -> None:
    working.ok("template", "set", *SPEED, "--canary", "2", "-", stdin=REFUSED.encode())
    assert working.run("apply").status == 1
    card = working.json("rollout", "show", "1")
    assert card["state"] == "stopped" and "a-1 / a-1-1" in card["reason"] and len(card["troubles"]) == 2
    assert "a-1 / a-1-1" in working.ok("rollout", "list").out and "stopped" in working.ok("rollout", "show", "1").out
    working.ok("rollout", "continue", "1")
    assert working.json("rollout", "show", "1")["state"] == "running"
    assert working.run("apply").status == 1
    assert working.json("rollout", "show", "1")["state"] == "stopped"
    assert "withdrawn" in working.ok("rollout", "withdraw", "1").out
    working.ok("apply")
    assert limits(router) == ["20000000/50000000"] * 4
    assert working.json("rollout", "show", "1")["state"] == "withdrawn"
    assert "withdrawn" in working.refused("rollout", "continue", "1")
    assert "template set" in working.refused("rollout", "withdraw", "1")


def test_the_speed_of_a_tariff(working: Ebs, router: SimulatedNas) -> None:
    working.ok("tariff", "set", "Home", "speed=download=9M upload=8M", "--canary", "1")
    assert working.json("rollout", "show", "1")["speed"]["download"] == 9_000_000
    working.ok("resync")
    assert limits(router).count("8000000/9000000") == 1
    assert working.json("tariff", "list")[0]["download"] == 50_000_000
    working.ok("apply")
    assert limits(router) == ["8000000/9000000"] * 4 and working.json("tariff", "list")[0]["download"] == 9_000_000
    assert "in force already" in working.ok("tariff", "set", "Home", "speed=download=9M upload=8M", "--canary", "1").out


def test_what_is_refused(stocked: Ebs) -> None:
    new = stocked.write(GOOD, "t.j2")
    both = ("--nas", "nas1", "--nas", "nas2", "--action", "subaccount_speed")
    assert "no NAS 'nas9'" in stocked.refused("template", "set", *both, "--nas", "nas9", "--canary", "1", new)
    bad = stocked.write("/queue simple add name={{ nonsense }}", "bad.j2")
    assert "bad.j2:1:" in stocked.refused("template", "set", *both, "--canary", "1", bad)
    for size in ("0", "-1", "1001", "x"):
        stocked.refused("template", "set", *both, "--canary", size, new)
    assert "nothing by itself" in stocked.refused(
        "template", "set", "--nas", "nas1", "--action", "session_reset", "--canary", "1", new
    )
    stocked.refused("tariff", "set", "Home", "speed=1M", "active=no", "--canary", "1")
    stocked.refused("tariff", "set", "Home", "comment=x", "--canary", "1")
    stocked.refused("tariff", "set", "Home", "speed=download=oops", "--canary", "1")
    assert "--canary" in stocked.refused("tariff", "set", "Home", "comment=x", "--nas", "nas1")
    for word in ("show", "continue", "withdraw"):
        assert "no rollout 7" in stocked.refused("rollout", word, "7")
    assert stocked.json("rollout", "list") == []

    stocked.ok("template", "set", *both, "--canary", "1", new)
    assert "rollout 1, running" in stocked.refused("template", "set", *both, "--canary", "1", stocked.write(REFUSED, "u.j2"))
    assert "rollout withdraw 1" in stocked.refused("template", "set", "--nas", "nas2", "--action", "subaccount_speed", "u.j2")
    assert "not stopped" in stocked.refused("rollout", "continue", "1")
    row = dead_nas(templates={"subaccount_speed": REFUSED})
    assert "rollout 1, running" in stocked.load_refused(site([row]))


def test_a_template_for_several_nases_at_once(stocked: Ebs) -> None:
    both = ("--nas", "nas1", "--nas", "nas2", "--action", "subaccount_speed")
    stocked.ok("template", "set", *both, stocked.write(GOOD, "t.j2"))
    rows = stocked.json("template", "list")
    assert [row["nas"] for row in rows if row["source"] == "operator"] == ["nas1", "nas2"]
    assert "no NAS" in stocked.refused("template", "set", *both, "--nas", "nas9", stocked.write(REFUSED, "u.j2"))
