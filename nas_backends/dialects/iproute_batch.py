"""Batches tc and ip commands into one ``tc -force -batch -``, and runs one by one those that such a batch did not survive."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ebs_core.domain.commands import NOT_SENT, Command, Outcome, Reply
from ebs_core.domain.records import DeviceModel
from nas_backends.contract import Answer, Line, Request
from nas_backends.dialects.iproute import IprouteStatement
from nas_backends.dialects.shell_batch import ShellBatcher, bounded, lost, same

_FAILED = re.compile(r"^Command failed -:([0-9]+)\n?", re.MULTILINE)
_END = "ebs-end"
"""An object that does not exist: its complaint proves that the batch was read to the end."""
_MISSING = re.compile(
    r"No such file or directory|No such process|Cannot assign requested address|Cannot delete qdisc with handle of zero"
    r"|Cannot find specified (?:filter|qdisc)|Specified (?:class|filter|qdisc) not found"
)


class IprouteBatcher:
    """``tc`` and ``ip`` say ``Command failed -:N`` after the error text of line N and go on. For some errors (a bad argument;
    every failing ``ip neigh``) they exit instead without naming a line: what is not settled then goes one by one."""

    def __init__(self, program: str) -> None:
        self._program = program

    def request(self, lines: Sequence[Line]) -> Request:
        """One line of stdin per command. Raises UnquotableValue."""
        text = "\n".join([line.emit() for line in lines])
        return Request(f"{self._program} -force -batch -", f"{text}\n{_END}\n".encode("utf-8", "surrogateescape"))

    def read(self, lines: Sequence[Line], answer: Answer) -> tuple[dict[int, Reply], Sequence[Line]]:
        """Settles every line if the batch was read to its end, else those up to the last one that is named."""
        if answer.status is None:
            return same(lines, lost(answer)), ()
        errors, at = {}, 0
        for match in _FAILED.finditer(answer.output):
            errors[int(match[1])] = answer.output[at : match.start()]
            at = match.end()
        settled = lines[: max(errors, default=0)]
        replies = same(settled, Reply(Outcome.OK, "", 0, answer.duration))
        replies |= {
            lines[number - 1].index: _reply(lines[number - 1], error, answer)
            for number, error in errors.items()
            if number <= len(lines)
        }
        failed = {line.subject for line in settled if replies[line.index].outcome is Outcome.FAILED}
        rest = lines[len(settled) :]
        replies |= {line.index: NOT_SENT for line in rest if line.subject in failed}
        return replies, [_alone(line) for line in rest if line.subject not in failed]


def _reply(line: Line, error: str, answer: Answer) -> Reply:
    message = "\n".join(text for text in error.splitlines() if not text.startswith("Warning:"))
    return _judge(line.command, Reply(Outcome.FAILED, bounded(message), answer.status, answer.duration))


def _judge(command: Command, reply: Reply) -> Reply:
    """Deleting what does not exist is no failure: what was wanted holds."""
    statement = command.statement
    deletes = isinstance(statement, IprouteStatement | IprouteAlone) and statement.deletes
    if reply.outcome is Outcome.FAILED and deletes and _MISSING.search(reply.output):
        return replace(reply, outcome=Outcome.OK, output="was not there", status=0)
    return reply


@dataclass(frozen=True, slots=True)
class IprouteAlone:
    """The same command as a process of its own."""

    statement: IprouteStatement
    dialect: str = "iproute alone"

    @property
    def slots(self) -> int:
        return self.statement.slots

    @property
    def deletes(self) -> bool:
        return self.statement.deletes

    def emit(self, values: Sequence[str]) -> str:
        return self.statement.alone(values)

    def show(self, values: Sequence[str]) -> str:
        return self.statement.show(values)

    def fold(self, values: Sequence[str], model: DeviceModel) -> None:
        self.statement.fold(values, model)


def _alone(line: Line) -> Line:
    statement = line.command.statement
    if not isinstance(statement, IprouteStatement):
        return line
    return replace(line, command=Command(IprouteAlone(statement), line.command.values), text=None)


class AloneBatcher:
    """One process per command in one shell stream. A subject goes on after deleting what was not there, so each command has a
    subshell of its own and the outcomes are judged afterwards, as with ``-force``."""

    def __init__(self) -> None:
        self._shell = ShellBatcher()

    def request(self, lines: Sequence[Line]) -> Request:
        return self._shell.request(_apart(lines))

    def read(self, lines: Sequence[Line], answer: Answer) -> tuple[dict[int, Reply], Sequence[Line]]:
        replies, again = self._shell.read(_apart(lines), answer)
        return {line.index: _judge(line.command, replies[line.index]) for line in lines}, again


def _apart(lines: Sequence[Line]) -> list[Line]:
    return [replace(line, subject=line.index) for line in lines]
