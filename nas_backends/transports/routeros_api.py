"""Sessions over the RouterOS API: jobs as tagged sentences, ``[find …]`` resolved in bulk.

A batch is worked in **waves**. In a wave all finds are asked first, then the commands are sent, each as soon as its own find is
answered: the first of every job, then the second of every job, so that a failure is usually known before the next command of its
job leaves. A command whose find is on a menu that its own job changed earlier in the wave waits for the next one. Jobs are
independent of each other, so what another job does to the same menu is nothing to wait for.

What counts as done: a find that finds nothing makes its command a success without being sent, as on the command line. ``no such
item`` for the one item that a find had found is the same thing a moment later (the record vanished in between), so it counts as
done too; with several items, or an item that the template names, it is a failure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from ebs_core.domain.commands import NOT_SENT, Command, Job, Outcome, Reply, always
from ebs_core.domain.errors import Misconfigured, UnquotableValue
from ebs_core.domain.nas import Endpoint
from ebs_core.domain.records import Reading, Record, Vitals
from nas_backends.dialects.routeros_sentence import Sentence, sentence
from nas_backends.dialects.routeros_statement import RouterosStatement
from nas_backends.transports import routeros_login, routeros_observe_api
from nas_backends.transports.routeros_find import Lookup, filters, lookups_calls, record
from nas_backends.transports.routeros_pipeline import Call, Pipeline
from nas_backends.transports.routeros_wire import Wire

_FILTERED = frozenset({"print", "find"})
"""Verbs whose conditions are the sentence's own queries: nothing to look up."""
_READING = _FILTERED | {"monitor", "monitor-traffic"}
_OUTPUT_LIMIT = 1_000_000

host_key = routeros_login.host_key


def open_session(endpoint: Endpoint) -> RouterosApiSession:
    """Connect and log in. Raises NasError; the socket is closed then."""
    return RouterosApiSession(Pipeline(Wire(routeros_login.log_in(endpoint)), endpoint.command_timeout), endpoint.name)


@dataclass(slots=True, eq=False)
class _Work:
    """One job on its way: ``replies`` grows in any order, ``start``/``stop`` bound the commands of the present wave."""

    commands: tuple[Command, ...]
    replies: list[Reply | None]
    start: int = 0
    stop: int = 0
    failed: bool = False
    lookups: dict[int, Lookup] = field(default_factory=dict)

    def reply(self, index: int, reply: Reply) -> None:
        self.replies[index] = reply
        self.failed = self.failed or reply.outcome is not Outcome.OK


