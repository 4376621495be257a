"""``tuner best``."""

from __future__ import annotations

from typing import Annotated

import typer

from tuner.api.study import load_study
from tuner.cli._front import front_list, show_front
from tuner.cli._options import Output, OutputOption, StoreOption, StudyArgument
from tuner.cli._output import pairs, print_json, say, short_path
from tuner.dashboard import text
from tuner.dashboard.notes import violations
from tuner.errors import TunerError
from tuner.export import trial_to_dict

__all__ = ["command"]


def command(
    name: StudyArgument = "@latest",
    pareto: Annotated[
        bool, typer.Option("--pareto", help="All trials that no other one beats in every metric, not one.")
    ] = False,
    store: StoreOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show a study's best trial.

    By its first metric, of the trials that keep to the constraints; while there is none, the one that violates them least.
    With -o json the trial's object, with study and model (the saved model's folder, or null); with --pareto a list of trials.
    """
    study = load_study(name, store)
    trial = study.best_trial
    if trial is None:
        raise TunerError(
            f"no trial of study {study.name!r} has completed", hint=f"`tuner trials {study.name}` says how they stand"
        )
    if pareto:
        if output is Output.JSON:
            print_json(front_list(study))
        else:
            show_front(study)
        return
    model = study.model_path
    if output is Output.JSON:
        print_json(
            {
                "study": study.name,
                "model": str(model) if model else None,
                **trial_to_dict(trial, study.spec.constraints),
            }
        )
        return
    say(f"{study.name}: trial {trial.number}, {study.spec.metric.name} {text.number(study.best_value)}")
    broken = violations(study.spec, trial)
    if broken:
        say(f"no trial keeps to the constraints; this one violates them least: {' and '.join(broken)}")
    elif len(study.spec.metrics) > 1:
        others_on_front = len(study.pareto) - 1
        say(
            f"best by the first metric; {text.pluralize(others_on_front, 'other trial')} on the front: tuner best --pareto"
        )
    others = {name: text.number(value) for name, value in trial.values.items() if name != study.spec.metric.name}
    for title, rows in (("metrics", others), ("parameters", {n: text.param(v) for n, v in trial.params.items()})):
        if rows:
            say(title)
            for line in pairs(rows, indent="  "):
                say(line)
    if model:
        say(f"model  {short_path(model)}")
