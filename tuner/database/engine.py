"""A database behind a store URL: connections, transactions, tables made on the first write and never by reading."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, Select, Table, create_engine, event, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import QueuePool

from tuner.database import migrate
from tuner.database.failures import translated
from tuner.database.journal import BUSY_TIMEOUT_S, choose_journal
from tuner.database.tables import SCHEMA
from tuner.database.url import DatabaseUrl, parse_url
from tuner.errors import StoreUnreachable

__all__ = ["Connection", "Database", "Select", "select"]

_CONNECT_TIMEOUT_S = 5
_LOCK_TIMEOUT_S = 20
_WRITE = "tuner_write"


class Database:
    """One database. Threads may share it; each takes its own connections.

    Args:
        url: A store URL; only looked at. Nothing is opened or made before ``ready`` or ``prepare``.

    Raises:
        StoreUnreachable: The URL is wrong.
    """

    def __init__(self, url: str) -> None:
        self.url = parse_url(url)
        self._engine: Engine | None = None
        self._lock = threading.Lock()
        self._current = False

    @property
    def shown(self) -> str:
        """The URL for messages, without password."""
        return self.url.shown

    @property
    def clock(self) -> str:
        """SQL for the database's own clock in seconds since the epoch: drivers on several hosts agree on it."""
        if self.url.dialect == "postgresql":
            return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS DOUBLE PRECISION)"
        return "((julianday('now') - 2440587.5) * 86400.0)"

    def ready(self) -> bool:
        """Whether there is something to read. Brings an older schema to the newest; makes no file and no table.

        Raises:
            StoreError: The database cannot be opened, or a newer tuner wrote it.
        """
        if self._current:
            return True
        if self.url.dialect == "sqlite" and not Path(self.url.address).exists():
            return False
        with self.reading() as connection:
            version = migrate.current_version(connection)
        if version is not None and version != migrate.HEAD:
            self._upgrade()
        self._current = version is not None
        return self._current

    def prepare(self) -> None:
        """Make everything that writing needs: the file's folder, the file, the tables.

        Raises:
            StoreError: It cannot be done; says why.
        """
        if self._current:
            return
        if self.url.dialect == "sqlite":
            self._make_file()
        with self.reading() as connection:
            version = migrate.current_version(connection)
        if version != migrate.HEAD:
            self._upgrade()
        self._current = True

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection in a transaction that sees one state of the database throughout, whoever writes meanwhile."""
        options: dict[str, Any] = {}
        if self.url.dialect == "postgresql":
            options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with translated(self.url), self._opened().connect() as connection:
            connection.execution_options(**options)
            with connection.begin():
                yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection in a writing transaction: all of it is kept, or, when anything raises, nothing."""
        with translated(self.url), self.connect() as connection, connection.begin():
            yield connection

    def connect(self) -> Connection:
        """A connection whose transactions are writing ones, for one owner to keep open and to close."""
        with translated(self.url):
            return self._opened().connect().execution_options(**{_WRITE: True})

    @contextmanager
    def transaction(self, connection: Connection) -> Iterator[None]:
        """A writing transaction on a connection from ``connect``: all or nothing. A lost connection is opened anew."""
        with translated(self.url), connection.begin():
            yield

    def statement(self, sql: str, *tables: Table) -> str:
        """Plain SQL made fit for ``exec_driver_sql``: ``?`` for parameters, ``{0}``, ``{1}``, ... for the tables."""
        prefix = f"{SCHEMA}." if self.url.dialect == "postgresql" else ""
        named = sql.format(*(prefix + table.name for table in tables))
        return named.replace("?", "%s") if self.url.dialect == "postgresql" else named

    def close(self) -> None:
        """Close all connections that are not in use. Idempotent; the next use opens new ones."""
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()

    def _opened(self) -> Engine:
        with self._lock:
            if self._engine is None:
                make = _sqlite_engine if self.url.dialect == "sqlite" else _postgresql_engine
                self._engine = make(self.url)
            return self._engine

    def _upgrade(self) -> None:
        with self.writing() as connection:
            migrate.upgrade(connection, self.shown)

    def _make_file(self) -> None:
        path = Path(self.url.address)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnreachable(
                f"the folder of the store {self.shown} cannot be made: {error}",
                hint="name a file in a folder that you may write to: --store sqlite:///path/to/file.db",
            ) from error
        with translated(self.url):
            connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
            try:
                choose_journal(connection, path, self.shown)
            finally:
                connection.close()


def _sqlite_engine(url: DatabaseUrl) -> Engine:
    # mode=rw: opening a connection never makes a file, so that a mistyped path leaves nothing behind.
    address = f"file:{quote(url.address)}?mode=rw"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)

    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool)

    @event.listens_for(engine, "connect")
    def set_durability(connection: sqlite3.Connection, _record: object) -> None:
        # Without WAL, NORMAL can lose the whole file in a power cut, so only WAL may have it.
        mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
        connection.execute(f"PRAGMA synchronous={url.synchronous if mode == 'wal' else 'FULL'}")
        # 16 MiB: a page that is written in many commits is carried over to the file, and synchronised, less often.
        connection.execute("PRAGMA wal_autocheckpoint=4000")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # The driver's own transactions begin too late (at the first write) to be a snapshot or a lock.
        writes = connection.get_execution_options().get(_WRITE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql_engine(url: DatabaseUrl) -> Engine:
    try:
        address = make_url(url.address)
    except ArgumentError as error:
        raise StoreUnreachable(f"{url.shown} is no URL: {error}") from error
    except ValueError as error:
        raise StoreUnreachable(f"{url.shown} is no URL: its port must be a number") from error
    with translated(url):
        engine = create_engine(
            address,
            pool_pre_ping=True,
            execution_options={"schema_translate_map": {None: SCHEMA}},
            connect_args={
                "connect_timeout": _CONNECT_TIMEOUT_S,
                "application_name": "tuner",
                # A server that vanished without a word is noticed in half a minute, not in two hours.
                "keepalives_idle": 15,
                "keepalives_interval": 5,
                "keepalives_count": 3,
                "tcp_user_timeout": 30_000,
            },
        )

    @event.listens_for(engine, "connect")
    def bound_waits(connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT_S}s'")
        connection.commit()

    return engine
