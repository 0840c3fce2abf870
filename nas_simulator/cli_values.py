"""Values of the console's script language and their text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

Value: TypeAlias = "str | bool | int | dict[str, Value] | Code | Sequence[Value] | None"
"""None is `nothing`; a dict is one item (`get`, a row of `print as-value`)."""


class Code:
    """What `:parse` gives: `run` is called when the variable that holds it stands where a command would."""

    def __init__(self, run: Callable[[], object]) -> None:
        self.run = run


class CliError(Exception):
    """The console's complaint, as it prints it."""


def text_of(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return ";".join([f"{name}={text_of(one)}" for name, one in value.items()])
    if isinstance(value, Code):
        return "(code)"
    if isinstance(value, (str, int)):
        return str(value)
    return ";".join([text_of(part) for part in value])


def items_of(value: Value) -> list[Value]:
    """What `:foreach` walks over; a single value is a list of one, nothing is empty."""
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def element_of(value: Value, key: str) -> Value:
    """`($value->"key")`; what is not there is nothing."""
    return value.get(key) if isinstance(value, dict) else None


def type_of(value: Value) -> str:
    """`:typeof`."""
    for kind, name in ((bool, "bool"), (int, "num"), (str, "str"), (Code, "code")):
        if isinstance(value, kind):
            return name
    return "nothing" if value is None else "array"


def length_of(value: Value) -> int:
    """`:len`."""
    if value is None:
        return 0
    return len(value) if isinstance(value, (list, tuple, dict)) else len(text_of(value))


def truth_of(value: Value) -> bool:
    return value is True or value in ("true", "yes")


def number_of(value: Value) -> int | None:
    text = text_of(value)
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    return sign * int(digits) if digits.isdecimal() else None


def compare(left: Value, sign: str, right: Value) -> bool:
    first, second = number_of(left), number_of(right)
    if first is not None and second is not None:
        return _ordered((first > second) - (first < second), sign)
    one, two = text_of(left), text_of(right)
    return _ordered((one > two) - (one < two), sign)


def _ordered(order: int, sign: str) -> bool:
    return {
        "=": order == 0,
        "!=": order != 0,
        "<": order < 0,
        ">": order > 0,
        "<=": order <= 0,
        ">=": order >= 0,
    }[sign]
