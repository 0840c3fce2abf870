"""Cutting a RouterOS skeleton into constructs: one command, or one ``:foreach … do={…}`` with all its lines.

The scanner knows strings, brackets, braces, comments and continued lines, and for each value the place where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ebs_core.domain.errors import SkeletonError
from ebs_core.domain.text import SLOT

_CLOSING = {"[": "]", "(": ")", "{": "}"}
_BREAK = re.compile(r"\\\r?\n")
_ESCAPE = re.compile(rf"\\[0-9A-F][0-9A-Fa-f{SLOT}]?")
_VARIABLE = re.compile(r"\$[A-Za-z0-9]*")


@dataclass(frozen=True, slots=True)
class Construct:
    """``skeleton[start:end]`` without its separator. ``strings``: offset of each slot inside a string → of its opening quote."""

    start: int
    end: int
    strings: dict[int, int]


def constructs(skeleton: str) -> Iterator[Construct]:
    """Every construct of ``skeleton`` in order. Raises SkeletonError for what is unbalanced, and for a value in a comment, an
    expression inside a string, a variable's name or half an escape."""
    at = 0
    while at < len(skeleton):
        char = skeleton[at]
        if char in " \t\r\n;":
            at += 1
        elif char == "#":
            at = _comment(skeleton, at)
        elif continued := _BREAK.match(skeleton, at):
            at = continued.end()
        else:
            construct = _construct(skeleton, at)
            yield construct
            at = construct.end


def _construct(text: str, start: int) -> Construct:
    strings: dict[int, int] = {}
    at = _code(text, start, "", strings, start)
    return Construct(start, start + len(text[start:at].rstrip()), strings)


def _code(text: str, at: int, closing: str, strings: dict[int, int], opened: int) -> int:
    """Walk code from ``at`` to ``closing`` ("" is the end of a construct); returns its offset."""
    fresh = closing == "}"  # at the beginning of a command, where a comment may stand
    while at < len(text):
        char = text[at]
        if char == closing or (not closing and char in ";\n"):
            return at
        if char in "])}":
            raise SkeletonError(f"`{char}` closes nothing here", at, remedy="remove it, or put the text in quotes")
        if continued := _BREAK.match(text, at):
            at = continued.end()
        elif char == "#" and fresh:
            at = _comment(text, at)
        elif char == '"':
            at = _string(text, at, strings)
            fresh = False
        elif char in _CLOSING:
            at = _code(text, at + 1, _CLOSING[char], strings, at) + 1
            fresh = False
        else:
            fresh = char in ";\n{" if not char.isspace() or char == "\n" else fresh
            at += 1
    if closing:
        raise SkeletonError(f"`{text[opened]}` is never closed", opened, remedy=f"add the missing `{closing}`")
    return at


def _comment(text: str, start: int) -> int:
    end = text.find("\n", start)
    end = len(text) if end < 0 else end
    slot = text.find(SLOT, start, end)
    if slot >= 0:
        raise SkeletonError("a value in a comment", slot, remedy="take the value out of the comment, or use {# … #}")
    return end


def _string(text: str, start: int, strings: dict[int, int]) -> int:
    at = start + 1
    while at < len(text):
        char = text[at]
        if char == '"':
            return at + 1
        if char == SLOT:
            strings[at] = start
            at += 1
        elif char == "\\":
            escape = _ESCAPE.match(text, at)
            at = escape.end() if escape else at + 2
            if SLOT in text[at - 2 : at]:
                raise SkeletonError("a value behind half an escape", at - 1, remedy="write `\\\\` for a backslash")
        elif char == "$" and text[at + 1 : at + 2] in ("[", "("):
            at = _expression(text, at + 1)
        elif char == "$":
            at = _VARIABLE.match(text, at).end()  # type: ignore[union-attr]  # the pattern matches the $ itself
            if text[at : at + 1] == SLOT:
                raise SkeletonError("a value in a variable's name", at, remedy="write `\\$` for a dollar sign")
        else:
            at += 1
    raise SkeletonError("this quote is never closed", start, remedy='add the missing `"`')


def _expression(text: str, start: int) -> int:
    inner: dict[int, int] = {}
    end = _code(text, start + 1, _CLOSING[text[start]], inner, start) + 1
    slot = text.find(SLOT, start, end)
    if slot >= 0:
        raise SkeletonError("a value in an expression inside a string", slot, remedy='join strings outside: ("…" . $x)')
    return end
