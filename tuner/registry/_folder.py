"""A folder that is there as a whole or not at all, and whose files are what they were."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tuner.errors import RegistryError

__all__ = ["CARD", "atomic_folder", "file_sha256", "verify"]

CARD = "model.json"


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, as hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of ``target`` when the block ends well, and vanishes when it does not.

    A saved model that lies there already is replaced; anything else is left alone.

    Raises:
        RegistryError: ``target`` is a file, a folder of something else, or cannot be written.
    """
    if target.exists() and not (target.is_dir() and ((target / CARD).is_file() or not any(target.iterdir()))):
        raise RegistryError(f"{target} is there already and is no saved model", hint="name another folder")
    draft = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    try:
        draft.mkdir(parents=True)
        yield draft
        _sync(draft)
        _swap(draft, target)
    except OSError as error:
        raise RegistryError(f"the model cannot be written to {target}: {error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _sync(folder: Path) -> None:
    for path in [*folder.iterdir(), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _swap(draft: Path, target: Path) -> None:
    """Put ``draft`` where ``target`` is. POSIX renames a folder onto an empty one at once; a full one steps aside first."""
    old = target.with_name(f"{draft.name}.old")
    if target.exists() and any(target.iterdir()):
        target.rename(old)
    draft.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def verify(folder: Path, digests: Mapping[str, str]) -> None:
    """Raise unless every file of ``digests`` (name -> SHA-256) lies in ``folder`` and is unchanged.

    Raises:
        RegistryError: Says which file is missing or was changed, or has a name that leads out of the folder.
    """
    for name, expected in digests.items():
        path = folder / name
        if Path(name).name != name:
            raise RegistryError(f"{folder}: model.json names a file outside the folder: {name!r}")
        if not path.is_file():
            raise RegistryError(f"{folder} lacks {name!r}, which its model.json lists", hint="copy the whole folder")
        found = file_sha256(path)
        if found != expected:
            raise RegistryError(
                f"{path} was changed after it was saved: its SHA-256 is {found[:12]}..., model.json says {expected[:12]}...",
                hint="do not load it; copy the folder again from where it was saved",
            )
