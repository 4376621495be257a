"""What goes wrong -> a message and an exit code."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path

import typer

import tuner
from tuner.errors import InvalidTransition, TunerError

__all__ = ["ExitCode", "translated"]


class ExitCode(IntEnum):
    """What the program's exit code says."""

    DONE = 0
    FAILED = 1
    MISTAKE = 2
    INTERRUPTED = 3
    CTRL_C = 130


@contextmanager
def translated() -> Iterator[None]:
    """Turn exceptions into a message on standard error and ``typer.Exit``."""
    try:
        yield
        sys.stdout.flush()
    except (typer.Exit, typer.Abort):
        raise
    except InvalidTransition as error:
        raise _bug(error) from error
    except TunerError as error:
        typer.echo(f"{typer.style('error:', fg='red', bold=True)} {error}", err=True)
        raise typer.Exit(ExitCode.MISTAKE) from error
    except KeyboardInterrupt as error:
        typer.echo("interrupted", err=True)
        raise typer.Exit(ExitCode.CTRL_C) from error
    except OSError as error:
        if error.errno != errno.EPIPE:
            raise _bug(error) from error
        _give_stdout_up()
        raise typer.Exit(ExitCode.DONE) from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] in ("click", "typer"):
            raise  # a usage error: the framework prints it and exits with 2
        raise _bug(error) from error


def _give_stdout_up() -> None:
    """Whoever read standard output went away (``tuner trials NAME | head``): what is left to flush goes nowhere."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return  # no real file: nothing is left to flush


def _bug(error: BaseException) -> typer.Exit:
    text = "".join(traceback.format_exception(error))
    path = Path(tempfile.gettempdir()) / f"tuner-crash-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    said = f"{type(error).__name__}: {error}".splitlines()[0]
    try:
        path.write_text(
            f"tuner {tuner.__version__}, Python {sys.version}\n{' '.join(sys.argv)}\n\n{text}", encoding="utf-8"
        )
        where = f"The traceback is in {path}: please report it with that file."
    except OSError:
        where = text
    typer.echo(
        f"{typer.style('bug:', fg='red', bold=True)} tuner failed by a fault of its own: {said}\n{where}", err=True
    )
    return typer.Exit(ExitCode.FAILED)
