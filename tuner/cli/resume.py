"""``tuner resume``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tuner.api.options import RunOptions
from tuner.api.runs import resume_study
from tuner.api.study import load_study
from tuner.cli._options import Output, OutputOption, StoreOption, StudyArgument
from tuner.cli._summary import conduct
from tuner.cli.run import ExecutorName
from tuner.errors import SweepError
from tuner.study import PluginSpec
from tuner.sweep import parse_duration_s

__all__ = ["command"]


def command(
    name: StudyArgument = "@latest",
    trials: Annotated[int | None, typer.Option("--trials", min=1, help="How many trials in all, from now on.")] = None,
    parallel: Annotated[int | None, typer.Option("--parallel", min=1, help="How many at once, from now on.")] = None,
    time: Annotated[
        str | None, typer.Option("--time", metavar="TIME", help="How long in all, as 90s, 10m or 2h, from now on.")
    ] = None,
    executor: Annotated[
        ExecutorName | None,
        typer.Option("--executor", help="Where trials run, instead of where they ran before.", case_sensitive=False),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option("--address", metavar="HOST:PORT", help="A running Ray cluster, instead of one of its own."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    store: StoreOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Take an interrupted study up where it stopped.

    Finished trials are kept, those that were running get a new attempt, and sampler, pruner and limits go on as if nothing
    had happened. A study that is complete goes on only with a limit that lets it.
    """
    study = load_study(name, store)
    options = RunOptions(
        store=study.store,
        executor=PluginSpec(executor.value) if executor is not None else None,
        address=address,
        limits=_limits(trials, parallel, time),
        handle_signals=True,
    )
    conduct(lambda observer: resume_study(study.name, options, observer), output=output, quiet=quiet, before=study)


def _limits(trials: int | None, parallel: int | None, time: str | None) -> dict[str, Any]:
    time_s = None if time is None else parse_duration_s(time)
    if time is not None and not time_s:
        raise SweepError("is no length of time", path="--time", got=time, expected="something like 90s, 10m or 1h30m")
    limits = {"trials": trials, "parallel": parallel, "time_s": time_s}
    return {key: value for key, value in limits.items() if value is not None}
