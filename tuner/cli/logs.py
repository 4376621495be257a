"""``tuner logs``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from tuner.api.study import Study, load_study
from tuner.cli._options import StoreOption, StudyArgument, TrialArgument
from tuner.cli._output import remark
from tuner.errors import TunerError

__all__ = ["command"]

_CHUNK = 1 << 16
_LOOK_EVERY_S = 0.5


def command(
    name: StudyArgument,
    trial: TrialArgument,
    attempt: Annotated[
        int | None,
        typer.Argument(metavar="ATTEMPT", help="Which of its attempts, from 1; the last one if left out.", min=1),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on printing while the attempt runs.")] = False,
    store: StoreOption = None,
) -> None:
    """Print what a trial printed.

    The log of an attempt holds its standard output and error, and the traceback of a failure.
    """
    study = load_study(name, store)
    path = study.log_path(trial, attempt)
    number = int(path.stem.partition(".")[2])
    if follow:
        _follow(study, trial, number, path)
    elif path.exists():
        with path.open("rb") as log:
            _copy(log)
    elif path.parent.is_dir() or _ended(study, trial, number):
        remark(f"attempt {number} of trial {trial} printed nothing ({path})")
    else:
        raise TunerError(f"there are no logs in {path.parent}", hint="look on the machine that ran the study")


def _follow(study: Study, trial: int, attempt: int, path: Path) -> None:
    """Print the log as it grows, until the attempt has ended or Ctrl-C is pressed."""
    log: BinaryIO | None = None
    try:
        while True:
            ended = _ended(study, trial, attempt)  # asked before the last look, so that nothing is missed
            if log is None and path.exists():
                log = path.open("rb")
            if log is not None:
                _copy(log)
            if ended:
                return
            time.sleep(_LOOK_EVERY_S)
    except KeyboardInterrupt:
        return  # the way to end it
    finally:
        if log is not None:
            log.close()


def _copy(log: BinaryIO) -> None:
    while chunk := log.read(_CHUNK):
        typer.echo(chunk, nl=False)


def _ended(study: Study, trial: int, attempt: int) -> bool:
    row = next((row for row in study.attempts(trial) if row.number == attempt), None)
    return row is None or row.outcome is not None or study.refresh().state != "RUNNING"
