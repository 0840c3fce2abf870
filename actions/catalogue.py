"""Profiles from folders: ``<profile>/profile.toml`` beside ``<action>.j2`` and ``bootstrap.j2``.

    title = "MikroTik RouterOS 6 and 7"
    dialects = ["routeros"]
    transports = ["routeros_api", "ssh"]        # in order of preference
    tag = "ebs:{placement}"                     # the rest may be left out
    error_patterns = ["^failure:"]
    batch_size = 1000
    max_slot = 65519
    [options.subscriber_interface]
    help = "Interface the subscribers are behind"
    default = "bridge1"                         # without it every NAS must set the option; "" means not set
    pattern = "[a-z0-9.-]+"                     # a value that is set must match as a whole
    [[read]]                                    # how records are read back: see ``actions.catalogue_reads``

The shipped folders are in the package ``action_templates``; an operator's own directory has the same shape, and a profile there
takes the place of a shipped one of the same name.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

from actions.catalogue_checks import fits, key_problems, pattern_problem
from actions.catalogue_reads import read_problems, reads
from actions.variables import BOOTSTRAP
from ebs_core.domain.actions import Action
from ebs_core.domain.errors import BadFile, InputError, Problem
from ebs_core.domain.nas import Option, Profile

PACKAGE = "action_templates"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_OPTION_NAME = re.compile(r"[a-z][a-z0-9_]*")
_REQUIRED = {"title": str, "dialects": list, "transports": list}
_KEYS: dict[str, type] = {
    **_REQUIRED, "tag": str, "error_patterns": list, "batch_size": int, "max_slot": int, "options": dict, "read": tuple,
}  # fmt: skip
_OPTION_KEYS: dict[str, type] = {"help": str, "default": str, "pattern": str}


def load_profiles(own: Path | None = None) -> dict[str, Profile]:
    """Every profile by name: the shipped ones, and those in the directory ``own``. Raises InputError, BadFile."""
    spec = find_spec(PACKAGE)
    # importlib.resources refuses the namespace package of an editable install, whose path has an entry that is no directory
    shipped = [Path(place) for place in (spec and spec.submodule_search_locations) or () if Path(place).is_dir()]
    if not shipped:
        raise InputError(f"the package {PACKAGE} with the shipped profiles is missing", remedy="install EBS again")
    profiles: dict[str, Profile] = {}
    for directory in shipped:
        profiles |= load_directory(directory)
    if own is not None:
        profiles |= load_directory(own)
    return profiles


def load_directory(directory: Path) -> dict[str, Profile]:
    """The profiles in the folders of ``directory``; folders without templates and ``profile.toml`` are none of ours.

    Raises InputError for a missing directory, BadFile with everything wrong in the first bad profile.
    """
    if not directory.is_dir():
        raise InputError(f"there is no directory {directory} to read profiles from", remedy="create it or correct the setting")
    folders = sorted(entry for entry in directory.iterdir() if entry.is_dir())
    return {folder.name: load_profile(folder) for folder in folders if _is_profile(folder)}


def _is_profile(folder: Path) -> bool:
    return (folder / "profile.toml").exists() or any(folder.glob("*.j2"))


def load_profile(folder: Path) -> Profile:
    """One profile. Raises BadFile with every problem."""
    problems: list[Problem] = []
    if not _NAME.fullmatch(folder.name):
        problems.append(Problem("a profile's folder is named with lower-case letters, digits, '-' and '_'", file=str(folder)))
    settings = _settings(folder / "profile.toml", problems)
    templates = _templates(folder, problems)
    if problems:
        raise BadFile(
            f"profile {folder.name} cannot be used", problems, remedy="correct the files named above; nothing was changed"
        )
    return Profile(name=folder.name, templates=MappingProxyType(templates), **settings)


def _text(file: Path, problems: list[Problem]) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        problems.append(Problem(f"is not UTF-8 (byte {error.start + 1}); save it as UTF-8", file=str(file)))
    except OSError as error:
        problems.append(Problem(f"cannot be read: {error.strerror}", file=str(file)))
    return ""


def _templates(folder: Path, problems: list[Problem]) -> dict[str, str]:
    templates: dict[str, str] = {}
    for file in sorted(folder.glob("*.j2")):
        stem = file.name.removesuffix(".j2")
        if stem == BOOTSTRAP or stem in set(Action):
            templates[stem] = _text(file, problems)
        else:
            problems.append(Problem(f"'{stem}' is no action; name it {', '.join(Action)} or {BOOTSTRAP}", file=str(file)))
    return templates


def _settings(file: Path, problems: list[Problem]) -> dict[str, Any]:
    """The checked contents of profile.toml, as arguments of Profile."""
    if not file.is_file():
        problems.append(Problem("is missing; it needs at least title, dialects and transports", file=str(file)))
        return {}
    before = len(problems)
    text = _text(file, problems)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problems.append(Problem(f"is not TOML: {error}", file=str(file)))
        return {}
    if len(problems) > before:
        return {}
    found = [*key_problems(data, _KEYS, _REQUIRED, ""), *_value_problems(data)]
    options = data.get("options", {})
    for name, table in options.items() if isinstance(options, dict) else ():
        found += _option_problems(name, table)
    if not found:
        found += read_problems(data)
    problems += [Problem(message, file=str(file)) for message in found]
    if found:
        return {}
    read_back = reads(data.pop("read", ()))
    lists = {key: tuple(value) for key, value in data.items() if isinstance(value, list)}
    declared = MappingProxyType({name: Option(name, **table) for name, table in options.items()})
    return {**data, **lists, "options": declared, "reads": read_back}


def _value_problems(data: Mapping[str, Any]) -> list[str]:
    found = [f"'{key}' is empty; name at least one" for key in ("dialects", "transports") if data.get(key) == []]
    tag = data.get("tag", "{placement}")
    if isinstance(tag, str) and (tag.count("{placement}") != 1 or re.search(r"[{}\0]", tag.replace("{placement}", ""))):
        found.append("'tag' must contain {placement} once and no other braces")
    patterns = data.get("error_patterns", [])
    if fits(patterns, list):
        found += [message for pattern in patterns if (message := pattern_problem("error_patterns", pattern))]
    return found


def _option_problems(name: str, table: object) -> list[str]:
    prefix = f"options.{name}."
    if name in dir(dict):
        return [f"'options.{name}': Jinja reads options.{name} as a method of the mapping; choose another name"]
    if not _OPTION_NAME.fullmatch(name):
        return [f"'options.{name}': an option is named with lower-case letters, digits and '_'"]
    if not isinstance(table, dict):
        return [f"'options.{name}' must be a table with help, default, pattern"]
    found = key_problems(table, _OPTION_KEYS, {}, prefix)
    if found:
        return found
    pattern = table.get("pattern", Option(name).pattern)
    problem = pattern_problem(f"{prefix}pattern", pattern)
    if problem:
        return [problem]
    default = table.get("default")
    if default and not re.fullmatch(pattern, default):
        return [f"'{prefix}default' {default!r} does not match its pattern {pattern!r}; correct one of them"]
    return []
