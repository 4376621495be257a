"""Writing answers: text, tables and JSON to standard output, remarks to standard error.

By hand, not by Rich: a listing shall start at once, and what goes into a pipe shall have no padding and nothing cut off.
"""

from __future__ import annotations

import json
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from tuner.dashboard import text
from tuner.trial import ParamValue

__all__ = ["counted", "flat", "pairs", "params_line", "print_json", "remark", "say", "short_path", "show_table"]

_LONG_TEXT, _LONG_LIST, _LONG_TABLE = 120, 8, 12


def say(line: str = "") -> None:
    """A line of the answer."""
    typer.echo(line)


def remark(line: str) -> None:
    """A line for a person, beside the answer."""
    typer.echo(line, err=True)


def print_json(data: Any) -> None:
    """The answer as JSON, indented; what JSON does not know is written as its text."""
    typer.echo(json.dumps(data, indent=2, default=str, ensure_ascii=False))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[str] = ()) -> None:
    """A table without rules. On a terminal, lines are cut at its width; elsewhere nothing is.

    Args:
        columns: Headers.
        rows: Cells, as many as columns.
        right: Columns to be aligned to the right.
    """
    lines = [columns, *([cell.replace("\n", " ") for cell in row] for row in rows)]
    widths = [max(map(_cells, column)) for column in zip(*lines, strict=True)]
    flush_right = [column in set(right) for column in columns]
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for index, line in enumerate(lines):
        cells = [_pad(cell, width, is_right) for cell, width, is_right in zip(line, widths, flush_right, strict=True)]
        written = _cut("  ".join(cells).rstrip(), room)
        say(typer.style(written, bold=True) if index == 0 else written)


def _cells(word: str) -> int:
    """How many columns of a terminal the word takes."""
    if word.isascii():
        return len(word)
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in word)
    return len(word) + wide - sum(map(bool, map(unicodedata.combining, word)))


def _pad(cell: str, width: int, is_right: bool) -> str:
    space = " " * (width - _cells(cell))
    return space + cell if is_right else cell + space


def _cut(line: str, room: int | None) -> str:
    if room is None or _cells(line) <= room:
        return line
    kept = line[: room - 1]
    while _cells(kept) > room - 1:
        kept = kept[:-1]
    return kept + "…"


def pairs(rows: Mapping[str, str], *, indent: str = "") -> list[str]:
    """``name  value`` lines with the values in one column."""
    width = max((len(name) for name in rows), default=0)
    return [f"{indent}{name:<{width}}  {value}" for name, value in rows.items()]


def params_line(params: Mapping[str, ParamValue]) -> str:
    """Parameters in one line."""
    return " ".join(f"{name}={text.param(value)}" for name, value in params.items())


def counted(counts: Mapping[str, int], paused: int = 0, cut: int = 0) -> str:
    """Trials by state in one line: ``28 complete, 11 stopped early, 1 failed``.

    Args:
        counts: By state.
        paused: How many of those waiting are paused.
        cut: How many of those failed ended only because the sweep did.
    """
    counts = {**counts, "WAITING": counts.get("WAITING", 0) - paused, "PAUSED": paused}
    counts |= {"FAIL": counts.get("FAIL", 0) - cut, "CUT": cut}
    words = {
        "COMPLETE": "complete",
        "PRUNED": "stopped early",
        "FAIL": "failed",
        "CUT": "cut off at the end",
        "RUNNING": "running",
        "WAITING": "waiting",
        "PAUSED": "paused",
    }
    return ", ".join(f"{counts[state]} {word}" for state, word in words.items() if counts.get(state)) or "none yet"


def short_path(path: Path) -> str:
    """The path from the working folder if it lies below it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def flat(facts: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested facts as dotted names; long texts, lists and tables by their size; what is empty is left out."""
    rows: dict[str, str] = {}
    for key, value in facts.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and len(value) <= _LONG_TABLE:
            rows |= flat(value, f"{name}.")
        elif isinstance(value, Mapping) or (isinstance(value, list | tuple) and len(value) > _LONG_LIST):
            rows[name] = f"{len(value)} entries (-o json shows them)"
        elif isinstance(value, str) and ("\n" in value or len(value) > _LONG_TEXT):
            rows[name] = f"{text.pluralize(len(value.splitlines()), 'line')} (-o json shows them)"
        elif isinstance(value, list | tuple):
            rows |= {name: " ".join(map(str, value))} if value else {}
        elif value is not None and value != "":
            rows[name] = str(value)
    return rows
