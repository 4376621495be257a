"""A folder with a sweep and what belongs to it, as one file to send to a cluster."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from tuner.errors import TunerError

__all__ = ["EXCLUDED", "Packed", "pack", "shipped_files"]

EXCLUDED = (
    ".git", ".hg", ".svn", ".tuner", ".venv", "venv", "node_modules", ".tox", ".nox", "__pycache__", "*.pyc", ".DS_Store",
    ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", ".ipynb_checkpoints", ".idea", ".vscode",
)  # fmt: skip
"""What never travels: histories, environments, caches, and the studies themselves. Beside it every virtual environment."""

_MIB = 1 << 20
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # zip's own beginning of time
_SHRINKS_TO = 1 / 20  # no folder is compressed further than that, so a larger one need not be tried
_LARGEST_TOLD = 5


@dataclass(frozen=True, slots=True)
class Packed:
    """What was packed.

    Attributes:
        path: The zip file.
        n_files: Files in it.
        size_mib: Its size.
    """

    path: Path
    n_files: int
    size_mib: float


def shipped_files(folder: Path, excludes: Sequence[str] = ()) -> Iterator[tuple[str, Path]]:
    """The files below a folder that travel, as (name in the package, path), sorted.

    Unlike Ray's own packing it does not leave out what ``.gitignore`` names: data are most often there, and are needed.

    Args:
        folder: The folder.
        excludes: Patterns beside ``EXCLUDED``: names of files or folders anywhere, or paths from the folder, with ``*``.
    """
    yield from _below(folder, "", (*EXCLUDED, *excludes), frozenset({folder.resolve()}))


def _below(folder: Path, prefix: str, patterns: Sequence[str], above: frozenset[Path]) -> Iterator[tuple[str, Path]]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise TunerError(
            f"{folder} cannot be read: {error.strerror}", hint="--exclude it if no trial needs it"
        ) from error
    for entry in entries:
        name, path = f"{prefix}{entry.name}", Path(entry.path)
        if any(fnmatch(entry.name, pattern) or fnmatch(name, pattern.rstrip("/")) for pattern in patterns):
            continue
        if entry.is_dir():
            real = path.resolve()
            if real not in above and not (path / "pyvenv.cfg").exists():  # a link upwards has no end
                yield from _below(path, f"{name}/", patterns, above | {real})
        elif entry.is_file():
            yield name, path


def pack(folder: Path, into: Path, limit_mib: float, excludes: Sequence[str] = ()) -> Packed:
    """Write the files of a folder that travel into one zip file.

    The same files make the same bytes, so that what the cluster has already is not sent again.

    Args:
        folder: The folder.
        into: The zip file.
        limit_mib: How large it may be.
        excludes: As for ``shipped_files``.

    Raises:
        TunerError: The folder is too large or cannot be read; names the largest files.
    """
    files = list(shipped_files(folder, excludes))
    sizes = {name: path.stat().st_size for name, path in files}
    if sum(sizes.values()) * _SHRINKS_TO > limit_mib * _MIB:
        raise _too_large(folder, sizes, f"{sum(sizes.values()) / _MIB:.0f} MiB", limit_mib)
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as package:
        for name, path in files:
            try:
                _add(package, name, path)
            except OSError as error:
                raise TunerError(
                    f"{path} cannot be read: {error.strerror}", hint="--exclude it if no trial needs it"
                ) from error
    size_mib = into.stat().st_size / _MIB
    if size_mib > limit_mib:
        raise _too_large(folder, sizes, f"{size_mib:.0f} MiB even when compressed", limit_mib)
    return Packed(into, len(files), size_mib)


def _add(package: zipfile.ZipFile, name: str, path: Path) -> None:
    entry = zipfile.ZipInfo(name, _EARLIEST)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = (stat.S_IMODE(path.stat().st_mode) | stat.S_IRUSR | stat.S_IWUSR) << 16
    with path.open("rb") as source, package.open(entry, "w", force_zip64=True) as target:
        while chunk := source.read(_MIB):
            target.write(chunk)


def _too_large(folder: Path, sizes: dict[str, int], told: str, limit_mib: float) -> TunerError:
    largest = sorted(sizes, key=lambda name: -sizes[name])[:_LARGEST_TOLD]
    listed = ", ".join(f"{name} ({sizes[name] / _MIB:.0f} MiB)" for name in largest)
    return TunerError(
        f"{folder} is too large to be sent with the job: {told} in {len(sizes)} files, and a Ray dashboard takes"
        f" {limit_mib:.0f} MiB; the largest are {listed}",
        hint="leave out what no trial needs (--exclude PATTERN), or put large data where every node reads them and write"
        " their absolute path",
    )
