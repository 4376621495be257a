"""The exceptions of SQLAlchemy and of the drivers, said in tuner's words. Done here and nowhere else."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from tuner.database.url import DatabaseUrl
from tuner.errors import StoreCorrupt, StoreError, StoreUnreachable

__all__ = ["ConnectionLost", "RowConflict", "translated"]


class RowConflict(StoreError):  # noqa: N818 -- the tree of tuner.errors has no suffixes
    """A row of that key is there already."""


class ConnectionLost(StoreUnreachable):
    """The connection broke while it was in use; whether the last commit went through is not known."""


_SQLITE: dict[str, tuple[type[StoreError], str, str]] = {
    "SQLITE_CANTOPEN": (
        StoreUnreachable,
        "the file cannot be opened",
        "check that its folder exists and that you may write there",
    ),
    "SQLITE_READONLY": (StoreError, "it may only be read", "check the permissions of the file and of its folder"),
    "SQLITE_PERM": (StoreError, "access is denied", "check the permissions of the file and of its folder"),
    "SQLITE_NOTADB": (StoreUnreachable, "the file is no SQLite database", "name another file"),
    "SQLITE_CORRUPT": (
        StoreCorrupt,
        "the database is damaged",
        "save what is readable with: sqlite3 FILE .recover | sqlite3 NEW_FILE",
    ),
    "SQLITE_BUSY": (
        StoreError,
        "another process kept the database locked for 20 s",
        "look for a long transaction (an open shell, a backup); many drivers at once want PostgreSQL",
    ),
    "SQLITE_LOCKED": (StoreError, "a table is locked", "close other programs that have the file open"),
    "SQLITE_FULL": (StoreError, "the disk is full", "make room; everything acknowledged so far is kept, then resume"),
    "SQLITE_IOERR": (StoreError, "reading or writing the file failed", "check the disk and its free space"),
    "SQLITE_TOOBIG": (StoreError, "a text is larger than SQLite can hold", "report or log less in one piece"),
}


@contextmanager
def translated(url: DatabaseUrl) -> Iterator[None]:
    """Whatever the database raises inside comes out as a ``StoreError``.

    Raises:
        StoreUnreachable: Nothing answers, or the file cannot be opened.
        ConnectionLost: Something did answer, but no longer does.
        StoreCorrupt: The file is damaged.
        RowConflict: A row of that key is there already, or a column refuses its value.
        StoreError: Anything else.
    """
    try:
        yield
    except exc.IntegrityError as error:
        raise RowConflict(f"the store {url.shown} refused a row: {_first_line(error.orig)}") from error
    except exc.DBAPIError as error:
        raise _explain(error, url) from error
    except sqlite3.Error as error:
        raise _explain_sqlite(getattr(error, "sqlite_errorname", ""), error, url) from error
    except exc.NoSuchModuleError as error:
        raise StoreUnreachable(f"{url.shown}: SQLAlchemy knows no such database: {error}") from error
    except ModuleNotFoundError as error:
        if error.name != "psycopg":
            raise
        raise StoreUnreachable(
            f"{url.shown} needs the PostgreSQL driver, which is not installed", hint="pip install 'tuner[postgres]'"
        ) from error
    except exc.SQLAlchemyError as error:
        raise StoreError(f"the store {url.shown} failed: {_first_line(error)}") from error
    except OverflowError as error:
        raise StoreError(
            f"the store {url.shown} cannot hold a number: {error}", hint="steps and counts must be below 2**63"
        ) from error


def _explain(error: exc.DBAPIError, url: DatabaseUrl) -> StoreError:
    if isinstance(error.orig, sqlite3.Error):
        return _explain_sqlite(getattr(error.orig, "sqlite_errorname", ""), error.orig, url)
    if url.dialect == "postgresql":
        return _explain_postgresql(error, url)
    return StoreError(f"the store {url.shown} failed: {_first_line(error.orig)}")


def _explain_sqlite(name: str, error: sqlite3.Error, url: DatabaseUrl) -> StoreError:
    family = "_".join(name.split("_")[:2])  # SQLITE_IOERR_WRITE and its like belong to SQLITE_IOERR
    if family not in _SQLITE:
        return StoreError(f"the store {url.shown} failed: {_first_line(error)}")
    kind, what, hint = _SQLITE[family]
    return kind(f"the store {url.shown}: {what} ({name})", hint=hint)


def _explain_postgresql(error: exc.DBAPIError, url: DatabaseUrl) -> StoreError:
    text, state = _first_line(error.orig), getattr(error.orig, "sqlstate", None) or ""
    if error.connection_invalidated:
        return ConnectionLost(f"the connection to {url.shown} broke: {text}")
    if state.startswith("53") and state != "53300":
        return StoreError(
            f"the server of {url.shown} has run out of disk or memory: {text}",
            hint="make room; everything acknowledged so far is kept, then resume",
        )
    if state.startswith("42501"):
        return StoreError(
            f"{url.shown} denies it: {text}", hint="ask for CREATE on the database, or for the schema 'tuner'"
        )
    if state == "55P03":
        return StoreError(f"another session kept a row of {url.shown} locked for 20 s: {text}")
    unanswered = not state and isinstance(error, exc.OperationalError | exc.InterfaceError)
    if unanswered or state[:2] in ("08", "28", "3D", "53", "57"):
        return StoreUnreachable(
            f"cannot connect to {url.shown}: {text}",
            hint="check the host, port, user, password and database of the URL",
        )
    return StoreError(f"the store {url.shown} failed: {text}")


def _first_line(error: object) -> str:
    """The first line of a message, the statement and its (long, private) parameters left out."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
