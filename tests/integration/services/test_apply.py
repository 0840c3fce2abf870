"""Plan and apply against simulated routers: what is sent, what is recorded, whatever breaks on the way."""

from __future__ import annotations

import ssl
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from sqlalchemy import select, text

from ebs_core.domain.actions import Action
from ebs_core.domain.placement import Kind, Presence
from ebs_core.services import views
from ebs_core.storage.tables import Placement
from ebs_server.bootstrap import Site
from nas_simulator import SimulatedNas
from tests.integration.services.conftest import (
    LISTED,
    QUEUES,
    active,
    document,
    import_site,
    nas_row,
    subscriber,
)


def placements(site: Site) -> list[Placement]:
    with site.database.read() as session:
        return list(session.scalars(select(Placement).order_by(Placement.id)))


def log(site: Site, **filters: Any) -> list[views.View]:
    with site.database.read() as session:
        return views.log(session, **filters)


def pending(site: Site) -> int:
    return sum(len(plan.items) for plan in site.planner.plan_all())


@pytest.fixture(params=["routeros_api", "ssh"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_from_nothing_to_access_and_back(any_site: Site, router: SimulatedNas, transport: str, tmp_path: Path) -> None:
    site = any_site
    people = [subscriber(1, "nas1"), subscriber(2, "nas1", balance="-1"), subscriber(3, "nas1", credit="5", balance="-4.99")]
    import_site(site, document([nas_row(router, transport=transport)], people), tmp_path)
    (plan,) = site.planner.plan_all()
    assert (plan.count(Kind.ADD), plan.count(Kind.ENABLE), plan.count(Kind.SPEED)) == (3, 2, 3)
    assert router.router.journal.count == 0, "planning sends nothing"
    (result,) = site.reconciler.apply(["nas1"])
    assert result.ok
    assert active(router) == {"10.77.0.1": True, "10.77.0.2": False, "10.77.0.3": True}
    assert {q["max-limit"] for q in router.router.items(QUEUES)} == {"20000000/50000000"}
    assert pending(site) == 0

    site.editor.set_account("a-1", {"balance": "-0.01"})
    site.editor.set_account("a-2", {"balance": "0.01", "tariff": "Fast"})
    site.editor.delete_account("a-3")
    assert site.reconciler.apply(["nas1"])[0].ok
    assert active(router) == {"10.77.0.1": False, "10.77.0.2": True}
    assert [q["max-limit"] for q in router.router.items(QUEUES) if q["target"] == "10.77.0.2/32"] == ["100000000/100000000"]
    assert len(placements(site)) == 2, "the placement of the deleted account is forgotten"

    count = router.router.journal.count
    assert site.reconciler.apply(["nas1"])[0].commands == 0
    assert router.router.journal.count == count, "nothing due, nothing sent"


def test_the_log_tells_cause_text_and_result(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    import_site(site, document([nas_row(router)], [subscriber(1, "nas1")]), tmp_path)
    site.reconciler.apply(["nas1"])
    site.editor.set_account("a-1", {"balance": "0"})
    site.reconciler.apply(["nas1"])
    last = log(site, account="a-1")[-1]
    assert last["action"] == "subaccount_disable"
    assert last["cause"] == "may not have access: no money"
    assert last["command"].startswith("/ip firewall address-list disable [find comment=")
    assert (last["outcome"], last["nas"], last["subaccount"]) == ("ok", "nas1", "a-1-1")


def test_a_changed_address_is_deleted_with_the_old_values_first(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    templates = {"subaccount_delete": '/ip firewall address-list remove [find address="{{ ipn_ip_address }}"]'}
    import_site(site, document([nas_row(router, templates=templates)], [subscriber(1, "nas1"), subscriber(2, "nas1")]), tmp_path)
    site.reconciler.apply(["nas1"])
    swap = [subscriber(1, "nas1"), subscriber(2, "nas1")]
    for row, address in zip(swap, ("10.77.0.2", "10.77.0.1"), strict=True):
        row["subaccounts"][0]["ipn_ip_address"] = address
    import_site(site, document([], swap), tmp_path)
    (result,) = site.reconciler.apply(["nas1"])
    assert result.ok
    assert active(router) == {"10.77.0.1": True, "10.77.0.2": True}
    texts = [row["command"] for row in log(site, account="a-1")]
    assert '/ip firewall address-list remove [find address="10.77.0.1"]' in texts
    owner = {item["address"]: item["comment"] for item in router.router.items(LISTED)}
    first = next(p for p in placements(site) if p.slot == 1)
    assert owner["10.77.0.2"] == f"ebs:{first.id}"


def test_a_move_clears_the_old_nas(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    with SimulatedNas("nas2", "ebs", "secret").start() as other:
        nases = [nas_row(router), nas_row(other, name="nas2")]
        import_site(site, document(nases, [subscriber(1, "nas1")]), tmp_path)
        site.reconciler.apply(["nas1", "nas2"])
        site.editor.set_subaccount("a-1-1", {"nas": "nas2"})
        assert all(result.ok for result in site.reconciler.apply(["nas1", "nas2"]))
        assert (active(router), active(other)) == ({}, {"10.77.0.1": True})
        assert router.router.items(QUEUES) == []
        assert [p.nas_id for p in placements(site)] == [2]


def test_moving_there_and_back_before_anything_was_sent_changes_nothing(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    import_site(site, document([nas_row(router), nas_row(router, name="nas2")], [subscriber(1, "nas1")]), tmp_path)
    site.reconciler.apply(["nas1"])
    site.editor.set_subaccount("a-1-1", {"nas": "nas2"})
    site.editor.set_subaccount("a-1-1", {"nas": "nas1"})
    assert pending(site) == 0
    site.reconciler.apply(["nas2"])
    assert len(placements(site)) == 1, "what never was on nas2 is forgotten by its next run"


def test_ten_changes_while_the_nas_is_away_become_one(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    import_site(site, document([nas_row(router)], [subscriber(1, "nas1")]), tmp_path)
    site.reconciler.apply(["nas1"])
    for number in range(10):
        site.editor.set_subaccount("a-1-1", {"speed": f"{number + 1}M"})
    (plan,) = site.planner.plan_all()
    assert [step.kind for item in plan.items for step in item.due.steps] == [Kind.SPEED]
    site.reconciler.apply(["nas1"])
    assert [q["max-limit"] for q in router.router.items(QUEUES)] == ["10000000/10000000"]


def test_one_rejected_subscriber_does_not_stop_the_others(
    any_site: Site, router: SimulatedNas, transport: str, tmp_path: Path
) -> None:
    site = any_site
    router.faults.fail = lambda op: "failure: no room" if op.attributes.get("address") == "10.77.0.3" else None
    people = [subscriber(number, "nas1") for number in range(1, 21)]
    import_site(site, document([nas_row(router, transport=transport)], people), tmp_path)
    (result,) = site.reconciler.apply(["nas1"])
    assert (result.done, result.due) == (19, 20)
    assert list(result.failed) == ["a-3 / a-3-1"]
    assert "failure: no room" in result.failed["a-3 / a-3-1"]
    bad = next(p for p in placements(site) if p.failure)
    assert (bad.presence, bad.enabled) == (Presence.UNKNOWN, False)
    assert "10.77.0.3" not in active(router)
    assert [item.account for plan in site.planner.plan_all() for item in plan.items] == ["a-3"]
    router.faults.fail = None
    assert site.reconciler.apply(["nas1"])[0].done == 1
    assert pending(site) == 0
    assert all(p.failure is None for p in placements(site))


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("operations", [1, 7, 40, 75])
def test_a_connection_cut_in_the_middle_is_unknown_and_mended_by_the_next_run(
    site: Site, router: SimulatedNas, transport: str, tmp_path: Path, operations: int, when: str
) -> None:
    people = [subscriber(number, "nas1") for number in range(1, 31)]
    import_site(site, document([nas_row(router, transport=transport)], people), tmp_path)
    router.faults.disconnect_after, router.faults.disconnect_when = operations, when
    (result,) = site.reconciler.apply(["nas1"])
    assert not result.ok
    assert "connection" in result.failure
    for placement in placements(site):
        if placement.presence == Presence.PRESENT and placement.enabled:
            assert active(router)[f"10.77.0.{placement.slot}"], "what is recorded as done was done"
        if placement.presence == Presence.ABSENT:
            assert f"10.77.0.{placement.slot}" not in active(router), "what was not sent is not there"
    router.faults.disconnect_after = None
    assert site.reconciler.apply(["nas1"])[0].ok
    assert active(router) == {f"10.77.0.{number}": True for number in range(1, 31)}
    assert len(router.router.items(LISTED)) == len(router.router.items(QUEUES)) == 30, "nothing twice"


def test_a_nas_that_is_away_fails_alone_and_says_since_when(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    away = {**nas_row(router, name="nas2"), "port": 1}
    people = [subscriber(1, "nas1"), subscriber(2, "nas2")]
    import_site(site, document([nas_row(router), away], people), tmp_path)
    good, bad = site.reconciler.apply(["nas1", "nas2"])
    assert good.ok
    assert "nas2" in bad.failure
    with site.database.read() as session:
        status = {row["nas"]: row for row in views.status(session, site.planner.plan_all())}
    assert status["nas1"]["in_sync"] == 1
    assert status["nas2"]["pending"] == 1
    assert status["nas2"]["failing_since"] is not None
    assert [p.presence for p in placements(site)] == [Presence.PRESENT, Presence.ABSENT]


def test_too_many_cut_off_at_once_wait_for_an_operator(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    people = [subscriber(number, "nas1") for number in range(1, 41)]
    import_site(site, document([nas_row(router)], people), tmp_path)
    site.reconciler.apply(["nas1"])
    import_site(site, document([], [{**row, "balance": "-1"} for row in people[:10]]), tmp_path)
    sent = router.router.journal.count
    (result,) = site.reconciler.apply(["nas1"])
    assert (result.held, result.cut_off, result.ok) == (True, 10, False)
    assert router.router.journal.count == sent
    site.editor.set_account("a-11", {"balance": "-1"})
    site.nas_editor.release("nas1", 10)
    assert site.reconciler.apply(["nas1"])[0].held, "one more than released"
    site.nas_editor.release("nas1", 11)
    assert site.reconciler.apply(["nas1"])[0].ok
    assert sum(active(router).values()) == 29
    import_site(site, document([], [{**row, "balance": "-1"} for row in people[11:30]]), tmp_path)
    assert site.reconciler.apply(["nas1"])[0].held, "a release is good for one run"


def test_a_template_that_fails_for_one_names_him_and_does_the_others(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    source = '/ip firewall address-list add list=ebs_active address={{ 1 / (vlan - 103) and ipn_ip_address }} comment="{{ tag }}"'
    templates = {"subaccount_add": source}
    people = [subscriber(number, "nas1") for number in range(1, 6)]
    people[2]["subaccounts"][0]["vlan"] = 104
    import_site(site, document([nas_row(router, templates=templates)], people), tmp_path)
    with site.database.write() as session:  # the import would have refused it
        session.execute(text("UPDATE subaccount SET vlan = 103 WHERE username = 'a-3-1'"))
    (result,) = site.reconciler.apply(["nas1"])
    assert result.done == 4
    assert list(result.failed) == ["a-3 / a-3-1"]
    assert "division" in result.failed["a-3 / a-3-1"]


def test_an_empty_template_counts_as_done(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    templates = {"subaccount_speed": "", "subaccount_enable": "# nothing to do here\n"}
    import_site(site, document([nas_row(router, templates=templates)], [subscriber(1, "nas1")]), tmp_path)
    assert site.reconciler.apply(["nas1"])[0].ok
    assert pending(site) == 0
    assert router.router.items(QUEUES) == []


def test_another_template_is_sent_to_everybody_without_cutting_off(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    people = [subscriber(number, "nas1") for number in range(1, 31)]
    import_site(site, document([nas_row(router)], people), tmp_path)
    site.reconciler.apply(["nas1"])
    template = '/queue simple set [find comment="{{ tag }}"] priority=1/1'
    site.nas_editor.set_template("nas1", Action.SUBACCOUNT_SPEED, template, "f")
    (plan,) = site.planner.plan_all()
    assert (len(plan.items), plan.cut_off, plan.held) == (30, 0, False)
    assert site.reconciler.apply(["nas1"])[0].ok
    assert {q["priority"] for q in router.router.items(QUEUES)} == {"1/1"}
    assert all(active(router).values())
    assert pending(site) == 0


def test_an_account_can_be_placed_itself(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    templates = {
        "account_add": '/ip dns static add name="{{ username }}.example" address=10.0.0.1 comment="{{ tag }}" disabled=yes',
        "account_enable": '/ip dns static enable [find comment="{{ tag }}"]',
        "account_delete": '/ip dns static remove [find comment="{{ tag }}"]',
    }
    row = {"username": "mail", "balance": "1", "tariff": "Home", "nas": "nas1"}
    import_site(site, document([nas_row(router, templates=templates)], [row]), tmp_path)
    assert site.reconciler.apply(["nas1"])[0].ok
    (item,) = router.router.items("/ip/dns/static")
    assert (item["name"], item["disabled"]) == ("mail.example", "false")
    site.editor.set_account("mail", {"nas": ""})
    assert site.reconciler.apply(["nas1"])[0].ok
    assert router.router.items("/ip/dns/static") == []


def test_an_edit_during_the_run_is_not_lost(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    import_site(site, document([nas_row(router)], [subscriber(1, "nas1")]), tmp_path)
    edits: list[str] = []

    def edit_while_sending(op: Any) -> None:
        if not edits and op.path == LISTED and op.verb == "add":
            edits.append("done")
            site.editor.set_account("a-1", {"balance": "-5"})

    router.faults.fail = edit_while_sending
    site.reconciler.apply(["nas1"])
    router.faults.fail = None
    assert edits
    assert active(router) == {"10.77.0.1": True}, "planned before the edit"
    assert pending(site) == 1
    site.reconciler.apply(["nas1"])
    assert active(router) == {"10.77.0.1": False}


def test_a_value_that_no_command_prints_does_not_interrupt_anybody(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    import_site(site, document([nas_row(router)], [subscriber(1, "nas1")]), tmp_path)
    site.reconciler.apply(["nas1"])
    sent = router.router.journal.count
    site.editor.set_subaccount("a-1-1", {"password": "another", "username": "renamed"})
    assert pending(site) == 0, "the secret of a PPPoE subscriber would need it, an IPoE subscriber does not"
    assert site.reconciler.apply(["nas1"])[0].ok
    assert router.router.journal.count == sent
    assert all(p.changed == p.settled for p in placements(site))
    site.editor.set_subaccount("renamed", {"username": "again"})
    site.editor.set_account("a-1", {"balance": "-1"})
    (plan,) = site.planner.plan_all()
    assert [step.kind for step in plan.items[0].due.steps] == [Kind.DISABLE]
    assert site.reconciler.apply(["nas1"])[0].ok
    assert pending(site) == 0
    (kept,) = placements(site)
    assert kept.key is not None
    assert "again" in kept.key


def test_two_runs_at_once_do_not_meet_on_one_nas(any_site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    site = any_site
    people = [subscriber(number, "nas1") for number in range(1, 41)]
    import_site(site, document([nas_row(router)], people), tmp_path)
    router.faults.latency = 0.05
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda _: site.reconciler.apply_nas("nas1"), range(3)))
    assert all(result.ok for result in results)
    assert sorted(result.due for result in results) == [0, 0, 40], "one did the work, the others found nothing left"
    assert len(router.router.items(LISTED)) == len(router.router.items(QUEUES)) == 40


def test_a_nas_that_cannot_even_be_planned_fails_alone(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    people = [subscriber(1, "nas1"), subscriber(2, "nas2")]
    import_site(site, document([nas_row(router), nas_row(router, name="nas2")], people), tmp_path)
    with site.database.write() as session:
        session.execute(text("UPDATE nas SET options = '{\"gone\": \"x\"}' WHERE name = 'nas2'"))
    good, bad = site.reconciler.apply(["nas1", "nas2"])
    assert good.ok
    assert "has no option 'gone'" in bad.failure


def test_tls_is_pinned_by_trust(site: Site, tmp_path: Path) -> None:
    context = self_signed(tmp_path)
    with SimulatedNas("nas1", "ebs", "secret").start(tls=context) as nas:
        row = nas_row(nas, options={"tls": "yes"})
        import_site(site, document([row], [subscriber(1, "nas1")]), tmp_path)
        (refused,) = site.reconciler.apply(["nas1"])
        assert "ebs nas trust nas1" in refused.failure
        assert nas.router.journal.count == 0
        key = site.setup.shown_key("nas1")
        assert key is not None
        assert key.startswith("sha256:")
        site.nas_editor.trust("nas1", key)
        assert [step.problem for step in site.setup.test("nas1")] == ["", "", ""]
        assert site.reconciler.apply(["nas1"])[0].ok
        site.nas_editor.trust("nas1", "sha256:" + "0" * 64)
        site.editor.set_account("a-1", {"balance": "-1"})
        (changed,) = site.reconciler.apply(["nas1"])
        assert not changed.ok
        assert active(nas) == {"10.77.0.1": True}


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nas1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = folder / "nas.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


@pytest.mark.parametrize("find", ['address="{{ ipn_ip_address }}"', 'list=ebs_active address="{{ ipn_ip_address }}"'])
def test_a_template_may_find_records_by_what_it_likes(
    site: Site, router: SimulatedNas, transport: str, tmp_path: Path, find: str
) -> None:
    templates = {f"subaccount_{verb}": f"/ip firewall address-list {verb} [find {find}]" for verb in ("enable", "disable")}
    import_site(site, document([nas_row(router, transport=transport, templates=templates)], [subscriber(1, "nas1")]), tmp_path)
    assert site.reconciler.apply(["nas1"])[0].ok
    assert active(router) == {"10.77.0.1": True}
    site.editor.set_account("a-1", {"balance": "-1"})
    assert site.reconciler.apply(["nas1"])[0].ok
    assert active(router) == {"10.77.0.1": False}


@pytest.mark.parametrize("edit", ["delete", "move"])
def test_who_leaves_while_his_commands_are_sent_is_cleared_by_the_next_run(
    any_site: Site, router: SimulatedNas, tmp_path: Path, edit: str
) -> None:
    site = any_site
    import_site(site, document([nas_row(router), nas_row(router, name="nas2")], [subscriber(1, "nas1")]), tmp_path)
    edits: list[str] = []

    def leave_while_sending(op: Any) -> None:
        if not edits and op.verb == "add":
            edits.append(edit)
            if edit == "delete":
                site.editor.delete_account("a-1")
            else:
                site.editor.set_subaccount("a-1-1", {"nas": ""})

    router.faults.fail = leave_while_sending
    site.reconciler.apply(["nas1"])
    router.faults.fail = None
    assert edits
    assert pending(site) == 1, "what was sent meanwhile is known"
    assert site.reconciler.apply(["nas1"])[0].ok
    assert active(router) == {}
    assert placements(site) == []


def test_a_tariff_that_rests_and_comes_back(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    import_site(site, document([nas_row(router)], [subscriber(1, "nas1")]), tmp_path)
    site.reconciler.apply(["nas1"])
    site.editor.set_tariff("Home", {"active": "no"})
    assert site.reconciler.apply(["nas1"])[0].ok
    assert active(router) == {}
    site.editor.set_tariff("Home", {"active": "yes"})
    assert site.reconciler.apply(["nas1"])[0].ok
    assert active(router) == {"10.77.0.1": True}


def test_an_address_whose_old_records_could_not_be_deleted_is_not_given_away(
    site: Site, router: SimulatedNas, tmp_path: Path
) -> None:
    delete = (
        '/ip firewall address-list remove [find address="{{ ipn_ip_address }}"]\n/queue simple remove [find comment="{{ tag }}"]'
    )
    row = nas_row(router, templates={"subaccount_delete": delete})
    import_site(site, document([row], [subscriber(1, "nas1"), subscriber(9, "nas1")]), tmp_path)
    site.reconciler.apply(["nas1"])
    site.editor.delete_account("a-1")
    heir = subscriber(2, "nas1")
    heir["subaccounts"][0]["ipn_ip_address"] = "10.77.0.1"
    import_site(site, document([], [heir]), tmp_path)
    router.faults.fail = lambda op: "failure: busy" if op.verb == "remove" and op.path == QUEUES else None
    (first,) = site.reconciler.apply(["nas1"])
    assert set(first.failed) == {"a-1 / a-1-1", "a-2 / a-2-1"}
    assert "10.77.0.1 is not free yet" in first.failed["a-2 / a-2-1"]
    router.faults.fail = None
    assert site.reconciler.apply(["nas1"])[0].ok
    assert active(router) == {"10.77.0.1": True, "10.77.0.9": True}
    assert pending(site) == 0


def test_a_release_that_was_not_needed_is_gone(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    people = [subscriber(number, "nas1") for number in range(1, 21)]
    import_site(site, document([nas_row(router)], people), tmp_path)
    site.reconciler.apply(["nas1"])
    broke = document([], [{**row, "balance": "-1"} for row in people])
    import_site(site, broke, tmp_path)
    site.nas_editor.release("nas1", 20)
    import_site(site, document([], people), tmp_path)
    assert site.reconciler.apply(["nas1"])[0].due == 0
    import_site(site, broke, tmp_path)
    assert site.reconciler.apply(["nas1"])[0].held


def test_a_nas_that_lost_everything_is_refilled(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    people = [subscriber(number, "nas1", balance="-1" if number % 2 else "1") for number in range(1, 41)]
    import_site(site, document([nas_row(router)], people), tmp_path)
    site.reconciler.apply(["nas1"])
    before = active(router)
    router.router.wipe()
    assert site.reconciler.apply(["nas1"])[0].due == 0
    assert site.nas_editor.refill("nas1") == 40
    assert site.reconciler.apply(["nas1"])[0].ok
    assert active(router) == before
    assert pending(site) == 0


def test_a_swap_and_a_move_in_one_file(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    people = [subscriber(1, "nas1"), subscriber(2, "nas1"), subscriber(3, "nas2")]
    import_site(site, document([nas_row(router), nas_row(router, name="nas2")], people), tmp_path)
    one, two, three = (row["subaccounts"][0] for row in people)
    one["ipn_ip_address"], two["ipn_ip_address"] = two["ipn_ip_address"], one["ipn_ip_address"]
    three["nas"], three["ipn_ip_address"], one["nas"] = "nas1", one["ipn_ip_address"], "nas2"
    import_site(site, document([], people), tmp_path)
    assert pending(site) == 3


def test_a_damaged_secret_can_be_replaced(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    people = [subscriber(1, "nas1"), subscriber(2, "nas1")]
    import_site(site, document([nas_row(router)], people), tmp_path)
    with site.database.write() as session:
        session.execute(text("UPDATE nas SET password = 'damaged'"))
        session.execute(text("UPDATE subaccount SET password = 'damaged' WHERE username = 'a-1-1'"))
    assert "set that password again" in site.reconciler.apply(["nas1"])[0].failure
    import_site(site, document([nas_row(router)], []), tmp_path)
    (result,) = site.reconciler.apply(["nas1"])
    assert (result.done, list(result.failed)) == (1, ["a-1 / a-1-1"]), "one damaged password stops one subscriber"
    import_site(site, document([nas_row(router)], [subscriber(1, "nas1")]), tmp_path)
    assert site.reconciler.apply(["nas1"])[0].ok


def test_an_operators_act_overtakes_bulk_work(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    people = [subscriber(n, "nas1") for n in range(1, 3002)]
    people[-1]["balance"] = "-1"
    import_site(site, document([nas_row(router)], people), tmp_path)
    reports = []

    def progress(nas: str, done: int, due: int) -> None:
        if not reports:
            site.editor.set_account("a-3001", {"balance": "10"})
        reports.append((done, active(router).get("10.77.12.1")))

    (result,) = site.reconciler.apply(["nas1"], progress)
    assert result.ok and (result.due, result.done) == (3001, 3001)
    assert [there for _, there in reports[:3]] == [None, True, True], "who was touched last is served in the second batch"
