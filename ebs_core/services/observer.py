"""Reading a NAS back and finding what differs from what its placements' commands left there.

Nothing is remembered but the lines that were found right (``Placement.lines``): a reading in which every placement's lines occur,
and no others, is right as a whole, and costs two set operations. Only what does not fit is parsed, and only whom it concerns is
rendered and folded again.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from sqlalchemy import select

from ebs_core.crypto import SecretBox
from ebs_core.domain.drift import Expected, Found, Is, Matched, Tags, compare, describe, mended, unequal
from ebs_core.domain.errors import EbsError
from ebs_core.domain.placement import Kind, Presence, Repair, Seen
from ebs_core.domain.records import DeviceModel, Reading, Record, TableKind, Vitals
from ebs_core.domain.text import mask
from ebs_core.ports import Backends, Session
from ebs_core.services.nases import NasContext
from ebs_core.services.placements import chunks
from ebs_core.services.planner import PlannedPlacement, Planner
from ebs_core.services.results import SeenRow
from ebs_core.services.scan import scan
from ebs_core.services.setup import NasSetup
from ebs_core.storage.database import Database
from ebs_core.storage.tables import Placement

SEPARATOR = "\x1e"
"""Between the lines of a placement."""
SHOWN = 1000
"""Orphans and strangers that a report lists; the others are counted."""
_FEW = 20
"""Read back so few placements by looking for their lines only."""
_TRIES = (
    Repair.NOTHING,
    Repair.ACCESS,
    Repair.SPEED,
    Repair.ACCESS | Repair.SPEED,
    Repair.RECORDS | Repair.ACCESS,
    Repair.RECORDS | Repair.ACCESS | Repair.SPEED,
)
"""What may mend a placement, the fewest commands first."""
_PLAIN = re.compile(r"[ !#-\[\]-~]*").fullmatch
"""A key that a line spells as it is: ASCII without quotes and backslashes."""


class _Every:
    def __contains__(self, table: object) -> bool:
        return True


_EVERY_TABLE = _Every()


@dataclass(slots=True)
class Findings:
    """What one look found. ``rows`` has only what is news of placements."""

    rows: list[SeenRow] = field(default_factory=list)
    due: frozenset[int] = frozenset()
    """Placements that were not as desired before anybody looked."""
    right: int = 0
    drifted: dict[str, list[str]] = field(default_factory=dict)
    """Differences by placement label, for people."""
    repairs: dict[str, Repair] = field(default_factory=dict)
    """What mends them, likewise."""
    orphans: list[Found] = field(default_factory=list)
    strangers: list[Found] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """Records of the NAS's own set-up that are not there: it lost its state."""
    vitals: Vitals = Vitals()  # noqa: RUF009
    places: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    """What to read next time: properties and lists by table."""


class Survey(NamedTuple):
    """What is there, beside what would be there if the placements were."""

    expected: dict[int, Expected]
    found: list[Found]
    kinds: dict[str, TableKind]
    """Of the tables that were read."""


@dataclass(slots=True)
class _Scope:
    """Tables to read, with the needed properties and the lists on which ours stand."""

    properties: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    places: dict[str, set[tuple[str, ...]]] = field(default_factory=lambda: defaultdict(set))

    @classmethod
    def of(cls, report: Mapping[str, Any] | None) -> _Scope:
        scope = cls()
        for table, known in ((report or {}).get("tables") or {}).items():
            scope.properties[table].update(known["properties"])
            scope.places[table].update(tuple(place) for place in known["places"])
        return scope

    def add(self, table: str, record: Record, place: Sequence[str]) -> None:
        self.properties[table].update(record)
        self.places[table].add(tuple([record.get(name, "") for name in place]))

    def view(self) -> dict[str, dict[str, list[Any]]]:
        return {
            table: {"properties": sorted(names), "places": sorted(map(list, self.places[table]))}
            for table, names in sorted(self.properties.items())
        }


