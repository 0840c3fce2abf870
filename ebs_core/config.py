"""Where the database and the key are. Options win over the environment, that over a config file.

A config file is TOML: ``database = "sqlite:///…"`` and ``key_file = "…"``; relative paths in it start at its folder.
``resync_seconds`` and ``pulse_seconds`` say how often a NAS is read back, and asked whether it restarted.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from ebs_core.crypto import SecretBox
from ebs_core.domain.errors import InputError

CONFIG_NAME = "ebs.toml"
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Config:
    """``source`` is the config file that was read, if any. ``profiles`` is a folder of the operator's own kinds of NAS."""

    database: str
    key_file: Path
    key: str | None = None
    """The key itself, from ``EBS_KEY``, instead of a file."""
    profiles: Path | None = None
    source: Path | None = None
    resync_seconds: int = 900
    pulse_seconds: int = 60

    def secrets(self) -> SecretBox:
        if self.key:
            return SecretBox.from_lines(self.key, "EBS_KEY")
        return SecretBox.from_file(self.key_file)


def load(
    database: str | None = None, key_file: str | None = None, environ: Mapping[str, str] = os.environ, folder: Path | None = None
) -> Config:
    """Resolve the settings. Raises InputError for a config file that is not valid."""
    source = _find(environ, folder or Path.cwd())
    settings = _read(source) if source else {}
    url = database or environ.get("EBS_DATABASE_URL") or _text(settings.get("database")) or _default_database(environ)
    key_path = key_file or environ.get("EBS_KEY_FILE") or _text(settings.get("key_file"))
    profiles = environ.get("EBS_PROFILES") or _text(settings.get("profiles"))
    return Config(
        database=url,
        key_file=Path(key_path).expanduser() if key_path else default_key_file(url, environ),
        key=environ.get("EBS_KEY") or None,
        profiles=Path(profiles).expanduser() if profiles else None,
        source=source,
        resync_seconds=_seconds("resync_seconds", 900, environ, settings),
        pulse_seconds=_seconds("pulse_seconds", 60, environ, settings),
    )


def _seconds(name: str, default: int, environ: Mapping[str, str], settings: Mapping[str, str | int]) -> int:
    text = environ.get(f"EBS_{name.upper()}") or str(settings.get(name, default))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _DAY:
        raise InputError(f"{name}: {text!r} is not a number of seconds from 1 to {_DAY}", remedy="for instance 900")
    return int(text)


def _text(value: str | int | None) -> str | None:
    return None if value is None else str(value)


def _find(environ: Mapping[str, str], folder: Path) -> Path | None:
    if named := environ.get("EBS_CONFIG"):
        return Path(named).expanduser()
    folders = (folder, _home(environ, "XDG_CONFIG_HOME", ".config"), Path("/etc/ebs"))
    return next((path for place in folders if (path := place / CONFIG_NAME).is_file()), None)


def _read(path: Path) -> dict[str, str | int]:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"config file {path}: {error}") from error
    kinds = {"database": str, "key_file": str, "profiles": str, "resync_seconds": int, "pulse_seconds": int}
    for name, value in found.items():
        if type(value) is not kinds.get(name):
            raise InputError(
                f"config file {path}: {name!r} is not expected"
                if name not in kinds
                else f"config file {path}: {name}: {value!r}",
                remedy="it takes the texts database, key_file, profiles and the numbers resync_seconds, pulse_seconds",
            )
    if (database := sqlite_path(found.get("database", ""))) and not database.is_absolute():
        found["database"] = f"sqlite:///{path.parent.absolute() / database}"
    for name in ("key_file", "profiles"):
        if name in found:
            found[name] = str(path.parent / Path(found[name]).expanduser())
    return found


def _home(environ: Mapping[str, str], variable: str, fallback: str) -> Path:
    base = environ.get(variable)
    return (Path(base) if base else Path(environ.get("HOME", "~")).expanduser() / fallback) / "ebs"


def _default_database(environ: Mapping[str, str]) -> str:
    return f"sqlite:///{_home(environ, 'XDG_DATA_HOME', '.local/share') / 'ebs.sqlite3'}"


def default_key_file(url: str, environ: Mapping[str, str]) -> Path:
    """Beside an SQLite file; in the user's config folder otherwise."""
    if path := sqlite_path(url):
        return path.parent / "ebs.key"
    return _home(environ, "XDG_CONFIG_HOME", ".config") / "ebs.key"


def sqlite_path(url: str) -> Path | None:
    """The file of an SQLite URL (or bare path), None for other databases."""
    if "://" not in url:
        return Path(url) if url else None
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return None
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None
