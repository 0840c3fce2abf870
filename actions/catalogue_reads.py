"""The tables ``[[read]]`` of ``profile.toml``: how the records that its templates make are read back from the NAS.

    [[read]]
    table = "subscribers"                       # any name
    command = "show subscribers"                # prints it; {{ options.x }} is the NAS's option x
    complete = '^Total: [0-9]+$'                # found in every whole print; a must where no shell tells the exit status
    pattern = '^ *(?P<slot>[0-9]+) (?P<login>\\S+) (?P<state>up|down) (?P<tag>\\S+)$'
    key = ["slot"]
    adds = ['^subscriber add (?P<slot>\\S+) (?P<login>\\S+) comment (?P<tag>\\S+)$']
    sets = [{ match = '^subscriber (?P<slot>\\S+) enable$', state = "up" }]      # properties that the command does not spell out
    removes = ['^subscriber del (?P<slot>\\S+)$']
    secret = []                                 # the rest may be left out
    place = []                                  # properties that say on which list a record stands
    alike = [["login"]]                         # what makes a record made by hand mean one of ours, for adoption
    remove = "subscriber del {{ slot }}"
    adopt = "subscriber {{ slot }} comment {{ tag }}"

Regular expressions are those of Python with ``^`` and ``$`` at every line.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from actions.catalogue_checks import fits, key_problems, pattern_problem
from ebs_core.domain.nas import Effect, Form, Read
from ebs_core.domain.text import SLOT

_REQUIRED: dict[str, type] = {"table": str, "command": str, "pattern": str, "key": list, "adds": list}
_LISTS = ("adds", "sets", "removes")
_KEYS: dict[str, type] = {
    **_REQUIRED, "complete": str, "place": list, "secret": list, "remove": str, "adopt": str,
    **dict.fromkeys((*_LISTS, "alike"), object),
}  # fmt: skip
_NAMED = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_.]*)\s*\}\}")
_SHELL = frozenset(["shell", "nft", "tc", "ip"])
"""Profiles with one of these have a shell at the other end."""


def reads(tables: Sequence[Mapping[str, Any]]) -> tuple[Read, ...]:
    """What ``read_problems`` found nothing wrong with."""
    return tuple(
        Read(
            table=table["table"],
            command=_form(table["command"], "options."),
            pattern=table["pattern"],
            key=tuple(table["key"]),
            adds=_effects(table["adds"]),
            sets=_effects(table.get("sets", ())),
            removes=_effects(table.get("removes", ())),
            complete=table.get("complete", ""),
            place=tuple(table.get("place", ())),
            alike=tuple(map(tuple, table.get("alike", ()))),
            secret=tuple(table.get("secret", ())),
            remove=_form(table["remove"]) if table.get("remove") else None,
            adopt=_form(table["adopt"]) if table.get("adopt") else None,
        )
        for table in tables
    )


def _form(source: str, prefix: str = "") -> Form:
    names = tuple(name.removeprefix(prefix) for name in _NAMED.findall(source))
    return Form(_NAMED.sub(SLOT, source).strip(), names)


def _effects(items: Sequence[str | Mapping[str, str]]) -> tuple[Effect, ...]:
    return tuple(
        Effect(item)
        if isinstance(item, str)
        else Effect(item["match"], tuple((name, value) for name, value in item.items() if name != "match"))
        for item in items
    )


def read_problems(data: Mapping[str, Any]) -> list[str]:
    """Everything wrong with the tables ``[[read]]`` of a profile whose other settings are right."""
    found: list[str] = []
    names: list[str] = []
    for number, table in enumerate(data.get("read", ()), 1):
        name = table.get("table")
        prefix = f"read.{name if isinstance(name, str) and name else number}."
        if name in names:
            found.append(f"'{prefix}table': two tables have this name; choose another")
        names.append(name)
        found += _kinds(table, prefix) or _contents(table, prefix, data)
    return found


def _kinds(table: Mapping[str, Any], prefix: str) -> list[str]:
    """Keys that are missing or unknown, and values of another kind."""
    found = key_problems(table, _KEYS, _REQUIRED, prefix)
    for key in _LISTS:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) or _is_effect(item) for item in value):
            found.append(
                f"'{prefix}{key}' must be a list of regular expressions, or of tables {{ match = '…', property = \"…\" }}"
            )
    alike = table.get("alike", [])
    if not isinstance(alike, list) or not all(fits(names, list) for names in alike):
        found.append(f'\'{prefix}alike\' must be a list of lists of properties, as [["mac"], ["ip"]]')
    return found


def _is_effect(item: object) -> bool:
    return isinstance(item, dict) and "match" in item and all(isinstance(value, str) for value in item.values())


def _contents(table: Mapping[str, Any], prefix: str, data: Mapping[str, Any]) -> list[str]:
    found = [f"'{prefix}{key}' is empty; fill it in" for key in _REQUIRED if not table[key]]
    effects = {key: _effects(table.get(key, ())) for key in _LISTS}
    patterns = [("pattern", table["pattern"]), ("complete", table.get("complete", ""))]
    patterns += [(key, effect.match) for key in _LISTS for effect in effects[key]]
    found += [message for key, pattern in patterns if (message := pattern_problem(f"{prefix}{key}", pattern))]
    if found:
        return found
    properties = set(re.compile(table["pattern"]).groupindex)
    if not properties:
        return [f"'{prefix}pattern' has no named group; name each property as (?P<name>…)"]
    if re.compile(table["pattern"], re.MULTILINE).search(""):
        found.append(f"'{prefix}pattern' matches an empty text, so every print has endless records; anchor it to something")
    alike = [name for names in table.get("alike", ()) for name in names]
    found += _strangers(f"{prefix}key", table["key"], properties)
    found += _strangers(f"{prefix}secret", table.get("secret", ()), properties)
    found += _strangers(f"{prefix}place", table.get("place", ()), properties)
    found += _strangers(f"{prefix}alike", alike, properties)
    for key in _LISTS:
        for effect in effects[key]:
            found += _effect_problems(f"{prefix}{key}", effect, properties, () if key == "removes" else table["key"])
    return found + _command_problems(table, prefix, data, properties)


def _effect_problems(key: str, effect: Effect, properties: Collection[str], needed: Collection[str]) -> list[str]:
    names = {*re.compile(effect.match).groupindex, *dict(effect.constants)}
    found = _strangers(key, sorted(names), properties)
    found += [
        f"'{key}' {effect.match!r} does not tell {name!r}, a part of the key; add it as (?P<{name}>…)"
        for name in needed
        if name not in names
    ]
    if not names:
        found.append(f"'{key}' {effect.match!r} tells nothing of the record; add a group as (?P<name>…)")
    return found


def _strangers(key: str, names: Collection[str], properties: Collection[str]) -> list[str]:
    known = ", ".join(sorted(properties))
    return [
        f"'{key}': {name!r} is no group of 'pattern'; correct it or add the group (there are {known})"
        for name in names
        if name not in properties
    ]


def _command_problems(table: Mapping[str, Any], prefix: str, data: Mapping[str, Any], properties: Collection[str]) -> list[str]:
    """What is wrong with the three commands, and with how the end of a print is told."""
    options = {f"options.{name}" for name in data.get("options", {})}
    found = _form_problems(f"{prefix}command", table["command"], options)
    found += _form_problems(f"{prefix}remove", table.get("remove", ""), properties)
    found += _form_problems(f"{prefix}adopt", table.get("adopt", ""), {*properties, "tag"})
    if table.get("adopt") and not re.search(r"\{\{\s*tag\s*\}\}", table["adopt"]):
        found.append(f"'{prefix}adopt' does not use {{{{ tag }}}}; it has to put the tag on the record")
    if _SHELL & set(data["dialects"]):
        return found
    if "opaque" not in data["dialects"]:
        return [*found, f"'{prefix}table': only profiles of the dialects shell and opaque have read patterns; remove the table"]
    if not table.get("complete"):
        found.append(f"'{prefix}complete' is missing; name what only a whole print has, as '^end$': no exit status tells it here")
    if "\n" in table["command"].strip():
        found.append(f"'{prefix}command' must be one line; this command line takes one command at a time")
    return found


def _form_problems(key: str, source: str, known: Collection[str]) -> list[str]:
    found = [
        f"'{key}': there is no {name!r}; use one of {', '.join(sorted(known)) or 'none, as none is declared'}"
        for name in _NAMED.findall(source)
        if name not in known
    ]
    if re.search(r"\{\{|\{%|\{#", _NAMED.sub("", source)):
        found.append(f"'{key}' can only have {{{{ name }}}}; filters and {{% … %}} belong into templates")
    if SLOT in source:
        found.append(f"'{key}' contains a NUL character; remove it")
    return found
