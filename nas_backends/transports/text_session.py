"""A session over an executor: batches the commands of many jobs by dialect and takes the answers apart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ebs_core.domain.commands import NOT_SENT, Job, Outcome, Reply
from ebs_core.domain.errors import UnquotableValue
from ebs_core.domain.nas import Endpoint
from nas_backends.contract import Batcher, Executor, Line

SECONDS_PER_LINE = 0.05
"""What each line of a batch adds to the time that a request may take."""


class _Progress:
    """One job on its way: how many of its commands are behind it, and their replies."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.replies: list[Reply] = [NOT_SENT] * len(job.commands)
        self.next = 0
        self.dialects = [command.statement.dialect for command in job.commands]

    @property
    def head(self) -> str | None:
        return self.dialects[self.next] if self.next < len(self.dialects) else None

    def run_length(self) -> int:
        """How many commands of the head's dialect follow each other."""
        end = self.next
        while end < len(self.dialects) and self.dialects[end] == self.dialects[self.next]:
            end += 1
        return end - self.next

    def later(self) -> set[str]:
        """Dialects that come up again after the current run."""
        return set(self.dialects[self.next + self.run_length() :])

    def stop(self) -> None:
        self.next = len(self.dialects)


class TextSession:
    """See ``ebs_core.ports.Session``. Commands of one dialect from many jobs share a request as far as each job's order allows."""

    def __init__(self, executor: Executor, batchers: Mapping[str, Batcher], endpoint: Endpoint) -> None:
        self._executor = executor
        self._batchers = batchers
        self._command_timeout = endpoint.command_timeout
        self._errors = [re.compile(pattern, re.MULTILINE) for pattern in endpoint.profile.error_patterns]

    def run(self, jobs: Sequence[Job]) -> list[tuple[Reply, ...]]:
        """Never raises. A job with a value that cannot be quoted fails as a whole, before anything of it is sent."""
        progress = [_Progress(job) for job in jobs]
        for one in progress:
            _check(one)
        while self._executor.alive and (heads := [one for one in progress if one.head is not None]):
            self._stage(_next_dialect(heads), heads)
        return [tuple(one.replies) for one in progress]

    @property
    def alive(self) -> bool:
        return self._executor.alive

    def close(self) -> None:
        self._executor.close()

    def _stage(self, dialect: str, heads: Sequence[_Progress]) -> None:
        """Run what every job has of ``dialect`` at its head."""
        lines: list[Line] = []
        owners: list[tuple[_Progress, int]] = []
        for subject, one in enumerate(heads):
            if one.head == dialect:
                for place in range(one.next, one.next + one.run_length()):
                    lines.append(Line(len(lines), subject, one.job.commands[place]))
                    owners.append((one, place))
        replies = self._run_lines(lines)
        for line, (one, place) in zip(lines, owners, strict=True):
            reply = self._judge(replies.get(line.index, NOT_SENT))
            one.replies[place] = reply
            if reply.outcome is not Outcome.OK:
                one.stop()
            elif one.head is not None:
                one.next = place + 1

    def _run_lines(self, lines: Sequence[Line]) -> dict[int, Reply]:
        replies: dict[int, Reply] = {}
        while lines and self._executor.alive:
            dialect = lines[0].command.statement.dialect
            batcher = self._batchers.get(dialect)
            if batcher is None:
                missing = Reply(Outcome.FAILED, f"this connection has no way to send {dialect} commands")
                return replies | {line.index: missing for line in lines}
            timeout = self._command_timeout + SECONDS_PER_LINE * len(lines)
            answer = self._executor.run(batcher.request(lines), timeout)
            settled, again = batcher.read(lines, answer)
            if not settled and again and again[0].command.statement.dialect == dialect:
                settled, again = {line.index: Reply(Outcome.FAILED, answer.output, answer.status) for line in again}, ()
            replies |= settled
            lines = again
        return replies

    def _judge(self, reply: Reply) -> Reply:
        if reply.outcome is Outcome.OK and any(pattern.search(reply.output) for pattern in self._errors):
            return replace(reply, outcome=Outcome.FAILED)
        return reply


def _check(one: _Progress) -> None:
    for place, command in enumerate(one.job.commands):
        try:
            command.statement.emit(command.values)
        except UnquotableValue as error:
            one.replies[place] = Reply(Outcome.FAILED, str(error))
            one.stop()
            return


def _next_dialect(heads: Sequence[_Progress]) -> str:
    """The dialect at the head of jobs that the fewest jobs come to later, so that those can join its batch."""
    ready = Counter(one.head for one in heads)
    later: Counter[str] = Counter()
    for one in heads:
        later.update(one.later())
    best = min(ready, key=lambda name: (later[name or ""], -ready[name]))
    return best or ""
