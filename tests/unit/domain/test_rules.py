"""The access rules of ExpertBilling, over every combination that they know."""

from __future__ import annotations

from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebs_core.domain.rules import AccountStatus, Allowances, Standing, denials, is_added, is_enabled, money_allows

FUNDS = [Decimal("-0.01"), Decimal(0), Decimal("0.01")]
BOOLS = [False, True]
EVERY = list(product(FUNDS, BOOLS, BOOLS, BOOLS, BOOLS, BOOLS, AccountStatus, BOOLS, BOOLS))

allowances = st.builds(Allowances, st.booleans(), st.booleans(), st.booleans())
standings = st.builds(
    Standing,
    st.decimals(-1000, 1000, places=2),
    st.booleans(),
    st.booleans(),
    st.sampled_from(AccountStatus),
    st.booleans(),
    st.booleans(),
)


def test_the_table_is_complete() -> None:
    assert len(EVERY) == 3 * 2**3 * 2**2 * 4 * 2 * 2


@pytest.mark.parametrize("funds", FUNDS)
def test_every_combination_against_the_rule_as_the_reference_words_it(funds: Decimal) -> None:
    for _, null, minus, block, limit, blocked, status, active, open_ in (row for row in EVERY if row[0] == funds):
        if funds > 0:
            money = True
        elif funds == 0:
            money = null
        else:
            money = minus
        no_block = block or (not limit and not blocked)
        expected = money and no_block and status == 1 and active and open_
        standing = Standing(funds, limit, blocked, status, active, open_)
        assert is_enabled(standing, Allowances(null, minus, block)) is expected


@given(standings, allowances)
def test_denials_are_empty_exactly_when_access_is_on(standing: Standing, allow: Allowances) -> None:
    assert bool(denials(standing, allow)) is not is_enabled(standing, allow)


@given(standings, allowances, st.decimals(0, 1000, places=2))
def test_more_money_never_takes_access_away_but_for_the_odd_flags(standing: Standing, allow: Allowances, more: Decimal) -> None:
    richer = Standing(standing.funds + more, *_rest(standing))
    if is_enabled(standing, allow) and standing.funds >= 0 and (richer.funds > 0 or more == 0):
        assert is_enabled(richer, allow)


@given(standings)
def test_all_allowances_leave_only_status_tariff_and_period(standing: Standing) -> None:
    expected = standing.status is AccountStatus.ACTIVE and standing.tariff_active and standing.period_open
    assert is_enabled(standing, Allowances(True, True, True)) is expected


@pytest.mark.parametrize(("nas", "active", "actions"), list(product(BOOLS, BOOLS, BOOLS)))
def test_added_needs_a_nas_an_active_tariff_and_one_that_runs_actions(nas: bool, active: bool, actions: bool) -> None:
    assert is_added(has_nas=nas, tariff_active=active, runs_nas_actions=actions) is (nas and active and actions)


def test_the_flags_do_not_stand_for_each_other() -> None:
    assert not money_allows(Decimal(0), Allowances(with_minus=True))
    assert not money_allows(Decimal(-1), Allowances(with_null=True))


def test_every_reason_is_named() -> None:
    standing = Standing(Decimal("-3.50"), True, True, AccountStatus.SUSPENDED, False, False)
    assert denials(standing, Allowances()) == [
        "funds are -3.5",
        "a traffic limit was exceeded",
        "blocked for lack of money at the period's end",
        "account is suspended",
        "tariff is not active",
        "outside the tariff's permitted hours",
    ]


def _rest(standing: Standing) -> tuple[bool, bool, AccountStatus, bool, bool]:
    return (
        standing.disabled_by_limit,
        standing.balance_blocked,
        standing.status,
        standing.tariff_active,
        standing.period_open,
    )
