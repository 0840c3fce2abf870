"""Wires dialects and transports together: the one place that knows all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from ebs_core.domain.commands import Command, Statement
from ebs_core.domain.errors import Misconfigured, NasError, SkeletonError
from ebs_core.domain.nas import Endpoint, Profile
from ebs_core.domain.records import DeviceModel, Record, TableKind
from ebs_core.domain.text import Rendered
from ebs_core.ports import Session
from nas_backends.contract import Batcher, Dialect, Executor, Observer
from nas_backends.dialects import lines
from nas_backends.dialects.iproute_batch import AloneBatcher, IprouteBatcher
from nas_backends.dialects.linux_observe import LinuxObserver
from nas_backends.dialects.nft_batch import NftBatcher
from nas_backends.dialects.opaque import OpaqueDialect
from nas_backends.dialects.pattern_fold import pattern_fold
from nas_backends.dialects.pattern_observe import pattern_observers
from nas_backends.dialects.routeros import RouterosDialect
from nas_backends.dialects.routeros_batch import RouterosBatcher
from nas_backends.dialects.routeros_observer import RouterosObserver
from nas_backends.dialects.routeros_sentence import sentence
from nas_backends.dialects.routeros_statement import RouterosStatement
from nas_backends.dialects.shell_batch import OpaqueBatcher, ShellBatcher
from nas_backends.transports import routeros_api, routeros_login, ssh, ssh_login
from nas_backends.transports.local import LocalExecutor
from nas_backends.transports.text_session import TextSession

PARSED = 4096
"""Skeletons kept parsed; a profile has a few dozen."""

_WHOLE: Mapping[str, Dialect] = {"routeros": RouterosDialect(), "opaque": OpaqueDialect()}
"""Dialects that take whole templates; ``lines`` shares a template out among the others."""


def batchers(profile: Profile) -> dict[str, Batcher]:
    """A batcher for every dialect of text transports, for one session."""
    return {
        "nft": NftBatcher(), "tc": IprouteBatcher("tc"), "ip": IprouteBatcher("ip"), "iproute alone": AloneBatcher(),
        "shell": ShellBatcher(), "opaque": OpaqueBatcher(), "routeros": RouterosBatcher(profile.error_patterns),
    }  # fmt: skip


def observers(profile: Profile, options: Mapping[str, str] | None = None) -> tuple[Observer, ...]:
    """Who can read what the dialects of the profile write; ``options`` are those of the NAS that is read."""
    found: list[Observer] = [*pattern_observers(profile, options)]
    if "routeros" in profile.dialects:
        found.append(RouterosObserver())
    if not {"nft", "tc", "ip"}.isdisjoint(profile.dialects):
        found.append(LinuxObserver())
    return tuple(found)


class DeviceBackends:
    """See ``ebs_core.ports.Backends``. Thread-safe."""

    def __init__(self) -> None:
        self._parsed = lru_cache(PARSED)(parse)

    def parse(self, profile: Profile, transport: str, rendered: Rendered) -> tuple[Command, ...]:
        """Commands of a rendering, the values shared out among them in order. Raises SkeletonError."""
        commands, at = [], 0
        for statement in self._parsed(profile.dialects, rendered.skeleton, transport):
            commands.append(Command(statement, rendered.values[at : at + statement.slots]))
            at += statement.slots
        return tuple(commands)

    def check_values(self, transport: str, commands: Sequence[Command]) -> None:
        """Raises UnquotableValue."""
        for command in commands:
            if transport == "routeros_api" and isinstance(command.statement, RouterosStatement):
                sentence(command.statement).encode(command.values)
            else:
                command.statement.emit(command.values)

    def fold(self, profile: Profile, commands: Sequence[Command], model: DeviceModel) -> None:
        """Apply commands to a model of the device, in order."""
        patterns = pattern_fold(profile.reads) if profile.reads else None
        for command in commands:
            opaque = model.opaque
            command.statement.fold(command.values, model)
            if patterns is not None and patterns.fold(command, model):
                model.opaque = opaque

    def table(self, profile: Profile, name: str) -> TableKind | None:
        """None where the table cannot be read from a NAS of this kind."""
        return next((kind for observer in observers(profile) if (kind := observer.kind(name)) is not None), None)

    def removal(self, profile: Profile, transport: str, table: str, record: Record) -> tuple[Command, ...]:
        """Commands that remove exactly this record; none where there is no way."""
        return self._special(profile, transport, [observer.removal(table, record) for observer in _of(profile, table)])

    def adoption(self, profile: Profile, transport: str, table: str, record: Record, tag: str) -> tuple[Command, ...]:
        """Commands that put our tag on this record; none where it needs or can have none."""
        return self._special(profile, transport, [observer.adoption(table, record, tag) for observer in _of(profile, table)])

    def _special(self, profile: Profile, transport: str, found: Sequence[Rendered | None]) -> tuple[Command, ...]:
        commands = tuple(command for one in found if one for command in self.parse(profile, transport, one))
        self.check_values(transport, commands)
        return commands

    def open(self, endpoint: Endpoint) -> Session:
        """Connect and log in. Raises NasError."""
        if endpoint.transport == "routeros_api":
            return routeros_api.open_session(endpoint)
        if endpoint.transport == "ssh":
            return _text_session(ssh.SshExecutor(endpoint), endpoint)
        if endpoint.transport == "local":
            return _text_session(LocalExecutor(), endpoint)
        raise _unknown_transport(endpoint)

    def door(self, endpoint: Endpoint) -> tuple[str, int] | None:
        """Where the NAS answers when it is up; None for a transport that connects to nothing."""
        if endpoint.transport == "routeros_api":
            return endpoint.address, routeros_login.port_of(endpoint)
        if endpoint.transport == "ssh":
            return endpoint.address, endpoint.port or ssh_login.PORT
        return None

    def host_key(self, endpoint: Endpoint) -> str | None:
        """The key or certificate fingerprint that the NAS shows now. Raises NasError."""
        if endpoint.transport == "routeros_api":
            return routeros_api.host_key(endpoint)
        if endpoint.transport == "ssh":
            return ssh.host_key(endpoint)
        if endpoint.transport == "local":
            return None
        raise _unknown_transport(endpoint)


def parse(dialects: tuple[str, ...], skeleton: str, transport: str) -> tuple[Statement, ...]:
    """Statements of a skeleton by the dialects of a profile. Raises SkeletonError."""
    if lines.LINE_DIALECTS.intersection(dialects):
        return lines.parse(dialects, skeleton, transport)
    for name in dialects:
        if name in _WHOLE:
            return _WHOLE[name].parse(skeleton, transport)
    raise SkeletonError(
        f"no dialect {' or '.join(dialects) or '(none listed)'} is known", 0, remedy="correct dialects in profile.toml"
    )


def _text_session(executor: Executor, endpoint: Endpoint) -> TextSession:
    return TextSession(executor, batchers(endpoint.profile), endpoint, observers(endpoint.profile, endpoint.options))


def _of(profile: Profile, table: str) -> list[Observer]:
    return [observer for observer in observers(profile) if observer.kind(table) is not None][:1]


def _unknown_transport(endpoint: Endpoint) -> NasError:
    return Misconfigured(
        f"transport {endpoint.transport!r} is not known",
        nas=endpoint.name,
        remedy=f"use one of {', '.join(endpoint.profile.transports)}",
    )
