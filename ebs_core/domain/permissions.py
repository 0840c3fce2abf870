"""Who may do what: five roles, and the permissions of each. ``docs/api.md`` shows the table to operators."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Permission(StrEnum):
    VIEW_ACCOUNTS = "view accounts"
    """Accounts, subaccounts, balances, tariffs."""
    VIEW_NETWORK = "view network"
    """NASes, profiles, templates, placements, plans, drift, the action log."""
    PAY = "take payments"
    EDIT_ACCOUNTS = "edit accounts"
    """Make, change and delete accounts and subaccounts, but for their money."""
    EDIT_MONEY = "edit money"
    """Set balances, credits and promised payments by hand."""
    WORK = "work"
    """Apply, resync, try again."""
    RELEASE = "release"
    """Release held plans, put NASes into maintenance, refill, adopt."""
    EDIT_TARIFFS = "edit tariffs"
    EDIT_NETWORK = "edit network"
    """Make and change NASes and templates, trust host keys, set NASes up."""
    OPERATORS = "manage operators"
    AUDIT = "view audit"


class Role(StrEnum):
    VIEWER = "viewer"
    CASHIER = "cashier"
    SUPPORT = "support"
    ENGINEER = "engineer"
    ADMIN = "admin"

    @property
    def permissions(self) -> frozenset[Permission]:
        return _PERMISSIONS[self]


_P = Permission
_SUPPORT = frozenset({_P.VIEW_ACCOUNTS, _P.VIEW_NETWORK, _P.EDIT_ACCOUNTS, _P.WORK})
_PERMISSIONS: Final = {
    Role.VIEWER: frozenset({_P.VIEW_ACCOUNTS, _P.VIEW_NETWORK}),
    Role.CASHIER: frozenset({_P.VIEW_ACCOUNTS, _P.PAY}),
    Role.SUPPORT: _SUPPORT,
    Role.ENGINEER: _SUPPORT | {_P.RELEASE, _P.EDIT_TARIFFS, _P.EDIT_NETWORK},
    Role.ADMIN: frozenset(Permission),
}
