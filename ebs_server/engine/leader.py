"""Which of the processes sweeps: the one that has PostgreSQL's advisory lock, held by a connection of its own."""

from __future__ import annotations

from typing import Any

import psycopg

from ebs_core.domain.errors import StorageError
from ebs_core.storage.database import Database
from ebs_core.storage.job_queue import connect_arguments

_LOCK = int.from_bytes(b"ebssweep")
_SILENCE = "15s"
"""A leader that hangs, or whose machine is gone, is cut off by the server after so long (PostgreSQL 14 and later)."""


class Leader:
    """Used by one thread; ``leads`` may be read by others."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: psycopg.Connection[Any] | None = None
        self.leads = False

    def try_to_lead(self) -> bool:
        """Become the leader if there is none, or make sure of still being it. Raises StorageError."""
        try:
            if self._connection is None:
                self._connection = psycopg.connect(**connect_arguments(self._database), autocommit=True)
                self._connection.execute(
                    "SELECT set_config(name, %s, false) FROM pg_settings WHERE name = 'idle_session_timeout'", [_SILENCE]
                )
            question = "SELECT true" if self.leads else f"SELECT pg_try_advisory_lock({_LOCK})"
            row = self._connection.execute(question.encode()).fetchone()
            self.leads = bool(row and row[0])
        except psycopg.Error as error:
            self.close()
            raise StorageError(f"database {self._database.name}: {str(error).strip()}") from error
        return self.leads

    def close(self) -> None:
        """Somebody else may lead."""
        self.leads = False
        if self._connection is not None:
            self._connection.close()
            self._connection = None
