"""Where checkpoints lie: ``<root>/<trial>/<attempt>-<step>``, a folder each, on a file system or at an fsspec URL.

What is kept is durable when ``keep`` returns and not to be seen before: it is written under a temporary name, flushed to the
disk, and renamed. A crash leaves a temporary folder at worst, which ``tidy`` removes.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tarfile
import uuid
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from tuner.errors import ExecutorError
from tuner.trial import Checkpoint

__all__ = [
    "FolderKeeper",
    "Keeper",
    "NotKept",
    "StudyKeeper",
    "UrlKeeper",
    "keeper_of",
    "name_of",
    "pack",
    "size_mib",
    "study_keeper",
    "unpack",
]

_PARTIAL = ".partial-"
_MARK = ".seen-by"


class NotKept(Exception):  # noqa: N818 -- says what happened
    """A checkpoint that could not be kept, and why."""


class Keeper(Protocol):
    """What an attempt needs: where to write, how to make it last, how to get it back."""

    def draft(self, name: str, scratch: Path) -> Path:
        """A new empty folder to write into; ``scratch`` is one for temporary files of the attempt."""

    def keep(self, draft: Path, name: str) -> tuple[str, float]:
        """Make a draft durable under ``name``; where it lies now, and how large it is in MiB.

        Raises:
            NotKept: It could not be, which is no fault of whoever saves: the attempt may go on without.
        """

    def fetch(self, place: str, scratch: Path) -> Path:
        """A folder of this machine that holds what lies at ``place``.

        Raises:
            OSError: It is not there, or cannot be read.
        """


class StudyKeeper(Keeper, Protocol):
    """What the driver needs besides."""

    def inherit(self, trial: int, attempt: int) -> Sequence[Checkpoint]:
        """What an attempt that has died has kept since the driver left its mark, by step; what it was writing is removed."""

    def discard(self, places: Collection[str]) -> None:
        """Remove these; what is gone already, cannot be removed or lies elsewhere is passed over."""

    def tidy(self, needed: Collection[str]) -> None:
        """Remove everything but these: what dead attempts left behind, and half-written ones."""


def keeper_of(root: str | Path) -> FolderKeeper | UrlKeeper:
    """The keeper of the folder ``root``: a path, or a URL that fsspec knows."""
    text = str(root)
    if text.startswith("file://"):
        return FolderKeeper(Path(text.removeprefix("file://")))
    return UrlKeeper(text) if "://" in text else FolderKeeper(Path(text))


def study_keeper(option: str | None, study: str, beside_store: str | Path) -> FolderKeeper | UrlKeeper:
    """The keeper of one study: in its folder of what the executor was told, else beside the store.

    Raises:
        ExecutorError: fsspec, or what it needs for the URL, is not installed.
    """
    return keeper_of(beside_store if option is None else f"{option.rstrip('/')}/{study}")


def name_of(trial: int, attempt: int, step: int) -> str:
    """The name of a checkpoint below its study's folder."""
    return f"{trial}/{attempt}-{step}"


def size_mib(folder: Path) -> float:
    """The size of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / (1 << 20)


class FolderKeeper:
    """Checkpoints in a folder of a file system, which may be shared by several machines.

    Args:
        root: The study's folder; made when it is needed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()
        self._made: list[Path] = []
        self._mark: str | None = None
        self._since_s = 0.0  # by the file system's own clock

    def draft(self, name: str, scratch: Path) -> Path:
        """See ``Keeper``. On the root's own file system, so that it can be renamed."""
        folder = self._partial(name)
        folder.mkdir(parents=True)
        return folder

    def _partial(self, name: str) -> Path:
        return self.root / f"{_PARTIAL}{name.replace('/', '.')}-{uuid.uuid4().hex}"

    def keep(self, draft: Path, name: str) -> tuple[str, float]:
        """See ``Keeper``. What lay there under that name is replaced."""
        size = size_mib(draft)
        _flush_all(draft)
        place = self.root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists():  # an attempt that had to be run once more says the same again
            old = self._partial(name)
            place.rename(old)
            shutil.rmtree(old, ignore_errors=True)
        draft.rename(place)
        _flush(place.parent)
        _flush(self.root)
        return str(place), size

    def fetch(self, place: str, scratch: Path) -> Path:
        """See ``Keeper``. Nothing is copied."""
        path = self._located(place)
        if not path.is_dir():
            raise FileNotFoundError(f"there is no checkpoint at {path}")
        return path

    def inherit(self, trial: int, attempt: int) -> Sequence[Checkpoint]:
        """See ``StudyKeeper``."""
        for path in self.root.glob(f"{_PARTIAL}{trial}.{attempt}-*"):
            shutil.rmtree(path, ignore_errors=True)
        found = []
        for path in (self.root / str(trial)).glob(f"{attempt}-*"):
            step = path.name.partition("-")[2]
            if step.removeprefix("-").isdecimal():
                with contextlib.suppress(OSError):
                    if path.stat().st_mtime >= self._since_s:  # else another study of that name left it
                        found.append(Checkpoint(int(step), str(path), size_mib(path)))
        return sorted(found, key=lambda checkpoint: checkpoint.step)

    def discard(self, places: Collection[str]) -> None:
        """See ``StudyKeeper``. Nothing outside of the root is ever removed."""
        for path in map(self._located, places):
            if path.is_relative_to(self.root) and path != self.root:
                shutil.rmtree(path, ignore_errors=True)
                with contextlib.suppress(OSError):
                    path.parent.rmdir()  # the trial's folder, with its last checkpoint

    def tidy(self, needed: Collection[str]) -> None:
        """See ``StudyKeeper``."""
        kept = {self._located(place) for place in needed}
        for path in [*self.root.glob("*/*"), *self.root.glob(f"{_PARTIAL}*")]:
            if path not in kept:
                shutil.rmtree(path, ignore_errors=True)
        for path in self.root.glob(f"{_MARK}*"):  # of drivers that were killed
            if path.name != self._mark:
                path.unlink(missing_ok=True)
        for folder in [*self.root.glob("*"), self.root]:
            with contextlib.suppress(OSError):
                folder.rmdir()

    def mark(self) -> str:
        """Leave a mark that only who has this file system can find; what to look for."""
        self._made = [folder for folder in (self.root, self.root.parent) if not folder.exists()]
        self.root.mkdir(parents=True, exist_ok=True)
        mark = self._mark = f"{_MARK}-{uuid.uuid4().hex}"
        (self.root / mark).touch()
        self._since_s = (self.root / mark).stat().st_mtime
        return mark

    def sees(self, mark: str) -> bool:
        """Whether this process has the file system on which the mark was left."""
        return (self.root / mark).exists()

    def unmark(self) -> None:
        """Take the mark away."""
        if self._mark is None:
            return
        with contextlib.suppress(OSError):
            (self.root / self._mark).unlink()
            for folder in self._made:
                folder.rmdir()  # not while anything lies there

    def read(self, place: str) -> bytes:
        """A checkpoint as one piece, to be sent to where the file system is not."""
        return pack(self.fetch(place, self.root))

    def write(self, data: bytes, name: str) -> tuple[str, float]:
        """Keep what ``pack`` made of a draft somewhere else."""
        draft = self.draft(name, self.root)
        try:
            unpack(data, draft)
            return self.keep(draft, name)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise

    def _located(self, place: str) -> Path:
        """The path of a place; below the root when it is not where it was, for a study's folder may have been moved."""
        path = Path(place)
        return path if path.exists() else self.root.joinpath(*path.parts[-2:])


