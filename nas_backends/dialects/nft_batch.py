"""Batches nft commands into one atomic ``nft -f -``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ebs_core.domain.commands import NOT_SENT, Outcome, Reply
from nas_backends.contract import Answer, Line, Request
from nas_backends.dialects.nft import NftStatement
from nas_backends.dialects.shell_batch import bounded, lost, same

_ERROR = re.compile(r"^/dev/stdin:([0-9]+):([0-9]+)-[0-9]+: (Error: .*(?:\n(?!/dev/stdin:).*)*)", re.MULTILINE)
_MISSING = "Could not process rule: No such file or directory"


class NftBatcher:
    """One bad line and nothing is applied, but every bad line is named: they are settled and the rest is sent again.

    nft 1.0.6 has no ``destroy``: deleting an element that is not there is no failure here, for what was wanted holds.
    """

    def request(self, lines: Sequence[Line]) -> Request:
        """One line of stdin per command. Raises UnquotableValue."""
        text = "\n".join([line.emit() for line in lines])
        return Request("nft -f -", f"{text}\n".encode("utf-8", "surrogateescape"))

    def read(self, lines: Sequence[Line], answer: Answer) -> tuple[dict[int, Reply], Sequence[Line]]:
        """Settles all, or the lines that nft complains about and those of their subjects that come after them."""
        if answer.status is None:
            return same(lines, lost(answer)), ()
        if answer.status == 0:
            output = bounded(answer.output) if len(lines) == 1 else ""
            return same(lines, Reply(Outcome.OK, output, 0, answer.duration)), ()
        errors = {int(match[1]): (int(match[2]), match[3].rstrip()) for match in _ERROR.finditer(answer.output)}
        if not any(number <= len(lines) for number in errors):
            message = bounded(answer.output) or f"nft ended with status {answer.status}"
            return same(lines, Reply(Outcome.FAILED, message, answer.status, answer.duration)), ()
        return _settle(lines, errors, answer)


def _settle(lines: Sequence[Line], errors: dict[int, tuple[int, str]], answer: Answer) -> tuple[dict[int, Reply], Sequence[Line]]:
    replies: dict[int, Reply] = {}
    again: list[Line] = []
    failed: set[int] = set()
    for number, line in enumerate(lines, 1):
        if line.subject in failed:
            replies[line.index] = NOT_SENT
        elif number not in errors:
            again.append(line)
        elif _was_absent(line, *errors[number]):
            replies[line.index] = Reply(Outcome.OK, "was not there", 0, answer.duration)
        else:
            failed.add(line.subject)
            replies[line.index] = Reply(Outcome.FAILED, bounded(errors[number][1]), answer.status, answer.duration)
    return replies, again


def _was_absent(line: Line, column: int, message: str) -> bool:
    """The one element to be deleted does not exist (the message points at it, not at its table or set)."""
    statement = line.command.statement
    if not isinstance(statement, NftStatement) or not statement.deletes_one or _MISSING not in message:
        return False
    return column > statement.skeleton.find("{")
