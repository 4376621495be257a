"""Which store, and which folder beside it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

from tuner import plugins
from tuner.core.ports import Store, StudyInfo
from tuner.errors import StudyNotFound, closest
from tuner.study import PluginSpec

__all__ = ["HOME_URL", "find_study", "has_store", "open_store", "store_folder", "store_url"]

DEFAULT_URL = "sqlite:///.tuner/tuner.db"
HOME_URL = "sqlite:///~/.tuner/tuner.db"
"""Where jobs on a cluster keep their studies unless they are told otherwise: on the head, in the home folder."""


def store_url(url: str | None = None) -> str:
    """The store's URL: the one given, else ``$TUNER_STORE``, else ``sqlite:///.tuner/tuner.db``."""
    return url or os.environ.get("TUNER_STORE") or DEFAULT_URL


def open_store(url: str | None = None) -> Store:
    """Open a store. Close it when done.

    Args:
        url: ``sqlite:///PATH``, ``postgresql+psycopg://...`` or ``memory://``; None as for ``store_url``.

    Raises:
        StoreError: The URL is wrong or nothing answers there.
    """
    url = store_url(url)
    kind = "memory" if url.startswith("memory:") else "sql"
    return cast(Store, plugins.build("store", PluginSpec(kind), url))


def store_folder(url: str | None = None) -> Path:
    """Where logs and models of that store's studies lie: beside an SQLite file, else ``$TUNER_FOLDER``, else ``.tuner``."""
    url = store_url(url)
    if url.startswith("sqlite:///"):
        return Path(url.removeprefix("sqlite:///").partition("?")[0]).expanduser().absolute().parent
    return Path(os.environ.get("TUNER_FOLDER") or ".tuner").expanduser().absolute()


def has_store(url: str | None = None) -> bool:
    """Whether there may be a store: an SQLite file that is not there is none."""
    url = store_url(url)
    if not url.startswith("sqlite:///"):
        return True
    return Path(url.removeprefix("sqlite:///").partition("?")[0]).expanduser().exists()


def find_study(store: Store, name: str) -> StudyInfo:
    """A study by its name, an unambiguous beginning of it, or ``@latest``.

    Raises:
        StudyNotFound: There is none, or several begin so.
    """
    infos = list(store.studies())
    if name == "@latest" and infos:
        return infos[0]
    exact = [info for info in infos if info.name == name]
    found = exact or [info for info in infos if info.name.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(sorted(info.name for info in found)[:8])
        raise StudyNotFound(f"several studies begin with {name!r}: {listed}", hint="write more of the name")
    near = closest(name, [info.name for info in infos])
    hint = f"did you mean {near!r}?" if near else ("`tuner ls` lists them" if infos else "the store is empty")
    raise StudyNotFound(f"there is no study called {name!r}", hint=hint)
