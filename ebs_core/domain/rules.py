"""Who may have access (the access rules of ExpertBilling), as pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum


class AccountStatus(IntEnum):
    """The numbers are the original's."""

    ACTIVE = 1
    SUSPENDED_CHARGED = 2
    """Inactive, periodic fees still charged."""
    SUSPENDED = 3
    """Inactive, fees not charged."""
    USER_BLOCKED = 4
    """Blocked by the user himself."""

    @property
    def word(self) -> str:
        return self.name.lower()


class AccessType(IntEnum):
    """How subscribers of a tariff reach the network; ``word`` is the spelling in files."""

    IPOE = 1
    PPPOE = 2
    PPTP = 3
    L2TP = 4
    HOTSPOT = 5
    DHCP = 6
    NONE = 7
    """No network access: hosting, mail and other services."""

    @property
    def word(self) -> str:
        return self.name.lower()

    @property
    def is_vpn(self) -> bool:
        """Access is a RADIUS session; NAS actions run only if the tariff says so."""
        return self in {AccessType.PPPOE, AccessType.PPTP, AccessType.L2TP, AccessType.HOTSPOT}


@dataclass(frozen=True, slots=True)
class Allowances:
    """The three flags of a subaccount (or account): access although the funds are zero, below zero, or a block is set."""

    with_null: bool = False
    with_minus: bool = False
    with_block: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides about an account's access now."""

    funds: Decimal | int
    """Balance plus credit; only its sign decides."""
    disabled_by_limit: bool
    """A traffic limit was exceeded."""
    balance_blocked: bool
    """The money ran out at the period's end."""
    status: AccountStatus
    tariff_active: bool
    period_open: bool
    """The present moment lies in the tariff's permitted period."""


def money_allows(funds: Decimal | int, allow: Allowances) -> bool:
    return funds > 0 or (funds == 0 and allow.with_null) or (funds < 0 and allow.with_minus)


def blocks_allow(disabled_by_limit: bool, balance_blocked: bool, allow: Allowances) -> bool:
    return allow.with_block or not (disabled_by_limit or balance_blocked)


def is_enabled(standing: Standing, allow: Allowances) -> bool:
    """May the subscriber use the network now?"""
    return (
        money_allows(standing.funds, allow)
        and blocks_allow(standing.disabled_by_limit, standing.balance_blocked, allow)
        and standing.status is AccountStatus.ACTIVE
        and standing.tariff_active
        and standing.period_open
    )


def is_added(*, has_nas: bool, tariff_active: bool, runs_nas_actions: bool) -> bool:
    """Should records of the subscriber exist on the NAS, active or not?"""
    return has_nas and tariff_active and runs_nas_actions


def denials(standing: Standing, allow: Allowances) -> list[str]:
    """Why access is off, one phrase per rule that fails; empty exactly when ``is_enabled``."""
    reasons = []
    if not money_allows(standing.funds, allow):
        reasons.append("no money" if standing.funds == 0 else f"funds are {Decimal(standing.funds).normalize():f}")
    if not blocks_allow(standing.disabled_by_limit, standing.balance_blocked, allow):
        if standing.disabled_by_limit:
            reasons.append("a traffic limit was exceeded")
        if standing.balance_blocked:
            reasons.append("blocked for lack of money at the period's end")
    if standing.status is not AccountStatus.ACTIVE:
        reasons.append(f"account is {standing.status.word.replace('_', ' ')}")
    if not standing.tariff_active:
        reasons.append("tariff is not active")
    if not standing.period_open:
        reasons.append("outside the tariff's permitted hours")
    return reasons
