"""Single edits of NASes: each is one transaction, with its placements and its line in the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from ebs_core.domain.actions import Action
from ebs_core.domain.errors import BadFields, InputError
from ebs_core.domain.placement import Presence
from ebs_core.services import fields
from ebs_core.services.edit import NAS_KIND, find_nas, parse_assignments, set_fields
from ebs_core.services.editor import Acting, Assignments, Before, check_free, check_version, needed
from ebs_core.services.nases import check_settings, profile_named
from ebs_core.services.placements import mark_changed
from ebs_core.services.templates import save_template
from ebs_core.storage import events
from ebs_core.storage.database import wake_after_commit
from ebs_core.storage.tables import Account, Nas, Placement, Subaccount


class NasEditor(Acting):
    """NASes are named by their name or id. Raises NotFound, InputError; then nothing was changed."""

    def create(self, assignments: Assignments, options: Mapping[str, str] | None = None) -> int:
        """Its id."""
        name = needed("NAS", "name", assignments)
        profile = needed("NAS", "profile", assignments)
        parsed = parse_assignments(NAS_KIND, name, assignments)
        with self._database.write() as session:
            check_free(session, Nas.name, "", parsed["name"])
            nas = Nas(name=parsed["name"], profile=profile)
            session.add(nas)
            session.flush()
            self._write(session, nas, parsed, options, "nas.create")
        return nas.id

    def change(
        self,
        key: str | int,
        assignments: Assignments,
        options: Mapping[str, str] | None = None,
        expected: int | None = None,
    ) -> list[str]:
        """The fields that really changed. ``options`` replaces all of them."""
        with self._database.write() as session:
            nas = find_nas(session, key)
            here = Placement.nas_id == nas.id
            if session.get_bind().dialect.name == "postgresql":  # placements before their NAS, as everybody locks them
                session.execute(select(Placement.id).where(here).order_by(Placement.id).with_for_update())
            session.refresh(nas, with_for_update=True)
            check_version(nas, expected, f"NAS {nas.name}")
            parsed = parse_assignments(NAS_KIND, nas.name, assignments)
            check_free(session, Nas.name, nas.name, parsed.get("name"))
            changed = self._write(session, nas, parsed, options, "nas.set")
            if changed:
                mark_changed(session, here)
            return changed

    def _write(
        self, session: Session, nas: Nas, parsed: dict[str, Any], options: Mapping[str, str] | None, act: str
    ) -> list[str]:
        before, had = Before(session, nas, fields.NAS, parsed), dict(nas.options)
        changed = set_fields(nas, fields.NAS, parsed, self._secrets)
        detail = before.changes(changed)
        if options is not None and dict(options) != had:
            nas.options = dict(options)
            changed.append("options")
            detail["options"] = [had, dict(options)]
        profile = profile_named(self._renderer.profiles(), nas.profile, nas.name)
        check_settings(nas.name, profile, nas.transport, nas.options)
        if (nas.transport or profile.transports[0]) != "local" and not nas.address:
            raise BadFields(f"NAS {nas.name}", {"address": "is missing"}, remedy=f"profile {profile.name} is reached by one")
        if changed or act == "nas.create":
            self._try_at_once(session, nas)
            self._note(session, act, "NAS", nas.name, detail)
        return changed

    def delete(self, key: str | int, expected: int | None = None) -> None:
        """One on which nobody is or should be."""
        with self._database.write() as session:
            nas = find_nas(session, key)
            check_version(nas, expected, f"NAS {nas.name}")
            counts = (
                select(func.count()).select_from(Placement).where(Placement.nas_id == nas.id),
                select(func.count()).select_from(Subaccount).where(Subaccount.nas_id == nas.id, Subaccount.deleted_at.is_(None)),
                select(func.count()).select_from(Account).where(Account.nas_id == nas.id, Account.deleted_at.is_(None)),
            )
            if used := max(session.scalar(count) or 0 for count in counts):
                raise InputError(
                    f"NAS {nas.name}: {used} subscribers are on it or should be",
                    remedy="give them another NAS and wait until they are gone from this one",
                )
            for table in (Account, Subaccount):  # the deleted ones are kept
                session.execute(update(table).where(table.nas_id == nas.id).values(nas_id=None))
            session.delete(nas)
            events.note(session, events.Topic.NASES, [nas.id])
            self._note(session, "nas.delete", "NAS", nas.name)

    def set_template(self, key: str | int, action: Action, source: str | None, file: str) -> bool:
        """Put an operator's template into force; its placements are marked. False if it is in force already."""
        with self._database.write() as session:
            nas = find_nas(session, key)
            saved = save_template(self._renderer, nas, action, source, file, self._clock())
            if saved:
                mark_changed(session, Placement.nas_id == nas.id)
                events.note(session, events.Topic.NASES, [nas.id])
                self._note(session, "template.set", "NAS", nas.name, {"action": action.value, "own": source is not None})
        return saved

    def trust(self, key: str | int, host_key: str) -> None:
        with self._database.write() as session:
            nas = find_nas(session, key)
            self._note(session, "nas.trust", "NAS", nas.name, {"host_key": [nas.host_key, host_key]})
            nas.host_key = host_key
            self._try_at_once(session, nas)

    def refill(self, key: str | int) -> int:
        """What is recorded as present on the NAS is not certain any more (it lost its state): the next run sends it all again.
        Who had access keeps counting against the blast radius. The number of placements."""
        with self._database.write() as session:
            nas = find_nas(session, key)
            there = (Placement.nas_id == nas.id) & (Placement.presence == Presence.PRESENT)
            mark_changed(session, there)
            done = session.execute(update(Placement).where(there).values(presence=Presence.UNKNOWN))
            self._try_at_once(session, nas)
            count = int(done.rowcount)  # type: ignore[attr-defined]
            self._note(session, "nas.refill", "NAS", nas.name, {"placements": count})
            return count

    def release(self, key: str | int, cut_off: int) -> None:
        """Let the next plan of the NAS cut off up to so many placements."""
        with self._database.write() as session:
            nas = find_nas(session, key)
            nas.released = cut_off
            if (nas.report or {}).get("orphans_held"):
                nas.resync_at = 0
            self._try_at_once(session, nas)
            self._note(session, "hold.release", "NAS", nas.name, {"placements": cut_off})

    def resync(self, key: str | int) -> None:
        """The background job reads everything back and repairs it, at once."""
        with self._database.write() as session:
            nas = find_nas(session, key)
            nas.resync_at = 0
            self._try_at_once(session, nas)
            self._note(session, "nas.resync", "NAS", nas.name)

    def maintenance(self, key: str | int, reason: str | None) -> None:
        """Leave the NAS alone, for a reason; None: take it into service again, and read it back at once."""
        with self._database.write() as session:
            nas = find_nas(session, key)
            self._note(session, "nas.maintenance", "NAS", nas.name, {"maintenance": [nas.maintenance, reason]})
            nas.maintenance = None if reason is None else reason or "no reason given"
            if reason is None:
                nas.resync_at = 0
            self._try_at_once(session, nas)

    def _try_at_once(self, session: Session, nas: Nas) -> None:
        """An operator did something about this NAS: the background job does not wait for its next try."""
        nas.retry_at = 0
        wake_after_commit(session, [nas.id], urgent=True)
        events.note(session, events.Topic.NASES, [nas.id])
