"""RouterOS scripts (``:foreach``, ``:if``, ``do={}``): sent as the template wrote them, each value quoted where it stands.

What such a script does is not understood; that a value in it stays data is. A value outside quotes becomes a string of its own,
inside quotes it is escaped in place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ebs_core.domain.errors import SkeletonError
from ebs_core.domain.records import DeviceModel
from ebs_core.domain.text import SLOT
from nas_backends.dialects.routeros_parse import VERBS
from nas_backends.dialects.routeros_scan import Construct
from nas_backends.dialects.routeros_statement import NAME
from nas_backends.dialects.routeros_words import TextForm

_BEFORE = re.compile(r"[\s=(~]")
_AFTER = re.compile(r"[\s)\]};]|$")
_COMMAND_START = re.compile(r"[\[{;\n]")
_DECLARED = re.compile(r":(?:local|global|set|for|foreach)\s+")
_PATH = re.compile(r"/?[\w\s/.-]*")
_RUNS_TEXT = re.compile(r":(?:parse|execute)\b")
_SCRIPT_PROPERTY = re.compile(r"(?<![\w-])(?:source|on-(?!error\b)[a-z-]+|[a-z-]*script|command)=$")


@dataclass(frozen=True, eq=False)
class RouterosScript:
    """One construct that is no plain command; only for text transports, and its effect is not folded."""

    text: TextForm
    slots: int
    dialect: str = NAME

    def emit(self, values: Sequence[str]) -> str:
        return self.text.emit(values)

    def show(self, values: Sequence[str]) -> str:
        return self.text.show(values)

    def fold(self, values: Sequence[str], model: DeviceModel) -> None:
        """Not understood."""
        model.opaque = True


def script(skeleton: str, construct: Construct, context: Sequence[str]) -> RouterosScript:
    """The construct as a script in the menu ``context``. Raises SkeletonError for a value where none can be quoted."""
    text = skeleton[construct.start : construct.end]
    form = ["/" + " ".join(context) + "\n" if context else ""]
    patterns = set()
    pieces = text.split(SLOT)
    offset = construct.start
    for number, piece in enumerate(pieces):
        form.append(piece.replace("%", "%%"))
        offset += len(piece)
        if number == len(pieces) - 1:
            break
        opening = construct.strings.get(offset)
        _check(skeleton, construct, offset, offset if opening is None else opening)
        if opening is None:
            _check_code(skeleton, construct, offset)
        form.append('"%s"' if opening is None else "%s")
        if skeleton[construct.start : offset if opening is None else opening].rstrip().endswith("~"):
            patterns.add(number)
        offset += 1
    slots = len(pieces) - 1
    return RouterosScript(TextForm("".join(form), tuple(range(slots)), frozenset(patterns)), slots)


def _check(text: str, construct: Construct, slot: int, opening: int) -> None:
    if _RUNS_TEXT.search(text, construct.start, construct.end) or _SCRIPT_PROPERTY.search(text[construct.start : opening]):
        raise SkeletonError(
            "a value in text that is run as a script", slot, remedy="keep values out of :parse, :execute and script sources"
        )


def _check_code(text: str, construct: Construct, slot: int) -> None:
    """A value outside quotes must be a word of its own, and not the word that says what is done."""
    before = text[slot - 1] if slot > construct.start else "\n"
    after = text[slot + 1 : min(slot + 2, construct.end)]
    if not _BEFORE.match(before) or not _AFTER.match(after):
        raise SkeletonError("a value glued to a word", slot, remedy="put the whole word in quotes, or a space between")
    starts = [match.end() for match in _COMMAND_START.finditer(text, construct.start, slot)]
    command = text[starts[-1] if starts else construct.start : slot].lstrip()
    words = set(re.split(r"[\s/]+", command))
    if _DECLARED.fullmatch(command) or (_PATH.fullmatch(command) and not words & VERBS):
        raise SkeletonError("a value cannot stand for a path, verb or variable", slot, remedy="write the word itself")