class Observer:
    """Thread-safe: each look has its own transactions; the device session is the caller's."""

    def __init__(self, database: Database, planner: Planner, setup: NasSetup, backends: Backends, secrets: SecretBox) -> None:
        self._database = database
        self._planner = planner
        self._setup = setup
        self._backends = backends
        self._secrets = secrets

    def look(self, context: NasContext, device: Session) -> Findings:
        """Read everything of the NAS. The caller has its lease. Raises NasError."""
        return _Look(self, context, device).everything()

    def look_at(self, context: NasContext, device: Session, items: Sequence[PlannedPlacement]) -> Findings:
        """Read back what was just sent for these placements, which are in step. Raises NasError."""
        return _Look(self, context, device).after(items)

    def survey(self, context: NasContext, device: Session, items: Sequence[PlannedPlacement]) -> Survey:
        """Everything in the tables that these placements write to, whoever made it. Raises NasError."""
        return _Look(self, context, device).survey(items)

    def predicted(self, context: NasContext, item: PlannedPlacement, *, desired: bool) -> DeviceModel:
        """What the commands of a placement leave on an empty device; raises EbsError where they cannot be rendered. If not
        ``desired``: what was applied, without a speed that is not that of today any more."""
        model = DeviceModel()
        if desired:
            for kind in (Kind.ADD, _access(item.due.desired.enabled), Kind.SPEED):
                self.fold(context, item, kind, model)
            return model
        applied = item.due.applied
        kinds = [Kind.ADD, _access(applied.enabled is not False)]
        if applied.speed in (None, item.due.desired.speed):
            kinds.append(Kind.SPEED)
        for kind in kinds:
            self.fold(context, item, kind, model, item.applied_values)
        return model

    def fold(
        self,
        context: NasContext,
        item: PlannedPlacement,
        kind: Kind,
        model: DeviceModel,
        values: Mapping[str, object] | None = None,
    ) -> None:
        commands = self._planner.commands(context, item, kind, item.values if values is None else values)
        self._backends.fold(context.profile, commands, model)

    def setup_records(self, context: NasContext) -> Expected:
        """The records of the NAS's own set-up, if EBS set it up."""
        if context.facts.nas.bootstrapped_at is None:
            return []
        model = DeviceModel()
        self._backends.fold(context.profile, self._setup.bootstrap_commands_of(context), model)
        return list(model)

    def repair(self, context: NasContext, item: PlannedPlacement, expected: Expected, found: Sequence[Found]) -> Repair:
        """The least that makes ``expected`` of what was found of a placement; records in unreadable tables are not judged."""
        for repair in _TRIES:
            model = DeviceModel()
            for one in found:
                model.add(one.table, one.record)
            for kind in _kinds(repair, item):
                self.fold(context, item, kind, model)
            model.tables = {table: records for table, records in model.tables.items() if self.kind(context, table)}
            if mended(model, [(table, record) for table, record in expected if self.kind(context, table)]):
                return repair
        return _TRIES[-1]

    def kind(self, context: NasContext, table: str) -> TableKind | None:
        """None for a table that cannot be read from this NAS."""
        return self._backends.table(context.profile, table)

    def describe(self, context: NasContext, one: Found) -> str:
        """The record, for people."""
        return f"{one.table}: {describe(one.record, self.kind(context, one.table))}"


