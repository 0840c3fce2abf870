"""`ebs plan`, `apply`, `status`, `log`, `hold`: what an operator sees of good and of bad days."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from ebs_core.config import load
from ebs_core.storage.database import Database
from ebs_server.bootstrap import Site
from nas_simulator import Operation, SimulatedNas
from tests.integration.cli.conftest import LISTED, QUEUES, Ebs, active, dead_nas, nas_row, person, site

Start = Callable[[str], SimulatedNas]


def test_plan_shows_why_and_sends_nothing(any_ebs: Ebs, router: SimulatedNas, transport: str) -> None:
    ebs = any_ebs
    ebs.load(site([nas_row(router, transport=transport)], person(1, full_name="Анна Сокол"), person(2, balance="-1.50")))
    before = ebs.dump()
    shown = ebs.ok("plan").out
    for word in (
        "nas1",
        "a-1 / a-1-1",
        "Анна Сокол",
        "subaccount_add",
        "not yet on the NAS",
        "may have access",
        "10.7.0.1",
        "a-2",
    ):
        assert word in shown
    (plan,) = ebs.json("plan", "--nas", "nas1")["nases"]
    assert (plan["placements"], len(plan["items"]), plan["held"]) == (2, 2, False)
    assert [step["action"] for step in plan["items"][0]["steps"]] == ["subaccount_add", "subaccount_enable", "subaccount_speed"]
    assert (router.router.journal.count, ebs.dump()) == (0, before)
    ebs.ok("apply")
    assert "nothing to do" in ebs.ok("plan").out
    ebs.ok("account", "set", "a-1", "balance=-2")
    ebs.ok("account", "set", "a-2", "credit=1.50", "allow_ipn_with_null=yes")
    reasons = {step["action"]: step["reason"] for item in ebs.json("plan")["nases"][0]["items"] for step in item["steps"]}
    assert reasons == {"subaccount_disable": "may not have access: funds are -2"}


def test_what_the_plan_shows_is_what_is_sent(ebs: Ebs, router: SimulatedNas, transport: str) -> None:
    ebs.load(site([nas_row(router, transport=transport)], *(person(number) for number in range(1, 6))))
    planned = [
        command for item in ebs.json("plan")["nases"][0]["items"] for step in item["steps"] for command in step["commands"]
    ]
    ebs.ok("apply")
    assert sorted(planned) == sorted(row["command"] for row in ebs.json("log"))


def test_the_second_apply_sends_nothing(any_ebs: Ebs, router: SimulatedNas, transport: str) -> None:
    any_ebs.load(site([nas_row(router, transport=transport)], *(person(number) for number in range(1, 31))))
    (first,) = any_ebs.json("apply")["nases"]
    assert (first["due"], first["done"], first["ok"]) == (30, 30, True)
    count = router.router.journal.count
    (second,) = any_ebs.json("apply")["nases"]
    assert (second["due"], second["commands"]) == (0, 0)
    assert router.router.journal.count == count


def test_apply_of_one_nas_leaves_the_other(ebs: Ebs, routers: Start) -> None:
    one, two = routers("nas1"), routers("nas2")
    ebs.load(site([nas_row(one), nas_row(two, "nas2")], person(1), person(2, "nas2")))
    ebs.ok("apply", "--nas", "nas2")
    assert (one.router.journal.count, active(two)) == (0, {"10.7.0.2": True})
    assert [nas["nas"] for nas in ebs.json("plan", "--nas", "nas1")["nases"]] == ["nas1"]


def test_a_nas_that_is_down_fails_alone(any_ebs: Ebs, router: SimulatedNas, transport: str) -> None:
    ebs = any_ebs
    ebs.load(site([nas_row(router, transport=transport), dead_nas("nas2", password="x")], person(1), person(2, "nas2")))
    result = ebs.run("apply")
    assert result.status == 1
    assert "NAS nas2: no connection" in result.out or "nas2" in result.out
    assert active(router) == {"10.7.0.1": True}
    status = {row["nas"]: row for row in ebs.json("status")["nases"]}
    assert (status["nas1"]["in_sync"], status["nas1"]["failure"]) == (1, None)
    assert (status["nas2"]["pending"], status["nas2"]["placements"]) == (1, 1)
    assert "nas2" in status["nas2"]["failure"] and status["nas2"]["failing_since"]
    assert "NAS nas2: failing since " in ebs.ok("status").out
    assert ebs.run("apply", "--json").json["nases"][1]["failure"]


def test_ten_changes_while_it_is_down_become_one(ebs: Ebs, router: SimulatedNas) -> None:
    row = nas_row(router)
    ebs.load(site([{**row, "port": "1"}], person(1)))
    for number in range(10):
        ebs.ok("account", "set", "a-1", f"balance={number - 5}")
        assert ebs.run("apply").status == 1 if number == 4 else True
    ebs.load(site([row]))
    (result,) = ebs.json("apply")["nases"]
    assert (result["done"], active(router)) == (1, {"10.7.0.1": True})
    assert [step["action"] for step in ebs.json("log") if step["action"] == "subaccount_disable"] == []


def rejecting(address: str) -> Callable[[Operation], str | None]:
    def fail(one: Operation) -> str | None:
        bad = one.path == LISTED and one.verb == "add" and one.attributes.get("address") == address
        return "failure: the flash is full" if bad else None

    return fail


def test_one_that_the_router_rejects_is_named_and_repeated_alone(any_ebs: Ebs, router: SimulatedNas, transport: str) -> None:
    ebs = any_ebs
    ebs.load(site([nas_row(router, transport=transport)], *(person(number) for number in range(1, 31))))
    router.faults.fail = rejecting("10.7.0.17")
    result = ebs.run("apply", "--json")
    assert result.status == 1
    (nas,) = result.json["nases"]
    assert list(nas["failed"]) == ["a-17 / a-17-1"]
    assert "the flash is full" in nas["failed"]["a-17 / a-17-1"]
    assert nas["done"] == 29
    assert sorted(active(router)) == sorted(f"10.7.0.{number}" for number in range(1, 31) if number != 17)
    assert "the flash is full" in str(ebs.card("a-17"))
    (status,) = ebs.json("status")["nases"]
    assert (status["failing"], status["in_sync"]) == (1, 29)
    logged = [row for row in ebs.json("log", "--account", "a-17-1") if row["outcome"] != "ok"]
    assert [row["action"] for row in logged] == ["subaccount_add"]
    again = ebs.run("apply")
    assert again.status == 1 and "a-17" in again.out
    router.faults.fail = None
    router.router.journal.clear()
    (nas,) = ebs.json("apply")["nases"]
    assert (nas["due"], nas["done"], nas["failed"]) == (1, 1, {})
    assert {one.attributes.get("address", "10.7.0.17") for one in router.router.journal if one.path == LISTED} == {"10.7.0.17"}
    assert ebs.json("status")["nases"][0]["failing"] == 0


def test_a_strangers_record_is_reported_and_left(ebs: Ebs, router: SimulatedNas, transport: str) -> None:
    router.router.add(LISTED, list="ebs_active", address="10.7.0.1", comment="mine")
    ebs.load(site([nas_row(router, transport=transport)], person(1), person(2)))
    result = ebs.run("apply")
    assert result.status == 1
    assert "already have such entry" in result.out and "a-1" in result.out
    mine = [item for item in router.router.items(LISTED) if item["comment"] == "mine"]
    assert [(item["list"], item["address"], item["disabled"]) for item in mine] == [("ebs_active", "10.7.0.1", "false")]
    assert active(router)["10.7.0.2"]


def test_a_refused_login_and_no_rights(ebs: Ebs, router: SimulatedNas, transport: str) -> None:
    ebs.load(site([nas_row(router, transport=transport)], person(1)))
    router.faults.refuse_login = True
    result = ebs.run("apply")
    assert result.status == 1
    assert "login" in result.out and "→" in result.out
    assert "nas-password" not in result.text
    router.faults.refuse_login = False
    router.faults.fail = lambda one: "not enough permissions (9)" if one.verb == "add" else None
    result = ebs.run("apply")
    assert result.status == 1
    assert "not enough permissions" in result.out
    router.faults.fail = None
    ebs.ok("apply")


def test_a_connection_cut_in_the_middle(ebs: Ebs, router: SimulatedNas, transport: str) -> None:
    ebs.load(site([nas_row(router, transport=transport)], *(person(number) for number in range(1, 21))))
    router.faults.disconnect_after = 25
    result = ebs.run("apply", "--json")
    assert result.status == 1
    assert "connection" in result.json["nases"][0]["failure"]
    router.faults.disconnect_after = None
    ebs.ok("apply")
    assert active(router) == {f"10.7.0.{number}": True for number in range(1, 21)}
    assert len(router.router.items(QUEUES)) == 20


def test_log_filters(ebs: Ebs, routers: Start) -> None:
    one, two = routers("nas1"), routers("nas2")
    ebs.load(site([nas_row(one), nas_row(two, "nas2")], person(1), person(2, "nas2")))
    ebs.ok("apply")
    everything = ebs.json("log")
    assert {row["nas"] for row in ebs.json("log", "--nas", "nas2")} == {"nas2"}
    assert {row["account"] for row in ebs.json("log", "--account", "a-1")} == {"a-1"}
    assert ebs.json("log", "--account", "a-1-1") == ebs.json("log", "--account", "a-1")
    assert ebs.json("log", "--account", "a-1", "--nas", "nas2") == []
    assert ebs.json("log", "--limit", "2") == everything[-2:]
    moments = [row["at"] for row in everything if row["nas"] == "nas1"]
    assert moments == sorted(moments), "oldest first"
    for row in everything:
        assert row["cause"] and row["command"] and row["duration"] >= 0
    ebs.ok("account", "delete", "a-1")
    assert ebs.json("log", "--account", "a-1"), "the log outlives the account"
    assert "because: not yet on the NAS" in ebs.ok("log", "--account", "a-2").out


def test_too_many_at_once_are_held_until_released(any_ebs: Ebs, router: SimulatedNas, transport: str) -> None:
    ebs = any_ebs
    people = [person(number) for number in range(1, 41)]
    ebs.load(site([nas_row(router, transport=transport)], *people))
    ebs.ok("apply")
    assert ebs.json("hold", "list") == []
    assert "not held" in ebs.ok("hold", "release", "nas1").out
    ebs.load({"accounts": [{**row, "balance": "-1"} for row in people[:20]]})
    count = router.router.journal.count
    result = ebs.run("apply", "--json")
    assert result.status == 1
    (nas,) = result.json["nases"]
    assert (nas["held"], nas["would_cut_off"], nas["commands"]) == (True, 20, 0)
    assert "ebs hold release nas1" in ebs.run("apply").out
    assert "HELD" in ebs.ok("plan").out
    assert router.router.journal.count == count
    assert ebs.json("status")["nases"][0]["held"] is True
    assert ebs.json("hold", "list") == [{"nas": "nas1", "would_cut_off": 20, "orphans": 0, "placements": 40}]
    ebs.ok("hold", "release", "nas1")
    ebs.ok("apply")
    assert sum(active(router).values()) == 20
    ebs.ok("tariff", "set", "Home", "active=no")
    assert ebs.run("apply").status == 1, "a release is good for one run"
    assert len(active(router)) == 40


def test_a_release_of_a_name_in_quotes_is_printed_so_that_it_can_be_pasted(ebs: Ebs, router: SimulatedNas) -> None:
    name = "Крыша 1"
    ebs.load(site([nas_row(router, name)], *(person(number, name) for number in range(1, 31))))
    ebs.ok("apply")
    ebs.ok("tariff", "set", "Home", "active=no")
    assert "ebs hold release 'Крыша 1'" in ebs.run("apply").out


def test_a_damaged_secret_of_one_nas_stops_that_nas_alone(ebs: Ebs, router: SimulatedNas, routers: Start) -> None:
    other = routers("nas2")
    ebs.load(site([nas_row(router), nas_row(other, "nas2")], person(1), person(2, "nas2")))
    database = Database(ebs.url)
    with database.write() as session:
        session.execute(text("UPDATE nas SET password = 'ebs1:00000000:AAAA' WHERE name = 'nas1'"))
    database.dispose()
    result = ebs.run("apply", "--json")
    assert result.status == 1
    assert {nas["nas"]: nas["ok"] for nas in result.json["nases"]} == {"nas1": False, "nas2": True}
    assert active(other) == {"10.7.0.2": True}


def test_a_key_file_that_is_lost_says_which_and_why(ebs: Ebs, router: SimulatedNas) -> None:
    ebs.load(site([nas_row(router)], person(1)))
    ebs.key_file.unlink()
    result = ebs.run("apply")
    assert result.status in (1, 2)
    assert str(ebs.key_file) in result.text
    assert router.router.journal.count == 0


def test_two_applies_at_once_do_the_work_once(any_ebs: Ebs, router: SimulatedNas) -> None:
    """The second waits or says that the NAS is being worked; nothing is sent twice."""
    ebs = any_ebs
    ebs.load(site([nas_row(router)], *(person(number) for number in range(1, 11))))
    entered, go_on = threading.Event(), threading.Event()

    def wait_once(_: Operation) -> None:
        if not entered.is_set():
            entered.set()
            go_on.wait(20)

    router.faults.fail = wait_once
    first = Site(load())  # not by the command line: the threads of a process share its streams
    release = threading.Timer(0.5, go_on.set)  # whether the second waits by then or not, the outcome must be the same
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(first.reconciler.apply, ["nas1"])
        assert entered.wait(20)
        release.start()
        second = ebs.run("apply", "--json")
        (result,) = running.result(30)
    release.join()
    first.close()
    assert result.ok
    assert second.status == 0 or "nas1" in second.json["nases"][0]["failure"]
    assert second.json["nases"][0]["commands"] == 0
    adds = [one for one in router.router.journal if one.path == LISTED and one.verb == "add"]
    assert len(adds) == len(router.router.items(LISTED)) == 10
    assert ebs.json("apply")["nases"][0]["commands"] == 0


@pytest.mark.parametrize(
    ("tariff", "placed"),
    [({"access_type": "pppoe"}, 0), ({"access_type": "pppoe", "nas_actions": "true"}, 1), ({"nas_actions": "false"}, 0), ({"active": "false"}, 0)],  # noqa: E501
)  # fmt: skip
def test_which_tariffs_run_nas_actions(ebs: Ebs, router: SimulatedNas, tariff: dict[str, Any], placed: int) -> None:
    row = {"name": "Home", "speed": {"download": "1M", "upload": "1M"}, **tariff}
    ebs.load(site([nas_row(router)], person(1, own={"password": "p"}), tariffs=(row,)))
    ebs.ok("apply")
    assert len(router.router.items(LISTED)) == placed


def test_a_value_that_cannot_be_sent_is_named_in_the_plan(ebs: Ebs, router: SimulatedNas) -> None:
    template = {"subaccount_add": '/ip arp add address={{ ipn_ip_address }} interface=ether1 comment="{{ tag }}"'}
    ebs.load(site([nas_row(router, templates=template)], person(1), person(2)))
    ebs.ok("subaccount", "set", "a-1-1", "ipn_ip_address=")
    assert "CANNOT BE SENT" in ebs.ok("plan").out
    problems = [step["problem"] for item in ebs.json("plan")["nases"][0]["items"] for step in item["steps"]]
    assert sum(problem is not None and "a-1" in problem for problem in problems) == 1
    result = ebs.run("apply", "--json")
    assert result.status == 1
    assert list(result.json["nases"][0]["failed"]) == ["a-1 / a-1-1"]
    assert [item["address"] for item in router.router.items("/ip/arp")] == ["10.7.0.2"]
