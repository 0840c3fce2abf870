"""Importing a site file: the whole file or nothing, every bad row named with its line and reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session, selectinload

from ebs_core.crypto import SecretBox
from ebs_core.domain import speed
from ebs_core.domain.actions import ORIGINAL_NAMES, Action
from ebs_core.domain.errors import BadFile, InputError, Problem, TemplateError
from ebs_core.domain.rules import AccessType
from ebs_core.domain.text import visible
from ebs_core.ports import Renderer
from ebs_core.services import audit, fields
from ebs_core.services.addresses import AddressBook
from ebs_core.services.audit import SYSTEM, Actor
from ebs_core.services.edit import set_fields, set_speed
from ebs_core.services.nases import check_settings, profile_named
from ebs_core.services.placements import follow_accounts, mark_changed
from ebs_core.services.sitefile import SUBACCOUNT_PREFIX, Row, SiteFile
from ebs_core.services.templates import save_template
from ebs_core.services.timed import plan_ahead
from ebs_core.services.trial import Trial
from ebs_core.storage import events
from ebs_core.storage.database import Database, wake_after_commit
from ebs_core.storage.tables import Account, AccountTariff, Nas, Placement, Subaccount, Tariff

_SHOWN = 50


@dataclass(slots=True)
class Imported:
    """How many objects were made and changed, by section."""

    new: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)

    def note(self, what: str, *, new: bool, changed: bool) -> None:
        if new:
            self.new[what] = self.new.get(what, 0) + 1
        elif changed:
            self.changed[what] = self.changed.get(what, 0) + 1


@dataclass(slots=True)
class _Parsed:
    """A row with its values read; ``values`` only has the fields that could be read."""

    row: Row
    name: str
    values: dict[str, Any]


class Importer:
    def __init__(
        self,
        database: Database,
        renderer: Renderer,
        secrets: SecretBox,
        trial: Trial,
        clock: Callable[[], datetime],
        actor: Actor = SYSTEM,
    ) -> None:
        self._actor = actor
        self._database = database
        self._renderer = renderer
        self._secrets = secrets
        self._trial = trial
        self._clock = clock

    def import_site(self, site: SiteFile) -> Imported:
        """Raises BadFile with every problem; then nothing was changed."""
        with self._database.write() as session:
            run = _Import(self._renderer, self._secrets, session, site, self._clock())
            done = run.run()
            if not run.problems:
                run.try_rendering(self._trial)
            if run.problems:
                _refuse(site.path, run.problems)
            events.note(session, events.Topic.NASES, None)
            events.note(session, events.Topic.TARIFFS, None)
            audit.note(
                session, self._actor, "site.import", "file", Path(site.path).name, {"new": done.new, "changed": done.changed}
            )
        return done


def _refuse(path: str, problems: Sequence[Problem]) -> None:
    ordered = sorted(set(problems), key=lambda problem: (problem.line, problem.column, problem.message))
    shown = ordered[:_SHOWN]
    if len(ordered) > _SHOWN:
        shown.append(Problem(f"… and {len(ordered) - _SHOWN} more", file=path))
    raise BadFile(f"{path}: nothing was imported, {len(ordered)} problem{'s' * (len(ordered) > 1)}:", shown)


class _Import:
    """One import within one transaction."""

    def __init__(self, renderer: Renderer, secrets: SecretBox, session: Session, site: SiteFile, now: datetime) -> None:
        self._renderer = renderer
        self._secrets = secrets
        self._session = session
        self._site = site
        self._now = now
        self.problems: list[Problem] = list(site.problems)
        self._done = Imported()
        self._nases: dict[str, Nas] = {}
        self._tariffs: dict[str, Tariff] = {}
        self._touched: dict[str, tuple[Account, Row]] = {}
        self._subaccount_lines: dict[str, int] = {}
        self._new_tariffs: list[Account] = []

    def run(self) -> Imported:
        self._check_columns()
        nas_rows = self._parse("nases", fields.NAS, "name", maps={"options", "templates"})
        tariff_rows = self._parse("tariffs", fields.TARIFF, "name", maps={"speed"})
        account_rows = self._parse("accounts", fields.ACCOUNT, "username", rows={"subaccounts"})
        self._write_nases(nas_rows)
        self._write_tariffs(tariff_rows)
        self._write_accounts(account_rows)
        if self.problems:
            return self._done
        try:
            self._session.flush()
            follow_accounts(self._session, [account.id for account, _ in self._touched.values()], self._renderer.profiles())
        except InputError as error:
            self.problems.append(Problem(error.message, file=self._site.path))
        return self._done

    def try_rendering(self, trial: Trial) -> None:
        """Values that a NAS cannot be given are refused now, not at night when they are due."""
        self._session.flush()
        accounts = {account.id: (account, row) for account, row in self._touched.values()}
        for refusal in trial.refusals(self._session, accounts):
            line = self._subaccount_lines.get(refusal.subaccount) or accounts[refusal.account_id][1].line
            self._problem(line, refusal.message)

    # -- reading rows

    def _check_columns(self) -> None:
        for column in self._site.columns:
            subaccount = column.startswith(SUBACCOUNT_PREFIX)
            known = fields.SUBACCOUNT if subaccount else fields.ACCOUNT
            if column.removeprefix(SUBACCOUNT_PREFIX if subaccount else "") not in known:
                self._problem(1, f"there is no column {column!r}")

    def _problem(self, line: int, message: str, column: int = 0) -> None:
        self.problems.append(Problem(message, line, column, self._site.path))

    def _parse(
        self,
        section: str,
        known: Mapping[str, fields.Field],
        name_field: str,
        maps: Iterable[str] = (),
        rows: Iterable[str] = (),
        source: Sequence[Row] | None = None,
        seen: dict[str, int] | None = None,
    ) -> list[_Parsed]:
        found = []
        seen = {} if seen is None else seen
        word = section.removesuffix("es") if section == "nases" else section.removesuffix("s")
        for row in self._site.rows.get(section, ()) if source is None else source:
            label = f"{word} {visible(row.fields.get(name_field, '').strip()[:80]) or '(no ' + name_field + ')'}"
            for name in [*([] if self._site.columns else row.fields), *row.maps, *row.rows]:
                if name not in known and name not in maps and name not in rows:
                    self._problem(row.line_of(name), f"{label}: there is no field {name!r}")
            for name in [*row.maps, *row.rows]:
                if name in known:
                    self._problem(row.line_of(name), f"{label}: {name} must be a single value")
            for name in row.maps:
                if name in rows:
                    self._problem(row.line_of(name), f"{label}: {name} must be a list")
            for name in row.rows:
                if name in maps:
                    self._problem(row.line_of(name), f"{label}: {name} must be a mapping")
            for name in row.fields:
                if (name in maps or name in rows) and row.fields[name]:
                    self._problem(row.line_of(name), f"{label}: {name} cannot be a single value")
            values = self._read_fields(row, known, label)
            named = values.get(name_field)
            if named is None:
                if name_field not in row.fields:
                    self._problem(row.line, f"{label}: {name_field} is missing")
                continue
            if named in seen:
                self._problem(row.line_of(name_field), f"{label}: stands twice, first in line {seen[named]}")
                continue
            seen[named] = row.line_of(name_field)
            found.append(_Parsed(row, named, values))
        return found

    def _read_fields(self, row: Row, known: Mapping[str, fields.Field], label: str) -> dict[str, Any]:
        return fields.parse_all(
            known, row.fields, lambda name, reason: self._problem(row.line_of(name), f"{label}: {name}: {reason}")
        )

    # -- NASes

    def _write_nases(self, rows: Sequence[_Parsed]) -> None:
        if self._session.get_bind().dialect.name == "postgresql":  # placements before their NAS, as everybody locks them
            named = select(Nas.id).where(Nas.name.in_([parsed.name for parsed in rows]))
            concerned = select(Placement.id).where(Placement.nas_id.in_(named)).order_by(Placement.id)
            self._session.execute(concerned.with_for_update())
        self._nases = {nas.name: nas for nas in self._session.scalars(select(Nas).options(selectinload(Nas.templates)))}
        for parsed in rows:
            try:
                self._write_nas(parsed)
            except InputError as error:
                self._problem(parsed.row.line, str(error).replace("\n  → ", "; "))

    def _write_nas(self, parsed: _Parsed) -> None:
        nas = self._nases.get(parsed.name)
        is_new = nas is None
        if nas is None:
            if "profile" not in parsed.values:
                if "profile" not in parsed.row.fields:
                    self._problem(parsed.row.line, f"NAS {parsed.name}: profile is missing")
                return
            nas = Nas(name=parsed.name, profile=parsed.values["profile"])
            self._nases[parsed.name] = nas
            self._session.add(nas)
        if key_file := parsed.values.get("key_file"):
            parsed.values["key_file"] = str((Path(self._site.path).parent / Path(key_file).expanduser()).absolute())
        changed = set_fields(nas, fields.NAS, parsed.values, self._secrets)
        options = parsed.row.maps.get("options")
        if options is not None and options != nas.options:
            nas.options = dict(options)
            changed.append("options")
        profile = profile_named(self._renderer.profiles(), nas.profile, nas.name)
        check_settings(nas.name, profile, nas.transport, nas.options)
        transport = nas.transport or profile.transports[0]
        if transport != "local" and not nas.address:
            raise InputError(f"NAS {nas.name}: address is missing", remedy=f"transport {transport} needs one")
        changed += self._write_templates(nas, parsed.row)
        if changed and not is_new:
            nas.retry_at = 0
            mark_changed(self._session, Placement.nas_id == nas.id)
            wake_after_commit(self._session, [nas.id])
        self._done.note("NASes", new=is_new, changed=bool(changed))

    def _write_templates(self, nas: Nas, row: Row) -> list[str]:
        changed = []
        for name, source in row.maps.get("templates", {}).items():
            action = ORIGINAL_NAMES.get(name, name)
            if action not in set(Action):
                self._problem(row.line_of("templates"), f"NAS {nas.name}: there is no action {name!r}")
                continue
            try:
                if save_template(self._renderer, nas, Action(action), source, f"{nas.name}/{action}", self._now):
                    changed.append(action)
            except TemplateError as error:
                for problem in error.problems:
                    where = f"template {action}, line {problem.line}, column {problem.column}"
                    self._problem(row.line_of("templates"), f"NAS {nas.name}: {where}: {problem.message}")
        return changed

    # -- tariffs

    def _write_tariffs(self, rows: Sequence[_Parsed]) -> None:
        self._tariffs = {tariff.name: tariff for tariff in self._session.scalars(select(Tariff))}
        for parsed in rows:
            tariff = self._tariffs.get(parsed.name)
            is_new = tariff is None
            if tariff is None:
                tariff = self._tariffs[parsed.name] = Tariff(name=parsed.name)
                access = parsed.values.get("access_type", AccessType.IPOE)
                parsed.values.setdefault("nas_actions", not AccessType(access).is_vpn)
                self._session.add(tariff)
            changed = set_fields(tariff, fields.TARIFF, parsed.values, self._secrets)
            changed += self._write_speed(tariff, parsed)
            if changed and not is_new:
                concerned = select(Account.id).where(Account.tariff_id == tariff.id)
                mark_changed(self._session, Placement.account_id.in_(concerned))
            self._done.note("tariffs", new=is_new, changed=bool(changed))

    def _write_speed(self, tariff: Tariff, parsed: _Parsed) -> list[str]:
        typed = parsed.row.maps.get("speed")
        if typed is None:
            return []
        try:
            new = speed.read(typed)
        except ValueError as error:
            self._problem(parsed.row.line_of("speed"), f"tariff {parsed.name}: speed: {error}")
            return []
        try:
            return set_speed(tariff, new)
        except InputError as error:
            self._problem(parsed.row.line_of("speed"), str(error).replace("\n  → ", "; "))
            return []

    # -- accounts and subaccounts

    def _write_accounts(self, rows: Sequence[_Parsed]) -> None:
        accounts = self._existing_accounts([parsed.name for parsed in rows])
        seen: dict[str, int] = {}
        subaccounts = {
            parsed.name: self._parse(
                "subaccounts",
                fields.SUBACCOUNT,
                "username",
                source=parsed.row.rows.get("subaccounts", ()),
                seen=seen,
            )
            for parsed in rows
        }
        existing = self._existing_subaccounts(list(seen))
        for parsed in rows:
            self._write_account(parsed, accounts)
        self._session.flush()
        self._write_history()
        book = AddressBook(self._session, {nas.id: name for name, nas in self._nases.items()})
        ready = []
        for parsed in rows:
            account, _ = self._touched.get(parsed.name, (None, None))
            for subaccount in subaccounts[parsed.name]:
                values = self._subaccount_values(account, subaccount, existing, book)
                if account is not None and values is not None:
                    ready.append((account, subaccount, values))
        for line, message in book.conflicts():
            self._problem(line, message)
        if self.problems:
            return
        book.free()
        for account, subaccount, values in ready:
            self._write_subaccount(account, subaccount, values, existing)

    def _existing_accounts(self, names: Sequence[str]) -> dict[str, Account]:
        found: dict[str, Account] = {}
        for start in range(0, len(names), 5000):
            query = select(Account).where(Account.username.in_(names[start : start + 5000]), Account.deleted_at.is_(None))
            query = query.order_by(Account.id).with_for_update(key_share=True)
            found.update((account.username, account) for account in self._session.scalars(query))
        return found

    def _existing_subaccounts(self, names: Sequence[str]) -> dict[str, Subaccount]:
        found: dict[str, Subaccount] = {}
        for start in range(0, len(names), 5000):
            query = select(Subaccount).where(
                Subaccount.username.in_(names[start : start + 5000]), Subaccount.deleted_at.is_(None)
            )
            query = query.order_by(Subaccount.id).with_for_update(key_share=True)
            found.update((subaccount.username, subaccount) for subaccount in self._session.scalars(query))
        return found

    def _write_account(self, parsed: _Parsed, accounts: dict[str, Account]) -> None:
        references = self._references(parsed, "account")
        if references is None:
            return
        account = accounts.get(parsed.name)
        is_new = account is None
        if account is None:
            account = accounts[parsed.name] = Account(username=parsed.name, created_at=self._now)
            self._session.add(account)
        plain = {name: value for name, value in parsed.values.items() if name not in _WORDS}
        changed = set_fields(account, fields.ACCOUNT, plain, self._secrets)
        if "tariff" in references:
            changed += self._give_tariff(account, references["tariff"])
        if "nas" in references:
            nas = references["nas"]
            self._flush_for(nas)
            changed += set_fields(account, fields.ACCOUNT, {"nas": nas.id if nas else None}, self._secrets)
        if "next_tariff" in references:
            tariff = references["next_tariff"]
            self._flush_for(tariff)
            changed += set_fields(account, fields.ACCOUNT, {"next_tariff": tariff.id if tariff else None}, self._secrets)
        try:
            plan_ahead(account)
        except InputError as error:
            self._problem(parsed.row.line, error.message)
        self._touched[parsed.name] = (account, parsed.row)
        self._done.note("accounts", new=is_new, changed=bool(changed))

    def _flush_for(self, referred: Nas | Tariff | None) -> None:
        """Give a new object its id."""
        if referred is not None and referred.id is None:
            self._session.flush()

    def _give_tariff(self, account: Account, tariff: Tariff | None) -> list[str]:
        self._flush_for(tariff)
        tariff_id = tariff.id if tariff else None
        if account.tariff_id == tariff_id:
            return []
        account.tariff_id = tariff_id
        self._new_tariffs.append(account)
        return ["tariff"]

    def _write_history(self) -> None:
        """All at once: an account has no id before it is flushed."""
        rows = [{"account_id": account.id, "tariff_id": account.tariff_id, "since": self._now} for account in self._new_tariffs]
        if rows:
            self._session.execute(insert(AccountTariff), rows)

    def _references(self, parsed: _Parsed, what: str) -> dict[str, Any] | None:
        """The objects that the row names; None when one does not exist (then it is reported)."""
        found: dict[str, Any] = {}
        known: dict[str, Mapping[str, Any]] = {"tariff": self._tariffs, "next_tariff": self._tariffs, "nas": self._nases}
        complete = True
        for name, objects in known.items():
            if name not in parsed.values:
                continue
            wanted = parsed.values[name]
            found[name] = objects.get(wanted) if wanted else None
            if wanted and found[name] is None:
                self._problem(parsed.row.line_of(name), f"{what} {parsed.name}: there is no {_WORDS[name]} {wanted!r}")
                complete = False
        return found if complete else None

    def _subaccount_values(
        self, account: Account | None, parsed: _Parsed, existing: Mapping[str, Subaccount], book: AddressBook
    ) -> dict[str, Any] | None:
        """What to write, with ids for names; None (and a problem) if it cannot be."""
        references = self._references(parsed, "subaccount")
        if references is None:
            return None
        values = {**parsed.values, **{name: object_.id if object_ else None for name, object_ in references.items()}}
        old = existing.get(parsed.name)
        if old is not None and account is not None and old.account_id != account.id:
            owner = self._session.get_one(Account, old.account_id).username
            self._problem(parsed.row.line, f"subaccount {parsed.name}: belongs to account {owner} already")
            return None
        book.want(parsed.name, old, values, parsed.row.line_of)
        return values

    def _write_subaccount(
        self, account: Account, parsed: _Parsed, values: Mapping[str, Any], existing: Mapping[str, Subaccount]
    ) -> None:
        subaccount = existing.get(parsed.name)
        is_new = subaccount is None
        if subaccount is None:
            subaccount = Subaccount(account_id=account.id, username=parsed.name)
            self._session.add(subaccount)
        changed = set_fields(subaccount, fields.SUBACCOUNT, values, self._secrets)
        self._subaccount_lines[parsed.name] = parsed.row.line
        self._done.note("subaccounts", new=is_new, changed=bool(changed))


_WORDS = {"tariff": "tariff", "next_tariff": "tariff", "nas": "NAS"}
"""Fields that name another object, and what that is."""
