"""Checks of a profile's settings that its tables share. Messages name the key, what is wrong and the remedy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_TYPE_NAMES = {
    str: "a text", list: "a list of texts", int: "a whole number of at least 1", dict: "a table", tuple: "a list of tables",
}  # fmt: skip


def key_problems(table: Mapping[str, Any], known: Mapping[str, type], required: Mapping[str, type], prefix: str) -> list[str]:
    """What is missing, unknown or of another kind; ``prefix`` stands before the keys in the messages."""
    found = [f"'{prefix}{key}' is missing; add it as {_TYPE_NAMES[required[key]]}" for key in required if key not in table]
    for key, value in table.items():
        if key not in known:
            found.append(f"'{prefix}{key}' is unknown; remove it or correct it (known: {', '.join(known)})")
        elif not fits(value, known[key]):
            found.append(f"'{prefix}{key}' must be {_TYPE_NAMES[known[key]]}")
    return found


def fits(value: object, kind: type) -> bool:
    """Whether a value read from TOML is of a kind: ``list`` is a list of texts, ``tuple`` a list of tables."""
    if kind is list:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if kind is tuple:
        return isinstance(value, list) and all(isinstance(item, dict) for item in value)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 1
    return isinstance(value, kind)


def pattern_problem(key: str, pattern: str) -> str:
    """What is wrong with a regular expression; empty if nothing is."""
    try:
        re.compile(pattern)
    except re.error as error:
        return f"'{key}' has a bad regular expression {pattern!r}: {error}; correct it"
    return ""
