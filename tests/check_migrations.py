"""``make check``: the migrations build exactly the tables of the code, and can be undone and redone."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from ebs_core.storage import schema
from ebs_core.storage.database import Database
from ebs_core.storage.tables import Base


def differences(database: Database) -> list[object]:
    """What the tables in code have that the database has not, or the other way round."""
    with database.read() as session:
        context = MigrationContext.configure(session.connection(), opts={"compare_type": True, "compare_server_default": True})
        return list(compare_metadata(context, Base.metadata))


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'check.sqlite3'}")
        schema.upgrade(database)
        schema.downgrade(database, "base")
        schema.upgrade(database)
        found = differences(database)
        database.dispose()
    for difference in found:
        print("migrations and tables differ:", difference, file=sys.stderr)
    print("migrations: ok" if not found else "migrations: make a new revision with 'alembic revision --autogenerate'")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
