"""The one idea: desired and applied state of a placement, and the steps from one to the other. Pure and fast."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, IntFlag, StrEnum
from typing import NamedTuple


class Presence(IntEnum):
    """Do records of the placement exist on the NAS?"""

    ABSENT = 0
    PRESENT = 1
    UNKNOWN = 2
    """Something was sent and no reply came, or only a part of it worked: records may exist."""


class Repair(IntFlag):
    """What a read-back found to be sent again although the NAS had confirmed it."""

    NOTHING = 0
    RECORDS = 1
    ACCESS = 2
    SPEED = 4


class Seen(IntEnum):
    """What the last read-back said of a placement."""

    NOT_YET = 0
    """Nothing was read since the last command."""
    RIGHT = 1
    DIFFERENT = 2
    UNREADABLE = 3
    """Nothing of what its templates write can be read back."""


class Applied(NamedTuple):
    """What the NAS last confirmed. ``None`` in ``enabled`` and ``speed`` means not known, or not yet set."""

    presence: Presence = Presence.ABSENT
    enabled: bool | None = None
    speed: str | None = None
    key: str | None = None
    """The identity values the records were made with (see ``Desired.key``)."""
    revision: str | None = None
    """The templates' revision they were made with."""
    repair: Repair = Repair.NOTHING
    """What of it was not there when it was read back."""


class Desired(NamedTuple):
    """What should be on the NAS."""

    present: bool
    enabled: bool = False
    speed: str = ""
    key: str = ""
    """The values that the templates of this NAS use, as ``name=value`` parts joined by SEPARATOR: another value of the same
    name means other records."""
    revision: str = ""


class Kind(StrEnum):
    """The kinds of steps, in the order in which those of one placement are sent (enable and disable exclude each other)."""

    DELETE = "delete"
    ADD = "add"
    ENABLE = "enable"
    DISABLE = "disable"
    SPEED = "speed"


class Step(NamedTuple):
    """One action that is due. A delete is rendered with the applied values, all others with the desired ones."""

    kind: Kind
    reason: str


DRIFTED = "the NAS does not have it as it confirmed it"


def in_step(desired: Desired, applied: Applied) -> bool:
    """Nothing is due. The same answer as ``not diff(…)``, without building anything: planning asks it for every placement."""
    if not desired.present:
        return applied.presence is Presence.ABSENT
    return (
        applied.presence is Presence.PRESENT
        and applied.enabled is desired.enabled
        and applied.speed == desired.speed
        and applied.key == desired.key
        and applied.revision == desired.revision
        and not applied.repair
    )


def diff(desired: Desired, applied: Applied) -> tuple[Step, ...]:
    """The steps that are due, in order."""
    if not desired.present:
        if applied.presence is Presence.ABSENT:
            return ()
        return (Step(Kind.DELETE, "no longer wanted on this NAS"),)
    steps, enabled, speed = _records(desired, applied)
    if desired.enabled is not enabled:
        steps.append(Step(Kind.ENABLE, "may have access") if desired.enabled else Step(Kind.DISABLE, "may not have access"))
    elif applied.repair & Repair.ACCESS:
        steps.append(Step(Kind.ENABLE if desired.enabled else Kind.DISABLE, DRIFTED))
    if desired.speed != speed:
        steps.append(Step(Kind.SPEED, "speed is not set" if speed is None else "speed changed"))
    elif applied.repair & Repair.SPEED:
        steps.append(Step(Kind.SPEED, DRIFTED))
    return tuple(steps)


