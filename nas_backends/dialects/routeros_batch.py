"""RouterOS commands over SSH exec: many as one script, framed so that each command's output is known.

Over exec an error is text on stdout with exit status 0, and it ends the script. So every command is followed by ``:put`` of a
frame that cannot occur otherwise; the first missing frame names the command that failed, and what was behind it is sent again.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence

from ebs_core.domain.commands import NOT_SENT, Outcome, Reply
from nas_backends.contract import Answer, Line, Request, unsettled

EXEC_LIMIT = 32_000
"""Bytes of script in one exec: a request is one SSH packet, and 32,768 bytes is what every side must take (RFC 4253, 6.1)."""

KNOWN_ERRORS = (
    r"^failure: ",
    r"^(bad command name|syntax error|expected end of command|expected item id|Script Error)\b",
    r"^(no such item|no such command|unknown parameter|missing value\(s\) of argument|not enough permissions|invalid value)\b",
    r"^input does not match any value of ",
    r"^value of \S+ out of range",
    r"^(action timed out|action failed|interrupted)\b",
)
"""Error texts at the beginning of an output line, whatever the profile says."""

_PLACE = re.compile(r"\(line (\d+) column \d+\)")


class RouterosBatcher:
    """See ``nas_backends.contract.Batcher``. ``error_patterns`` are the profile's: regular expressions searched in the output."""

    def __init__(self, error_patterns: Iterable[str] = (), limit: int = EXEC_LIMIT) -> None:
        self._errors = [re.compile(pattern, re.MULTILINE) for pattern in (*KNOWN_ERRORS, *error_patterns)]
        self._limit = limit
        self._mark = f"ebs-{secrets.token_hex(8)}"
        self._frame = re.compile(rf"^{self._mark} (\w+)\n?", re.MULTILINE)

    def request(self, lines: Sequence[Line]) -> Request:
        """As many of ``lines`` as the limit allows, at least one; ``read`` hands the rest back to be sent next."""
        return Request("\n".join(self._script(lines)))

    def read(self, lines: Sequence[Line], answer: Answer) -> tuple[dict[int, Reply], Sequence[Line]]:
        outputs, rest, begun, ended = self._cut(answer.output)
        replies = {line.index: self._judge(output, answer) for line, output in zip(lines, outputs, strict=False)}
        if ended:
            return replies, lines[len(outputs) :]
        included = self._included(lines)
        if answer.status is None:
            return self._broken(lines, replies, len(outputs), included, rest, answer)
        failed = len(outputs) if begun else self._misspelt(lines[:included], rest)
        if failed is None:
            text = rest or "the router ran nothing and gave no reason"
            return unsettled(lines[:included], Outcome.FAILED, text, answer.status, answer.duration), lines[included:]
        if failed >= included:  # only the last frame is missing
            return replies, lines[included:]
        bad = lines[failed]
        text = rest or "the router ended the script here and gave no reason"
        replies[bad.index] = Reply(Outcome.FAILED, text, answer.status, answer.duration)
        again = []
        for line in lines:
            if line.index in replies:
                continue
            if line.subject == bad.subject and line.index > bad.index:
                replies[line.index] = NOT_SENT
            else:
                again.append(line)
        return replies, again

    def _script(self, lines: Sequence[Line]) -> list[str]:
        """The script's lines: a first frame, then each command and its frame, then a last one."""
        script = [f':put "{self._mark} begin"']
        size = len(script[0]) * 2
        for number, line in enumerate(lines):
            text = line.command.statement.emit(line.command.values)
            frame = f':put "{self._mark} {number}"'
            size += len(text.encode("utf-8", "replace")) + len(frame) + 2
            if size > self._limit and number:
                break
            script += (text, frame)
        script.append(f':put "{self._mark} end"')
        return script

    def _included(self, lines: Sequence[Line]) -> int:
        return len(self._script(lines)) // 2 - 1

    def _cut(self, output: str) -> tuple[list[str], str, bool, bool]:
        """(outputs of the commands that ran to their frame, what follows the last frame, whether it began, whether it ended)."""
        pieces = self._frame.split(output.replace("\r\n", "\n").replace("\r", "\n"))
        frames, texts = pieces[1::2], [text.strip("\n") for text in pieces[0::2]]
        outputs: list[str] = []
        for frame, text in zip(frames, texts, strict=False):
            if frame == str(len(outputs)):
                outputs.append(text)
        return outputs, texts[-1], "begin" in frames, "end" in frames

    def _judge(self, output: str, answer: Answer) -> Reply:
        outcome = Outcome.FAILED if self._is_error(output) else Outcome.OK
        return Reply(outcome, output, answer.status, answer.duration)

    def _is_error(self, output: str) -> bool:
        return bool(output) and any(error.search(output) for error in self._errors)

    def _broken(
        self, lines: Sequence[Line], replies: dict[int, Reply], current: int, included: int, rest: str, answer: Answer
    ) -> tuple[dict[int, Reply], Sequence[Line]]:
        """The connection ended under the script, which may have run on: nobody knows, unless an error was still printed."""
        reason = answer.reason or "the connection ended before the answer"
        failed = self._is_error(rest)
        for number, line in enumerate(lines[current:included]):
            if failed and number == 0:
                replies[line.index] = Reply(Outcome.FAILED, rest, None, answer.duration)
            elif failed:
                replies[line.index] = NOT_SENT
            else:
                replies[line.index] = Reply(Outcome.UNKNOWN, reason, None, answer.duration)
        return replies, lines[included:]

    def _misspelt(self, lines: Sequence[Line], text: str) -> int | None:
        """Which command an error of the whole script's syntax means: nothing was run, and the text names a line of the script."""
        place = _PLACE.search(text)
        if place is None:
            return 0 if len(lines) == 1 else None
        at = 2
        for number, line in enumerate(lines):
            at += line.command.statement.emit(line.command.values).count("\n") + 2
            if int(place[1]) < at:
                return number
        return None
