"""What is known of a NAS and of its kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from ebs_core.domain.text import Rendered


@dataclass(frozen=True, slots=True)
class Option:
    """A setting that a profile asks of each NAS (an interface name, a directory). Declared in ``profile.toml``."""

    name: str
    help: str = ""
    default: str | None = None
    pattern: str = r"[A-Za-z0-9_.:/@-]+"

    @property
    def required(self) -> bool:
        return self.default is None


class Form(NamedTuple):
    """A command with named values: ``skeleton`` has a ``SLOT`` for each of ``names``, in order."""

    skeleton: str
    names: tuple[str, ...] = ()

    def rendered(self, values: Mapping[str, str]) -> Rendered:
        """With the values put in. Raises KeyError for a name that has none."""
        return Rendered(self.skeleton, tuple(values[name] for name in self.names))


class Effect(NamedTuple):
    """What a command that the regular expression ``match`` finds says of a record: the groups of the match, and ``constants``."""

    match: str
    constants: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Read:
    """A table of records that regular expressions read back, and predict from commands: one ``[[read]]`` of ``profile.toml``.

    In ``adds``, ``sets`` and ``removes`` a value of the template counts as one character, whatever it contains.
    """

    table: str
    command: Form
    """Prints the table; its names are options."""
    pattern: str
    """One record per match in what was printed; its named groups are the properties, empty where a group took no part."""
    key: tuple[str, ...]
    """Properties that no two records share."""
    adds: tuple[Effect, ...]
    """Such a command leaves a record, in place of the one of the same key. Groups that took no part are empty properties."""
    sets: tuple[Effect, ...] = ()
    """Such a command changes properties of the record of the same key. Groups that took no part change nothing."""
    removes: tuple[Effect, ...] = ()
    """Such a command removes the records that have all these properties."""
    complete: str = ""
    """Found in every whole print, so that a refusal or half a print is not taken for an empty table. Empty: not looked for."""
    place: tuple[str, ...] = ()
    alike: tuple[tuple[str, ...], ...] = ()
    """``place`` and ``alike``: see ``TableKind``."""
    secret: tuple[str, ...] = ()
    """Properties that are passwords."""
    remove: Form | None = None
    """Removes one record; its names are the record's properties."""
    adopt: Form | None = None
    """Puts ``tag`` on one record; its other names are the record's properties."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of NAS, as its folder ``action_templates/<name>/`` describes it. Vendor differences are data here."""

    name: str
    title: str
    dialects: tuple[str, ...]
    transports: tuple[str, ...]
    """In order of preference; the first is taken when a NAS names none."""
    tag: str = "ebs:{placement}"
    options: Mapping[str, Option] = field(default_factory=lambda: MappingProxyType({}))
    error_patterns: tuple[str, ...] = ()
    """Regular expressions; output that one of them finds means the command failed, whatever its exit status."""
    batch_size: int = 1000
    """Placements worked at a time; each batch is recorded before the next is sent."""
    max_slot: int | None = None
    """The largest slot that the templates can express (a tc minor has 16 bits), None for no limit."""
    templates: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Source by action name; ``bootstrap`` among them. A missing one is an empty one."""
    reads: tuple[Read, ...] = ()
    """What can be read back by patterns, where no dialect does it by itself."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How to reach one NAS. Times in seconds."""

    name: str
    profile: Profile
    transport: str
    address: str = ""
    port: int | None = None
    login: str = ""
    password: str = field(default="", repr=False)
    key_file: str | None = None
    host_key: str | None = None
    """``ssh-ed25519 AAAA…`` for SSH; ``sha256:<hex>`` of the certificate for TLS. None: never trusted."""
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    connect_timeout: float = 10.0
    command_timeout: float = 60.0
