"""Store URLs: which database, where, and how they are shown without their passwords.

    sqlite:///relative/path.db      sqlite:////absolute/path.db      sqlite:///path.db?synchronous=full
    postgresql+psycopg://user:password@host:5432/database            (postgresql:// and postgres:// mean the same)

Imports nothing heavy: ``tuner.provenance`` and the command line use it without a database.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl

from tuner.errors import StoreUnreachable, closest

__all__ = ["DatabaseUrl", "mask_credentials", "mask_urls", "parse_url", "sqlite_path"]

_SQLITE_SCHEMES = ("sqlite", "sqlite+pysqlite")
_POSTGRESQL_SCHEMES = ("postgresql+psycopg", "postgresql", "postgres")
_FORMS = "sqlite:///path/to/file.db, postgresql+psycopg://user:password@host:5432/database or memory://"
_SQLITE_OPTIONS = ("synchronous",)
_LEVELS = ("normal", "full")

_USERINFO = re.compile(r"(?P<head>[a-z][a-z0-9+.\-]*://[^\s/:@]*):(?P<secret>[^\s/]*)@", re.IGNORECASE)
_SECRET = r"[\w\-]*(?:password|passwd|secret|token|credential|api[_\-]?key|access[_\-]?key)[\w\-]*"
_IN_QUERY = re.compile(rf"(?P<head>[?&]{_SECRET}=)(?P<secret>[^\s&'\"]+)", re.IGNORECASE)
_ASSIGNED = re.compile(rf"^(?P<head>-{{0,2}}{_SECRET}=)(?P<secret>.+)$", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """A store URL, understood.

    Attributes:
        dialect: Which database.
        address: SQLite: absolute path of the file. PostgreSQL: the URL for SQLAlchemy, password included.
        shown: For messages and logs: no password in it.
        synchronous: SQLite's setting: NORMAL keeps every commit through a crash of the process, FULL through a power
            cut too. Always FULL for PostgreSQL, whose server decides.
    """

    dialect: Literal["sqlite", "postgresql"]
    address: str
    shown: str
    synchronous: Literal["NORMAL", "FULL"] = "FULL"


def mask_urls(text: str) -> str:
    """``text`` with the passwords of the URLs in it replaced by ``***``; safe for program text."""
    return _IN_QUERY.sub(r"\g<head>***", _USERINFO.sub(r"\g<head>:***@", text))


def mask_credentials(argument: str) -> str:
    """``mask_urls`` for one URL or command-line argument, with ``--token=...`` and ``password=...`` masked too."""
    return _ASSIGNED.sub(r"\g<head>***", mask_urls(argument))


def parse_url(url: str) -> DatabaseUrl:
    """Understand a store URL; nothing is opened.

    Raises:
        StoreUnreachable: It is no URL of a database that tuner can use; says what one looks like.
    """
    scheme, separator, rest = url.strip().partition("://")
    if not separator:
        raise StoreUnreachable(
            f"{mask_credentials(url)!r} is no store URL",
            hint=f"a file is written sqlite:///{mask_credentials(url)}" if url.strip() else f"expected {_FORMS}",
        )
    if scheme.lower() in _SQLITE_SCHEMES:
        return _parse_sqlite(url, rest)
    if scheme.lower() in _POSTGRESQL_SCHEMES:
        return DatabaseUrl("postgresql", f"postgresql+psycopg://{rest}", mask_credentials(url))
    near = closest(scheme, (*_SQLITE_SCHEMES, *_POSTGRESQL_SCHEMES, "memory"))
    raise StoreUnreachable(
        f"a store cannot be kept at {mask_credentials(url)!r}: {scheme!r} is not supported; expected {_FORMS}",
        hint=f"did you mean {near}://?" if near else None,
    )


def sqlite_path(url: str) -> Path | None:
    """The absolute path of a SQLite URL's file; None for any other URL that can be understood.

    Raises:
        StoreUnreachable: As for ``parse_url``.
    """
    parsed = parse_url(url)
    return Path(parsed.address) if parsed.dialect == "sqlite" else None


def _parse_sqlite(url: str, rest: str) -> DatabaseUrl:
    name, _, query = rest.partition("?")
    if name and not name.startswith("/"):
        raise StoreUnreachable(
            f"{url!r} has too few slashes",
            hint=f"write sqlite:///{rest} for a relative path, sqlite:////... for an absolute one",
        )
    if name.removeprefix("/") in ("", ":memory:"):
        raise StoreUnreachable(
            f"{url!r} names no file", hint="write sqlite:///path/to/file.db, or memory:// to keep nothing"
        )
    synchronous = "normal"
    for option, value in parse_qsl(query, keep_blank_values=True):
        if option not in _SQLITE_OPTIONS:
            raise StoreUnreachable(f"{url!r} has the unknown option {option!r}; there is: synchronous=normal|full")
        if value.lower() not in _LEVELS:
            raise StoreUnreachable(f"{url!r}: synchronous cannot be {value!r}; expected normal or full")
        synchronous = value.lower()
    path = Path(name.removeprefix("/")).expanduser().absolute()
    return DatabaseUrl("sqlite", str(path), url, "FULL" if synchronous == "full" else "NORMAL")
