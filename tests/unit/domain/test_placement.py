"""Desired and applied state: the steps between them, and what is known while they are under way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebs_core.domain.placement import (
    SEPARATOR,
    Applied,
    BlastRadius,
    Desired,
    Kind,
    Presence,
    Repair,
    changed_values,
    confirmed,
    cuts_off,
    diff,
    in_step,
    intent,
)

keys = st.sampled_from(["ip=10.0.0.1", "ip=10.0.0.2", f"ip=10.0.0.1{SEPARATOR}mac=x", ""])
speeds = st.sampled_from(["10", "20"])
revisions = st.sampled_from(["r1", "r2"])
desireds = st.one_of(
    st.builds(Desired, st.just(True), st.booleans(), speeds, keys, revisions), st.just(Desired(False, False, "10", "ip=1", "r1"))
)
applieds = st.one_of(
    st.just(Applied()),
    st.builds(
        Applied,
        st.sampled_from([Presence.PRESENT, Presence.UNKNOWN]),
        st.sampled_from([None, True, False]),
        st.one_of(st.none(), speeds),
        keys,
        revisions,
        st.sampled_from([Repair(bits) for bits in range(8)]),
    ),
)


def run(desired: Desired, state: Applied) -> Applied:
    for step in diff(desired, state):
        state = confirmed(step.kind, state, desired)
    return state


@given(desireds, applieds)
def test_after_all_steps_applied_equals_desired(desired: Desired, applied: Applied) -> None:
    after = run(desired, applied)
    assert in_step(desired, after)
    assert diff(desired, after) == ()


@given(desireds, applieds)
def test_in_step_is_the_same_as_nothing_to_do(desired: Desired, applied: Applied) -> None:
    assert in_step(desired, applied) is (diff(desired, applied) == ())


@given(desireds, applieds)
def test_steps_come_in_order(desired: Desired, applied: Applied) -> None:
    order = [list(Kind).index(step.kind) for step in diff(desired, applied)]
    assert order == sorted(set(order))
    assert not {list(Kind).index(Kind.ENABLE), list(Kind).index(Kind.DISABLE)} <= set(order)


@given(desireds, applieds, st.integers(0, 3))
def test_a_kill_at_any_step_leaves_a_state_from_which_the_next_run_finishes(desired: Desired, applied: Applied, at: int) -> None:
    steps = diff(desired, applied)
    state = applied
    for number, step in enumerate(steps):
        if number == at:  # killed after sending, before the result was recorded
            state = intent(step.kind, state, desired)
            assert not in_step(desired, state)
            break
        state = confirmed(step.kind, state, desired)
    assert in_step(desired, run(desired, state))


@given(desireds, applieds, desireds)
def test_wanting_something_else_after_a_kill_is_found_too(desired: Desired, applied: Applied, later: Desired) -> None:
    steps = diff(desired, applied)
    if not steps:
        return
    state = intent(steps[0].kind, applied, desired)
    assert in_step(later, run(later, state))
    if not later.present:
        assert [step.kind for step in diff(later, state)] == [Kind.DELETE], "what may have been made has to be deleted"


def test_a_fresh_placement() -> None:
    assert [s.kind for s in diff(Desired(True, True, "10", "k=1", "r"), Applied())] == [Kind.ADD, Kind.ENABLE, Kind.SPEED]
    assert [s.kind for s in diff(Desired(True, False, "10", "k=1", "r"), Applied())] == [Kind.ADD, Kind.SPEED]


def test_another_address_means_delete_with_the_old_values_first() -> None:
    applied = Applied(Presence.PRESENT, True, "10", "ip=10.0.0.1", "r")
    steps = diff(Desired(True, True, "10", "ip=10.0.0.2", "r"), applied)
    assert [step.kind for step in steps] == [Kind.DELETE, Kind.ADD, Kind.ENABLE, Kind.SPEED]
    assert "ip was 10.0.0.1, is 10.0.0.2" in steps[1].reason


def test_other_templates_only_add_again_and_say_the_state_aloud() -> None:
    applied = Applied(Presence.PRESENT, True, "10", "ip=1", "r1")
    assert [s.kind for s in diff(Desired(True, False, "10", "ip=1", "r2"), applied)] == [Kind.ADD, Kind.DISABLE, Kind.SPEED]
    more_names = Desired(True, True, "10", f"ip=1{SEPARATOR}mac=2", "r2")
    assert [s.kind for s in diff(more_names, applied)] == [Kind.ADD, Kind.ENABLE, Kind.SPEED]


def test_changed_values_ignores_names_that_only_one_side_has() -> None:
    assert changed_values(f"a=1{SEPARATOR}b=2", f"b=3{SEPARATOR}c=4") == [("b", "2", "3")]
    assert changed_values("a=x=y", "a=x=z") == [("a", "x=y", "x=z")]


@pytest.mark.parametrize(
    ("cut_off", "placements", "released", "held"),
    [(9, 9, 0, False), (10, 49, 0, True), (10, 50, 0, False), (11, 50, 0, True), (11, 50, 11, False), (12, 50, 11, True)],
)
def test_blast_radius(cut_off: int, placements: int, released: int, held: bool) -> None:
    assert BlastRadius().holds(cut_off, placements, released) is held


def test_what_counts_against_the_blast_radius() -> None:
    here = Applied(Presence.PRESENT, True, "10", "ip=1", "r")
    blocked = Desired(True, False, "10", "ip=1", "r")
    assert cuts_off(diff(blocked, here), here)
    assert cuts_off(diff(Desired(False), here), here)
    assert not cuts_off(diff(Desired(True, True, "20", "ip=1", "r"), here), here)
    killed = intent(Kind.DISABLE, here, blocked)
    assert [step.kind for step in diff(blocked, killed)] == [Kind.ADD, Kind.DISABLE, Kind.SPEED]
    assert not cuts_off(diff(blocked, killed), killed), "a repetition was let through before"
    deleted = intent(Kind.DELETE, here, blocked)
    assert not cuts_off(diff(Desired(False), deleted), deleted)
    again = intent(Kind.ADD, here, here_again := Desired(True, True, "10", "ip=1", "r2"))
    assert not cuts_off(diff(here_again, again), again)
    assert cuts_off(diff(blocked, again), again), "killed while his records were only made again: he still has access"
    fresh = intent(Kind.ADD, Applied(), blocked)
    assert not cuts_off(diff(blocked, fresh), fresh)
