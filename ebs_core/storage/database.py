"""The engine: SQLite in WAL mode, or PostgreSQL through psycopg 3. SQLAlchemy's errors become StorageError here."""

from __future__ import annotations

import logging
import random
import re
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from ebs_core.domain.errors import Conflict, DatabaseAway, StorageError
from ebs_core.storage import events

_BUSY_SECONDS = 30
_LOOK_SECONDS = (0.001, 0.004)
"""Between two tries to become the only writer of an SQLite database; by chance, so that nobody always comes too late."""
_KEPT_CONNECTIONS = 16
_WOKEN = "ebs woken"
_log = logging.getLogger(__name__)

Woken = Mapping[int, bool]
"""NASes that have something new to do, by id; True: an operator waits for it."""


def wake_after_commit(session: Session, nas_ids: Iterable[int], *, urgent: bool = False) -> None:
    """When this transaction has been committed, the background job is told that these NASes have something new to do."""
    woken: dict[int, bool] = session.info.setdefault(_WOKEN, {})
    for nas_id in nas_ids:
        woken[nas_id] = urgent or woken.get(nas_id, False)


class Database:
    """One database. ``read()`` and ``write()`` give sessions with their own transaction; ``write`` commits at the end."""

    def __init__(self, url: str) -> None:
        self.url = _normal(url)
        self.engine = _engine(self.url)
        self.on_commit: list[Callable[[Woken], None]] = []
        """Called after a commit that wakes NASes, by the thread that wrote. What they raise is logged: the sweep finds it."""

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
                session.flush()
                events.write(session)
                session.commit()
            woken: Woken = session.info.get(_WOKEN, {})
        if woken:
            self._tell(woken)

    def _tell(self, woken: Woken) -> None:
        for listener in self.on_commit:
            try:
                listener(woken)
            except Exception as error:
                _log.warning("the background job could not be told of a change; its sweep finds it: %s", error)

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
            problem = DatabaseAway if _is_away(error) else StorageError
            raise problem(f"database {self.name}: {_first_line(error.orig)}", remedy=remedy_for(str(error.orig))) from error
        except StaleDataError as error:
            raise Conflict("somebody else changed it at the same moment", remedy="look at it again, then repeat") from error
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


_POOL = {"pool_size": _KEPT_CONNECTIONS, "max_overflow": -1}
"""As many connections as there are threads at work; so many of them are kept open."""


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            # isolation_level None: the driver begins nothing by itself, _sqlite_begin does
            engine = create_engine(parsed, connect_args={"timeout": _BUSY_SECONDS, "isolation_level": None}, **_POOL)
            event.listen(engine, "connect", _sqlite_connect)
            event.listen(engine, "begin", _sqlite_begin)
            return engine
        if parsed.get_backend_name() == "postgresql":
            engine = create_engine(parsed, pool_pre_ping=True, **_POOL)
            event.listen(engine, "connect", _postgresql_connect)
            event.listen(engine, "checkout", _postgresql_checkout)
            return engine
    except (ArgumentError, SQLAlchemyError, ImportError, ValueError) as error:
        raise StorageError(f"database URL {_hidden(url)}: {_first_line(error)}", remedy=_URL_HELP) from error
    raise StorageError(f"database URL {_hidden(url)} names neither SQLite nor PostgreSQL", remedy=_URL_HELP)


_URL_HELP = "use sqlite:///ebs.sqlite3 or postgresql://user:password@host/database"


def _hidden(url: str) -> str:
    return re.sub(r"(pass[^=&]*=)[^&]*", r"\1***", re.sub(r"(://[^:/@]*:).*@", r"\1***@", url))


def _postgresql_checkout(connection: Any, _record: Any, _proxy: Any) -> None:
    """After a reading transaction SQLAlchemy leaves the connection to begin all others as READ WRITE, which would override a
    server that was told to take no writes (default_transaction_read_only)."""
    connection.read_only = None


def _sqlite_connect(connection: sqlite3.Connection, _record: Any) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-65536", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}").close()
    connection.create_function("lower", 1, _lower, deterministic=True)  # SQLite's own knows A to Z only


def _postgresql_connect(connection: Any, _record: Any) -> None:
    """Our queries probe indexes. On a large site the server's own estimate makes it compile them to machine code first, which
    takes some hundred times as long as they do (https://www.postgresql.org/docs/current/jit-decision.html). A process that sleeps
    within a transaction (a stopped virtual machine) loses it, so that its locks keep nobody waiting for ever."""
    connection.autocommit = True
    connection.execute("SET jit = off")
    connection.execute("SET idle_in_transaction_session_timeout = '60s'")
    connection.autocommit = False


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _sqlite_begin(connection: Connection) -> None:
    if connection.get_execution_options().get("ebs_read_only"):
        connection.exec_driver_sql("BEGIN")
    else:
        _take_the_writers_place(connection)


def _take_the_writers_place(connection: Connection) -> None:
    """SQLite's own waiting sleeps ever longer, up to 0.1 s between two looks: a place that a dozen want stays empty."""
    driver: Any = connection.connection.driver_connection
    deadline = time.monotonic() + _BUSY_SECONDS
    driver.execute("PRAGMA busy_timeout = 0").close()
    try:
        while time.monotonic() < deadline:
            try:
                driver.execute("BEGIN IMMEDIATE").close()
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    break
            time.sleep(random.uniform(*_LOOK_SECONDS))  # noqa: S311
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # in vain, but the engine has to see what is wrong
    finally:
        driver.execute(f"PRAGMA busy_timeout = {int(_BUSY_SECONDS * 1000)}").close()


_GOING_DOWN_OR_UP = ("08", "57P0")
"""Connection exceptions, and operator intervention: https://www.postgresql.org/docs/current/errcodes-appendix.html"""


def _is_away(error: DBAPIError) -> bool:
    """A server that refuses a connection gives no code. SQLite's errors never have one: a file is there or not."""
    state = getattr(error.orig, "sqlstate", "")
    return isinstance(error, OperationalError) and (state is None or state.startswith(_GOING_DOWN_OR_UP))


def _first_line(error: object) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def remedy_for(message: str) -> str:
    """What to do about what a database says; empty where there is nothing more to say."""
    if "no such table" in message or "UndefinedTable" in message or ("relation" in message and "does not exist" in message):
        return "run 'ebs init' to create or upgrade the database"
    if "unable to open" in message:
        return "check that the folder exists and is writable, or set EBS_DATABASE_URL"
    if "locked" in message:
        return "another program holds the database for long; try again"
    if "read-only transaction" in message or "recovery is in progress" in message:
        return "the PostgreSQL server takes no writes: name the primary, not a standby, and see default_transaction_read_only"
    if "read-only" in message or "readonly" in message:
        return "make the database file and its folder writable for this user"
    if "disk is full" in message or "No space left" in message or "disk I/O error" in message:
        return "make room on the disk (or quota) of the database; the work goes on by itself then"
    return ""