def _records(desired: Desired, applied: Applied) -> tuple[list[Step], bool | None, str | None]:
    """The steps that make the records right, and what is then known of access and speed.

    New records are not active and have no speed. Records that are only made again (an add replaces its own) may have kept
    either, so both have to be said aloud.
    """
    if applied.presence is Presence.ABSENT:
        return [Step(Kind.ADD, "not yet on the NAS")], False, None
    if applied.key != desired.key and (differing := changed_values(applied.key or "", desired.key)):
        what = ", ".join(f"{name} was {old or 'empty'}, is {new or 'empty'}" for name, old, new in differing)
        return [Step(Kind.DELETE, f"made with other values: {what}"), Step(Kind.ADD, f"values changed: {what}")], False, None
    if applied.presence is Presence.UNKNOWN:
        return [Step(Kind.ADD, "outcome of the last try is unknown")], None, None
    if applied.revision != desired.revision or applied.key != desired.key:
        return [Step(Kind.ADD, "templates changed")], None, None
    if applied.repair & Repair.RECORDS:
        return [Step(Kind.ADD, DRIFTED)], None, applied.speed
    return [], applied.enabled, applied.speed


def intent(kind: Kind, applied: Applied, desired: Desired) -> Applied:
    """What is known from the moment a step may have been sent until its result is recorded. Written before sending, so that
    a killed program leaves the truth behind: the outcome is unknown, and with which values. With an unknown presence, ``enabled``
    says whether somebody may still have access by it that nobody decided to take: False after a disable or delete was sent."""
    match kind:
        case Kind.DELETE:
            return applied._replace(presence=Presence.UNKNOWN, enabled=False)
        case Kind.ADD:
            closed = applied.presence is Presence.ABSENT or applied.enabled is False
            return Applied(Presence.UNKNOWN, False if closed else None, None, desired.key, desired.revision)
        case Kind.ENABLE:
            return applied._replace(enabled=None)
        case Kind.DISABLE:
            return applied._replace(presence=Presence.UNKNOWN, enabled=False)
        case Kind.SPEED:
            return applied._replace(speed=None, repair=applied.repair & ~Repair.SPEED)


def confirmed(kind: Kind, before: Applied, desired: Desired) -> Applied:
    """The state after a step that the NAS confirmed; ``before`` is the state it was planned from."""
    match kind:
        case Kind.DELETE:
            return Applied()
        case Kind.ADD:
            fresh = before.presence is Presence.ABSENT
            repaired = before.presence is Presence.PRESENT and (before.key, before.revision) == (desired.key, desired.revision)
            speed, repair = (before.speed, before.repair & ~Repair.RECORDS) if repaired else (None, Repair.NOTHING)
            return Applied(Presence.PRESENT, False if fresh else None, speed, desired.key, desired.revision, repair)
        case Kind.ENABLE | Kind.DISABLE:
            return before._replace(enabled=kind is Kind.ENABLE, repair=before.repair & ~Repair.ACCESS)
        case Kind.SPEED:
            return before._replace(speed=desired.speed, repair=before.repair & ~Repair.SPEED)


def cuts_off(steps: Iterable[Step], applied: Applied) -> bool:
    """Counts against the blast radius: records that are there would be deleted, or somebody who has, or may have, access be
    disabled. Repeating a disable or delete of unknown outcome does not count: it was let through when it was first sent."""
    active = applied.presence is not Presence.ABSENT and applied.enabled is not False
    present = applied.presence is Presence.PRESENT or active
    return any((step.kind is Kind.DELETE and present) or (step.kind is Kind.DISABLE and active) for step in steps)


class BlastRadius(NamedTuple):
    """How much one plan may cut off before an operator has to release it: more than ``share`` of the NAS's placements, and at
    least ``least`` of them, are held."""

    share: float = 0.2
    least: int = 10

    def holds(self, cut_off: int, placements: int, released: int = 0) -> bool:
        return cut_off >= self.least and cut_off > self.share * placements and cut_off > released


SEPARATOR = "\x1f"
"""Between the ``name=value`` parts of a key; values cannot contain it (it is a control character)."""


def changed_values(old_key: str, new_key: str) -> list[tuple[str, str, str]]:
    """``(name, old, new)`` for the names that both keys have and whose values differ. Names that only one has mean that the
    templates print other variables now, not that the subscriber changed."""
    old, new = (dict(part.partition("=")[::2] for part in key.split(SEPARATOR) if part) for key in (old_key, new_key))
    return [(name, old[name], new[name]) for name in new if name in old and old[name] != new[name]]
