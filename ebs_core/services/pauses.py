"""When to look at a NAS again: after failures, and by its schedule. All in milliseconds by the database's clock."""

from __future__ import annotations

from typing import NamedTuple

FIRST_PAUSE_MS = 500
LONGEST_PAUSE_MS = 256_000
HOLD_PAUSE_MS = 30_000
"""A held plan is looked at so often; releasing it wakes the NAS at once."""
_DOUBLINGS = 9


def pause_ms(attempts: int) -> int:
    """How long to leave alone what failed so many times in a row (from 1): half a second at first, minutes at most."""
    return int(FIRST_PAUSE_MS << min(max(attempts, 1) - 1, _DOUBLINGS))


class Schedule(NamedTuple):
    """How often a NAS is read back as a whole, and how often it is asked whether it restarted. Seconds."""

    resync: float = 900.0
    pulse: float = 60.0

    def next_resync(self, now: int, share: float) -> int:
        """Between half and one and a half of the interval away: ``share`` (0 to 1) spreads the NASes."""
        return now + int(self.resync * 1000 * (0.5 + share))

    def next_pulse(self, now: int) -> int:
        return now + int(self.pulse * 1000)

    def last_pulse(self, pulse_at: int) -> int:
        """When it was asked last, from when it is to be asked next."""
        return pulse_at - int(self.pulse * 1000)

    def is_due(self, at: int, now: int) -> bool:
        """The moment has come, or is so far away that the clock must have been set back."""
        return at <= now or at > now + self.longest_ms()

    def longest_ms(self) -> int:
        """Nobody plans a look further ahead than this."""
        return int(max(self.resync, self.pulse) * 2000) + LONGEST_PAUSE_MS