class RouterosApiSession:
    """A ``ebs_core.ports.Session``. Not thread-safe."""

    def __init__(self, pipeline: Pipeline, nas: str) -> None:
        self._pipeline = pipeline
        self._nas = nas
        self._sentences: dict[RouterosStatement, Sentence] = {}

    def run(self, jobs: Sequence[Job], allowed: Callable[[], bool] = always) -> list[tuple[Reply, ...]]:
        """See ``Session.run``. Raises Misconfigured for a statement of another dialect, before anything is sent."""
        works = [_Work(job.commands, [None] * len(job.commands)) for job in jobs]
        for work in works:
            for command in work.commands:
                self._prepare(command)
        self._pipeline.check()
        wave = works
        while wave and allowed() and not self._pipeline.broken:
            for work in wave:
                work.start, work.stop = work.stop, _wave_end(work)
            self._send(wave, self._lookups(wave), allowed)
            wave = [work for work in wave if not work.failed and work.stop < len(work.commands)]
        lost = Reply(Outcome.NOT_SENT, self._reason()) if self._pipeline.broken else NOT_SENT
        return [tuple(reply or (NOT_SENT if work.failed else lost) for reply in work.replies) for work in works]

    def observe(self, wanted: Mapping[str, Collection[str]], near: Mapping[str, Sequence[Record]] | None = None) -> Reading:
        """See ``Session.observe``. Raises NasError."""
        return routeros_observe_api.observe(self._pipeline, self._nas, wanted, near)

    def vitals(self) -> Vitals:
        """The uptime. Raises NasError."""
        return routeros_observe_api.observe(self._pipeline, self._nas, {}, None).vitals

    @property
    def alive(self) -> bool:
        return not self._pipeline.broken

    def close(self) -> None:
        self._pipeline.close()

    def _prepare(self, command: Command) -> None:
        statement = command.statement
        if not isinstance(statement, RouterosStatement):
            raise Misconfigured(
                f"`{command.show()}` cannot be sent over the RouterOS API", nas=self._nas, remedy="use transport ssh for this NAS"
            )
        if statement not in self._sentences:
            self._sentences[statement] = sentence(statement)

    def _lookups(self, wave: Sequence[_Work]) -> list[Lookup]:
        lookups = []
        for work in wave:
            for index in range(work.start, work.stop):
                command = work.commands[index]
                find = _statement(command).find
                if find is not None and _statement(command).verb not in _FILTERED:
                    lookup = work.lookups[index] = Lookup(find, command.values)
                    lookups.append(lookup)
        return lookups

    def _send(self, wave: Sequence[_Work], lookups: Sequence[Lookup], allowed: Callable[[], bool]) -> None:
        for call in self._pipeline.run(chain(lookups_calls(lookups), self._calls(wave, allowed))):
            if isinstance(call, _Sent):
                call.work.reply(call.index, Reply(Outcome.UNKNOWN, self._reason(), None, call.duration))

    def _calls(self, wave: Sequence[_Work], allowed: Callable[[], bool]) -> Iterator[Call | None]:
        depth = max(work.stop - work.start for work in wave)
        for step in range(depth):
            for work in wave:
                index = work.start + step
                lookup = work.lookups.get(index)
                while lookup is not None and not (lookup.resolved or work.failed):
                    yield None
                if not allowed():
                    return
                if index < work.stop and not work.failed:
                    call = self._call(work, index)
                    if call is not None:
                        yield call

    def _call(self, work: _Work, index: int) -> _Sent | None:
        """The sentence of one command, or None where its reply is known without sending."""
        command = work.commands[index]
        statement = _statement(command)
        lookup = work.lookups.pop(index, None)
        if lookup is not None and lookup.failure:
            work.reply(index, Reply(Outcome.FAILED, lookup.failure))
            return None
        if lookup is not None and not lookup.ids:
            work.reply(index, Reply(Outcome.OK, "nothing found"))
            return None
        try:
            ids = b",".join(lookup.ids) if lookup else b""
            words = self._sentences[statement].encode(command.values, ids)
            if statement.find is not None and lookup is None:
                words += filters(statement.find, command.values)[0]
        except UnquotableValue as error:
            work.reply(index, Reply(Outcome.FAILED, str(error)))
            return None
        return _Sent(words, work, index, len(lookup.ids) if lookup else 0)

    def _reason(self) -> str:
        return f"NAS {self._nas}: {self._pipeline.broken}"


class _Sent(Call):
    """One command's sentence; writes the command's reply when it ends."""

    __slots__ = ("found", "index", "work")

    def __init__(self, words: bytes, work: _Work, index: int, found: int) -> None:
        super().__init__(words)
        self.work = work
        self.index = index
        self.found = found

    def settle(self) -> None:
        if self.traps:
            text = "; ".join(self.traps)
            vanished = self.found == 1 and all(trap.startswith("no such item") for trap in self.traps)
            self.work.reply(self.index, Reply(Outcome.OK if vanished else Outcome.FAILED, text, None, self.duration))
        else:
            self.work.reply(self.index, Reply(Outcome.OK, self._output(), None, self.duration))

    def _output(self) -> str:
        if not self.rows:
            return self.returned.decode("utf-8", "backslashreplace") if self.returned else ""
        command = self.work.commands[self.index]
        find = _statement(command).find
        matches = find.matcher(command.values) if find is not None else bool
        lines = []
        size = 0
        for found in filter(matches, map(record, self.rows)):
            line = " ".join(f"{name}={value}" for name, value in found.items())
            size += len(line)
            if size > _OUTPUT_LIMIT:
                lines.append("… (cut)")
                break
            lines.append(line)
        return "\n".join(lines)


def _statement(command: Command) -> RouterosStatement:
    assert isinstance(command.statement, RouterosStatement)  # noqa: S101  # checked by _prepare
    return command.statement


def _wave_end(work: _Work) -> int:
    """Where the wave that begins at ``work.start`` must stop: at the first find on a menu that it changes before."""
    changed: set[tuple[str, ...]] = set()
    start = work.start
    for index in range(start, len(work.commands)):
        statement = _statement(work.commands[index])
        if statement.find is not None and statement.find.path in changed:
            return index
        if statement.verb not in _READING:
            changed.add(statement.path)
    return len(work.commands)
