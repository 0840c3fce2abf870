"""``ebs resync``, ``drift``, ``status``, ``hold``, ``nas adopt``, ``nas maintenance``: what people and scripts are told."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from nas_simulator import SimulatedNas
from tests.integration.cli.conftest import LISTED, QUEUES, Ebs, active, dead_nas, nas_row, person, site

STATUSES = ["in sync", "pending", "sent, unverified", "failing", "drifted", "held", "NAS unreachable", "not verifiable"]


@pytest.fixture
def filled(ebs: Ebs, router: SimulatedNas, transport: str) -> Ebs:
    """Twelve subscribers on nas1, sent."""
    ebs.load(site([nas_row(router, transport=transport)], *(person(n) for n in range(1, 13))))
    ebs.ok("apply")
    return ebs


@pytest.fixture
def simple(ebs: Ebs, router: SimulatedNas) -> Ebs:
    """The same over the API only, where the transport makes no difference."""
    ebs.load(site([nas_row(router)], *(person(n) for n in range(1, 13))))
    ebs.ok("apply")
    return ebs


def row_of(router: SimulatedNas, menu: str, address: str) -> str:
    rows = router.router.items(menu)
    return next(row[".id"] for row in rows if address in (row.get("address"), row.get("target", "").removesuffix("/32")))


def damage(router: SimulatedNas) -> None:
    hand = router.router
    hand.edit(QUEUES, row_of(router, QUEUES, "10.7.0.1"), max_limit="1000/1000")
    hand.remove(LISTED, row_of(router, LISTED, "10.7.0.2"))
    hand.add(LISTED, list="ebs_active", address="10.99.0.1", comment="ebs:4711")
    hand.add(LISTED, list="ebs_active", address="10.99.0.2", comment="laptop")


def counts(ebs: Ebs) -> dict[str, int]:
    found = ebs.json("status", "--nas", "nas1")["nases"][0]["statuses"]
    assert list(found) == STATUSES
    return {status: count for status, count in found.items() if count}


# -- resync and drift


def test_a_dry_run_tells_and_writes_nothing(filled: Ebs, router: SimulatedNas) -> None:
    damage(router)
    before, records = filled.dump(), active(router)
    told = filled.ok("resync", "--dry-run").out
    assert told.splitlines() == [
        "NAS nas1: read back: 10 placements right, 2 drifted, orphans: 1, of others: 1",
        "  a-1 / a-1-1 (repair: speed)",
        "    queue simple: 10.7.0.1: max-limit is 1000/1000, should be 20000000/50000000",
        "  a-2 / a-2-1 (repair: records, access)",
        "    ip firewall address-list: list=ebs_active address=10.7.0.2 is missing",
        "  orphan: ip firewall address-list: list=ebs_active address=10.99.0.1",
        "  of others, left alone: ip firewall address-list: list=ebs_active address=10.99.0.2",
    ]
    (nas,) = filled.json("resync", "--dry-run")["nases"]
    assert nas["repairs"] == {"a-1 / a-1-1": ["speed"], "a-2 / a-2-1": ["records", "access"]}
    assert (nas["commands"], nas["orphans_removed"]) == (0, 0)
    after = filled.dump()
    assert {table: rows for table, rows in after.items() if table != "nas"} == {
        table: rows for table, rows in before.items() if table != "nas"
    }
    assert active(router) == records


def test_resync_repairs_and_drift_remembers(filled: Ebs, router: SimulatedNas) -> None:
    assert filled.ok("drift").out == "NAS nas1: never read back; 'ebs resync --nas nas1' does it\n"
    damage(router)
    told = filled.ok("resync", "--nas", "nas1").out
    assert "  orphan removed: ip firewall address-list: list=ebs_active address=10.99.0.1\n" in told
    assert "NAS nas1: 2 of 2 placements done, " in told
    assert active(router) == {**{f"10.7.0.{n}": True for n in range(1, 13)}, "10.99.0.2": True}
    remembered = filled.ok("drift").out.splitlines()
    assert remembered[0].endswith(" UTC: 10 right, 2 drifted, orphans: 1, of others: 1; not right yet: 0")
    assert remembered[1] == "  a-1 / a-1-1 (repaired)"
    (view,) = filled.json("drift")["nases"]
    assert sorted(view["found"]) == ["a-1 / a-1-1", "a-2 / a-2-1"]
    assert (view["drifted"], view["orphan_count"], view["stranger_count"]) == ({}, 1, 1)
    assert counts(filled) == {"in sync": 12}
    (again,) = filled.json("resync")["nases"]
    assert (again["drifted"], again["orphans"], again["commands"]) == ({}, [], 0)


def test_a_nas_that_lost_its_state_is_set_up_and_filled_again(ebs: Ebs, router: SimulatedNas) -> None:
    ebs.load(site([nas_row(router, options={"subscriber_interface": "ether2"})], *(person(n) for n in range(1, 13))))
    ebs.ok("nas", "bootstrap", "--apply", "nas1")
    ebs.ok("apply")
    router.router.wipe()
    told = ebs.ok("resync").out
    assert "  IT HAD LOST ITS STATE: records of its set-up were missing; it is set up again\n" in told
    assert "  missing: ip firewall filter: " in told
    assert "  had lost: ip firewall address-list: disabled=no list=ebs_marker" in ebs.ok("drift").out
    assert {address: on for address, on in active(router).items() if address.startswith("10.7.")} == {
        f"10.7.0.{n}": True for n in range(1, 13)
    }
    (view,) = ebs.json("resync", "--dry-run")["nases"]
    assert (view["right"], view["lost_state"]) == (12, [])


def test_people_are_shown_the_first_of_many_and_json_has_all(simple: Ebs, router: SimulatedNas) -> None:
    simple.load(site([], *(person(n) for n in range(13, 61))))
    simple.ok("apply")
    for row in router.router.items(QUEUES):
        router.router.edit(QUEUES, row[".id"], max_limit="1/1")
    told = simple.ok("resync", "--dry-run").out
    assert told.count("(repair: speed)") == 20
    assert told.splitlines()[-1] == "  … and 40 more: drifted"
    assert len(simple.json("resync", "--dry-run")["nases"][0]["drifted"]) == 60
    simple.ok("resync")
    assert simple.ok("drift").out.splitlines()[-1] == "  … and 40 more: drifted"
    assert len(simple.json("drift")["nases"][0]["found"]) == 60


@pytest.mark.parametrize(
    "comment", ["x\nNAS nas2: forged\n  → reboot", "\x1b[2J", 'a"; /system reboot', "[red]квартира 🙂[/red]", "x" * 512]
)
def test_what_stands_on_a_nas_is_only_shown(simple: Ebs, router: SimulatedNas, comment: str) -> None:
    """No line of its own, no control character, whatever a stranger's record or a subscriber's name says."""
    name = "".join(char for char in comment if char.isprintable())[:60]
    simple.ok("subaccount", "set", "a-3-1", f"username={name}")
    simple.ok("apply")
    router.router.add(LISTED, list="ebs_active", address="10.99.0.2", comment=comment)
    router.router.add(QUEUES, name=f"q{comment}", target="10.99.0.3/32", comment="ebs:4711")
    router.router.remove(LISTED, row_of(router, LISTED, "10.7.0.3"))
    for words in (("resync", "--dry-run"), ("resync",), ("drift",), ("status", "--placements")):
        told = simple.ok(*words).out
        assert name in told
        assert not [line for line in told.splitlines() if line.startswith("NAS nas2")]
        assert not [line for line in told.splitlines() if line.strip().startswith("→")]
        assert all(char.isprintable() or char == "\n" for char in told)
    assert f"a-3 / {name}" in simple.json("drift")["nases"][0]["found"]


def test_a_repair_that_fails_is_not_called_repaired(simple: Ebs, router: SimulatedNas) -> None:
    damage(router)
    router.faults.fail = lambda operation: "disk full" if operation.path == QUEUES and operation.verb == "add" else None
    result = simple("resync")
    assert result.status == 1 and "  FAILED a-1 / a-1-1: subaccount_speed: disk full" in result.out
    told = simple.ok("drift").out
    assert "not right yet: 1" in told and "  a-1 / a-1-1\n" in told and "  a-2 / a-2-1 (repaired)\n" in told
    (row,) = simple.json("status", "--only", "failing")["placements"]
    assert row["account"] == "a-1" and "disk full" in row["detail"]


# -- what goes wrong


def test_a_nas_that_cannot_be_read_back_is_status_1(simple: Ebs, router: SimulatedNas) -> None:
    router.faults.fail = lambda operation: (
        "reading is\n  → forbidden" if (operation.path, operation.verb) == (QUEUES, "print") else None
    )
    result = simple("resync")
    assert result.status == 1 and "NAS nas1: COULD NOT BE READ BACK: " in result.out
    failed = simple("resync", "--json")
    assert failed.status == 1 and failed.json["ok"] is False and failed.json["nases"][0]["problem"]
    told = simple.ok("drift").out.splitlines()
    assert told[0] == "NAS nas1: never read back"
    assert told[1].startswith("  COULD NOT BE READ BACK the last time: ")
    router.faults.fail = None
    simple.ok("resync")
    assert "COULD NOT" not in simple.ok("drift").out


def test_a_nas_that_is_down(simple: Ebs, router: SimulatedNas) -> None:
    simple.ok("resync")
    router.stop()
    for words in (("resync",), ("resync", "--dry-run"), ("nas", "adopt", "nas1")):
        result = simple(*words)
        assert result.status == 1 and "refused" in result.text and "→ check address and port" in result.text
    failed = simple("resync", "--json")
    assert failed.status == 1 and failed.json["ok"] is False and "refused" in failed.json["nases"][0]["failure"]
    assert counts(simple) == {"NAS unreachable": 12}
    told = simple.ok("drift").out
    assert "12 right" in told and "  FAILING, nothing newer is known: NAS nas1: " in told
    row = simple.json("status", "--placements")["placements"][0]
    assert row["status"] == "NAS unreachable" and row["since"] and "refused" in row["detail"]


def test_a_nas_that_was_never_reached_is_said_to_be_so(ebs: Ebs) -> None:
    ebs.load(site([dead_nas(password="x")], person(1)))
    assert ebs("resync").status == 1
    told = ebs.ok("drift").out.splitlines()
    assert told[0] == "NAS nas1: never read back"
    assert told[1].startswith("  FAILING, nothing newer is known: ")


def test_a_changed_host_key_stops_that_nas_only(ebs: Ebs, routers: Callable[[str], SimulatedNas]) -> None:
    first, second, other = (routers(name) for name in ("nas1", "nas2", "other"))
    rows = [nas_row(first, transport="ssh"), {**nas_row(second, "nas2", "ssh"), "host_key": other.host_key}]
    ebs.load(site(rows, person(1), person(2, nas="nas2")))
    result = ebs("resync")
    assert result.status == 1
    assert "  FAILED NAS nas2: it shows the host key SHA256:" in result.out
    assert "ebs nas trust nas2" in result.out
    assert active(first) == {"10.7.0.1": True} and active(second) == {}
    ebs.ok("nas", "trust", "nas2", "--yes")
    ebs.ok("resync")
    assert active(second) == {"10.7.0.2": True}


def test_a_nas_that_forgets_what_it_confirms_is_failing(simple: Ebs, router: SimulatedNas) -> None:
    router.faults.accept_and_forget = True
    simple.ok("account", "set", "a-5", "balance=-1")
    result = simple("apply")
    assert result.status == 1 and "disabled is no, should be yes" in result.out
    (row,) = simple.json("status", "--only", "failing")["placements"]
    assert row["account"] == "a-5" and "next_try" in row and "not there when read back" in row["detail"]
    assert "a-5 / a-5-1" in simple.json("drift")["nases"][0]["drifted"]


def test_no_nas_at_all(ebs: Ebs) -> None:
    for words in (("resync",), ("resync", "--dry-run"), ("drift",)):
        assert ebs.ok(*words).out == ""
    assert ebs.json("resync") == {"ok": True, "nases": []}
    assert ebs.json("drift") == {"nases": []}
    assert ebs.json("status", "--placements") == {"placements": [], "broken": {}}


@pytest.mark.parametrize(
    "words",
    [
        "resync --nas nas9",
        "resync --nas nas1 --nas nas9 --json",
        "drift --nas nas9",
        "status --nas nas9 --placements",
        "status --only nonsense",
        "hold release nas9",
        "nas adopt nas9 --yes",
        "nas adopt nas1 --json",
        "nas maintenance nas9 on",
        "nas maintenance nas1 perhaps",
        "worker",
        "serve --threads 0",
    ],
)
def test_bad_words_change_nothing(ebs: Ebs, words: str) -> None:
    ebs.load(site([dead_nas()], person(1)))
    message = ebs.refused(*words.split())
    assert "nas9" not in words or "'ebs nas list' shows the names" in message


# -- held, maintenance


def test_a_held_plan_and_its_release(simple: Ebs, router: SimulatedNas) -> None:
    simple.load({"accounts": [{"username": f"a-{n}", "balance": "-1"} for n in range(1, 11)]})
    for words in (("apply",), ("resync",)):
        result = simple(*words)
        assert result.status == 1 and "HELD, nothing was sent: it would cut off 10 placements" in result.out
    assert simple.json("hold", "list") == [{"nas": "nas1", "would_cut_off": 10, "orphans": 0, "placements": 12}]
    assert counts(simple) == {"held": 10, "in sync": 2}
    assert len(simple.json("status", "--only", "held")["placements"]) == 10
    assert "may cut off up to 10 placements" in simple.ok("hold", "release", "nas1").out
    simple.ok("apply")
    assert sum(active(router).values()) == 2
    assert simple.json("hold", "list") == []
    assert "not held" in simple.ok("hold", "release", "nas1").out


def test_many_orphans_are_held_and_released(simple: Ebs, router: SimulatedNas) -> None:
    for n in range(20):
        router.router.add(LISTED, list="ebs_active", address=f"10.98.0.{n}", comment=f"ebs:{5000 + n}")
    assert simple("resync").status == 1
    told = simple.ok("drift").out
    assert told.count("  orphan, held: ") == 20
    assert told.splitlines()[-1] == "  → if nobody needs them: ebs hold release nas1"
    assert simple.json("hold", "list") == [{"nas": "nas1", "would_cut_off": 0, "orphans": 20, "placements": 12}]
    assert "may remove up to 20 orphans" in simple.ok("hold", "release", "nas1").out
    assert "  orphan removed: " in simple.ok("resync").out
    assert len(active(router)) == 12


@pytest.mark.parametrize("reason", [["--reason", "новый блок питания"], []])
def test_maintenance_leaves_the_nas_alone_and_says_so(simple: Ebs, router: SimulatedNas, reason: list[str]) -> None:
    shown = reason[1] if reason else "no reason given"
    simple.ok("nas", "maintenance", "nas1", "on", *reason)
    simple.ok("account", "set", "a-1", "balance=-1")
    for words in (("apply",), ("resync",)):
        result = simple(*words)
        assert result.status == 1 and f"in maintenance ({shown})" in result.out
    assert f"IN MAINTENANCE ({shown}): it was not read" in simple("resync", "--dry-run").out
    assert f"  IN MAINTENANCE ({shown}): it is not read" in simple.ok("drift").out
    assert simple.json("status")["nases"][0]["maintenance"] == shown
    (row,) = simple.json("status", "--only", "held")["placements"]
    assert row["account"] == "a-1" and shown in row["detail"]
    assert active(router)["10.7.0.1"]
    simple.ok("nas", "maintenance", "nas1", "off")
    simple.ok("apply")
    assert not active(router)["10.7.0.1"]


# -- adoption


@pytest.fixture
def live(ebs: Ebs, router: SimulatedNas, transport: str) -> Ebs:
    """A router that somebody filled by hand, and a site that knows its subscribers."""
    accounts: list[dict[str, Any]] = [person(n) for n in range(1, 6)]
    accounts[3]["balance"] = "-1"
    ebs.load(site([nas_row(router, transport=transport)], *accounts))
    for n in range(1, 5):
        router.router.add(LISTED, list="ebs_active", address=f"10.7.0.{n}", comment=f"flat {n}")
        router.router.add(QUEUES, name=f"q{n}", target=f"10.7.0.{n}/32", max_limit="20M/50M" if n != 2 else "1M/1M")
    router.router.add(LISTED, list="ebs_active", address="10.9.9.9", comment="printer")
    return ebs


def test_adoption_shows_its_plan_first(live: Ebs, router: SimulatedNas) -> None:
    before = [dict(row) for row in router.router.items(LISTED)]
    told = live.ok("nas", "adopt", "nas1", "--dry-run").out.splitlines()
    assert told[0] == "NAS nas1: records of 4 subscribers found, of 1 none, 0 in doubt, 1 nobody's"
    assert "    queue simple: 10.7.0.2: max-limit is 1000000/1000000, should be 20000000/50000000" in told
    assert "  a-4 / a-4-1 (then due: disable, speed)" in told
    assert told[-1] == "  nothing found of: a-5 / a-5-1"
    refused = live.run("nas", "adopt", "nas1", stdin=b"n\n")
    assert refused.status == 0 and "Tag the records of 4 subscribers?" in refused.out
    assert live.run("nas", "adopt", "nas1").status == 130, "no answer is no"
    assert [dict(row) for row in router.router.items(LISTED)] == before


def test_adoption_interrupts_nobody(live: Ebs, router: SimulatedNas) -> None:
    before = active(router)
    told = live.run("nas", "adopt", "nas1", stdin=b"y\n").out.splitlines()
    assert told[-2].endswith("NAS nas1: 4 subscribers adopted, 8 commands sent")
    assert told[-1] == "  4 of them and 1 others are still due: look at 'ebs plan --nas nas1'"
    assert active(router) == before
    live.ok("apply")
    assert active(router) == {**before, "10.7.0.4": False, "10.7.0.5": True}
    assert counts(live) == {"in sync": 5}
    view = live.json("nas", "adopt", "nas1", "--yes")
    assert (view["adopted"], view["commands"]) == ([], 0)
    assert {row["action"] for row in live.json("log") if row["cause"] == "an operator adopts what is on the NAS"} == {"adopt"}


def test_adoption_as_one_document(live: Ebs) -> None:
    plan = live.json("nas", "adopt", "nas1", "--dry-run")
    assert [one["account"] for one in plan["adopted"]] == ["a-1", "a-2", "a-3", "a-4"]
    assert plan["not_found"] == ["a-5 / a-5-1"] and (plan["of_others"], plan["commands"]) == (1, 0)
    done = live.json("nas", "adopt", "nas1", "--yes")
    assert done["commands"] == 8 and not [one for one in done["adopted"] if one["failure"]]


def test_adoption_of_a_nas_that_refuses_is_status_1(live: Ebs, router: SimulatedNas) -> None:
    router.faults.fail = lambda operation: "not allowed today" if operation.verb in ("set", "comment") else None
    failed = live("nas", "adopt", "nas1", "--yes")
    assert failed.status == 1 and "  FAILED a-1 / a-1-1: " in failed.out and "not allowed today" in failed.out
    assert all(one["failure"] for one in json.loads(live("nas", "adopt", "nas1", "--yes", "--json").out)["adopted"])


@pytest.mark.parametrize("command", ["resync", "drift", "status", "nas adopt", "nas maintenance", "hold list", "serve", "worker"])
def test_each_explains_itself(ebs: Ebs, command: str) -> None:
    told = ebs.ok(*command.split(), "--help").out
    assert f"Usage: ebs {command} " in told
    assert told.splitlines()[2].strip()
    assert f"\n  {command.split()[0]} " in ebs.ok("--help").out


# -- the background job


def test_serve_says_at_once_what_it_lacks(ebs: Ebs) -> None:
    (ebs.folder / "ebs.key").unlink()
    assert "there is no key file" in ebs.refused("serve")


def test_a_nas_is_imported_in_maintenance_adopted_and_taken_into_service(ebs: Ebs, router: SimulatedNas) -> None:
    ebs.load(site([nas_row(router, maintenance="adopting")], person(1)))
    router.router.add(LISTED, list="ebs_active", address="10.7.0.1", comment="flat 1")
    assert ebs.run("apply").status == 1 and router.router.items(LISTED)[0]["comment"] == "flat 1"
    assert "1 subscribers adopted" in ebs.ok("nas", "adopt", "nas1", "--yes").out
    assert router.router.items(LISTED)[0]["comment"].startswith("ebs:")
    ebs.ok("nas", "maintenance", "nas1", "off")
    assert ebs.run("apply").status == 0 and active(router) == {"10.7.0.1": True}
