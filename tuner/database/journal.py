"""SQLite's journal: write-ahead where it works, the rollback journal on network file systems."""

from __future__ import annotations

import logging
import sqlite3
import time
from pathlib import Path

from tuner.database.filesystem import network_file_system

__all__ = ["BUSY_TIMEOUT_S", "choose_journal"]

BUSY_TIMEOUT_S = 20.0
"""How long SQLite waits for another process's lock before it gives up."""

_log = logging.getLogger(__name__)


def choose_journal(connection: sqlite3.Connection, path: Path, shown: str) -> str:
    """Set the file's journal mode, which stays with the file; returns it.

    Args:
        connection: An autocommit connection to the file.
        path: The file.
        shown: The store's URL for the warning that is logged where WAL cannot be used.

    Raises:
        sqlite3.OperationalError: The file stayed locked for ``BUSY_TIMEOUT_S``.
    """
    mode = _mode(connection)
    if mode == "wal":
        return mode
    remote = network_file_system(path)
    if remote is None:
        mode = _set_wal(connection)
    if mode != "wal":
        _log.warning(
            "the store %s lies on a file system of type %s, where SQLite's write-ahead log is not safe: going on with the "
            "slower rollback journal; use it from one machine only, or keep the store on a local disk or in PostgreSQL",
            shown,
            remote or "that has no shared memory",
        )
    return mode


def _mode(connection: sqlite3.Connection) -> str:
    return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


def _set_wal(connection: sqlite3.Connection) -> str:
    # SQLite does not wait for other connections when it changes the mode, whatever the busy timeout is.
    deadline_s, pause_s = time.monotonic() + BUSY_TIMEOUT_S, 0.005
    while True:
        try:
            return str(connection.execute("PRAGMA journal_mode=WAL").fetchone()[0])
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline_s:
                raise
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, 0.1)
