"""What dialects and transports owe each other.

A **dialect** parses skeletons into statements (see ``ebs_core.domain.commands.Statement``) and, for text transports, batches
commands: it turns many jobs into one request (one exec with its stdin) and takes the answer apart again.
An **observer** reads the tables that folding its dialects' statements predicts back from a NAS, in bulk.
A **transport** is an ``Executor`` (runs one request; ``ssh`` and ``local``), which ``TextSession`` drives with the batchers,
or a session of its own (``routeros_api``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ebs_core.domain.commands import Command, Outcome, Reply, Statement
from ebs_core.domain.records import Record, TableKind, Vitals
from ebs_core.domain.text import Rendered


class Dialect(Protocol):
    """The commands of one family. Stateless; one instance serves all threads."""

    name: str

    def parse(self, skeleton: str, transport: str) -> tuple[Statement, ...]:
        """Parse a whole skeleton (one or more commands). Raises SkeletonError with the offset of the first bad place:
        bad syntax, a slot where no value can be quoted, or a construct that ``transport`` cannot carry."""


@dataclass(frozen=True, slots=True)
class Request:
    """One thing for an executor to run. ``command`` is the command line; ``stdin`` is fed to it and closed."""

    command: str
    stdin: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. ``status`` is None when the connection broke or the time ran out before the end: then ``output`` is what
    had arrived until then and ``reason`` says what happened. ``output`` has stdout and stderr in one stream; it is not ``whole``
    where its middle was too much to keep."""

    output: str
    status: int | None
    duration: float
    reason: str = ""
    whole: bool = True


@dataclass(slots=True)
class Line:
    """One command in a batch: ``index`` is its place in the batch's list, ``subject`` its job (lines of one subject depend on
    each other in order, lines of different subjects do not)."""

    index: int
    subject: int
    command: Command
    text: str | None = None
    """The emitted command, where the session has it from checking the values."""

    def emit(self) -> str:
        """The command as text. Raises UnquotableValue."""
        return self.command.statement.emit(self.command.values) if self.text is None else self.text


class Batcher(Protocol):
    """Turns lines of one dialect into requests and answers into replies. Stateless."""

    def request(self, lines: Sequence[Line]) -> Request:
        """All of ``lines`` as one request. Values were checked before."""

    def read(self, lines: Sequence[Line], answer: Answer) -> tuple[dict[int, Reply], Sequence[Line]]:
        """Replies by ``Line.index`` for what the answer settles, and the lines to be sent again (without the settled bad ones).
        Each round must settle at least one line, or give every remaining line a reply."""


class Observer(Protocol):
    """Reads the tables of one family of devices over a text transport. Stateless; one instance serves all threads."""

    def kind(self, table: str) -> TableKind | None:
        """None: this table is none of this family's."""

    def request(self, wanted: Mapping[str, Collection[str]], near: Mapping[str, Sequence[Record]] | None) -> Request:
        """One request that prints all these tables and the vitals (see ``ports.Session.observe``). An empty command: there is
        nothing to ask, and nothing is run."""

    def lines(self, wanted: Mapping[str, Collection[str]], output: str) -> tuple[dict[str, list[str]], Vitals]:
        """The output of that request taken apart: a line per record. Raises ValueError, with the device's words, where the
        output is not what was asked for."""

    def parse(self, table: str, line: str) -> Record:
        """The record of a line, in the spelling of ``fold``."""

    def secret(self, table: str, properties: Collection[str]) -> bool:
        """Lines of the table carry passwords when these properties are read."""

    def removal(self, table: str, record: Record) -> Rendered | None:
        """A rendering that removes exactly this record; None where there is no way."""

    def adoption(self, table: str, record: Record, tag: str) -> Rendered | None:
        """A rendering that puts our tag on this record without interrupting anybody; None where it needs or can have none."""


class Executor(Protocol):
    """A connection to one machine that runs requests one after another."""

    def run(self, request: Request, timeout: float) -> Answer:
        """Never raises for what happens on the wire: see ``Answer.status``. After a broken connection, ``alive`` is False."""

    @property
    def alive(self) -> bool:
        """A further request can be run."""

    def close(self) -> None:
        """Idempotent; never raises."""


def unsettled(lines: Sequence[Line], outcome: Outcome, output: str, status: int | None, duration: float) -> dict[int, Reply]:
    """The same reply for every line."""
    reply = Reply(outcome, output, status, duration)
    return {line.index: reply for line in lines}
