"""What is known of a NAS and of its kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


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