class UrlKeeper:
    """Checkpoints at a URL that fsspec knows: ``s3://bucket/folder``, ``gs://...``, and others.

    Object stores cannot rename: files are put under their final name, which nobody learns before all of them are there.

    Args:
        root: The study's URL.

    Raises:
        ExecutorError: fsspec, or what it needs for this URL, is not installed.
    """

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")
        self._files()

    def _files(self) -> Any:
        """The file system; made anew in every process, since connections do not travel."""
        try:
            import fsspec

            return fsspec.core.url_to_fs(self.root)[0]
        except (ImportError, ValueError) as error:
            raise ExecutorError(
                f"checkpoints cannot be kept at {self.root}: {error}", hint="pip install fsspec, and what it names"
            ) from error

    def draft(self, name: str, scratch: Path) -> Path:
        """See ``Keeper``. On this machine."""
        folder = scratch / f"{_PARTIAL}{uuid.uuid4().hex}"
        folder.mkdir(parents=True)
        return folder

    def keep(self, draft: Path, name: str) -> tuple[str, float]:
        """See ``Keeper``."""
        files, place = self._files(), f"{self.root}/{name}"
        size = size_mib(draft)
        files.makedirs(place, exist_ok=True)
        files.put(f"{draft}/", f"{place}/", recursive=True)
        shutil.rmtree(draft, ignore_errors=True)
        return place, size

    def fetch(self, place: str, scratch: Path) -> Path:
        """See ``Keeper``. A copy."""
        files = self._files()
        if not files.exists(place):
            raise FileNotFoundError(f"there is no checkpoint at {place}")
        folder = self.draft(place, scratch)
        files.get(f"{place}/", f"{folder}/", recursive=True)
        return folder

    def inherit(self, trial: int, attempt: int) -> Sequence[Checkpoint]:
        """Nothing: of an upload that was never told of nobody knows whether it was complete."""
        return ()

    def discard(self, places: Collection[str]) -> None:
        """See ``StudyKeeper``."""
        files = self._files()
        root = files._strip_protocol(self.root)
        for path in map(files._strip_protocol, places):
            if path.startswith(f"{root}/"):
                with contextlib.suppress(OSError):
                    files.rm(path, recursive=True)

    def tidy(self, needed: Collection[str]) -> None:
        """See ``StudyKeeper``."""
        files = self._files()
        kept = {files._strip_protocol(place) for place in needed}
        with contextlib.suppress(OSError):
            for trial in files.ls(self.root, detail=False):
                self.discard([path for path in files.ls(trial, detail=False) if path.rstrip("/") not in kept])


def pack(folder: Path) -> bytes:
    """A folder as one piece."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(folder, ".")
    return buffer.getvalue()


def unpack(data: bytes, folder: Path) -> None:
    """What ``pack`` made, into an empty folder."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        archive.extractall(folder, filter="data")


def _flush_all(folder: Path) -> None:
    for path in _inside(folder):
        _flush(path)
    _flush(folder)


def _inside(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if not path.is_symlink() and (path.is_file() or path.is_dir()))


def _flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        if path.is_file():  # some network file systems cannot flush folders
            raise
    finally:
        os.close(descriptor)
