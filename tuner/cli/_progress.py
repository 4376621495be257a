"""Which display a run gets."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import Self

import typer
from rich.console import Console

from tuner.dashboard._display import Display
from tuner.dashboard.plain import PlainDisplay
from tuner.dashboard.tui import LiveDisplay

__all__ = ["display"]


class _Quiet(Display):
    """Shows nothing; still knows how things stand."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


def display(*, quiet: bool) -> Display:
    """A live display on a terminal, plain lines elsewhere, nothing when it shall be quiet; on standard error.

    The live display writes to a copy of the descriptor: trials that run in this process have theirs captured.
    """
    if quiet:
        return _Quiet()
    console = Console(stderr=True)
    if not console.is_terminal or console.is_dumb_terminal:
        stream = sys.stderr
        return PlainDisplay(lambda line: typer.echo(line, file=stream))
    copy = os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding=console.encoding, errors="replace")
    return LiveDisplay(Console(file=copy))
