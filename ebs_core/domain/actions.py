"""The twelve actions of a NAS, and when each is sent (ExpertBilling's table of command templates)."""

from __future__ import annotations

from enum import StrEnum


class Level(StrEnum):
    """Whom an action is for."""

    ACCOUNT = "account"
    SUBACCOUNT = "subaccount"
    SESSION = "session"


class Action(StrEnum):
    """Names of the command templates; ``value`` is the template's file name without ``.j2``."""

    ACCOUNT_ADD = "account_add"
    ACCOUNT_ENABLE = "account_enable"
    ACCOUNT_DISABLE = "account_disable"
    ACCOUNT_DELETE = "account_delete"
    ACCOUNT_SPEED = "account_speed"
    SUBACCOUNT_ADD = "subaccount_add"
    SUBACCOUNT_ENABLE = "subaccount_enable"
    SUBACCOUNT_DISABLE = "subaccount_disable"
    SUBACCOUNT_DELETE = "subaccount_delete"
    SUBACCOUNT_SPEED = "subaccount_speed"
    SESSION_SPEED = "session_speed"
    SESSION_RESET = "session_reset"

    @property
    def level(self) -> Level:
        return Level(self.value.partition("_")[0])

    @property
    def step(self) -> str:
        """``add``, ``enable``, ``disable``, ``delete``, ``speed`` or ``reset``."""
        return self.value.partition("_")[2]

    @classmethod
    def of(cls, level: Level, step: str) -> Action:
        return cls(f"{level.value}_{step}")


ORIGINAL_NAMES: dict[str, Action] = {
    "user_add_action": Action.ACCOUNT_ADD,
    "user_enable_action": Action.ACCOUNT_ENABLE,
    "user_disable_action": Action.ACCOUNT_DISABLE,
    "user_delete_action": Action.ACCOUNT_DELETE,
    "ipn_speed_action": Action.ACCOUNT_SPEED,
    "subacc_add_action": Action.SUBACCOUNT_ADD,
    "subacc_enable_action": Action.SUBACCOUNT_ENABLE,
    "subacc_disable_action": Action.SUBACCOUNT_DISABLE,
    "subacc_del_action": Action.SUBACCOUNT_DELETE,
    "subacc_delete_action": Action.SUBACCOUNT_DELETE,
    "subacc_ipn_speed_action": Action.SUBACCOUNT_SPEED,
    "vpn_speed_action": Action.SESSION_SPEED,
    "reset_action": Action.SESSION_RESET,
}
"""The original's names of the same templates; accepted wherever an action is named."""
