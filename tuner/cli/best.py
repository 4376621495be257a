"""``tuner best``."""

from __future__ import annotations

from tuner.api.study import load_study
from tuner.cli._options import Output, OutputOption, StoreOption, StudyArgument
from tuner.cli._output import pairs, print_json, say, short_path
from tuner.dashboard import text
from tuner.errors import TunerError
from tuner.export import trial_to_dict

__all__ = ["command"]


def command(name: StudyArgument = "@latest", store: StoreOption = None, output: OutputOption = Output.TEXT) -> None:
    """Show a study's best trial.

    With -o json the trial's object, with study and model (the saved model's folder, or null).
    """
    study = load_study(name, store)
    trial = study.best_trial
    if trial is None:
        raise TunerError(
            f"no trial of study {study.name!r} has completed", hint=f"`tuner trials {study.name}` says how they stand"
        )
    model = study.model_path
    if output is Output.JSON:
        print_json({"study": study.name, "model": str(model) if model else None, **trial_to_dict(trial)})
        return
    say(f"{study.name}: trial {trial.number}, {study.spec.metric.name} {text.number(study.best_value)}")
    others = {name: text.number(value) for name, value in trial.values.items() if name != study.spec.metric.name}
    for title, rows in (("metrics", others), ("parameters", {n: text.param(v) for n, v in trial.params.items()})):
        if rows:
            say(title)
            for line in pairs(rows, indent="  "):
                say(line)
    if model:
        say(f"model  {short_path(model)}")
