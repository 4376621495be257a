"""The ``optuna`` pruner: any class that implements ``optuna.pruners.BasePruner``, by its import path."""

from __future__ import annotations

import functools
import importlib
import inspect
import math
import sys
import warnings
from typing import Any

from optuna import Study
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner
from optuna.samplers import RandomSampler
from optuna.study import StudyDirection
from optuna.trial import TrialState as OptunaState

from tuner.core.ports import Pruner, Verdict
from tuner.errors import PluginFailed, SweepError, blamed, closest
from tuner.pruners._storage import ReportStorage
from tuner.study import Metric
from tuner.trial import Trial, TrialState

__all__ = ["OptunaClassPruner"]

STATES = {
    TrialState.COMPLETE: OptunaState.COMPLETE,
    TrialState.PRUNED: OptunaState.PRUNED,
    TrialState.FAIL: OptunaState.FAIL,
}


class OptunaClassPruner(Pruner):
    """Judges by a pruner of Optuna, of OptunaHub or of your own.

    The one pruner that calls a library inside the engine's core. What it is told and says is a function of the log as for
    every other, so a resumed study goes on exactly, provided that the class itself uses neither clock nor chance. It sees a
    study named ``tuner`` with every report of every trial, those that failed included, but no parameters. Optuna's pruners
    look through all trials at a report: with thousands of trials one takes milliseconds, which the engine's own do not.

    Args:
        metric: What is compared.
        options: ``class`` is the import path, ``pkg.mod:Class``. All others are the class's own; a pruner among them (as
            ``PatientPruner`` has) is given as ``{class: ..., options}`` too.

    Raises:
        SweepError: The class cannot be imported, is no Optuna pruner, or refuses its options.
    """

    def __init__(self, metric: Metric, **options: Any) -> None:
        self._metric = metric
        self._path = str(options.get("class"))
        self._storage = ReportStorage()
        direction = StudyDirection.MINIMIZE if metric.goal == "minimize" else StudyDirection.MAXIMIZE
        self._storage.create_new_study([direction], "tuner")
        self._pruner = _built(options, "pruner")
        self._study = Study("tuner", self._storage, RandomSampler(seed=0), self._pruner)

    def admit(self, trial: int) -> None:
        """Show the trial to the pruner."""
        self._storage.row(trial)

    def judge(self, trial: int, step: int, value: float) -> Verdict | None:
        """Ask the Optuna pruner.

        Raises:
            PluginFailed: It raised.
        """
        if not math.isfinite(value):
            return None
        row = self._storage.row(trial)
        row.intermediate_values[step] = value
        with blamed("pruner", self._path, type(self._pruner), f"for trial {trial} at step {step}"):
            stops = self._pruner.prune(self._study, row)
        if stops:
            return Verdict("stop", f"{self._path} stops it at step {step} with {value:.6g}", step=step)
        if self.explains:
            return Verdict("go", f"{self._path} lets it go on at step {step} with {value:.6g}", step=step)
        return None

    def finish(self, trial: Trial) -> None:
        """Tell how the trial ended; its reports are kept."""
        self._storage.row(trial.number)
        value = trial.values.get(self._metric.name) if trial.state == TrialState.COMPLETE else None
        self._storage.set_trial_state_values(trial.number, STATES[trial.state], None if value is None else [value])


def _built(options: dict[str, Any], path: str) -> BasePruner:
    found = _imported(options.get("class"), f"{path}.class")
    given = {name: value for name, value in options.items() if name != "class"}
    parameters = inspect.signature(found).parameters
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        for name in given:
            if name not in parameters:
                near = closest(name, parameters)
                raise SweepError(
                    f"{found.__qualname__} has no option {name!r}",
                    path=f"{path}.{name}",
                    expected=f"some of {', '.join(parameters)}" if parameters else "no options",
                    hint=f"did you mean {near!r}?" if near else None,
                )
    for name, value in given.items():
        if isinstance(value, dict) and "class" in value:
            given[name] = _built(value, f"{path}.{name}")
    try:
        with warnings.catch_warnings(), blamed("pruner", str(options.get("class")), found):
            warnings.simplefilter("ignore", ExperimentalWarning)
            pruner: BasePruner = found(**given)
    except PluginFailed as error:
        cause = error.__cause__
        if isinstance(cause, TypeError | ValueError):
            raise SweepError(f"{found.__qualname__} refuses its options: {cause}", path=path, got=given) from cause
        raise SweepError(error.message, path=f"{path}.class", hint="mend it, or take another") from cause
    return pruner


def _imported(path: object, place: str) -> type[Any]:
    expected = "an import path, pkg.mod:Class, for example optuna.pruners:SuccessiveHalvingPruner"
    if not isinstance(path, str) or ":" not in path:
        raise SweepError("the optuna pruner needs the option class", path=place, got=path, expected=expected)
    module, _, attribute = path.partition(":")
    found: Any
    try:
        found = functools.reduce(getattr, attribute.split("."), importlib.import_module(module))
    except Exception as error:  # the module may raise anything while it is imported
        near = (
            closest(attribute, dir(sys.modules[module]))
            if isinstance(error, AttributeError) and module in sys.modules
            else None
        )
        raise SweepError(
            f"{path!r} cannot be imported: {type(error).__name__}: {error}",
            path=place,
            expected=expected,
            hint=f"did you mean {module}:{near}?" if near else None,
        ) from error
    if not (inspect.isclass(found) and issubclass(found, BasePruner)):
        raise SweepError(f"{path!r} is no Optuna pruner", path=place, expected=expected)
    return found
