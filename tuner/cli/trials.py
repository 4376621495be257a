"""``tuner trials``."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer

from tuner.api.study import load_study
from tuner.cli._options import Output, OutputOption, StoreOption, StudyArgument
from tuner.cli._output import params_line, print_json, remark, show_table
from tuner.cli._standing import ranked
from tuner.core.selection import best
from tuner.dashboard import notes, text
from tuner.export import trial_to_dict
from tuner.trial import Trial, TrialState

__all__ = ["command"]


class _Sort(StrEnum):
    NUMBER = "number"
    VALUE = "value"


def command(
    name: StudyArgument = "@latest",
    state: Annotated[
        TrialState | None, typer.Option("--state", help="Only trials in this state.", case_sensitive=False)
    ] = None,
    sort: Annotated[_Sort, typer.Option("--sort", help="By number, or best value first.")] = _Sort.NUMBER,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="No more than this many.")] = None,
    store: StoreOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """List a study's trials.

    With -o json a list of objects: number, state, params, values, attempts, steps, started_at, finished_at, wall_s, failure;
    with constraints also violation and feasible.
    """
    study = load_study(name, store)
    metric = study.spec.metric
    rows = ranked(study.trials, metric) if sort is _Sort.VALUE else study.trials
    rows = [trial for trial in rows if state is None or trial.state is state][:limit]
    if output is Output.JSON:
        print_json([trial_to_dict(trial, study.spec.constraints) for trial in rows])
        return
    if not rows:
        remark(f"study {study.name!r} has no {state + ' ' if state else ''}trial")
        return
    attempts = study.attempts() if any(trial.state is TrialState.WAITING for trial in rows) else ()
    paused = notes.paused(rows, attempts)
    top = best(study.trials, metric)
    names = [metric.name for metric in study.spec.metrics]
    if study.spec.constraints:
        names.append("violation")
    show_table(
        ("trial", "state", *names, "steps", "tries", "time", "parameters"),
        [
            _row(trial, names, is_best=top is not None and trial.number == top.number, paused=trial.number in paused)
            for trial in rows
        ],
        right=("trial", *names, "steps", "tries", "time"),
    )


def _row(trial: Trial, names: Sequence[str], *, is_best: bool, paused: bool) -> tuple[str, ...]:
    why = f" ({trial.failure.kind.value})" if trial.failure is not None else " (paused)" if paused else ""
    complete = trial.state is TrialState.COMPLETE
    values = {**trial.values, **({"violation": trial.violation} if complete else {})}
    return (
        f"{'* ' if is_best else ''}{trial.number}",
        trial.state.value + why,
        *(text.number(values.get(name)) for name in names),
        str(trial.steps),
        str(trial.attempts),
        text.duration(trial.wall_s),
        params_line(trial.params),
    )
