"""Creating and upgrading the database with the migrations that travel with the program."""

from __future__ import annotations

from importlib.resources import files

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

from ebs_core.domain.errors import StorageError
from ebs_core.storage import job_queue
from ebs_core.storage.database import Database


def _alembic() -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(files("migrations")).replace("%", "%%"))
    return config


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the database to ``revision``, and make its job queue; each in one transaction where the database can."""
    _run(database, command.upgrade, revision)
    with database.write() as session:
        job_queue.install(session)


def downgrade(database: Database, revision: str) -> None:
    _run(database, command.downgrade, revision)


def _run(database: Database, migrate: object, revision: str) -> None:
    config = _alembic()
    with database.write() as session:
        config.attributes["connection"] = session.connection()
        migrate(config, revision)  # type: ignore[operator]


def check_current(database: Database) -> None:
    """Raises StorageError unless the database has exactly this program's schema."""
    head = ScriptDirectory.from_config(_alembic()).get_current_head()
    with database.read() as session:
        try:
            current = MigrationContext.configure(session.connection()).get_current_revision()
        except DBAPIError as error:
            raise StorageError(f"database {database.name}: {error.orig}") from error
    if current == head:
        return
    known = {script.revision for script in ScriptDirectory.from_config(_alembic()).walk_revisions()}
    if current is None:
        raise StorageError(f"database {database.name} has no EBS tables yet", remedy="run 'ebs init'")
    if current in known:
        raise StorageError(f"database {database.name} is of an older EBS", remedy="run 'ebs init' to upgrade it")
    raise StorageError(f"database {database.name} is of a newer EBS", remedy="upgrade this program")