class _Look:
    """One look at one NAS."""

    def __init__(self, observer: Observer, context: NasContext, device: Session) -> None:
        self._observer = observer
        self._database = observer._database
        self._planner = observer._planner
        self._backends = observer._backends
        self._context = context
        self._device = device
        self._tags = Tags(context.profile.tag)
        self._kinds: dict[str, Any] = {}
        self._scope = _Scope.of(context.facts.nas.report)
        self._items: dict[int, PlannedPlacement] = {}
        self._expected: dict[int, Expected] = {}
        self._vague: dict[int, Container[str]] = {}
        self._living: set[int] = set()
        """Placements of this NAS of which something should be, or may be, there."""
        self._blind: set[int] = set()
        """Those whose records cannot be predicted: what has their tag is left alone."""
        self._as_desired = False
        """What is due for the placements at hand was sent, or is to be taken as sent."""
        self._findings = Findings()

    # -- everything

    def everything(self) -> Findings:
        context = self._context
        with self._database.read() as session:
            due = {found.placement_id for found in scan(session, context).due}
            query = select(Placement.id, Placement.lines, Placement.presence, Placement.seen)
            rows = session.connection().execute(query.where(Placement.nas_id == context.id)).all()
            known = {id_: lines for id_, lines, presence, _ in rows if lines is not None and id_ not in due}
            if not self._scope.properties:
                known = {}  # it is not remembered what to read: everybody's templates say so again
            seen = {id_: Seen(seen) for id_, _, _, seen in rows}
            there = {id_ for id_, _, presence, _ in rows if presence != Presence.ABSENT}
            self._living = there | due
            self._expect(self._planner.inspect(session, context, there - known.keys()))
        self._findings.due = frozenset(due)
        setup = self._setup_records()
        reading = self._read()
        lines = self._lines(reading)
        claimed, suspects = _claims(known, lines)
        left = self._parse(reading, [lines[key] for key in lines.keys() - claimed])
        owners = {self._tags.owner(one.record, self._kind(one.table)) for one in left}
        if more := known.keys() & owners - suspects:  # they have more than they had
            claimed = _claims_of(known.keys() - suspects - more, known)
            left = self._parse(reading, [lines[key] for key in lines.keys() - claimed])
            suspects |= more
        if suspects:
            with self._database.read() as session:
                self._expect(self._planner.inspect(session, context, suspects))
        matched, rest = compare(
            self._expected, left, self._kind, reading.lines, self._tags, self._vague, self._living, self._shared(reading)
        )
        for subject, mine in matched.items():
            if subject not in due or self._is_known(subject):
                self._judge(subject, mine, reading, seen.get(subject, Seen.NOT_YET))
            if subject not in due:
                self._findings.orphans += mine.surplus
        self._findings.right += len(known) - len(suspects)
        self._nobodys(_without_setup(setup, rest, reading, self._findings.lost))
        return self._finish(reading)

    def _shared(self, reading: Reading) -> Callable[[str, Record], Found | None]:
        """Finds the line of exactly this record, whoever has it."""

        def find(table: str, record: Record) -> Found | None:
            needle = max((record[name] for name in self._kind(table).key), key=len)
            likely = [line for line in reading.lines.get(table, ()) if needle in line]
            found = self._parse(reading, [(table, line) for line in likely])
            return next((one for one in found if not unequal(record, one.record)), None)

        return find

    def _is_due(self, item: PlannedPlacement) -> bool:
        """Something is still to be sent to him."""
        return bool(item.due.steps) and not self._as_desired

    def _is_known(self, subject: int) -> bool:
        """Something is due for him, but of what was applied it is known how it should look."""
        desired, applied = self._items[subject].due.desired, self._items[subject].due.applied
        same = desired.present and applied.presence is Presence.PRESENT and applied.revision == desired.revision
        return same and applied.enabled is not None

    def _parse(self, reading: Reading, lines: Iterable[tuple[str, str]]) -> list[Found]:
        return [Found(table, line, reading.parse(table, line)) for table, line in lines]

    def _setup_records(self) -> Expected:
        try:
            records = self._observer.setup_records(self._context)
        except EbsError:
            return []  # planning names what is wrong with the NAS's options
        for table, record in records:
            if self._kind(table) is not None:
                self._scope.add(table, record, self._kind(table).place)
        return records

    def _expect(self, items: Iterable[PlannedPlacement]) -> None:
        for item in items:
            id_ = item.due.placement_id
            try:
                model = self._observer.predicted(self._context, item, desired=not self._is_due(item))
            except EbsError:
                self._blind.add(id_)
                continue
            self._items[id_], self._expected[id_] = item, list(model)
            self._vague[id_] = _EVERY_TABLE if model.opaque else model.vague
            self._learn(model)
            if not item.due.desired.enabled:  # to be read also while he has no record there
                model = DeviceModel()
                with suppress(EbsError):
                    self._observer.fold(self._context, item, Kind.ENABLE, model)
                self._learn(model)

    def _learn(self, model: DeviceModel) -> None:
        """Which tables and properties to read."""
        for table, record in model:
            kind = self._kind(table)
            if kind is not None:
                self._scope.add(table, record, kind.place)

    def _kind(self, table: str) -> Any:
        if table not in self._kinds:
            self._kinds[table] = self._observer.kind(self._context, table)
        return self._kinds[table]

    def _read(self, near: Mapping[str, Sequence[Record]] | None = None) -> Reading:
        wanted = {table: frozenset(names) for table, names in self._scope.properties.items() if self._kind(table) is not None}
        if near is not None:
            wanted = {table: names for table, names in wanted.items() if table in near}
        if not wanted:
            return Reading({}, lambda table, line: {}, self._device.vitals())
        return self._device.observe(wanted, near)

    def _keep(self, reading: Reading) -> Callable[[str, str], str]:
        """How a line is stored: as it is, or only its fingerprint where it carries a secret."""
        fingerprint = self._observer._secrets.fingerprint

        def keep(table: str, line: str) -> str:
            secret = table in reading.secret or SEPARATOR in line or "\x00" in line
            return f"{table}\t#{fingerprint(line)}" if secret else f"{table}\t{line}"

        return keep

    def _lines(self, reading: Reading) -> dict[str, tuple[str, str]]:
        """Every line that was read, by the form in which it is stored."""
        found: dict[str, tuple[str, str]] = {}
        keep = self._keep(reading)
        for table, lines in reading.lines.items():
            if table in reading.secret:
                found.update({keep(table, line): (table, line) for line in lines})
            else:
                found.update({f"{table}\t{line}": (table, line) for line in lines})
        return found

    # -- after an apply

    def after(self, items: Sequence[PlannedPlacement]) -> Findings:
        self._as_desired = True
        self._expect(items)
        near: dict[str, list[Record]] = defaultdict(list)
        for expected in self._expected.values():
            for table, record in expected:
                near[table].append(record)
        for table in self._scope.properties:
            near.setdefault(table, [])
        reading = self._read(near)
        found = [
            one
            for table, lines in reading.lines.items()
            for one in self._parse(reading, [(table, line) for line in self._near(table, lines, near.get(table, ()), reading)])
        ]
        matched, _ = compare(
            self._expected, found, self._kind, reading.lines, self._tags, self._vague, None, self._shared(reading)
        )
        for subject, mine in matched.items():
            self._judge(subject, mine, reading, Seen.NOT_YET)
            self._findings.orphans += mine.surplus
        return self._finish(reading)

    def _near(self, table: str, lines: list[str], records: Sequence[Record], reading: Reading) -> Iterable[str]:
        """The lines that may concern the placements at hand."""
        kind = self._kind(table)
        tags = {self._tags.tag(subject) for subject in self._expected}
        told = all(record.get(kind.tag) in tags or any(record.get(name) for name in kind.key) for record in records)
        needles = tags | {record[name] for record in records for name in kind.key if record.get(name)}
        if told and len(self._expected) <= _FEW and all(map(_PLAIN, needles)):
            return [line for line in lines if any(needle in line for needle in needles)]
        keep = self._keep(reading)
        claimed = self._claimed
        return [line for line in lines if keep(table, line) not in claimed] if claimed else lines

    @cached_property
    def _claimed(self) -> set[str]:
        """The lines of all placements that were found right."""
        query = select(Placement.lines).where(Placement.nas_id == self._context.id, Placement.lines != "")
        with self._database.read() as session:
            return set(SEPARATOR.join(filter(None, session.scalars(query))).split(SEPARATOR))

    def survey(self, items: Sequence[PlannedPlacement]) -> Survey:
        self._as_desired = True
        self._expect(items)
        reading = self._read()
        found = self._parse(reading, [(table, line) for table, lines in reading.lines.items() for line in lines])
        return Survey(self._expected, found, {table: kind for table in reading.lines if (kind := self._kind(table))})

    # -- judging

    def _judge(self, subject: int, mine: Matched, reading: Reading, seen: Seen) -> None:
        item, expected = self._items[subject], self._expected[subject]
        if not mine.readable or not (expected or self._writes_nothing(item)):
            if seen is not Seen.UNREADABLE:
                self._findings.rows.append(SeenRow(subject, Seen.UNREADABLE))
            return
        wrong = [difference for difference in mine.differences if difference.kind is not Is.SURPLUS]
        if mine.differences:
            self._findings.drifted[item.label] = [str(difference) for difference in mine.differences]
        if not wrong:
            self._right(item, mine, reading)
            return
        first = seen is Seen.NOT_YET and not self._is_due(item)
        repair = self._findings.repairs[item.label] = self._repair(item, mine)
        failure = f"sent and confirmed, but not there when read back: {wrong[0]}" if first else None
        self._findings.rows.append(
            SeenRow(
                subject,
                Seen.DIFFERENT,
                differences=[difference._asdict() for difference in mine.differences],
                repair=repair,
                failure=failure,
                attempts=item.due.attempts + 1 if first else item.due.attempts if self._is_due(item) else 0,
                changed=item.due.changed,
            )
        )

    def _right(self, item: PlannedPlacement, mine: Matched, reading: Reading) -> None:
        if self._is_due(item):
            return  # as it was applied; what is due is sent anyway
        subject = item.due.placement_id
        self._findings.right += 1
        if any(self._kind(table) is not None and table not in reading.lines for table, _ in self._expected[subject]):
            self._findings.rows.append(SeenRow(subject, Seen.NOT_YET))  # a part of it could not be read
            return
        keep = self._keep(reading)
        lines = SEPARATOR.join(keep(found.table, found.line) for found in mine.found)
        self._findings.rows.append(SeenRow(subject, Seen.RIGHT, lines))

    def _writes_nothing(self, item: PlannedPlacement) -> bool:
        kinds = (Kind.ADD, Kind.ENABLE if item.due.desired.enabled else Kind.DISABLE, Kind.SPEED)
        return not any(self._planner.commands(self._context, item, kind, item.values) for kind in kinds)

    def _repair(self, item: PlannedPlacement, mine: Matched) -> Repair:
        """Where others' records stand in the way, nothing."""
        if any(difference.kind is Is.FOREIGN for difference in mine.differences):
            return Repair.NOTHING
        return self._observer.repair(self._context, item, self._expected[item.due.placement_id], mine.found)

    def _nobodys(self, rest: Sequence[Found]) -> None:
        """What has our tag is an orphan only if its owner is no placement at all, or one of which nothing should be here. The tag
        of another NAS's placement means that two NASes of the site are one device: that is reported."""
        owned = [(one, self._tags.owner(one.record, self._kind(one.table))) for one in rest]
        elsewhere = self._elsewhere({owner for _, owner in owned if owner is not None} - self._living)
        for one, owner in owned:
            if owner is None:
                if self._is_ours(one):
                    self._findings.strangers.append(one)
            elif owner in elsewhere:
                self._findings.strangers.append(one)
            elif owner not in self._living and owner not in self._blind:
                self._findings.orphans.append(one)

    def _elsewhere(self, ids: Collection[int]) -> set[int]:
        found: set[int] = set()
        with self._database.read() as session:
            for some in chunks(ids):
                query = select(Placement.id).where(Placement.id.in_(some), Placement.nas_id != self._context.id)
                found.update(session.scalars(query))
        return found

    def _is_ours(self, one: Found) -> bool:
        """It stands on a list of ours."""
        place = self._kind(one.table).place
        return not place or tuple([one.record.get(name, "") for name in place]) in self._scope.places[one.table]

    def _finish(self, reading: Reading) -> Findings:
        self._findings.vitals = reading.vitals
        self._findings.places = self._scope.view()
        return self._findings


