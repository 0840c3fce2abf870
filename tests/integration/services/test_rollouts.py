"""A change is tried on a few first, then on one NAS, then on all; what is wrong with it meets a few only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from ebs_core.domain.actions import Action
from ebs_core.domain.errors import BadFile, InputError
from ebs_core.domain.placement import Kind, Seen
from ebs_core.services.preview import preview
from ebs_core.services.reconciler import RESYNC
from ebs_core.services.rollout_views import rollout_card
from ebs_core.services.rollouts import advance
from ebs_core.storage.tables import ActionLog, NasTemplate, Placement, Tariff
from ebs_server.bootstrap import Site
from nas_simulator import SimulatedNas
from tests.integration.services.conftest import LISTED, QUEUES, active, document, import_site, nas_row, subscriber

SPEED = Action.SUBACCOUNT_SPEED
ON_A_QUEUE = 'target="{{ ipn_ip_address }}/32" max-limit="{{ max_limit_tx|bps }}/{{ max_limit_rx|bps }}" comment="{{ tag }}"'
GOOD = (
    f'/queue simple remove [find comment="{{{{ tag }}}}"]\n/queue simple add name="{{{{ tag }}}}" {ON_A_QUEUE} priority="3/3"\n'
)
REFUSED = f'/queue simple add name="{{{{ tag }}}}" {ON_A_QUEUE} parent="no such queue"\n'
NAMES = ("nas1", "nas2", "nas3")
EACH = 6


@pytest.fixture
def routers() -> Iterator[dict[str, SimulatedNas]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(SimulatedNas(name, "ebs", "secret").start()) for name in NAMES}


def people(*numbers: int) -> list[dict[str, Any]]:
    """Six on each NAS, in turn: 1, 4, 7… on nas1."""
    return [subscriber(number, NAMES[(number - 1) % 3]) for number in numbers or range(1, 3 * EACH + 1)]


def filled(site: Site, routers: dict[str, SimulatedNas], folder: Path) -> Site:
    import_site(site, document([nas_row(nas, name=name) for name, nas in routers.items()], people()), folder)
    assert all(result.ok for result in apply(site))
    return site


@pytest.fixture
def any_filled(any_site: Site, routers: dict[str, SimulatedNas], tmp_path: Path) -> Site:
    return filled(any_site, routers, tmp_path)


@pytest.fixture
def one(site: Site, routers: dict[str, SimulatedNas], tmp_path: Path) -> Site:
    """On SQLite only."""
    return filled(site, routers, tmp_path)


def apply(site: Site, *names: str) -> list[Any]:
    return site.reconciler.apply(names or NAMES)


def begin(site: Site, source: str | None = GOOD, size: int = 2, nases: tuple[str, ...] = NAMES) -> int:
    number = site.rollouts.template(nases, SPEED, source, "new.j2", size)
    assert number is not None
    return number


def card(site: Site, number: int) -> dict[str, Any]:
    with site.database.read() as session:
        return rollout_card(session, number)


def stage(site: Site, number: int) -> tuple[str, str]:
    view = card(site, number)
    return view["stage"], view["state"]


def priorities(nas: SimulatedNas) -> list[str]:
    """Of all queues: "8/8" is of the old template, "3/3" of the new one."""
    return sorted(queue.get("priority", "8/8") for queue in nas.router.items(QUEUES))


def limits(nas: SimulatedNas) -> list[str]:
    return sorted(queue["max-limit"] for queue in nas.router.items(QUEUES))


def last_entry(site: Site) -> int:
    with site.database.read() as session:
        return session.scalar(select(func.max(ActionLog.id))) or 0


def touched(site: Site, since: int) -> set[str]:
    with site.database.read() as session:
        return set(session.scalars(select(ActionLog.account).where(ActionLog.id > since)))


def pending(site: Site) -> int:
    return sum(len(plan.items) for plan in site.planner.plan_all())


def test_a_good_template_goes_through_all_stages(any_filled: Site, routers: dict[str, SimulatedNas]) -> None:
    site, since = any_filled, last_entry(any_filled)
    number = begin(site)
    assert stage(site, number) == ("some", "running")
    assert [(plan.name, len(plan.items)) for plan in site.planner.plan_all()] == [("nas1", 2), ("nas2", 0), ("nas3", 0)]
    planned = site.planner.plan("nas1")
    shown = [[command.show() for command in site.planner.render(planned, item, Kind.SPEED)] for item in planned.items]
    assert all("3/3" in str(commands) for commands in shown), shown
    assert all(result.ok for result in apply(site))
    assert priorities(routers["nas1"]) == ["3/3"] * 2 + ["8/8"] * 4 and len(touched(site, since)) == 2
    assert stage(site, number) == ("one", "running")
    assert [len(plan.items) for plan in site.planner.plan_all()] == [4, 0, 0]
    apply(site)
    assert priorities(routers["nas1"]) == ["3/3"] * 6 and priorities(routers["nas2"]) == ["8/8"] * 6
    assert stage(site, number) == ("all", "running")
    apply(site, "nas2")
    assert stage(site, number) == ("all", "running") and card(site, number)["waiting_for"] == ["nas3"]
    apply(site, "nas3")
    assert stage(site, number) == ("all", "done")
    assert all(priorities(nas) == ["3/3"] * 6 and all(active(nas).values()) for nas in routers.values())
    assert pending(site) == 0, "the ordinary state is what was rolled out"
    with site.database.read() as session:
        assert session.scalars(select(NasTemplate.source)).all() == [GOOD] * 3
    assert site.nas_editor.set_template("nas1", SPEED, None, "f")


def test_a_template_that_the_router_refuses_meets_the_first_only(any_filled: Site, routers: dict[str, SimulatedNas]) -> None:
    site, since = any_filled, last_entry(any_filled)
    number = begin(site, REFUSED)
    for _ in range(4):
        apply(site)
    view = card(site, number)
    assert (view["stage"], view["state"]) == ("some", "stopped")
    assert view["reason"].startswith("NAS nas1, a-1 / a-1-1: subaccount_speed: ")
    assert len(touched(site, since)) == 2
    for name, nas in routers.items():
        assert all(active(nas).values()) and len(active(nas)) == EACH
        assert len(limits(nas)) >= (4 if name == "nas1" else 6)

    site.rollouts.withdraw(number)
    assert all(result.ok for result in apply(site))
    assert priorities(routers["nas1"]) == ["8/8"] * 6 and pending(site) == 0
    assert touched(site, since) == {"a-1", "a-4"} and stage(site, number) == ("some", "withdrawn")


def test_a_router_that_forgets_stops_it(any_filled: Site, routers: dict[str, SimulatedNas]) -> None:
    site, since = any_filled, last_entry(any_filled)
    number = begin(site)
    routers["nas1"].faults.accept_and_forget = True
    apply(site)
    apply(site)
    view = card(site, number)
    assert (view["stage"], view["state"]) == ("some", "stopped")
    assert "a-1 / a-1-1: sent and confirmed, but not there when read back" in view["reason"]
    assert len(touched(site, since)) == 2 and "3/3" not in priorities(routers["nas2"])

    routers["nas1"].faults.accept_and_forget = False
    site.rollouts.proceed(number)
    assert stage(site, number) == ("some", "running")
    for _ in range(3):
        assert all(result.ok for result in apply(site))
    assert stage(site, number) == ("all", "done")


def test_others_change_with_the_old_template_meanwhile(any_filled: Site, routers: dict[str, SimulatedNas]) -> None:
    site = any_filled
    enable, disable = Action.SUBACCOUNT_ENABLE, Action.SUBACCOUNT_DISABLE
    find = '[find comment="{{ tag }}"]'
    text = f"/ip firewall address-list disable {find}\n/ip firewall address-list set {find} list=debtors\n"
    number = site.rollouts.template(["nas1"], disable, text, "f", 2)
    assert number is not None
    with pytest.raises(InputError, match="rolled out"):
        site.rollouts.template(["nas2", "nas1"], enable, text, "f", 2)
    site.editor.set_account("a-1", {"balance": "-1"})
    site.editor.set_account("a-7", {"balance": "-1"})
    with site.database.read() as session:
        shown = [preview(session, site.catalogue.load(session, "nas1"), site.backends, site.secrets, disable, subaccount=who)
                 for who in ("a-1-1", "a-7-1")]  # fmt: skip
    assert [len(commands) for commands in shown] == [2, 1]
    assert all(result.ok for result in apply(site))
    assert active(routers["nas1"]) == {f"10.77.0.{n}": n not in (1, 7) for n in (1, 4, 7, 10, 13, 16)}
    lists = {item["address"]: item["list"] for item in routers["nas1"].router.items(LISTED)}
    assert (lists["10.77.0.1"], lists["10.77.0.7"]) == ("debtors", "ebs_active"), "the old template outside of the canary"
    assert stage(site, number) == ("one", "running")
    apply(site)
    lists = {item["address"]: item["list"] for item in routers["nas1"].router.items(LISTED)}
    assert (lists["10.77.0.1"], lists["10.77.0.7"]) == ("debtors", "debtors") and stage(site, number) == ("all", "done")


def test_who_comes_and_who_leaves_meanwhile(any_filled: Site, routers: dict[str, SimulatedNas], tmp_path: Path) -> None:
    site = any_filled
    number = begin(site)
    import_site(site, document([], people(19)), tmp_path)
    site.editor.delete_account("a-1")
    site.editor.set_subaccount("a-4-1", {"nas": "nas2"})
    apply(site)
    assert priorities(routers["nas1"]) == ["8/8"] * 5 and priorities(routers["nas2"]) == ["8/8"] * 7
    assert stage(site, number) == ("some", "stopped") and "nobody" in card(site, number)["reason"]
    site.rollouts.proceed(number)
    apply(site)
    assert priorities(routers["nas1"]).count("3/3") == 2 and stage(site, number)[0] == "one"
    import_site(site, document([], people(22)), tmp_path)
    site.editor.set_subaccount("a-4-1", {"nas": "nas1"})
    apply(site)
    assert priorities(routers["nas1"]) == ["3/3"] * 7 and stage(site, number)[0] == "all"
    apply(site)
    assert stage(site, number) == ("all", "done") and pending(site) == 0


def test_the_speed_of_a_tariff_goes_over_three_nases(any_filled: Site, routers: dict[str, SimulatedNas]) -> None:
    site, since = any_filled, last_entry(any_filled)
    site.editor.set_subaccount("a-1-1", {"speed": "5M"})
    apply(site)
    number = site.rollouts.tariff("Home", "download=80M upload=40M", 1)
    assert number is not None
    apply(site)
    new, old, own = "40000000/80000000", "20000000/50000000", "5000000/5000000"
    assert limits(routers["nas1"]) == sorted([own, new] + [old] * 4) and limits(routers["nas2"]) == [old] * 6
    assert touched(site, since) == {"a-1", "a-4"} and stage(site, number) == ("one", "running")
    apply(site)
    assert limits(routers["nas1"]) == sorted([own] + [new] * 5) and limits(routers["nas2"]) == [old] * 6
    apply(site)
    assert [limits(routers[name]) for name in ("nas2", "nas3")] == [[new] * 6] * 2
    assert stage(site, number) == ("all", "done") and pending(site) == 0
    with site.database.read() as session:
        assert session.scalar(select(Tariff.download).where(Tariff.name == "Home")) == 80_000_000


def test_a_speed_that_is_withdrawn_goes_back(one: Site, routers: dict[str, SimulatedNas]) -> None:
    number = one.rollouts.tariff("Home", "download=80M upload=40M", 2, "nas2")
    assert number is not None
    apply(one)
    apply(one)
    assert limits(routers["nas2"]) == ["40000000/80000000"] * 6 and limits(routers["nas1"]) == ["20000000/50000000"] * 6
    one.rollouts.withdraw(number)
    apply(one)
    assert all(limits(nas) == ["20000000/50000000"] * 6 for nas in routers.values())
    assert one.rollouts.tariff("Home", "download=50M upload=20M", 2) is None, "that is its speed"


def test_an_unreachable_nas_makes_it_wait(any_filled: Site, routers: dict[str, SimulatedNas]) -> None:
    site = any_filled
    number = begin(site, size=1)
    routers["nas1"].faults.refuse_login = True
    apply(site)
    apply(site)
    view = card(site, number)
    assert (view["stage"], view["state"]) == ("some", "running") and view["waiting_for"][0].startswith("nas1: ")
    routers["nas1"].faults.refuse_login = False
    routers["nas3"].faults.refuse_login = True
    for _ in range(4):
        apply(site)
    assert stage(site, number) == ("all", "running") and priorities(routers["nas2"]) == ["3/3"] * 6
    routers["nas3"].faults.refuse_login = False
    apply(site)
    assert stage(site, number) == ("all", "done")


def test_a_connection_that_breaks_makes_it_wait(one: Site, routers: dict[str, SimulatedNas]) -> None:
    number = begin(one, size=2)
    routers["nas1"].faults.disconnect_after = 3
    apply(one)
    assert stage(one, number) == ("some", "running")
    routers["nas1"].faults.disconnect_after = None
    apply(one)
    assert stage(one, number) == ("one", "running")


def test_who_was_failing_before_is_not_chosen_and_does_not_stop_it(any_filled: Site, routers: dict[str, SimulatedNas]) -> None:
    site = any_filled
    for number in (1, 2):
        site.editor.set_account(f"a-{number}", {"balance": "-1"})
    for name, address in (("nas1", "10.77.0.1"), ("nas2", "10.77.0.2")):
        listed = next(item for item in routers[name].router.items(LISTED) if item["address"] == address)
        refuse(routers[name], listed[".id"])
    assert not all(result.ok for result in apply(site))
    number = begin(site)
    assert card(site, number)["first"] == ["a-4 / a-4-1", "a-7 / a-7-1"]
    for _ in range(4):
        apply(site)
    assert stage(site, number) == ("all", "done"), card(site, number)


def refuse(nas: SimulatedNas, item: str) -> None:
    """Whatever would change this record is refused."""
    nas.faults.fail = lambda operation: "it is broken" if item in str(operation) and operation.verb != "print" else None


def test_a_new_failure_on_a_later_nas_stops_it_there(one: Site, routers: dict[str, SimulatedNas]) -> None:
    number = begin(one)
    apply(one)
    routers["nas2"].faults.fail = lambda operation: "no room" if operation.verb == "add" and "queue" in str(operation) else None
    for _ in range(3):
        apply(one)
    view = card(one, number)
    assert (view["stage"], view["state"]) == ("all", "stopped") and "nas2" in view["reason"] and "no room" in view["reason"]
    one.rollouts.withdraw(number)
    routers["nas2"].faults.fail = None
    apply(one)
    assert all(priorities(nas) == ["8/8"] * 6 for nas in routers.values()) and pending(one) == 0


def test_a_second_change_is_refused(one: Site, routers: dict[str, SimulatedNas], tmp_path: Path) -> None:
    number = begin(one)
    with pytest.raises(InputError, match=f"rolled out .rollout {number}, running"):
        one.nas_editor.set_template("nas2", SPEED, REFUSED, "f")
    one.nas_editor.set_template("nas2", Action.SUBACCOUNT_DELETE, "", "f")  # another action is free
    with pytest.raises(InputError, match="rolled out"):
        begin(one, REFUSED, nases=("nas3",))
    changed = nas_row(routers["nas1"], templates={"subaccount_speed": REFUSED})
    with pytest.raises(BadFile, match="rolled out"):
        import_site(one, document([changed], []), tmp_path)

    assert one.rollouts.tariff("Home", "download=80M", 1) is not None
    with pytest.raises(InputError, match="rolled out"):
        one.rollouts.tariff("Home", "download=90M", 1)
    with pytest.raises(InputError, match="rolled out"):
        one.editor.set_tariff("Home", {"speed": "download=90M"})
    one.editor.set_tariff("Home", {"comment": "the speed only is taken"})
    file = document([], [])
    file["tariffs"][0]["speed"] = {"download": "90M"}
    with pytest.raises(BadFile, match="rolled out"):
        import_site(one, file, tmp_path)
    import_site(one, document([], []), tmp_path)  # what is in force may be said again


def test_what_proves_nothing_is_refused(one: Site, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="sends nothing by itself"):
        one.rollouts.template(["nas1"], Action.SUBACCOUNT_DELETE, "", "f", 2)
    with pytest.raises(InputError, match="nobody to try"):
        one.rollouts.template(["nas1"], Action.ACCOUNT_ADD, "", "f", 2)
    with pytest.raises(InputError, match="nobody to try"):
        one.rollouts.tariff("Fast", "download=1M", 2)
    with pytest.raises(InputError, match="cannot take it"):
        begin(one, '/queue simple set [find comment="{{ tag }}"] comment={{ ipn_mac_address|mac("colon") }}')
    assert one.rollouts.template(["nas1", "nas2"], SPEED, None, "f", 2) is None


def test_template_and_speed_at_once(one: Site, routers: dict[str, SimulatedNas]) -> None:
    template = begin(one, size=2)
    tariff = one.rollouts.tariff("Home", "download=80M upload=40M", 3, "nas1")
    assert tariff is not None
    apply(one)
    assert sorted((queue["max-limit"], queue.get("priority", "8/8")) for queue in routers["nas1"].router.items(QUEUES)) == [
        *[("20000000/50000000", "8/8")] * 3, *[("40000000/80000000", "3/3")] * 2, ("40000000/80000000", "8/8"),
    ]  # fmt: skip
    for _ in range(4):
        apply(one)
    assert stage(one, template) == stage(one, tariff) == ("all", "done") and pending(one) == 0


def test_reading_back_knows_both_versions(one: Site, routers: dict[str, SimulatedNas]) -> None:
    number = begin(one)
    apply(one, "nas2")
    one.rollouts.withdraw(number)
    number = begin(one)
    site_work = one.reconciler.apply(["nas1"])[0]
    assert site_work.ok and stage(one, number) == ("one", "running")
    one.rollouts.withdraw(number)
    apply(one)
    number = begin(one)
    routers["nas1"].faults.refuse_login = True
    apply(one)
    routers["nas1"].faults.refuse_login = False
    (result,) = one.reconciler.apply(["nas1"], goal=RESYNC)
    assert result.ok and result.drifted == {} and priorities(routers["nas1"]) == ["3/3"] * 2 + ["8/8"] * 4
    with one.database.read() as session:
        assert set(session.scalars(select(Placement.seen))) == {Seen.RIGHT}


def test_advancing_twice_changes_nothing(one: Site) -> None:
    number = begin(one)
    apply(one)
    before = card(one, number)
    advance(one.database)
    advance(one.database)
    assert card(one, number) == before


def test_what_nothing_can_mend_stops_it_until_it_is_read_back_as_right(any_filled: Site) -> None:
    site = any_filled
    number = begin(site)
    apply(site)
    with site.database.write() as session:  # as after a read-back that found another's record in the way
        first = session.scalars(select(Placement).order_by(Placement.id)).first()
        assert first is not None
        first.seen = Seen.DIFFERENT
    advance(site.database)
    assert stage(site, number) == ("one", "stopped") and "nas1, a-1 / a-1-1: it differs" in card(site, number)["reason"]
    site.rollouts.proceed(number)
    apply(site)
    assert stage(site, number) == ("one", "running") and card(site, number)["waiting_for"] == ["nas1"]
    assert site.reconciler.apply(["nas1"], goal=RESYNC)[0].ok
    assert stage(site, number) == ("all", "running")


def test_an_edit_of_another_template_meanwhile_is_for_everybody(one: Site, routers: dict[str, SimulatedNas]) -> None:
    number = begin(one)
    apply(one)
    find = '[find comment="{{ tag }}"]'
    one.nas_editor.set_template("nas2", Action.SUBACCOUNT_ENABLE, f"/ip firewall address-list enable {find}", "f")
    one.nas_editor.set_template("nas1", Action.SUBACCOUNT_ENABLE, f"/ip firewall address-list enable {find}", "f")
    for _ in range(3):
        apply(one)
    assert stage(one, number) == ("all", "done") and pending(one) == 0
    assert all(priorities(nas) == ["3/3"] * 6 and all(active(nas).values()) for nas in routers.values())
