"""What the use cases need of the outside world: small protocols, implemented by ``actions`` and ``nas_backends``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from ebs_core.domain.actions import Action
from ebs_core.domain.commands import Command, Job, Reply, always
from ebs_core.domain.errors import Problem
from ebs_core.domain.nas import Endpoint, Profile
from ebs_core.domain.records import DeviceModel, Reading, Record, TableKind, Vitals
from ebs_core.domain.text import Rendered


class Templates(Protocol):
    """The twelve templates in force on one NAS: its profile's, overridden by the operator's own."""

    @property
    def revision(self) -> str:
        """Changes whenever a template that makes records (add, enable, disable, speed) changes."""

    def variables(self, *actions: Action) -> frozenset[str]:
        """Canonical names (``subacc_vlan``, ``acc_username``, ``nas_name``, ``max_limit_rx``…) that these templates use."""

    def is_empty(self, action: Action) -> bool:
        """Nothing to send for this action."""

    def render(self, action: Action, values: Mapping[str, object]) -> Rendered:
        """Render with ``values`` by canonical name. Raises TemplateError, UnquotableValue."""


class Renderer(Protocol):
    """Compiles templates. Thread-safe; compiled templates are cached by their source."""

    def profiles(self) -> Mapping[str, Profile]:
        """Every kind of NAS, by name."""

    def templates(self, profile: Profile, overrides: Mapping[str, str]) -> Templates:
        """The templates in force for a NAS; ``overrides`` by action name."""

    def bootstrap(self, profile: Profile, values: Mapping[str, object]) -> Rendered:
        """The one-time set-up of a fresh NAS."""

    def check(self, profile: Profile, transport: str, action: str, source: str, file: str) -> list[Problem]:
        """Everything wrong with a template for that profile and transport; empty when it can be saved."""


class Session(Protocol):
    """An open conversation with one NAS. Not thread-safe: one worker uses it."""

    def run(self, jobs: Sequence[Job], allowed: Callable[[], bool] = always) -> list[tuple[Reply, ...]]:
        """Run jobs, as one batch as far as the dialects allow; per job one reply per command.

        Commands of one job run in order; jobs are independent of each other. Does not raise for what happens on the wire:
        commands without a reply are UNKNOWN (or NOT_SENT where it is certain). After a lost connection the session is dead:
        everything after is NOT_SENT; likewise once ``allowed`` answers False, which is asked again and again while sending.
        """

    def observe(self, wanted: Mapping[str, Collection[str]], near: Mapping[str, Sequence[Record]] | None = None) -> Reading:
        """Read whole tables, each once, all in one go; ``wanted``: the needed properties by table name (as folding names it).

        With ``near``, only what concerns these expected records (same key or same tag) has to be read; more may be. Tables that
        this session cannot read are left out of the answer. Raises NasError when the conversation fails.
        """

    def vitals(self) -> Vitals:
        """Whether the device restarted, cheaply. Raises NasError."""

    @property
    def alive(self) -> bool:
        """False after the connection was lost."""

    def close(self) -> None:
        """Idempotent; never raises."""


class Backends(Protocol):
    """Opens sessions and turns rendered text into commands."""

    def parse(self, profile: Profile, transport: str, rendered: Rendered) -> tuple[Command, ...]:
        """Split a rendering into commands; cached by skeleton. Raises SkeletonError where no dialect of the profile takes
        the text for this transport. Values are not looked at."""

    def check_values(self, transport: str, commands: Sequence[Command]) -> None:
        """Raises UnquotableValue if a value cannot be given as plain data where its slot stands."""

    def fold(self, profile: Profile, commands: Sequence[Command], model: DeviceModel) -> None:
        """Apply commands to a model of the device, in order: the records that should exist after them."""

    def table(self, profile: Profile, name: str) -> TableKind | None:
        """None where the table of a model cannot be read from a NAS of this kind."""

    def removal(self, profile: Profile, transport: str, table: str, record: Record) -> tuple[Command, ...]:
        """Commands that remove exactly this record, as it was read; none where there is no way."""

    def adoption(self, profile: Profile, transport: str, table: str, record: Record, tag: str) -> tuple[Command, ...]:
        """Commands that put our tag on this record without interrupting anybody; none where it needs or can have none."""

    def open(self, endpoint: Endpoint) -> Session:
        """Connect and log in. Raises NasError."""

    def door(self, endpoint: Endpoint) -> tuple[str, int] | None:
        """The address and TCP port where the NAS answers when it is up; None where nothing has to be connected to."""

    def host_key(self, endpoint: Endpoint) -> str | None:
        """The key or certificate fingerprint the NAS shows now, without logging in; None where the transport has none."""
