"""Commands to a NAS and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from ebs_core.domain.records import DeviceModel


class Outcome(StrEnum):
    """What became of one command."""

    OK = "ok"
    FAILED = "failed"
    """The NAS refused it; it had no effect, or one that repeating mends."""
    UNKNOWN = "unknown"
    """It was sent and no reply came: it may or may not have taken effect."""
    NOT_SENT = "not sent"
    """An earlier command of the same subject failed, or the connection was never there."""


@runtime_checkable
class Statement(Protocol):
    """One command of a template, parsed once, waiting for values (the slots count from 0 in each statement).

    Statements are immutable and shared by every subscriber whose rendering took the same path through the template.
    """

    @property
    def dialect(self) -> str:
        """Name of the dialect that parsed it; the key of its batcher."""

    @property
    def slots(self) -> int:
        """How many values it takes."""

    def emit(self, values: Sequence[str]) -> str:
        """The command as text for a text transport, each value quoted for its place. Raises UnquotableValue."""

    def show(self, values: Sequence[str]) -> str:
        """As ``emit`` for people and logs: secrets masked, a value that cannot be quoted shown by repr. Never raises."""

    def fold(self, values: Sequence[str], model: DeviceModel) -> None:
        """Apply the command to a model of the device: the records that should exist after it. No-op where not understood."""


@dataclass(frozen=True, slots=True)
class Command:
    """A statement with its values: inert until a session runs it."""

    statement: Statement
    values: tuple[str, ...]

    def show(self) -> str:
        return self.statement.show(self.values)


@dataclass(frozen=True, slots=True)
class Job:
    """One subject's commands within a batch (one action for one placement), to be run in order.

    After the first that fails, the later ones of the same job are not sent, or their outcome does not count.
    """

    subject: int
    commands: tuple[Command, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for one command. ``duration`` in seconds (a command in a native batch carries the batch's)."""

    outcome: Outcome
    output: str = ""
    status: int | None = None
    duration: float = 0.0


NOT_SENT = Reply(Outcome.NOT_SENT)


def always() -> bool:
    """Nobody forbids sending."""
    return True
