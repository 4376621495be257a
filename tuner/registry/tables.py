"""Reading and writing tables: CSV, TSV (also compressed) and Parquet, with errors that say what to mend."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tuner.errors import DataError, closest

__all__ = ["SUFFIXES", "is_parquet", "read_table", "write_table"]

_PARQUET = (".parquet", ".pq")
_TEXT = {".csv": ",", ".tsv": "\t"}
_COMPRESSED = ("", ".gz", ".bz2", ".xz", ".zst")
SUFFIXES = (".csv", ".csv.gz", ".tsv", ".parquet")
"""The suffixes that messages name; .bz2, .xz, .zst and .pq work as well."""


def is_parquet(path: Path) -> bool:
    """Whether the file's name says that it is Parquet."""
    return path.name.lower().endswith(_PARQUET)


def _separator(path: Path) -> str:
    name = path.name.lower()
    for suffix, separator in _TEXT.items():
        if any(name.endswith(suffix + packed) for packed in _COMPRESSED):
            return separator
    raise DataError(f"{path}: tables are read and written as {', '.join(SUFFIXES)}")


def read_table(path: Path, *, separator: str | None = None, missing: Sequence[str] = ()) -> pd.DataFrame:
    """Read a table.

    Args:
        path: ``.csv`` or ``.tsv`` (also ``.gz``, ``.bz2``, ``.xz``), or ``.parquet``.
        separator: Between the values of a text file; None for what the suffix says.
        missing: Values of a text file that mean "missing", besides those that pandas knows (empty, ``NA``, ``null``, ...).

    Raises:
        DataError: There is no such file, or it cannot be read as what its suffix says.
    """
    if not path.exists():
        folder = path.parent
        near = closest(path.name, [p.name for p in folder.iterdir()]) if folder.is_dir() else None
        where = "" if folder.is_dir() else f", nor a folder {folder}"
        raise DataError(f"there is no file {path}{where}", hint=f"did you mean {near!r}?" if near else None)
    if path.is_dir():
        raise DataError(f"{path} is a folder, not a table", hint="name one file")
    if not is_parquet(path):
        separator = separator or _separator(path)
    try:
        if is_parquet(path):
            return pd.read_parquet(path)
        # The C engine and not pyarrow's: a prediction must read a small file exactly as tuning read a large one.
        return pd.read_csv(path, sep=separator, na_values=list(missing), low_memory=False, skipinitialspace=True)
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path} is empty") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: {error}", hint="save it as UTF-8") from error
    except (OSError, ValueError, pd.errors.ParserError) as error:
        kind = "Parquet" if is_parquet(path) else "a text table"
        raise DataError(f"{path} cannot be read as {kind}: {str(error).strip()}") from error


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table without its index, as the suffix of ``path`` says.

    Raises:
        DataError: The suffix is unknown or the file cannot be written.
    """
    if not is_parquet(path):
        separator = _separator(path)
    try:
        if is_parquet(path):
            table.to_parquet(path, index=False)
        else:
            table.to_csv(path, index=False, sep=separator)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error}") from error
