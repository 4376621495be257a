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
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="How many reports of all trials, from now on.")
    ] = None,
    cost: Annotated[
        float | None, typer.Option("--cost", min=0.0, help="How much it may cost in all, from now on.")
    ] = None,
    patience: Annotated[
        int | None, typer.Option("--patience", min=1, help="How many trials in a row may bring nothing better.")
    ] = None,
    regret: Annotated[
        float | None, typer.Option("--regret", min=0.0, help="End when little more than this can be gained.")
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
        limits=_limits(trials, parallel, time) | _given(steps=steps, cost=cost, patience=patience, regret=regret),
        handle_signals=True,
    )
    conduct(lambda observer: resume_study(study.name, options, observer), output=output, quiet=quiet, before=study)


def _limits(trials: int | None, parallel: int | None, time: str | None) -> dict[str, Any]:
    time_s = None if time is None else parse_duration_s(time)
    if time is not None and not time_s:
        raise SweepError("is no length of time", path="--time", got=time, expected="something like 90s, 10m or 1h30m")
    return _given(trials=trials, parallel=parallel, time_s=time_s)


def _given(**limits: Any) -> dict[str, Any]:
    return {key: value for key, value in limits.items() if value is not None}
