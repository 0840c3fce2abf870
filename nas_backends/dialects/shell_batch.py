"""Batches shell commands into one script with a frame after every command."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence

from ebs_core.domain.commands import NOT_SENT, Outcome, Reply
from nas_backends.contract import Answer, Line, Request
from nas_backends.dialects.shell import single_quoted

OUTPUT_LIMIT = 4096
_SUBJECT_END, _NOTHING = -1, -2


def bounded(output: str, limit: int = OUTPUT_LIMIT) -> str:
    """``output`` shortened in the middle to about ``limit`` characters."""
    if len(output) <= limit:
        return output
    half = limit // 2
    return f"{output[:half]}\n… {len(output) - 2 * half} characters left out …\n{output[-half:]}"


def same(lines: Sequence[Line], reply: Reply) -> dict[int, Reply]:
    """One reply for every line."""
    return {line.index: reply for line in lines}


def lost(answer: Answer) -> Reply:
    """The reply to what was sent and never answered."""
    return Reply(Outcome.UNKNOWN, bounded(f"{answer.output}\n{answer.reason}".strip()), None, answer.duration)


def by_subject(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """The lines of each subject, in order of first appearance."""
    subjects: dict[int, list[Line]] = {}
    for line in lines:
        subjects.setdefault(line.subject, []).append(line)
    yield from subjects.values()


class ShellBatcher:
    """One ``sh`` reads all commands from stdin. The commands of a subject share a subshell, in which variables and the directory
    persist; whatever ends that subshell (``exit``, a syntax error, ``set -e``) ends it only. After a failed command the later
    ones of the subject are not run. Frames go to a copy of stdout, begin with a random nonce, and name index and exit status."""

    def __init__(self) -> None:
        self._nonce = secrets.token_hex(12)
        self._frame = re.compile(rf"\n{self._nonce} (-?[0-9]+) ([0-9]+)\n")

    def request(self, lines: Sequence[Line]) -> Request:
        """A script of two lines per command. Raises UnquotableValue."""
        frame = f"printf '\\n{self._nonce} %d %d\\n'"
        script = ["exec 2>&1 9>&1\n"]
        for group in by_subject(lines):
            script.append("(\nexec </dev/null\n")
            for line in group:
                text = single_quoted(line.emit())
                script.append(f'eval {text}\nebs_=$?; {frame} {line.index} "$ebs_" >&9; test "$ebs_" = 0 || exit "$ebs_"\n')
            script.append(f")\n{frame} {_SUBJECT_END} $?\n")
        return Request("sh", "".join(script).encode("utf-8", "surrogateescape"))

    def read(self, lines: Sequence[Line], answer: Answer) -> tuple[dict[int, Reply], Sequence[Line]]:
        """Everything is settled in one round: a command without a frame ended its subshell, or is UNKNOWN."""
        replies: dict[int, Reply] = {}
        frames, rest = self._frames(answer.output)
        position = 0
        for group in by_subject(lines):
            for line in group:
                index, status, output = frames[position] if position < len(frames) else (_NOTHING, 0, rest)
                if index == line.index:
                    replies[line.index] = _reply(status, output, answer)
                    position += 1
                    continue
                if index == _SUBJECT_END:
                    if line is group[0] or replies[group[group.index(line) - 1].index].outcome is Outcome.OK:
                        replies[line.index] = _reply(status, output, answer)
                    break
                replies[line.index] = self._unframed(position, rest, answer)
                rest = ""
            if position < len(frames) and frames[position][0] == _SUBJECT_END:
                position += 1
                for line in group:
                    replies.setdefault(line.index, NOT_SENT)
        return replies, ()

    def _frames(self, output: str) -> tuple[list[tuple[int, int, str]], str]:
        """(index, status, the output before it) of every frame, and what follows the last one."""
        frames, at = [], 0
        for match in self._frame.finditer(output):
            frames.append((int(match[1]), int(match[2]), output[at : match.start()]))
            at = match.end()
        return frames, output[at:]

    @staticmethod
    def _unframed(position: int, rest: str, answer: Answer) -> Reply:
        if answer.status and not position:
            return Reply(Outcome.FAILED, bounded(rest) or f"sh ended with status {answer.status}", answer.status, answer.duration)
        why = answer.reason or "sh ended without telling the command's exit status"
        return Reply(Outcome.UNKNOWN, bounded(f"{rest}\n{why}".strip()), None, answer.duration)


def _reply(status: int, output: str, answer: Answer) -> Reply:
    return Reply(Outcome.FAILED if status else Outcome.OK, bounded(output), status, answer.duration)


class OpaqueBatcher:
    """One exec per command: nothing is known of the machine's command line, so nothing is joined."""

    def request(self, lines: Sequence[Line]) -> Request:
        """The first line alone. Raises UnquotableValue."""
        return Request(lines[0].emit())

    def read(self, lines: Sequence[Line], answer: Answer) -> tuple[dict[int, Reply], Sequence[Line]]:
        """Settles the first line; the later ones of its subject go only after success."""
        first, rest = lines[0], lines[1:]
        if answer.status is None:
            return {first.index: lost(answer)}, rest
        reply = _reply(answer.status, answer.output, answer)
        if reply.outcome is Outcome.OK:
            return {first.index: reply}, rest
        dropped = {line.index: NOT_SENT for line in rest if line.subject == first.subject}
        return {first.index: reply, **dropped}, [line for line in rest if line.subject != first.subject]
