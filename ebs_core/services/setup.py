"""Bringing a NAS into service: test the way to it, trust its key, set it up once (bootstrap)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from ebs_core.crypto import SecretBox
from ebs_core.domain.commands import Command, Job, Outcome, Reply
from ebs_core.domain.errors import HostKeyChanged, HostKeyUnknown, NasError
from ebs_core.domain.text import redact
from ebs_core.ports import Backends, Session
from ebs_core.services.applier import send_announced
from ebs_core.services.nases import NasCatalogue, NasContext
from ebs_core.services.results import ResultWriter, log_entry
from ebs_core.services.variables import VARIABLES, Facts, collect
from ebs_core.storage.database import Database
from ebs_core.storage.leases import held

BOOTSTRAP = "bootstrap"


class TestStep(NamedTuple):
    """One step of a connection test. ``seconds`` it took; ``problem`` is empty when it went well."""

    name: str
    seconds: float
    detail: str
    problem: str = ""


class NasSetup:
    """Thread-safe: each call has its own transactions and sessions."""

    def __init__(
        self,
        database: Database,
        catalogue: NasCatalogue,
        backends: Backends,
        secrets: SecretBox,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._backends = backends
        self._secrets = secrets
        self._clock = clock

    def context(self, name: str) -> NasContext:
        with self._database.read() as session:
            return self._catalogue.load(session, name)

    def shown_key(self, name: str) -> str | None:
        """The host key (or certificate fingerprint) that the NAS shows now. Raises NasError."""
        return self._backends.host_key(self._catalogue.endpoint(self.context(name)))

    def test(self, name: str) -> Iterator[TestStep]:
        """Reach it, compare its key, log in; stops at the first step that fails."""
        endpoint = self._catalogue.endpoint(self.context(name))
        started = time.monotonic()
        where = f"{endpoint.transport} {endpoint.address or 'this machine'}{f':{endpoint.port}' if endpoint.port else ''}"
        try:
            key = self._backends.host_key(endpoint)
        except NasError as error:
            yield TestStep("reach", time.monotonic() - started, where, str(error))
            return
        yield TestStep("reach", time.monotonic() - started, where)
        if key is not None:
            problem = _key_problem(endpoint.name, endpoint.host_key, key)
            yield TestStep("host key", 0.0, key, str(problem) if problem else "")
            if problem:
                return
        started = time.monotonic()
        try:
            self._backends.open(endpoint).close()
        except NasError as error:
            yield TestStep("login", time.monotonic() - started, endpoint.login, str(error))
            return
        yield TestStep("login", time.monotonic() - started, endpoint.login)

    def bootstrap_commands(self, name: str) -> tuple[NasContext, tuple[Command, ...]]:
        """The one-time set-up of the NAS, rendered but not sent."""
        context = self.context(name)
        return context, self.bootstrap_commands_of(context)

    def bootstrap_commands_of(self, context: NasContext) -> tuple[Command, ...]:
        names = [variable for variable in VARIABLES if variable.startswith("nas_") or variable == "options"]
        values = collect(names, Facts(context.facts, self._secrets))
        rendered = self._catalogue.renderer.bootstrap(context.profile, values)
        commands = self._backends.parse(context.profile, context.transport, rendered)
        self._backends.check_values(context.transport, commands)
        return commands

    def bootstrap(self, name: str) -> list[tuple[Command, Reply]]:
        """Send the set-up, under the NAS's lease, and record it in the action log. Raises NasError if it cannot be reached."""
        context, commands = self.bootstrap_commands(name)
        with held(self._database, context.id, name) as lease:
            session = self._backends.open(self._catalogue.endpoint(context))
            try:
                writer = ResultWriter(self._database, lease, context.id)
                return self.bootstrap_over(context, session, writer, "an operator asked for it", commands)
            finally:
                session.close()

    def bootstrap_over(
        self,
        context: NasContext,
        session: Session,
        writer: ResultWriter,
        cause: str,
        commands: tuple[Command, ...] | None = None,
    ) -> list[tuple[Command, Reply]]:
        """As ``bootstrap``, over an open session; ``writer`` is of the caller's lease."""
        if commands is None:
            commands = self.bootstrap_commands_of(context)
        at = self._clock()
        (replies,), log, intents = send_announced(
            session,
            writer,
            [Job(0, commands)],
            lambda _job, one, reply: log_entry(at, context.name, BOOTSTRAP, cause, one, reply),
        )
        writer.record((), log, intents)
        done = [
            (command, replace(reply, output=redact(reply.output, command.values)))
            for command, reply in zip(commands, replies, strict=True)
        ]
        if all(reply.outcome is Outcome.OK for _, reply in done):
            writer.nas(bootstrapped_at=self._clock())
        return done


def _key_problem(nas: str, trusted: str | None, shown: str) -> NasError | None:
    if trusted is None:
        return HostKeyUnknown(
            "its key is not trusted yet", nas=nas, remedy=f"compare it with the NAS's own, then 'ebs nas trust {nas}'"
        )
    if trusted.split()[:2] != shown.split()[:2]:
        return HostKeyChanged(
            "shows another key than the trusted one",
            nas=nas,
            remedy=f"find out why (reinstalled? somebody in between?); only then 'ebs nas trust {nas}'",
        )
    return None
