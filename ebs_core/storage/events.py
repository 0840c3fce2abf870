"""What changed, for people who are looking: a row per transaction and topic, written within it, read by every API process.

An event names what changed and not how: whoever looks reads it again. So an event may come twice, and many may become one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from sqlalchemy import BigInteger, Select, delete, func, insert, select, tuple_
from sqlalchemy.orm import Session

from ebs_core.storage import clock
from ebs_core.storage.tables import Event

KEPT_MS: Final = 3_600_000
LARGEST: Final = 1000
"""So many ids are named; of more it is only said that there are many."""
_NOTED: Final = "ebs events"
_AT_ONCE = 500


class Topic(StrEnum):
    ACCOUNTS = "accounts"
    """Their own data, their subaccounts', or how these stand on a NAS; by account id."""
    PLACEMENTS = "placements"
    """By placement id; readers get the accounts."""
    NASES = "nases"
    TARIFFS = "tariffs"
    OPERATORS = "operators"
    OPERATIONS = "operations"
    ROLLOUTS = "rollouts"


class Position(NamedTuple):
    """A place in the stream. Ordered."""

    transaction: int
    id: int

    def __str__(self) -> str:
        return f"{self.transaction}-{self.id}"

    @classmethod
    def read(cls, typed: str) -> Position | None:
        """None: it is no position."""
        parts = typed.split("-")
        if len(parts) != 2 or not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts):
            return None
        return cls(int(parts[0]), int(parts[1]))


class Change(NamedTuple):
    position: Position
    topic: Topic
    ids: list[int] | None
    """None: any may have changed."""


def note(session: Session, topic: Topic, ids: Iterable[int] | None) -> None:
    """When this transaction is committed, these have changed; None: too many to name."""
    noted: dict[Topic, set[int] | None] = session.info.setdefault(_NOTED, {})
    before = noted.get(topic, set())
    together = None if before is None or ids is None else before.union(ids)
    noted[topic] = None if together is not None and len(together) > LARGEST else together


def write(session: Session) -> None:
    """Write what was noted: at the end of the transaction."""
    noted: dict[Topic, set[int] | None] = session.info.pop(_NOTED, {})
    rows = [{"topic": topic, "ids": None if ids is None else sorted(ids)} for topic, ids in noted.items() if ids != set()]
    if rows:
        dialect = session.get_bind().dialect.name
        transaction = func.txid_current() if dialect == "postgresql" else 0
        session.execute(insert(Event).values(at=clock.now_ms(dialect), transaction=transaction), rows)


def newest(session: Session) -> Position:
    """Whoever reads on from here misses nothing that is committed later."""
    row = session.execute(_visible(session).order_by(Event.transaction.desc(), Event.id.desc()).limit(1)).first()
    return Position(row.transaction, row.id) if row else Position(0, 0)


def holds(session: Session, position: Position) -> bool:
    """Everything after it is still there."""
    there = select(Event.id).where(Event.transaction == position.transaction, Event.id == position.id)
    return session.scalar(there) is not None


def after(session: Session, position: Position) -> Sequence[Change]:
    """The next ones, in the order of the stream; some hundreds at most."""
    later = tuple_(Event.transaction, Event.id) > tuple_(position.transaction, position.id)
    query = _visible(session).where(later).order_by(Event.transaction, Event.id).limit(_AT_ONCE)
    return [Change(Position(row.transaction, row.id), Topic(row.topic), row.ids) for row in session.execute(query)]


def _visible(session: Session) -> Select[int, int, str, list[int] | None]:
    """PostgreSQL's transactions are committed in another order than they began: those that began after the oldest one that is
    still open wait for it. SQLite has one writer."""
    query = select(Event.id, Event.transaction, Event.topic, Event.ids)
    if session.get_bind().dialect.name == "postgresql":
        oldest = func.txid_snapshot_xmin(func.txid_current_snapshot(), type_=BigInteger)
        query = query.where(Event.transaction < oldest)
    return query


def prune(session: Session) -> None:
    """Forget the old ones; the newest stays, so that numbers are not given twice."""
    newest_id = select(func.max(Event.id)).scalar_subquery()
    session.execute(delete(Event).where(Event.at < clock.read(session) - KEPT_MS, Event.id != newest_id))
