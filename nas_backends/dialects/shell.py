"""The ``shell`` dialect: any command line of a POSIX shell, each value quoted for the place where it stands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ebs_core.domain.commands import Statement
from ebs_core.domain.errors import SkeletonError, UnquotableValue
from ebs_core.domain.records import DeviceModel
from ebs_core.domain.text import SLOT, fill, mask
from nas_backends.dialects.shell_scan import Logical, ShellScanner
from nas_backends.dialects.shell_words import DOUBLE, SINGLE, Place

TEXT_TRANSPORTS = ("ssh", "local")
_NUMBER = re.compile(r"-[0-9]+(\.[0-9]+)?")
_DOUBLE_SPECIAL = re.compile(r'[\\"$`]')


@dataclass(frozen=True, slots=True)
class ShellStatement:
    """One logical command; ``places[i]`` says how value ``i`` is quoted."""

    skeleton: str
    places: tuple[Place, ...]
    dialect: str = "shell"

    @property
    def slots(self) -> int:
        return len(self.places)

    def emit(self, values: Sequence[str]) -> str:
        return fill(self.skeleton, [quote(value, place) for value, place in zip(values, self.places, strict=True)])

    def show(self, values: Sequence[str]) -> str:
        return show(self, values)

    def fold(self, values: Sequence[str], model: DeviceModel) -> None:
        """A shell command says nothing about the records it leaves."""
        model.opaque = True


class Refillable(Statement, Protocol):
    """A statement whose text is a skeleton."""

    @property
    def skeleton(self) -> str: ...


def show(statement: Refillable, values: Sequence[str]) -> str:
    """The command for people: secrets masked; where a value cannot be quoted, all of them by ``repr``."""
    masked = [mask(value) for value in values]
    try:
        return statement.emit(masked)
    except UnquotableValue:
        return fill(statement.skeleton, [repr(value) for value in masked])


def single_quoted(value: str) -> str:
    """``value`` as one shell word (XCU 2.2.2)."""
    return "'" + value.replace("'", "'\\''") + "'"


def quote(value: str, place: Place) -> str:
    """``value`` as exactly its characters at ``place``. Raises UnquotableValue for NUL and for what would become an option."""
    if SLOT in value:
        raise UnquotableValue(f"the value {mask(value)!r} contains NUL, which no command can be given")
    if place.guarded and value.startswith("-") and not (place.whole and _NUMBER.fullmatch(value)):
        raise UnquotableValue(
            f"the value {mask(value)!r} starts with - and would be read as an option",
            remedy="put the word -- before it in the template",
        )
    if place.quotes == SINGLE:
        return value.replace("'", "'\\''")
    if place.quotes == DOUBLE:
        return _DOUBLE_SPECIAL.sub(r"\\\g<0>", value)
    return single_quoted(value)


def shell_statement(skeleton: str, found: Logical) -> ShellStatement:
    return ShellStatement(skeleton[found.start : found.end].rstrip(" \t"), found.places)


def require_text_transport(dialect: str, transport: str) -> None:
    """Raises SkeletonError where ``transport`` carries no command lines."""
    if transport not in TEXT_TRANSPORTS:
        raise SkeletonError(f"{dialect} commands cannot be sent over {transport}", 0, remedy="use ssh or local")


class ShellDialect:
    """See ``nas_backends.contract.Dialect``."""

    name = "shell"

    def parse(self, skeleton: str, transport: str) -> tuple[Statement, ...]:
        """One statement per logical command: quotes, ``\\``-newline, blocks and ``&&`` ``||`` ``|`` span lines."""
        require_text_transport(self.name, transport)
        scanner, statements = ShellScanner(skeleton), list[Statement]()
        while found := scanner.command():
            statements.append(shell_statement(skeleton, found))
        return tuple(statements)
