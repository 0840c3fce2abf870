"""Which NASes have something to do now: asked every two seconds, so it costs two probes of a partial index per NAS."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from ebs_core.services.pauses import LONGEST_PAUSE_MS, Schedule
from ebs_core.storage import clock
from ebs_core.storage.tables import Nas, Placement


@dataclass(frozen=True, slots=True)
class DueNas:
    """A NAS with something to do. ``changed``: something of the database has to be sent, otherwise only a look at the NAS is due;
    ``urgent``: an operator waits for a part of it."""

    nas_id: int
    changed: bool
    urgent: bool


def due(session: Session, nas_id: int | None = None, schedule: Schedule | None = None) -> list[DueNas]:
    """All NASes (or whether this one) with something to do now: urgent ones first, then those with changes, then the others.
    One in maintenance has nothing to do, nor has one that failed and is to be left alone.

    A moment further away than anybody plans means that the clock was set back: it counts as come.
    """
    now = clock.read(session)
    routine = (schedule or Schedule()).longest_ms()
    changed = or_(_has(Placement.next_try <= now), _has(Placement.next_try > now + 2 * LONGEST_PAUSE_MS))
    query = select(Nas.id, changed, and_(changed, _has(Placement.urgent.is_(True)))).where(
        Nas.maintenance.is_(None),
        _reached(Nas.retry_at, now, LONGEST_PAUSE_MS),
        or_(_reached(Nas.resync_at, now, routine), _reached(Nas.pulse_at, now, routine), changed),
    )
    if nas_id is not None:
        query = query.where(Nas.id == nas_id)
    found = [DueNas(*row) for row in session.execute(query)]
    return sorted(found, key=lambda one: (not one.urgent, not one.changed, one.nas_id))


def _reached(moment: InstrumentedAttribute[int], now: int, longest: int) -> ColumnElement[bool]:
    return or_(moment <= now, moment > now + longest)


def _has(which: ColumnElement[bool]) -> ColumnElement[bool]:
    """The NAS has a dirty placement of this kind. A LIMIT, not EXISTS: PostgreSQL must not read them all into a hash table."""
    one = select(Placement.nas_id).where(Placement.nas_id == Nas.id, Placement.changed != Placement.settled, which).limit(1)
    return one.scalar_subquery().is_not(None)
