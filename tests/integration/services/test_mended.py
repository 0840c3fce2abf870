"""What went wrong once: addresses given away too early, pauses that outlive a correction, releases that are lost, unannounced
commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from ebs_core.domain.commands import Outcome
from ebs_core.domain.placement import Presence
from ebs_core.services.applier import INTENT
from ebs_core.services.due import due
from ebs_core.services.pauses import Schedule
from ebs_core.services.placements import mark_changed
from ebs_core.services.reconciler import BACKGROUND, RESYNC
from ebs_core.storage.leases import Lease
from ebs_core.storage.tables import Account, ActionLog, Nas, Placement
from ebs_server.bootstrap import Site
from ebs_server.engine import sweep
from nas_simulator import SimulatedNas
from nas_simulator.journal import Operation
from tests.integration.engine.conftest import wait_for
from tests.integration.services.conftest import LISTED, QUEUES, active, document, import_site, nas_row, subscriber

BY_ADDRESS = {
    "subaccount_delete": '/queue simple remove [find target="{{ ipn_ip_address }}/32"]\n',
    "subaccount_add": '/queue simple add name="{{ tag }}" target="{{ ipn_ip_address }}/32" comment="{{ tag }}" disabled=yes\n',
    "subaccount_enable": '/queue simple enable [find comment="{{ tag }}"]\n',
    "subaccount_disable": '/queue simple disable [find comment="{{ tag }}"]\n',
    "subaccount_speed": '/queue simple set [find comment="{{ tag }}"] max-limit="{{ max_limit_tx|bps }}/1"\n',
}


def settle(site: Site, router: SimulatedNas, folder: Path, people: int, **nas: Any) -> int:
    """So many subscribers on nas1, applied and read back; its id."""
    import_site(site, document([nas_row(router, **nas)], [subscriber(n, "nas1") for n in range(1, people + 1)]), folder)
    (result,) = site.reconciler.apply(["nas1"], goal=RESYNC)
    assert result.ok, result
    return int(nas_of(site).id)


def nas_of(site: Site) -> Nas:
    with site.database.read() as session:
        return session.scalars(select(Nas)).one()


def set_nas(site: Site, **values: Any) -> None:
    with site.database.write() as session:
        session.execute(update(Nas).values(**values))


def placement(site: Site, id_: int) -> Placement:
    with site.database.read() as session:
        return session.get_one(Placement, id_)


def wait_until_due(site: Site, nas_id: int) -> None:
    def is_due() -> bool:
        with site.database.read() as session:
            return bool(due(session, nas_id))

    wait_for(is_due)


def once(refused: Callable[[Operation], bool], then: Callable[[], object] = lambda: None) -> Callable[[Operation], str | None]:
    """The first operation of this kind fails, after ``then``."""
    left = [True]

    def fail(operation: Operation) -> str | None:
        if not (left and refused(operation)):
            return None
        left.clear()
        then()
        return "failure: busy"

    return fail


def targets(router: SimulatedNas) -> dict[str, str]:
    return {item["name"]: item["target"] for item in router.router.items(QUEUES)}


def test_an_address_is_not_given_away_before_the_old_records_are_gone(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    nas_id = settle(site, router, tmp_path, 3, templates=BY_ADDRESS)
    site.editor.delete_account("a-1")
    site.editor.set_subaccount("a-2-1", {"ipn_ip_address": "10.77.0.1"})
    router.faults.fail = once(lambda operation: operation.verb == "remove" and operation.path == QUEUES)
    failed = site.reconciler.reconcile(nas_id).failed
    assert "10.77.0.1 is not free yet: the records of a-1 / a-1-1" in failed["a-2 / a-2-1"]
    assert (placement(site, 2).presence, placement(site, 2).attempts) == (Presence.ABSENT, 1)
    with site.database.write() as session:  # the old owner's pause is much longer than the new one's
        session.execute(update(Placement).where(Placement.id == 1).values(next_try=Placement.next_try + 100_000))
    wait_until_due(site, nas_id)
    assert "not free yet" in site.reconciler.reconcile(nas_id).failed["a-2 / a-2-1"], "of another plan than the delete"
    assert targets(router) == {"ebs:1": "10.77.0.1/32", "ebs:3": "10.77.0.3/32"}
    assert site.reconciler.apply(["nas1"])[0].ok
    assert targets(router) == {"ebs:2": "10.77.0.1/32", "ebs:3": "10.77.0.3/32"}


def test_a_correction_during_a_failing_try_does_not_wait(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    nas_id = settle(site, router, tmp_path, 2)
    site.editor.set_subaccount("a-1-1", {"ipn_ip_address": "10.9.9.9"})
    with site.database.write() as session:
        session.execute(update(Placement).where(Placement.id == 1).values(attempts=9))
    router.faults.fail = once(
        lambda operation: operation.verb == "add" and operation.path == LISTED,
        lambda: site.editor.set_subaccount("a-1-1", {"ipn_ip_address": "10.77.5.5"}),
    )
    site.reconciler.reconcile(nas_id)
    assert active(router) == {"10.77.5.5": True, "10.77.0.2": True}
    assert placement(site, 1).settled == placement(site, 1).changed


def broke(site: Site, people: int) -> None:
    """Nobody of the first so many has any money."""
    with site.database.write() as session:
        session.execute(update(Account).where(Account.id <= people).values(balance=-1))
        mark_changed(session, Placement.id > 0)


def test_a_release_is_for_the_whole_plan_though_it_is_interrupted(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    nas_id = settle(site, router, tmp_path, 1010)
    broke(site, 1005)
    assert site.reconciler.reconcile(nas_id).held
    site.nas_editor.release("nas1", 1006)
    at: list[int] = []

    def edit(_nas: str, done: int, _due: int) -> None:
        if not at:
            at.append(done)
            site.editor.set_account("a-1010", {"ipn_speed": "download=1M upload=1M"})

    result = site.reconciler.apply_nas("nas1", edit, goal=BACKGROUND)
    assert at == [1000], "it was interrupted"
    assert (result.held, sum(active(router).values())) == (False, 5)
    assert nas_of(site).released == 0, "what was not needed is not kept"


def test_a_release_outlives_the_process_by_its_rest(
    site: Site, router: SimulatedNas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nas_id = settle(site, router, tmp_path, 1290)
    broke(site, 1285)
    site.nas_editor.release("nas1", 1285)
    stopped: list[bool] = []
    monkeypatch.setattr(site.reconciler, "stopping", lambda: bool(stopped))
    site.reconciler.apply_nas("nas1", lambda *_: stopped.append(True), goal=BACKGROUND)
    assert (sum(active(router).values()), nas_of(site).released) == (290, 285)
    stopped.clear()
    assert not site.reconciler.reconcile(nas_id).held
    assert (sum(active(router).values()), nas_of(site).released) == (5, 0)


def test_a_release_during_a_look_is_kept(
    site: Site, router: SimulatedNas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nas_id = settle(site, router, tmp_path, 5)
    for number in range(30):
        router.router.add(LISTED, list="ebs_active", address=f"10.9.0.{number}", comment=f"ebs:{500 + number}")
    set_nas(site, resync_at=0)
    look = site.observer.look

    def release_meanwhile(*args: Any) -> Any:
        findings = look(*args)
        site.nas_editor.release("nas1", 30)
        return findings

    with monkeypatch.context() as patched:
        patched.setattr(site.observer, "look", release_meanwhile)
        assert site.reconciler.reconcile(nas_id).orphans_held == 30
    assert nas_of(site).released == 30
    assert site.reconciler.reconcile(nas_id).removed == 30
    assert nas_of(site).released == 0


def test_held_orphans_keep_nobody_waiting(site: Site, router: SimulatedNas, tmp_path: Path) -> None:
    nas_id = settle(site, router, tmp_path, 5)
    for number in range(30):
        router.router.add(LISTED, list="ebs_active", address=f"10.9.0.{number}", comment=f"ebs:{500 + number}")
    set_nas(site, resync_at=0)
    assert site.reconciler.reconcile(nas_id).held
    site.editor.set_account("a-1", {"balance": "-1"})
    with site.database.read() as session:
        assert [one.urgent for one in due(session)] == [True]
    site.reconciler.reconcile(nas_id)
    assert active(router)["10.77.0.1"] is False


def test_the_set_up_is_announced_and_guarded(
    site: Site, router: SimulatedNas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(site, router, tmp_path, 1)
    seen: list[str] = []

    def note(_operation: Operation) -> None:
        with site.database.read() as session:
            entries = session.scalars(select(ActionLog).where(ActionLog.action == "bootstrap")).all()
        seen.extend(entry.output for entry in entries)

    router.faults.fail = note
    assert site.setup.bootstrap("nas1")
    assert INTENT.output in seen, "the log says so while it is sent"
    with site.database.read() as session:
        logged = session.scalars(select(ActionLog.output).where(ActionLog.action == "bootstrap")).all()
    assert logged and INTENT.output not in logged
    router.faults.fail = None
    monkeypatch.setattr(Lease, "is_fresh", lambda _: False)
    sent = router.router.journal.count
    assert {reply.outcome for _, reply in site.setup.bootstrap("nas1")} == {Outcome.NOT_SENT}
    assert router.router.journal.count == sent


def test_an_adoption_is_announced_and_guarded(
    site: Site, router: SimulatedNas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_site(site, document([nas_row(router)], [subscriber(1, "nas1")]), tmp_path)
    router.router.add(LISTED, list="ebs_active", address="10.77.0.1", comment="by hand")
    with monkeypatch.context() as patched:
        patched.setattr(Lease, "is_fresh", lambda _: False)
        (one,) = site.adopter.adopt("nas1", lambda _: True).adopted
    assert one.failure and router.router.items(LISTED)[0]["comment"] == "by hand"
    seen: list[str] = []

    def note(operation: Operation) -> None:
        if operation.verb == "set":
            with site.database.read() as session:
                seen.extend(session.scalars(select(ActionLog.output).where(ActionLog.action == "adopt")))

    router.faults.fail = note
    (one,) = site.adopter.adopt("nas1", lambda _: True).adopted
    assert not one.failure and seen == [INTENT.output]
    with site.database.read() as session:
        assert INTENT.output not in session.scalars(select(ActionLog.output)).all()


@pytest.mark.parametrize("broken", ["revisit", "advance"])
def test_a_broken_step_does_not_keep_the_sweep_from_waking(site: Site, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    woken: list[Any] = []

    def fail(*_: Any) -> None:
        raise RuntimeError(broken)

    monkeypatch.setattr(sweep, broken, fail)
    one = sweep.Sweep(site.database, dict, woken.append, lambda: False, Schedule())
    with pytest.raises(RuntimeError, match=broken):
        one()
    assert woken == [{}]
