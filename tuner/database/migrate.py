"""Schema versions: which one a database has, and bringing it to the newest under a lock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, select, table, text
from sqlalchemy.sql import column

from tuner.database.tables import SCHEMA, VERSION_TABLE, metadata
from tuner.errors import StoreError

__all__ = ["HEAD", "current_version", "upgrade"]

HEAD = "0003"
"""The newest version. Kept here so that opening an up-to-date database need not import Alembic."""

_FOLDER = Path(__file__).parent / "migrations"
_ADVISORY_LOCK = 0x74756E6572  # "tuner"


def current_version(connection: Connection) -> str | None:
    """The schema version of the database; None when it holds no tables of tuner."""
    schema = _schema(connection)
    if not inspect(connection).has_table(VERSION_TABLE, schema=schema):
        return None
    version = table(VERSION_TABLE, column("version_num"), schema=schema)
    return connection.execute(select(version.c.version_num)).scalar()


def upgrade(connection: Connection, shown: str) -> None:
    """Bring the database to the newest version, in the writing transaction that ``connection`` is in.

    Processes that start together wait for one another here: SQLite's writing transactions exclude each other,
    PostgreSQL's take an advisory lock.

    Raises:
        StoreError: The database was written by a newer tuner, or its tables are another program's.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    version = current_version(connection)
    if version == HEAD:
        return
    if version is None:
        _prepare_empty(connection, shown)
    _run_alembic(connection, version, shown)


def _schema(connection: Connection) -> str | None:
    return SCHEMA if connection.dialect.name == "postgresql" else None


def _prepare_empty(connection: Connection, shown: str) -> None:
    schema, inspector = _schema(connection), inspect(connection)
    if schema is not None and schema not in inspector.get_schema_names():
        connection.execute(text(f"CREATE SCHEMA {schema}"))
        return
    foreign = sorted(set(inspector.get_table_names(schema=schema)) & set(metadata.tables))
    if foreign:
        raise StoreError(
            f"{shown} belongs to another program: it has tables called {', '.join(foreign)} that are not tuner's",
            hint="name another file or database",
        )


def _run_alembic(connection: Connection, version: str | None, shown: str) -> None:
    from alembic import command, script
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    attributes: dict[str, Any] = {"connection": connection, "schema": _schema(connection)}
    config.attributes.update(attributes)
    known = {revision.revision for revision in script.ScriptDirectory.from_config(config).walk_revisions()}
    if version is not None and version not in known:
        raise StoreError(
            f"{shown} was written by a newer tuner: its schema version is {version}, this tuner knows up to {HEAD}",
            hint="upgrade tuner: pip install --upgrade tuner",
        )
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreError(f"the schema of {shown} could not be brought from {version} to {HEAD}: {error}") from error
