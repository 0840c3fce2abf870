"""One RouterOS command as data: path, verb, which items, which properties."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from ebs_core.domain.records import DeviceModel, Record
from ebs_core.domain.text import Word
from nas_backends.dialects.routeros_canonical import canonical, has_form, volatile
from nas_backends.dialects.routeros_words import TextForm, regex_literal

NAME = "routeros"
_YES, _NO = ("yes", "true"), ("no", "false")
_FLAGS = ("disabled", "dynamic", "invalid")
"""Properties that a record has even where it does not say so: absent means no."""
_STATE = ("active", "connection", "host", "neighbor", "cookie")
NO_VALUE = Word(())


@dataclass(frozen=True, slots=True)
class Condition:
    """``name operator value`` of a ``find`` or ``where``.

    Operators: ``=`` ``!=`` ``<`` ``>`` ``<=`` ``>=``, ``~`` (regular expression), ``set`` (the bare name), ``unset`` (``!name``).
    """

    name: str
    operator: str
    value: Word = NO_VALUE
    bare: bool = False
    """Written without quotes on the command line: a truth value or number, which the router compares as such."""

    def text(self, values: Sequence[str]) -> str:
        """What the property is compared with; inside a regular expression, values are literal text."""
        if self.operator != "~" or not self.value.slots:
            return self.value.text(values)
        return "".join(part if isinstance(part, str) else regex_literal(values[part]) for part in self.value.parts)

    def matcher(self, values: Sequence[str], table: str = "") -> Callable[[Record], bool]:
        """A predicate over records of ``table``, raw or canonical. A pattern that Python cannot read matches nothing.

        Rates, times, addresses and the like are compared by meaning, and a template's own ``yes`` equals a record's ``true``;
        any other value is compared character by character.
        """
        name, wanted = self.name, self.text(values)
        read: Callable[[Record, str], str] = _raw if self.value.slots else _value
        if has_form(table, name):
            read, wanted = partial(_spelt, table), canonical(table, name, wanted)
        elif not self.value.slots:
            wanted = normal(wanted)
        match self.operator:
            case "=":
                return lambda record: read(record, name) == wanted
            case "!=":
                return lambda record: read(record, name) != wanted
            case "set":
                return lambda record: _value(record, name) not in ("", "no")
            case "unset":
                return lambda record: _value(record, name) in ("", "no")
            case "~":
                return _pattern(name, self.text(values))
        return _ordered(read, name, self.operator, wanted)


@dataclass(frozen=True, slots=True)
class Find:
    """``[path find conditions]``: every record of ``path`` for which all conditions hold."""

    path: tuple[str, ...]
    conditions: tuple[Condition, ...]

    @property
    def table(self) -> str:
        return " ".join(self.path)

    def matcher(self, values: Sequence[str]) -> Callable[[Record], bool]:
        tests = [condition.matcher(values, self.table) for condition in self.conditions]
        return lambda record: all(test(record) for test in tests)


@dataclass(frozen=True, eq=False)
class RouterosStatement:
    """One command. ``find`` is its ``[find …]`` (for ``print`` its ``where``), ``items`` its literal item names or numbers.

    ``find`` and ``items`` exclude each other; both None: the command names no items. ``flags`` are further bare words
    (``print detail``), ``words`` quoted unnamed arguments (``/log info "text"``).
    """

    path: tuple[str, ...]
    verb: str
    text: TextForm
    slots: int
    find: Find | None = None
    items: str | None = None
    args: tuple[tuple[str, Word], ...] = ()
    flags: tuple[str, ...] = ()
    words: tuple[Word, ...] = ()
    dialect: str = NAME

    @property
    def table(self) -> str:
        """``ip firewall address-list``: the table's name in a device model."""
        return " ".join(self.path)

    def emit(self, values: Sequence[str]) -> str:
        return self.text.emit(values)

    def show(self, values: Sequence[str]) -> str:
        return self.text.show(values)

    def fold(self, values: Sequence[str], model: DeviceModel) -> None:
        """``add set remove enable disable comment unset`` change the model, whose values are canonical; records always say
        ``disabled=yes|no``. What is state rather than configuration (sessions) is not predicted, nor what vanishes by itself."""
        if is_state(self.table):
            return
        if self.verb == "add":
            record = {"disabled": "no"} | self._properties(values)
            if not volatile(self.table, record):
                model.add(self.table, record)
        elif (targets := self._targets(values)) is None:
            return
        elif self.verb == "remove":
            model.remove(self.table, targets)
        else:
            change = self._change(values)
            found = model.find(self.table, targets)
            for record in found:
                change(record)
            if not found:
                model.vague.add(self.table)
            model.remove(self.table, lambda record: volatile(self.table, record))

    def _properties(self, values: Sequence[str]) -> Record:
        table = self.table
        return {name: canonical(table, name, word.text(values)) for name, word in self.args if name != "place-before"}

    def _targets(self, values: Sequence[str]) -> Callable[[Record], bool] | None:
        if self.find is not None:
            return self.find.matcher(values) if self.find.path == self.path else None
        if self.items is not None:
            names = self.items.split(",")
            return lambda record: record.get("name") in names or record.get(".id") in names
        return None

    def _change(self, values: Sequence[str]) -> Callable[[Record], None]:
        properties = self._properties(values)
        match self.verb:
            case "set" | "comment":
                return lambda record: record.update(properties)
            case "enable" | "disable":
                return lambda record: record.update(disabled="no" if self.verb == "enable" else "yes")
            case "unset":
                dropped = properties.get("value-name", "")
                return lambda record: record.__delitem__(dropped) if dropped in record else None
        return lambda record: None


def is_state(table: str) -> bool:
    """The menu lists what is going on (``ppp active``, ``ip hotspot active``), not what was configured."""
    return table.split(" ")[-1] in _STATE


def normal(value: str) -> str:
    """``yes``/``no`` for the two spellings of each truth value, anything else as it is."""
    return "yes" if value in _YES else "no" if value in _NO else value


def _raw(record: Record, name: str) -> str:
    return record.get(name, "no" if name in _FLAGS else "")


def _value(record: Record, name: str) -> str:
    return normal(_raw(record, name))


def _spelt(table: str, record: Record, name: str) -> str:
    return canonical(table, name, _raw(record, name))


def _pattern(name: str, pattern: str) -> Callable[[Record], bool]:
    try:
        search = re.compile(pattern).search
    except re.error:
        return lambda record: False
    return lambda record: search(record.get(name, "")) is not None


def _ordered(read: Callable[[Record, str], str], name: str, operator: str, wanted: str) -> Callable[[Record], bool]:
    def sign(text: str) -> int:
        if text.isdecimal() and wanted.isdecimal():
            return (int(text) > int(wanted)) - (int(text) < int(wanted))
        return (text > wanted) - (text < wanted)

    holds = {"<": (-1,), ">": (1,), "<=": (-1, 0), ">=": (0, 1)}[operator]
    return lambda record: name in record and sign(read(record, name)) in holds
