"""The job queue of a PostgreSQL site: Procrastinate's tables, in a PostgreSQL schema of their own beside ours.

The queue only wakes and distributes; the truth is in our rows. So a lost job costs one sweep, and a queue of another version of
the library is made anew instead of being migrated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from threading import Lock
from typing import Any, Final

import psycopg
from sqlalchemy import make_url, text
from sqlalchemy.orm import Session

from ebs_core.domain.errors import StorageError
from ebs_core.storage.database import Database, Woken, remedy_for

SCHEMA: Final = "ebs_queue"
QUEUE: Final = "nas"
TASK: Final = "reconcile"
URGENT, CHANGED, ROUTINE = 2, 1, 0
"""Priorities: an operator waits for it; something has to be sent; a read-back is due."""
_CONNECT_SECONDS = 5
_DEAD_SECONDS = 40
"""A worker says every ten seconds that it lives."""


def uses_queue(database: Database) -> bool:
    return database.engine.dialect.name == "postgresql"


# -- making it


def _script() -> str:
    return (files("procrastinate") / "sql" / "schema.sql").read_text(encoding="utf-8")


def _mark(script: str) -> str:
    """Tells queues of different versions of the library apart; kept as the comment of the schema."""
    return "Procrastinate " + hashlib.sha256(script.encode()).hexdigest()


def install(session: Session) -> None:
    """Make the queue, or make it anew for another version of the library; on SQLite nothing."""
    connection = session.connection()
    script = _script()
    if connection.dialect.name != "postgresql" or _found(session) == _mark(script):
        return
    driver: Any = connection.connection.driver_connection
    path = driver.execute("SELECT current_setting('search_path')").fetchone()[0]
    driver.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    driver.execute(f"CREATE SCHEMA {SCHEMA}")
    driver.execute(f"SET LOCAL search_path TO {SCHEMA}")
    driver.execute(script)
    driver.execute("SELECT set_config('search_path', %s, true)", [path])
    driver.execute(f"COMMENT ON SCHEMA {SCHEMA} IS '{_mark(script)}'")


def _found(session: Session) -> str | None:
    query = text("SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = :name")
    found = session.scalar(query, {"name": SCHEMA})
    return None if found is None else str(found)


def check_current(database: Database) -> None:
    """Raises StorageError unless the queue is there, for this version of the library."""
    with database.read() as session:
        found = _found(session)
    if found != _mark(_script()):
        state = "has no job queue yet" if found is None else "has the job queue of another version of EBS"
        raise StorageError(f"database {database.name} {state}", remedy="run 'ebs init'")


# -- using it


_PATIENCE = "-c lock_timeout=2000 -c idle_in_transaction_session_timeout=10000"
"""A process that sleeps in the middle of taking a job must not keep everybody's edits waiting: a wake-up is only a hint."""


def connect_arguments(database: Database) -> dict[str, Any]:
    """For psycopg: the site's database, where names mean the queue's tables."""
    _, arguments = database.engine.dialect.create_connect_args(make_url(database.url))
    arguments.pop("context", None)  # SQLAlchemy's own
    options = f"{arguments.get('options', '')} -c search_path={SCHEMA} {_PATIENCE}".strip()
    return {"connect_timeout": _CONNECT_SECONDS, **arguments, "options": options}


class JobQueue:
    """Puts jobs into the queue and clears away lost ones, over one connection of its own. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._connection: psycopg.Connection[Any] | None = None

    def put(self, priorities: Mapping[int, int]) -> None:
        """One job per NAS, by id, with its priority. A NAS that waits already has one job, of the higher priority; one that is
        being worked is worked once more. Raises StorageError."""
        if not priorities:
            return
        nas_ids = sorted(priorities)
        with self._cursor() as cursor:
            cursor.execute(_PUT, [QUEUE, TASK, nas_ids, [priorities[nas_id] for nas_id in nas_ids]])

    def wake(self, woken: Woken) -> None:
        """After a commit: for ``Database.on_commit``."""
        self.put({nas_id: URGENT if urgent else CHANGED for nas_id, urgent in woken.items()})

    def clear_lost(self) -> int:
        """Forget jobs whose worker is dead, or that ended badly: the sweep finds what was to be done. Their number."""
        with self._cursor() as cursor:
            return cursor.execute(_CLEAR, [f"{_DEAD_SECONDS} seconds"]).rowcount

    def close(self) -> None:
        with self._lock:
            self._drop()

    @contextmanager
    def _cursor(self) -> Iterator[psycopg.Cursor[Any]]:
        """One try more on a new connection: the server may have been restarted since the last use."""
        with self._lock:
            try:
                if self._connection is not None and not _alive(self._connection):
                    self._drop()
                if self._connection is None:
                    self._connection = psycopg.connect(**connect_arguments(self._database), autocommit=True)
                with self._connection.cursor() as cursor:
                    yield cursor
            except psycopg.Error as error:
                self._drop()
                reason = str(error).strip() or repr(error)
                raise StorageError(f"database {self._database.name}: job queue: {reason}", remedy=remedy_for(reason)) from error

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _alive(connection: psycopg.Connection[Any]) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True


_PUT = """
INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock, args, priority)
SELECT %s, %s, 'nas:' || nas_id, jsonb_build_object('nas_id', nas_id), priority
FROM unnest(%s::bigint[], %s::integer[]) AS wanted (nas_id, priority)
ON CONFLICT (queueing_lock) WHERE status = 'todo'
DO UPDATE SET priority = excluded.priority WHERE procrastinate_jobs.priority < excluded.priority
"""

_CLEAR = """
DELETE FROM procrastinate_jobs
WHERE status NOT IN ('todo', 'doing') OR status = 'doing' AND NOT EXISTS (
    SELECT FROM procrastinate_workers
    WHERE id = procrastinate_jobs.worker_id AND last_heartbeat > now() - %s::interval
)
"""