def _access(enabled: bool) -> Kind:
    return Kind.ENABLE if enabled else Kind.DISABLE


def _kinds(repair: Repair, item: PlannedPlacement) -> list[Kind]:
    pairs = ((Repair.RECORDS, Kind.ADD), (Repair.ACCESS, _access(item.due.desired.enabled)), (Repair.SPEED, Kind.SPEED))
    return [kind for bit, kind in pairs if repair & bit]


def _claims_of(ids: Iterable[int], known: Mapping[int, str]) -> set[str]:
    everything = SEPARATOR.join(filter(None, (known[id_] for id_ in ids)))
    return set(everything.split(SEPARATOR)) if everything else set()


def _claims(known: Mapping[int, str], lines: Mapping[str, object]) -> tuple[set[str], set[int]]:
    """The lines that belong to placements that are as they were, and the placements that are not."""
    claimed = _claims_of(known, known)
    missing = claimed - lines.keys()
    if not missing:
        return claimed, set()
    suspects = {id_ for id_, text in known.items() if not missing.isdisjoint(text.split(SEPARATOR))}
    return _claims_of(known.keys() - suspects, known), suspects


def _without_setup(setup: Expected, rest: list[Found], reading: Reading, lost: list[str]) -> list[Found]:
    """The rest without the records of the NAS's set-up; those of it that are missing go to ``lost``."""
    left = list(rest)
    for table, record in setup:
        if table not in reading.lines:
            continue
        fitting = next((one for one in left if one.table == table and not unequal(record, one.record)), None)
        if fitting is None:
            lost.append(f"{table}: {' '.join(f'{name}={mask(value)}' for name, value in record.items())}")
        else:
            left.remove(fitting)
    return left
