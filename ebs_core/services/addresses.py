"""Addresses are unique on each NAS, whatever order edits come in: two subscribers may swap theirs in one file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import flag_modified

from ebs_core.services.placements import chunks
from ebs_core.storage.tables import Subaccount

COLUMNS = ("ipn_ip_address", "vpn_ip_address")
_CHUNK = 5000


@dataclass(frozen=True, slots=True)
class _Wish:
    username: str
    old: Subaccount | None
    nas_id: int | None
    addresses: Mapping[str, str]
    line_of: Callable[[str], int]

    def leaves(self, column: str) -> bool:
        """An existing subaccount gives up the address that it holds."""
        old = self.old
        return old is not None and (old.nas_id, getattr(old, column)) != (self.nas_id, self.addresses[column])


class AddressBook:
    """Collects what the subaccounts of one edit want, before anything is written."""

    def __init__(self, session: Session, nases: Mapping[int, str]) -> None:
        self._session = session
        self._nases = nases
        self._wishes: list[_Wish] = []

    def want(
        self, username: str, old: Subaccount | None, values: Mapping[str, Any], line_of: Callable[[str], int] = lambda name: 0
    ) -> None:
        """``values``: the fields to be written, by field name (``nas`` is an id); others stay as they are."""
        nas_id = values.get("nas", old.nas_id if old else None)
        addresses = {column: values.get(column, getattr(old, column) if old else "") for column in COLUMNS}
        self._wishes.append(_Wish(username, old, nas_id, addresses, line_of))

    def conflicts(self) -> Iterator[tuple[int, str]]:
        """Line and message for every address that two subaccounts of one NAS would have."""
        for column in COLUMNS:
            holders = self._untouched_holders(column)
            for wish in self._wishes:
                address = wish.addresses[column]
                if not address or wish.nas_id is None:
                    continue
                holder = holders.setdefault((wish.nas_id, address), wish.username)
                if holder != wish.username:
                    where = f"{column} {address} on NAS {self._nases.get(wish.nas_id)}"
                    yield wish.line_of(column), f"subaccount {wish.username}: {where} is {holder}'s already"

    def _untouched_holders(self, column: str) -> dict[tuple[int, str], str]:
        touched = {wish.username for wish in self._wishes}
        addresses = sorted({wish.addresses[column] for wish in self._wishes} - {""})
        of = getattr(Subaccount, column)
        holders: dict[tuple[int, str], str] = {}
        for start in range(0, len(addresses), _CHUNK):
            query = select(Subaccount.nas_id, of, Subaccount.username).where(
                of.in_(addresses[start : start + _CHUNK]), Subaccount.deleted_at.is_(None), Subaccount.nas_id.is_not(None)
            )
            for nas_id, address, username in self._session.execute(query):
                if nas_id is not None and username not in touched:
                    holders[nas_id, address] = username
        return holders

    def free(self) -> None:
        """Give up, in the database, the addresses that are left; the objects are written afterwards."""
        left = {
            column: {wish.old.id: wish.old for wish in self._wishes if wish.old is not None and wish.leaves(column)}
            for column in COLUMNS
        }
        for column, leaving in left.items():
            for ids in chunks(leaving):
                self._session.execute(
                    update(Subaccount)
                    .where(Subaccount.id.in_(ids))
                    .values({column: ""})
                    .execution_options(synchronize_session=False)
                )
        for column, leaving in left.items():  # after the last statement: a flush now would give the addresses back
            for subaccount in leaving.values():
                flag_modified(subaccount, column)
