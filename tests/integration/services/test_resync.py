"""Reading a NAS back: what differs is found, named and repaired with the fewest commands; what is right costs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from ebs_core.domain.placement import Seen
from ebs_core.domain.records import Reading
from ebs_core.domain.text import MASK, Secret
from ebs_core.services.observer import _without_setup
from ebs_core.services.reconciler import DRY_RUN, RESYNC
from ebs_core.services.status import Status, standings
from ebs_core.storage.tables import ActionLog, Nas, Placement
from ebs_server.bootstrap import Site
from nas_simulator import Faults, SimulatedNas
from tests.integration.services.conftest import LISTED, QUEUES, active, document, import_site, nas_row, subscriber

MARKED = "/ip/firewall/address-list"


@pytest.fixture(params=["routeros_api", "ssh"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def filled(site: Site, router: SimulatedNas, tmp_path: Path, transport: str) -> Site:
    """Twelve subscribers on nas1, applied and read back."""
    import_site(site, document([nas_row(router, transport=transport)], [subscriber(n, "nas1") for n in range(1, 13)]), tmp_path)
    (result,) = site.reconciler.apply(["nas1"])
    assert result.ok and result.verified == 12, result
    return site


def resync(site: Site, goal: Any = RESYNC) -> Any:
    (result,) = site.reconciler.apply(["nas1"], goal=goal)
    return result


def item(router: SimulatedNas, menu: str, address: str) -> dict[str, str]:
    return next(
        one for one in router.router.items(menu) if address in (one.get("address"), one.get("target", "").removesuffix("/32"))
    )


def statuses(site: Site) -> dict[str, Status]:
    plan = site.planner.plan("nas1")
    with site.database.read() as session:
        return {one.account: one.status for one in standings(session, plan)}


def test_what_is_right_is_found_right_and_nothing_is_sent(filled: Site, router: SimulatedNas) -> None:
    before = len(router.router.journal)
    for _ in range(2):
        result = resync(filled)
        assert (result.right, result.drifted, result.orphans, result.commands) == (12, {}, [], 0)
    assert not [one for one in list(router.router.journal)[before:] if one.verb in ("add", "set", "remove", "enable", "disable")]
    assert set(statuses(filled).values()) == {Status.IN_SYNC}


def test_each_change_by_hand_is_named_and_repaired_with_the_fewest_commands(filled: Site, router: SimulatedNas) -> None:
    hand = router.router
    hand.edit(QUEUES, item(router, QUEUES, "10.77.0.1")[".id"], max_limit="1000/1000")
    hand.edit(LISTED, item(router, LISTED, "10.77.0.2")[".id"], disabled="true")
    hand.remove(LISTED, item(router, LISTED, "10.77.0.3")[".id"])
    hand.remove(QUEUES, item(router, QUEUES, "10.77.0.4")[".id"])
    dry = resync(filled, DRY_RUN)
    assert {label.split(" ")[0]: words for label, words in dry.repairs.items()} == {
        "a-1": ["speed"], "a-2": ["access"], "a-3": ["records", "access"], "a-4": ["speed"],
    }  # fmt: skip
    assert "max-limit is 1000/1000, should be 20000000/50000000" in dry.drifted["a-1 / a-1-1"][0]
    assert "is missing" in dry.drifted["a-3 / a-3-1"][0]
    assert set(statuses(filled).values()) == {Status.IN_SYNC}  # a dry run writes nothing
    result = resync(filled)
    assert result.ok and sorted(result.drifted) == sorted(dry.drifted)
    with filled.database.read() as session:
        sent = session.execute(select(ActionLog.account, ActionLog.action).where(ActionLog.cause.contains("does not have"))).all()
    assert sorted({(account, action) for account, action in sent}) == [
        ("a-1", "subaccount_speed"), ("a-2", "subaccount_enable"), ("a-3", "subaccount_add"), ("a-4", "subaccount_speed"),
    ]  # fmt: skip
    assert active(router) == {f"10.77.0.{n}": True for n in range(1, 13)}
    assert resync(filled).drifted == {} and set(statuses(filled).values()) == {Status.IN_SYNC}


def test_orphans_are_removed_and_strangers_never(filled: Site, router: SimulatedNas) -> None:
    hand = router.router
    hand.add(LISTED, list="ebs_active", address="10.99.0.1", comment="ebs:4711")
    hand.add(QUEUES, name="old", target="10.99.0.1/32", comment="ebs:4711")
    hand.add(LISTED, list="ebs_active", address="10.99.0.2", comment="the boss")
    hand.add(LISTED, list="blacklist", address="10.99.0.3", comment="ebs is great")
    result = resync(filled)
    assert result.removed == 2 and len(result.orphans) == 2
    assert ["10.99.0.2" in one for one in result.strangers] == [True]
    addresses = {one["address"] for one in hand.items(LISTED)}
    assert "10.99.0.1" not in addresses and {"10.99.0.2", "10.99.0.3"} <= addresses
    assert resync(filled).orphans == []


def test_a_second_record_of_a_subscriber_is_removed(filled: Site, router: SimulatedNas) -> None:
    tag = item(router, LISTED, "10.77.0.5")["comment"]
    router.router.add(LISTED, list="ebs_active", address="10.66.6.6", comment=tag)
    result = resync(filled)
    assert result.removed == 1 and "10.66.6.6" not in active(router) and active(router)["10.77.0.5"]


def test_many_orphans_wait_for_an_operator(filled: Site, router: SimulatedNas) -> None:
    for n in range(20):
        router.router.add(LISTED, list="ebs_active", address=f"10.98.0.{n}", comment=f"ebs:{5000 + n}")
    assert resync(filled).held and len(active(router)) == 32
    filled.nas_editor.release("nas1", 20)
    assert resync(filled).removed == 20 and len(active(router)) == 12


def test_a_router_that_lost_everything_is_filled_again(filled: Site, router: SimulatedNas) -> None:
    filled.editor.set_account("a-7", {"balance": "-5"})
    filled.reconciler.apply(["nas1"])
    for menu in (LISTED, QUEUES):
        for one in router.router.items(menu):
            router.router.remove(menu, one[".id"])
    result = resync(filled)
    assert result.ok and len(result.drifted) == 12
    assert active(router) == {f"10.77.0.{n}": n != 7 for n in range(1, 13)}
    assert len(router.router.items(QUEUES)) == 12


def test_a_set_up_that_is_gone_is_made_again_if_ebs_made_it(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    row = nas_row(router, options={"subscriber_interface": "ether2"})
    import_site(site, document([row], [subscriber(1, "nas1")]), tmp_path)
    site.setup.bootstrap("nas1")
    site.reconciler.apply(["nas1"])
    assert resync(site).lost == []
    router.router.wipe()
    result = resync(site)
    assert result.lost and active(router) == {"10.77.0.1": True}
    assert resync(site).lost == []


def test_a_nas_that_forgets_what_it_confirms_is_exposed(site: Site, tmp_path: Path, transport: str) -> None:
    with SimulatedNas("nas1", "ebs", "secret", faults=Faults()).start() as nas:
        import_site(site, document([nas_row(nas, transport=transport)], [subscriber(n, "nas1") for n in (1, 2, 3)]), tmp_path)
        nas.faults.accept_and_forget = True
        (result,) = site.reconciler.apply(["nas1"])
        assert not result.ok and len(result.failed) == 3
        assert "not there when read back" in statuses_detail(site)["a-1"]
        with site.database.read() as session:
            placements = session.scalars(select(Placement)).all()
        assert {(one.attempts, one.seen, one.next_try > 0) for one in placements} == {(1, Seen.DIFFERENT, True)}
        nas.faults.accept_and_forget = False
        assert site.reconciler.apply(["nas1"])[0].ok and set(statuses(site).values()) == {Status.IN_SYNC}


def statuses_detail(site: Site) -> dict[str, str]:
    plan = site.planner.plan("nas1")
    with site.database.read() as session:
        return {one.account: one.detail for one in standings(session, plan)}


def test_maintenance_sends_nothing(filled: Site, router: SimulatedNas) -> None:
    filled.nas_editor.maintenance("nas1", "new power supply")
    filled.editor.set_account("a-1", {"balance": "-5"})
    result = resync(filled)
    assert not result.ok and result.maintenance == "new power supply" and active(router)["10.77.0.1"]
    assert statuses(filled)["a-1"] is Status.HELD
    filled.nas_editor.maintenance("nas1", None)
    assert resync(filled).ok and not active(router)["10.77.0.1"]


@pytest.fixture
def live(site: Site, router: SimulatedNas, tmp_path: Path, transport: str) -> Iterator[Site]:
    """A router that an engineer has filled by hand, and a site that knows its subscribers."""
    accounts = [subscriber(n, "nas1") for n in range(1, 7)]
    accounts[3]["balance"] = "-1.00"
    import_site(site, document([nas_row(router, transport=transport)], accounts), tmp_path)
    for n in range(1, 6):
        router.router.add(LISTED, list="ebs_active", address=f"10.77.0.{n}", comment=f"flat {n}")
        limit = "20M/50M" if n != 2 else "1M/1M"
        router.router.add(QUEUES, name=f"q{n}", target=f"10.77.0.{n}/32", max_limit=limit)
    router.router.add(LISTED, list="ebs_active", address="10.9.9.9", comment="printer")
    yield site


def test_adoption_tags_what_is_there_and_cuts_nobody_off(live: Site, router: SimulatedNas) -> None:
    plan = live.adopter.adopt("nas1", lambda plan: False)
    assert len(plan.adopted) == 5 and plan.commands == 0 and plan.unmatched == ["a-6 / a-6-1"] and plan.strangers == 1
    before = {one[".id"]: one["address"] for one in router.router.items(LISTED)}
    started = len(router.router.journal)
    plan = live.adopter.adopt("nas1", lambda plan: True)
    verbs = {one.verb for one in list(router.router.journal)[started:]} - {"print", "find", "get"}
    assert verbs <= {"set", "login", "put", "comment"}, verbs
    assert not [one for one in plan.adopted if one.failure]
    assert {one[".id"]: one["address"] for one in router.router.items(LISTED)} == before
    assert {one["comment"][:4] for one in router.router.items(LISTED) if one["address"] != "10.9.9.9"} == {"ebs:"}
    due = {one.item.account: one.due for one in plan.adopted}
    assert due["a-4"] and "disable" in due["a-4"] and "add" not in due["a-1"] and "enable" not in due["a-1"]
    assert live.reconciler.apply(["nas1"])[0].ok
    assert active(router) == {"10.77.0.1": True, "10.77.0.2": True, "10.77.0.3": True, "10.77.0.4": False,
                              "10.77.0.5": True, "10.77.0.6": True, "10.9.9.9": True}  # fmt: skip
    result = resync(live)
    assert result.right == 6 and not result.drifted and len(result.strangers) == 1


def test_two_that_could_own_a_record_are_left_alone(live: Site, router: SimulatedNas) -> None:
    router.router.add(QUEUES, name="again", target="10.77.0.1/32", max_limit="1M/1M")
    plan = live.adopter.adopt("nas1", lambda plan: True)
    assert any("a-1 / a-1-1" in labels for labels in plan.ambiguous.values())
    assert all("queue" not in match.what for one in plan.adopted if one.item.account == "a-1" for match in one.matches)


OWN_COMMENTS = {
    "subaccount_add": '/ip firewall address-list remove [find comment="$subacc_username"]\n'
    "/ip firewall address-list add list=people address=$ipn_ip_address comment=$subacc_username disabled=yes",
    "subaccount_enable": "/ip firewall address-list enable [find comment=$subacc_username]",
    "subaccount_disable": "/ip firewall address-list disable [find comment=$subacc_username]",
    "subaccount_speed": "",
    "subaccount_delete": "/ip firewall address-list remove [find comment=$subacc_username]",
}


def test_templates_that_mark_their_records_in_their_own_way(
    site: Site, router: SimulatedNas, tmp_path: Path, transport: str
) -> None:
    row = nas_row(router, transport=transport, templates=OWN_COMMENTS)
    import_site(site, document([row], [subscriber(n, "nas1") for n in (1, 2)]), tmp_path)
    router.router.add(LISTED, list="people", address="10.9.9.9", comment="boss")
    assert site.reconciler.apply(["nas1"])[0].verified == 2
    router.router.edit(LISTED, item(router, LISTED, "10.77.0.1")[".id"], disabled="true")
    result = resync(site)
    assert list(result.drifted) == ["a-1 / a-1-1"] and result.repairs == {"a-1 / a-1-1": ["access"]}
    assert len(result.strangers) == 1 and active(router)["10.77.0.1"]
    site.editor.set_account("a-2", {"balance": "-1"})
    assert site.reconciler.apply(["nas1"])[0].verified == 1 and not active(router)["10.77.0.2"]


# -- what a review found


LEASES = "/ip/dhcp-server/lease"


def test_a_menu_that_is_away_for_a_look_takes_nothing_with_it(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    router.router.add("/ip/dhcp-server", name="dhcp1", interface="ether1")
    people = [subscriber(n, "nas1") for n in range(1, 7)]
    for number, one in enumerate(people, 1):
        one["subaccounts"][0]["ipn_mac_address"] = f"02:00:00:00:00:{number:02x}"
    row = nas_row(router, options={"dhcp_server": "dhcp1"})
    import_site(site, document([row], people), tmp_path)
    assert site.reconciler.apply(["nas1"])[0].verified == 6
    assert resync(site).right == 6
    router.faults.fail = lambda op: "no such command prefix" if (op.path, op.verb) == (LEASES, "print") else None
    resync(site)
    assert Status.IN_SYNC not in set(statuses(site).values()), "a part of everybody could not be read"
    router.faults.fail = None
    result = resync(site)
    assert (result.right, result.removed, len(router.router.items(LEASES))) == (6, 0, 6)


SCRIPTED = {
    "subaccount_add": ':if ([:len [/ip firewall address-list find comment="{{ tag }}"]] = 0) do={ /ip firewall address-list add '
    'list="{{ options.active_list }}" address="{{ ipn_ip_address }}" comment="{{ tag }}" disabled=yes }\n',
    "subaccount_enable": ':foreach i in=[/ip firewall address-list find comment="{{ tag }}"] do={ '
    "/ip firewall address-list enable $$i }\n",
}


def test_what_scripts_leave_is_nobodys_business(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    row = nas_row(router, transport="ssh", templates=SCRIPTED)
    import_site(site, document([row], [subscriber(n, "nas1") for n in range(1, 7)]), tmp_path)
    site.setup.bootstrap("nas1")
    for _ in range(3):
        result = resync(site)
        assert (result.removed, result.orphans, len(active(router))) == (0, [], 6)


def test_who_cannot_be_enabled_stops_nobody_else(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    enable = '/ip firewall address-list enable [find comment="{{ tag }}"]\n/ip arp remove [find address="{{ ipn_ip_address }}"]'
    debtor = subscriber(9, "nas1", balance="-5.00")
    debtor["subaccounts"][0].pop("ipn_ip_address")
    rows = [nas_row(router, templates={"subaccount_enable": enable})]
    import_site(site, document(rows, [subscriber(1, "nas1"), debtor]), tmp_path)
    assert not resync(site).failure
    site.editor.set_account("a-1", {"balance": "-3"})
    assert not resync(site).failure and active(router) == {"10.77.0.1": False}


def background(site: Site) -> Any:
    """What the background job does when everything is to be read back."""
    with site.database.write() as session:
        session.execute(update(Nas).values(resync_at=0, retry_at=0))
    return site.reconciler.reconcile(1)


def test_who_is_due_without_a_mark_is_found_and_served(filled: Site, router: SimulatedNas) -> None:
    filled.editor.set_account("a-9", {"balance": "-5"})
    filled.reconciler.apply(["nas1"])
    with filled.database.write() as session:
        session.execute(update(Placement).values(revision="of the version before"))
    router.router.remove(LISTED, item(router, LISTED, "10.77.0.1")[".id"])
    router.router.edit(LISTED, item(router, LISTED, "10.77.0.9")[".id"], disabled="false")
    background(filled)
    assert active(router)["10.77.0.1"] and not active(router)["10.77.0.9"]
    assert set(statuses(filled).values()) == {Status.IN_SYNC}


def test_who_is_failing_is_still_watched(filled: Site, router: SimulatedNas) -> None:
    filled.editor.set_account("a-1", {"balance": "-5"})
    filled.reconciler.apply(["nas1"])
    router.faults.fail = lambda op: "failure: odd" if (op.path, op.verb) == (QUEUES, "add") else None
    filled.editor.set_subaccount("a-1-1", {"speed": "7M/7M"})
    filled.reconciler.reconcile(1)
    router.router.edit(LISTED, item(router, LISTED, "10.77.0.1")[".id"], disabled="false")
    background(filled)
    assert not active(router)["10.77.0.1"]


def test_two_nases_that_are_one_router_do_not_clear_each_other(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    rows = [nas_row(router, "nas1"), nas_row(router, "nas2")]
    import_site(site, document(rows, [subscriber(n, "nas1" if n < 4 else "nas2") for n in range(1, 7)]), tmp_path)
    for _ in range(2):
        for name in ("nas1", "nas2"):
            (result,) = site.reconciler.apply([name], goal=RESYNC)
            assert (result.removed, result.drifted) == (0, {})
    assert len(active(router)) == 6 and len(result.strangers) == 6


def test_a_restart_that_was_noticed_is_not_forgotten(filled: Site, router: SimulatedNas, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    filled.reconciler.reconcile(1)
    with filled.database.write() as session:
        session.execute(update(Nas).values(pulse_at=1, uptime=10**6))
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(filled.observer, "look", killed)
        filled.reconciler.reconcile(1)
    assert filled.reconciler.reconcile(1).looked


def test_maintenance_stops_a_run(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    import_site(site, document([nas_row(router)], [subscriber(n, "nas1") for n in range(1, 2002)]), tmp_path)
    written = []

    def progress(nas: str, done: int, due: int) -> None:
        if not written:
            site.nas_editor.maintenance("nas1", "fibre being spliced")
            written.append(len(active(router)))

    (result,) = site.reconciler.apply(["nas1"], progress)
    assert result.maintenance and not result.ok and [len(active(router))] == written


def test_a_set_up_that_fails_does_not_stop_the_rest(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    import_site(site, document([nas_row(router)], [subscriber(n, "nas1") for n in (1, 2)]), tmp_path)
    site.setup.bootstrap("nas1")
    site.reconciler.apply(["nas1"])
    for one in router.router.items(LISTED):
        if one["list"] == "ebs_marker":
            router.router.remove(LISTED, one[".id"])
    router.faults.fail = lambda op: "failure: odd" if op.verb == "add" and op.attributes.get("list") == "ebs_marker" else None
    site.editor.set_account("a-1", {"balance": "-3"})
    result = resync(site)
    assert "odd" in result.problem and not result.failure and active(router) == {"10.77.0.1": False, "10.77.0.2": True}


def test_a_record_that_several_want_is_made_once(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    add = Path("action_templates/mikrotik/subaccount_add.j2").read_text(encoding="utf-8")
    add += (
        '\n/ip pool remove [find name="{{ acc_tariff_name }}"]\n/ip pool add name="{{ acc_tariff_name }}" ranges="10.1.1.0/24"\n'
    )
    row = nas_row(router, templates={"subaccount_add": add})
    import_site(site, document([row], [subscriber(n, "nas1") for n in range(1, 5)]), tmp_path)
    for _ in range(5):  # their adds stand in each other's way in one batch
        result = resync(site)
    assert (result.drifted, result.commands, result.right) == ({}, 0, 4)


def test_a_lost_record_of_the_set_up_is_named_without_its_secret() -> None:
    lost: list[str] = []
    reading = Reading({"radius": []}, lambda table, line: {})
    assert _without_setup([("radius", {"address": "10.0.0.1", "secret": Secret("hunter2")})], [], reading, lost) == []
    assert lost == [f"radius: address=10.0.0.1 secret={MASK}"]
