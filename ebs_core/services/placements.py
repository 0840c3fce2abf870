"""Placements follow the objects: made, numbered and marked as changed in the same transaction as the edit itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

from sqlalchemy import ColumnElement, insert, select, true, update
from sqlalchemy.orm import Session

from ebs_core.domain.errors import InputError
from ebs_core.domain.nas import Profile
from ebs_core.storage import events
from ebs_core.storage.database import wake_after_commit
from ebs_core.storage.tables import Account, Nas, Placement, Subaccount

_CHUNK = 5000
Pair = tuple[int, int | None, int]
"""Account, subaccount (None: the account itself) and NAS, by id."""


def label_of(account: str, subaccount: str | None) -> str:
    """Whose placement it is, for people."""
    return f"{account} / {subaccount}" if subaccount else account


def chunks(ids: Collection[int]) -> Iterator[Sequence[int]]:
    """Sorted, in pieces that a statement can hold."""
    ordered = sorted(ids)
    for start in range(0, len(ordered), _CHUNK):
        yield ordered[start : start + _CHUNK]


def follow_accounts(
    session: Session, account_ids: Collection[int], profiles: Mapping[str, Profile], *, urgent: bool = False
) -> None:
    """After any edit of these accounts or their subaccounts: missing placements are made, all of theirs are marked changed. One
    that is not wanted any more stays until a run, under the NAS's lease, finds nothing of it there: a run may be sending its
    commands this very moment. ``urgent`` as for ``mark_changed``. Raises InputError when a NAS is full."""
    session.flush()
    missing: list[Pair] = []
    for ids in chunks(account_ids):
        mark_changed(session, Placement.account_id.in_(ids), urgent=urgent, account_ids=ids)
        query = select(Placement.account_id, Placement.subaccount_id, Placement.nas_id).where(Placement.account_id.in_(ids))
        placed = {(account, subaccount, nas) for account, subaccount, nas in session.execute(query)}
        missing += sorted(_wanted(session, ids) - placed, key=lambda pair: (pair[2], pair[0], pair[1] or 0))
    _place(session, missing, profiles, urgent=urgent)


def mark_changed(
    session: Session, which: ColumnElement[bool], *, urgent: bool = False, account_ids: Collection[int] | None = None
) -> None:
    """The placements that ``which`` selects have to be looked at again: at once, even where the last try failed, and their NASes
    are woken by the commit. ``urgent``: an operator waits for it, it overtakes bulk work. ``account_ids``: whose they are, where
    that is known."""
    found = select(Placement.id, Placement.nas_id).where(which)
    if session.get_bind().dialect.name == "postgresql":  # in the order in which everybody locks them
        found = found.order_by(Placement.id).with_for_update()
    nas_ids = session.scalars(select(found.subquery().c.nas_id).distinct()).all()
    session.execute(
        update(Placement)
        .where(which)
        .values(
            changed=Placement.changed + 1,
            next_try=0,
            urgent=true() if urgent else Placement.urgent & (Placement.changed != Placement.settled),
        )
        .execution_options(synchronize_session=False)
    )
    wake_after_commit(session, nas_ids, urgent=urgent)
    if nas_ids or account_ids:
        events.note(session, events.Topic.ACCOUNTS, account_ids)


def _wanted(session: Session, account_ids: Sequence[int]) -> set[Pair]:
    own = select(Account.id, Account.nas_id).where(
        Account.id.in_(account_ids), Account.deleted_at.is_(None), Account.nas_id.is_not(None)
    )
    subaccounts = select(Subaccount.account_id, Subaccount.id, Subaccount.nas_id).where(
        Subaccount.account_id.in_(account_ids), Subaccount.deleted_at.is_(None), Subaccount.nas_id.is_not(None)
    )
    pairs: set[Pair] = {(account, None, nas) for account, nas in session.execute(own) if nas is not None}
    pairs.update((account, sub, nas) for account, sub, nas in session.execute(subaccounts) if nas is not None)
    return pairs


def _place(session: Session, pairs: Sequence[Pair], profiles: Mapping[str, Profile], *, urgent: bool) -> None:
    by_nas: dict[int, list[Pair]] = defaultdict(list)
    for pair in pairs:
        by_nas[pair[2]].append(pair)
    for nas_id in sorted(by_nas):
        slots = _free_slots(session, nas_id, profiles)
        rows = [
            {"nas_id": nas_id, "account_id": account, "subaccount_id": subaccount, "slot": next(slots), "urgent": urgent}
            for account, subaccount, _ in by_nas[nas_id]
        ]
        session.execute(insert(Placement), rows)
    wake_after_commit(session, by_nas, urgent=urgent)


def _free_slots(session: Session, nas_id: int, profiles: Mapping[str, Profile]) -> Iterator[int]:
    """The free slots of a NAS in ascending order. Locks the NAS so that two writers never take the same one."""
    nas = session.execute(select(Nas).where(Nas.id == nas_id).with_for_update()).scalar_one()
    used = set(session.scalars(select(Placement.slot).where(Placement.nas_id == nas_id)))
    profile = profiles.get(nas.profile)
    largest = profile.max_slot if profile else None
    slot = 0
    while True:
        slot += 1
        if largest is not None and slot > largest:
            raise InputError(
                f"NAS {nas.name} is full: profile {nas.profile} can hold {largest} subscribers",
                remedy="place some of them on another NAS",
            )
        if slot not in used:
            yield slot
