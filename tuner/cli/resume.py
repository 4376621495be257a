"""``tuner resume``."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from tuner.api.options import RunOptions
from tuner.api.runs import executor_before, resume_study
from tuner.api.study import load_study
from tuner.cli._options import Output, OutputOption, StoreOption, StudyArgument
from tuner.cli._output import remark
from tuner.cli._summary import conduct
from tuner.cli.run import ExecutorName
from tuner.study import PluginSpec
from tuner.sweep import growth_notes, parse_limits

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
    nodes: Annotated[
        int | None, typer.Option("--nodes", min=1, help="How many nodes the cluster may grow to, from now on.")
    ] = None,
    trial_time: Annotated[
        str | None, typer.Option("--trial-time", metavar="TIME", help="How long one attempt may run, from now on.")
    ] = None,
    failures: Annotated[
        str | None,
        typer.Option("--failures", metavar="COUNT|SHARE", help="How many failed trials are borne, as 20 or 20%."),
    ] = None,
    executor: Annotated[
        ExecutorName | None,
        typer.Option("--executor", help="Where trials run, instead of where they ran before.", case_sensitive=False),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            "--address", metavar="HOST:PORT", help="A running Ray cluster, instead of that where it ran before."
        ),
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
    limits = parse_limits(
        _given(
            trials=trials,
            parallel=parallel,
            time=time,
            steps=steps,
            cost=cost,
            patience=patience,
            regret=regret,
            nodes=nodes,
            trial_time=trial_time,
            failures=failures,
        )
    )
    where = PluginSpec(executor.value) if executor is not None else executor_before(study.info.provenance)
    if not quiet:
        for note in growth_notes(replace(study.spec.limits, **limits), where, address=address):
            remark(f"note: {note}")
    options = RunOptions(
        store=study.store,
        executor=where,
        address=address,
        limits=limits,
        handle_signals=True,
    )
    conduct(lambda observer: resume_study(study.name, options, observer), output=output, quiet=quiet, before=study)


def _given(**limits: Any) -> dict[str, Any]:
    return {key: value for key, value in limits.items() if value is not None}
