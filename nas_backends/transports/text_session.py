"""A session over an executor: batches the commands of many jobs by dialect and takes the answers apart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby

from ebs_core.domain.commands import NOT_SENT, Job, Outcome, Reply, always
from ebs_core.domain.errors import NasError, UnquotableValue
from ebs_core.domain.nas import Endpoint
from ebs_core.domain.records import Reading, Record, Vitals
from nas_backends.contract import Batcher, Executor, Line, Observer

SECONDS_PER_LINE = 0.05
"""What each line of a batch adds to the time that a request may take."""


_READ_HELP = "check that the login may list the tables that its templates write"
_READ_LESS = "let its reading commands print only what its templates write"


@dataclass(frozen=True, slots=True)
class _Run:
    """Commands ``start`` to ``end`` (exclusive) of a job follow each other in one dialect; ``later``: those after it."""

    dialect: str
    start: int
    end: int
    later: frozenset[str]


@lru_cache(maxsize=4096)
def _runs(dialects: tuple[str, ...]) -> tuple[_Run, ...]:
    found: list[_Run] = []
    start = 0
    for dialect, group in groupby(dialects):
        end = start + len(list(group))
        found.append(_Run(dialect, start, end, frozenset(dialects[end:])))
        start = end
    return tuple(found)


class _Progress:
    """One job on its way: the run of commands it is at (None: through), and the replies."""

    __slots__ = ("at", "job", "replies", "run", "runs", "texts")

    def __init__(self, job: Job) -> None:
        self.job = job
        self.texts: list[str] = []
        self.replies: list[Reply] = [NOT_SENT] * len(job.commands)
        self.runs = _runs(tuple([command.statement.dialect for command in job.commands]))
        self.at = 0
        self.run = self.runs[0] if self.runs else None

    def advance(self) -> None:
        self.at += 1
        self.run = self.runs[self.at] if self.at < len(self.runs) else None


class TextSession:
    """See ``ports.Session``. Commands of one dialect from many jobs share a request as far as each job's order allows."""

    def __init__(
        self, executor: Executor, batchers: Mapping[str, Batcher], endpoint: Endpoint, observers: Sequence[Observer] = ()
    ) -> None:
        self._executor = executor
        self._batchers = batchers
        self._observers = observers
        self._name = endpoint.name
        self._command_timeout = endpoint.command_timeout
        self._errors = [re.compile(pattern, re.MULTILINE) for pattern in endpoint.profile.error_patterns]

    def run(self, jobs: Sequence[Job], allowed: Callable[[], bool] = always) -> list[tuple[Reply, ...]]:
        """Never raises. A job with a value that cannot be quoted fails as a whole, before anything of it is sent."""
        progress = [_Progress(job) for job in jobs]
        for one in progress:
            _check(one)
        while self._executor.alive and allowed() and (heads := [one for one in progress if one.run is not None]):
            self._stage(_next_dialect([one.run for one in heads if one.run is not None]), heads)
        return [tuple(one.replies) for one in progress]

    def observe(self, wanted: Mapping[str, Collection[str]], near: Mapping[str, Sequence[Record]] | None = None) -> Reading:
        """One request per family of tables. Raises NasError."""
        lines: dict[str, list[str]] = {}
        by_table: dict[str, Observer] = {}
        vitals = Vitals()
        for observer in self._observers:
            taken = {table: properties for table, properties in wanted.items() if observer.kind(table) is not None}
            if taken:
                found, seen = self._read(observer, taken, near)
                lines |= found
                vitals = seen if seen != Vitals() else vitals
                by_table |= dict.fromkeys(taken, observer)
        secret = frozenset(table for table, observer in by_table.items() if observer.secret(table, wanted[table]))
        return Reading(lines, lambda table, line: by_table[table].parse(table, line), vitals, secret)

    def vitals(self) -> Vitals:
        """Of the first family that has any. Raises NasError."""
        for observer in self._observers:
            if (seen := self._read(observer, {}, None)[1]) != Vitals():
                return seen
        return Vitals()

    def _read(
        self, observer: Observer, wanted: Mapping[str, Collection[str]], near: Mapping[str, Sequence[Record]] | None
    ) -> tuple[dict[str, list[str]], Vitals]:
        request = observer.request(wanted, near)
        if not request.command:
            return {}, Vitals()
        answer = self._executor.run(request, self._command_timeout)
        if answer.status is None:
            raise NasError(f"reading it back: {answer.reason or 'no answer'}", nas=self._name, remedy="it is tried again later")
        if not answer.whole:
            raise NasError("reading it back: it prints more than can be kept", nas=self._name, remedy=_READ_LESS)
        try:
            return observer.lines(wanted, answer.output)
        except ValueError as error:
            raise NasError(f"reading it back: {error}", nas=self._name, remedy=_READ_HELP) from error

    @property
    def alive(self) -> bool:
        return self._executor.alive

    def close(self) -> None:
        self._executor.close()

    def _stage(self, dialect: str, heads: Sequence[_Progress]) -> None:
        """Run what every job has of ``dialect`` at its head."""
        lines: list[Line] = []
        stage = [(one, one.run) for one in heads if one.run is not None and one.run.dialect == dialect]
        for subject, (one, run) in enumerate(stage):
            for place in range(run.start, run.end):
                lines.append(Line(len(lines), subject, one.job.commands[place], one.texts[place]))
        replies = self._run_lines(lines)
        index = 0
        for one, run in stage:
            good = True
            for place in range(run.start, run.end):
                reply = replies.get(index, NOT_SENT)
                if reply.output:
                    reply = self._judge(reply)
                one.replies[place] = reply
                good = good and reply.outcome is Outcome.OK
                index += 1
            if good:
                one.advance()
            else:
                one.run = None

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
        if reply.output and reply.outcome is Outcome.OK and any(pattern.search(reply.output) for pattern in self._errors):
            return replace(reply, outcome=Outcome.FAILED)
        return reply


def _check(one: _Progress) -> None:
    for place, command in enumerate(one.job.commands):
        try:
            one.texts.append(command.statement.emit(command.values))
        except UnquotableValue as error:
            one.replies[place] = Reply(Outcome.FAILED, str(error))
            one.run = None
            return


def _next_dialect(heads: Sequence[_Run]) -> str:
    """The dialect at the head of jobs that the fewest jobs come to later, so that those can join its batch."""
    ready: Counter[str] = Counter()
    later: Counter[str] = Counter()
    for run, count in Counter(heads).items():
        ready[run.dialect] += count
        later.update(dict.fromkeys(run.later, count))
    return min(ready, key=lambda name: (later[name], -ready[name]))
