"""Writing answers: text, tables and JSON to standard output, remarks to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tuner.dashboard import text
from tuner.trial import ParamValue

__all__ = ["counted", "pairs", "params_line", "print_json", "remark", "say", "show_table", "stdout"]

_PIPE_WIDTH = 4000  # nothing is cut for programs and files


class _Stdout(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the verbs' frame, which ends the program in silence and well."""
        raise


def stdout() -> Console:
    """Standard output: as wide as the terminal, or as wide as need be; text is taken as it stands."""
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    return _Stdout(width=width, markup=False, emoji=False, highlight=False)


def say(line: str | Text = "") -> None:
    """A line of the answer."""
    stdout().print(line, soft_wrap=True)


def remark(line: str) -> None:
    """A line for a person, beside the answer."""
    Console(stderr=True, markup=False, emoji=False, highlight=False).print(line, soft_wrap=True)


def print_json(data: Any) -> None:
    """The answer as JSON, indented; what JSON does not know is written as its text."""
    typer.echo(json.dumps(data, indent=2, default=str, ensure_ascii=False))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[str] = ()) -> None:
    """A table without rules: columns in line, headers in bold, the last column cut first when the terminal is narrow.

    Args:
        columns: Headers.
        rows: Cells, as many as columns.
        right: Columns to be aligned to the right.
    """
    flush_right = set(right)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for index, column in enumerate(columns):
        last = index == len(columns) - 1
        table.add_column(
            column,
            justify="right" if column in flush_right else "left",
            no_wrap=True,
            overflow="ellipsis",
            ratio=None,
            min_width=None if last else len(column),
        )
    for row in rows:
        table.add_row(*row)
    stdout().print(table)


def pairs(rows: Mapping[str, str], *, indent: str = "") -> list[str]:
    """``name  value`` lines with the values in one column."""
    width = max((len(name) for name in rows), default=0)
    return [f"{indent}{name:<{width}}  {value}" for name, value in rows.items()]


def params_line(params: Mapping[str, ParamValue]) -> str:
    """Parameters in one line."""
    return " ".join(f"{name}={text.param(value)}" for name, value in params.items())


def counted(counts: Mapping[str, int]) -> str:
    """Trials by state in one line: ``28 complete, 11 stopped early, 1 failed``."""
    words = {
        "COMPLETE": "complete",
        "PRUNED": "stopped early",
        "FAIL": "failed",
        "RUNNING": "running",
        "WAITING": "waiting",
    }
    return ", ".join(f"{counts[state]} {word}" for state, word in words.items() if counts.get(state)) or "none yet"
