"""The engine: SQLite in WAL mode, or PostgreSQL through psycopg 3. SQLAlchemy's errors become StorageError here."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from ebs_core.domain.errors import StorageError

_BUSY_SECONDS = 30


class Database:
    """One database. ``read()`` and ``write()`` give sessions with their own transaction; ``write`` commits at the end."""

    def __init__(self, url: str) -> None:
        self.url = _normal(url)
        self.engine = _engine(self.url)

    @property
    def name(self) -> str:
        """For messages: no password in it."""
        url = make_url(self.url)
        hidden = {name: "***" for name in url.query if "pass" in name}
        return url.update_query_dict(hidden).render_as_string(hide_password=True)

    @property
    def has_password(self) -> bool:
        url = make_url(self.url)
        return bool(url.password) or any("pass" in name for name in url.query)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A consistent snapshot; nothing is written."""
        with self._session(read_only=True) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction: all or nothing. On SQLite it holds the only writer's place from its start."""
        with self._session(read_only=False) as session:
            yield session
            with self._translated():
                session.commit()

    @contextmanager
    def _session(self, *, read_only: bool) -> Iterator[Session]:
        with self._translated(), self.engine.connect() as connection:
            if read_only:
                connection = connection.execution_options(ebs_read_only=True)
                if self.engine.dialect.name == "postgresql":
                    connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with Session(connection, expire_on_commit=False) as session:
                yield session

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise StorageError(f"database {self.name}: {_first_line(error.orig)}", remedy=_remedy(str(error.orig))) from error
        except SQLAlchemyError as error:
            raise StorageError(f"database {self.name}: {_first_line(error)}") from error

    def dispose(self) -> None:
        self.engine.dispose()


def _normal(url: str) -> str:
    """Accepts ``postgresql://`` and ``postgres://`` for the driver we use, and a bare path for SQLite."""
    for prefix in ("postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url if "://" in url else f"sqlite:///{url}"


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            # isolation_level None: the driver begins nothing by itself, _sqlite_begin does
            engine = create_engine(parsed, connect_args={"timeout": _BUSY_SECONDS, "isolation_level": None})
            event.listen(engine, "connect", _sqlite_connect)
            event.listen(engine, "begin", _sqlite_begin)
            return engine
        if parsed.get_backend_name() == "postgresql":
            return create_engine(parsed, pool_pre_ping=True)
    except (ArgumentError, SQLAlchemyError, ImportError, ValueError) as error:
        raise StorageError(f"database URL {_hidden(url)}: {_first_line(error)}", remedy=_URL_HELP) from error
    raise StorageError(f"database URL {_hidden(url)} names neither SQLite nor PostgreSQL", remedy=_URL_HELP)


_URL_HELP = "use sqlite:///ebs.sqlite3 or postgresql://user:password@host/database"


def _hidden(url: str) -> str:
    return re.sub(r"(pass[^=&]*=)[^&]*", r"\1***", re.sub(r"(://[^:/@]*:).*@", r"\1***@", url))


def _sqlite_connect(connection: sqlite3.Connection, _record: Any) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-65536", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}").close()
    connection.create_function("lower", 1, _lower, deterministic=True)  # SQLite's own knows A to Z only


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _sqlite_begin(connection: Connection) -> None:
    read_only = connection.get_execution_options().get("ebs_read_only")
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _first_line(error: object) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _remedy(message: str) -> str:
    if "no such table" in message or "UndefinedTable" in message or ("relation" in message and "does not exist" in message):
        return "run 'ebs init' to create or upgrade the database"
    if "unable to open" in message:
        return "check that the folder exists and is writable, or set EBS_DATABASE_URL"
    if "locked" in message:
        return "another program holds the database for long; try again"
    if "read-only" in message or "readonly" in message:
        return "make the database file and its folder writable for this user"
    return ""
