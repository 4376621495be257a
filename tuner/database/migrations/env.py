"""Run by Alembic, only ever through ``tuner.database.migrate``: migrates on the open connection that it is handed."""

from __future__ import annotations

from alembic import context

from tuner.database.tables import VERSION_TABLE

attributes = context.config.attributes
context.configure(
    connection=attributes["connection"],
    version_table=VERSION_TABLE,
    version_table_schema=attributes["schema"],
)
context.run_migrations()
