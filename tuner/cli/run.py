"""``tuner run``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tuner import sweep
from tuner.api.options import RunOptions
from tuner.api.runs import run_sweep
from tuner.api.study import Study, load_study
from tuner.cli._options import Output, OutputOption, StoreOption
from tuner.cli._output import remark
from tuner.cli._summary import conduct
from tuner.errors import StudyNotFound, SweepError
from tuner.study import PluginSpec

__all__ = ["ExecutorName", "command", "overrides"]


class ExecutorName(StrEnum):
    """Where trials run, as ``--executor`` says it."""

    RAY = "ray"
    INLINE = "inline"


def command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The sweep, a YAML file.")],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Set a value of the sweep, as limits.trials=20; repeatable."),
    ] = None,
    trials: Annotated[int | None, typer.Option("--trials", min=1, help="Short for --set limits.trials=N.")] = None,
    parallel: Annotated[
        int | None, typer.Option("--parallel", min=1, help="Short for --set limits.parallel=N.")
    ] = None,
    time: Annotated[
        str | None, typer.Option("--time", metavar="TIME", help="Short for --set limits.time=TIME.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="The study's name, instead of the sweep's.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the study of that name if there is one.")
    ] = False,
    new: Annotated[
        bool, typer.Option("--new", help="Take the next free name if there is a study of that name.")
    ] = False,
    executor: Annotated[
        ExecutorName | None,
        typer.Option(
            "--executor", help="Where trials run: on Ray, or one by one in this process.", case_sensitive=False
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option("--address", metavar="HOST:PORT", help="A running Ray cluster, instead of one of its own."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    store: StoreOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Run a sweep file to its end and save the best model.

    Ctrl-C once lets the running trials end, twice kills them; tuner resume goes on either way. With -o json one object:
    study, state, reason, counts, best, model, test, elapsed_s.
    """
    if resume and new:
        raise typer.BadParameter("--resume and --new exclude each other")
    laid_over = overrides(changes or [])
    laid_over |= {
        f"limits.{k}": v for k, v in (("trials", trials), ("parallel", parallel), ("time", time)) if v is not None
    }
    loaded = sweep.load(file, laid_over)
    where = PluginSpec(executor.value) if executor is not None else None
    if not quiet:
        growth = sweep.growth_notes(loaded.spec.limits, where or loaded.executor, address=address)
        for note in [*loaded.notes, *growth]:
            remark(f"note: {note}")
    if_exists: Literal["error", "resume", "new"] = "resume" if resume else "new" if new else "error"
    options = RunOptions(
        store=store,
        executor=where,
        address=address,
        name=name,
        if_exists=if_exists,
        handle_signals=True,
    )
    before = _before(name or loaded.spec.name, store or loaded.store) if resume else None
    conduct(lambda observer: run_sweep(loaded, options, observer), output=output, quiet=quiet, before=before)


def _before(name: str, store: str | None) -> Study | None:
    """The study that is about to go on; None when there is none of that name."""
    try:
        study = load_study(name, store)
    except StudyNotFound:
        return None
    return study if study.name == name else None


def overrides(given: list[str]) -> dict[str, Any]:
    """``PATH=VALUE`` texts as what ``tuner.sweep.load`` lays over a file.

    Raises:
        SweepError: One has no path or no equals sign.
    """
    changes = {}
    for change in given:
        path, equals, value = change.partition("=")
        if not equals or not path.strip():
            raise SweepError("--set takes PATH=VALUE", got=change, expected="something like limits.trials=20")
        changes[path.strip()] = value
    return changes
