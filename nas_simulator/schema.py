"""The description of a menu: its properties, what must be unique in it, and which verbs it knows. Data, no behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from nas_simulator.kinds import BOOLEAN, STRING, Kind

Row = dict[str, str]
"""One item: property -> stored text, `.id` included. A row is never changed in place, only replaced."""

LIST_VERBS: Final = frozenset(
    {"add", "set", "remove", "enable", "disable", "print", "getall", "find", "get", "comment", "listen"}
)
READ_VERBS: Final = frozenset({"print", "getall", "find", "get", "listen"})
SETTINGS_VERBS: Final = frozenset({"set", "print", "getall", "get"})
WRITES: Final = frozenset({"add", "set", "remove", "enable", "disable", "comment", "move", "make-static", "unset"})


@dataclass(frozen=True, slots=True)
class Property:
    """`default` None and not `required`: the property is absent until it is set."""

    name: str
    kind: Kind = STRING
    default: str | None = None
    required: bool = False
    read_only: bool = False
    secret: bool = False
    """Never printed."""


@dataclass(frozen=True, slots=True)
class Unique:
    """No two rows may agree in `fields`, unless a property named in `unless` is true in one of them."""

    fields: tuple[str, ...]
    text: str
    text_v6: str = ""
    unless: str = ""
    needs: str = ""
    """The rule is about rows that have this property only."""

    def key(self, row: Row) -> tuple[str, ...] | None:
        """What must be unique about the row, None when the rule does not apply to it."""
        if self.unless and row.get(self.unless) == "true":
            return None
        if self.needs and not row.get(self.needs):
            return None
        values = tuple([row.get(name, "") for name in self.fields])
        return values if any(values) else None


@dataclass(frozen=True)
class Menu:
    """One menu of the router.

    `view_of`: the items live in that other menu; `fixed` tells which of them belong here (`/interface/bridge`).
    `name_stem`: an item added without a name is called stem + number.
    """

    path: str
    properties: tuple[Property, ...] = ()
    uniques: tuple[Unique, ...] = ()
    verbs: frozenset[str] = LIST_VERBS
    ordered: bool = False
    single: bool = False
    flags: Mapping[str, str] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    name_stem: str = ""
    view_of: str = ""
    fixed: Mapping[str, str] = field(default_factory=dict)
    seeds: tuple[Mapping[str, str], ...] = ()
    dynamic_text: str = "can not change dynamic"
    indexed: frozenset[str] = frozenset({"comment", "name", "address", "list", "mac-address", "target", "user"})

    @cached_property
    def by_name(self) -> dict[str, Property]:
        return {prop.name: prop for prop in self.properties}

    @cached_property
    def settable(self) -> dict[str, Property]:
        return {prop.name: prop for prop in self.properties if not prop.read_only}

    @cached_property
    def template(self) -> Row:
        """A new row before its values are filled in; it fixes the order in which properties are printed."""
        stem = self.name_stem
        kept = [prop for prop in self.properties if prop.default is not None or prop.required or (stem and prop.name == "name")]
        return {".id": ""} | {prop.name: prop.default or "" for prop in kept} | dict(self.fixed)

    @cached_property
    def required(self) -> tuple[str, ...]:
        return tuple(prop.name for prop in self.properties if prop.required)

    @cached_property
    def secrets(self) -> frozenset[str]:
        return frozenset(prop.name for prop in self.properties if prop.secret)

    @property
    def table_path(self) -> str:
        return self.view_of or self.path

    @property
    def named(self) -> bool:
        return "name" in self.by_name

    def allows(self, verb: str) -> bool:
        return verb in self.verbs or (verb == "move" and self.ordered)


COMMENT: Final = Property("comment", STRING)
DISABLED: Final = Property("disabled", BOOLEAN, "false")
DYNAMIC: Final = Property("dynamic", BOOLEAN, "false", read_only=True)
FLAGS: Final = {"disabled": "X", "dynamic": "D"}
