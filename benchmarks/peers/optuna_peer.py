"""Optuna: samplers TPE, GP, CMA-ES with pruners none, Hyperband, SuccessiveHalving, Median; all with their defaults."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import optuna
from optuna.distributions import BaseDistribution

from benchmarks.problems import Problem
from benchmarks.race import Job, Method, Race
from tuner.space import Categorical, Float, Int
from tuner.trial import ParamValue

__all__ = ["PRUNERS", "SAMPLERS", "OptunaMethod", "suggest"]

SAMPLERS: dict[str, Callable[[int], optuna.samplers.BaseSampler]] = {
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed),
    "gp": lambda seed: optuna.samplers.GPSampler(seed=seed),
    "cmaes": lambda seed: optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False),
}
PRUNERS: dict[str, Callable[[Problem], optuna.pruners.BasePruner]] = {
    "none": lambda problem: optuna.pruners.NopPruner(),
    "hyperband": lambda problem: optuna.pruners.HyperbandPruner(
        min_resource=problem.steps[0], max_resource=problem.steps[-1]
    ),
    "halving": lambda problem: optuna.pruners.SuccessiveHalvingPruner(min_resource=problem.steps[0]),
    "median": lambda problem: optuna.pruners.MedianPruner(),
}


def suggest(trial: optuna.Trial, problem: Problem) -> dict[str, ParamValue]:
    """Parameters of a problem, in the way that its author would write down in an Optuna objective."""
    params: dict[str, ParamValue] = {}
    for name, axis in problem.space.items():
        if not problem.space.is_active(name, params):
            continue
        if isinstance(axis, Float):
            params[name] = trial.suggest_float(name, axis.low, axis.high, log=axis.log)
        elif isinstance(axis, Int):
            params[name] = trial.suggest_int(name, axis.low, axis.high, log=axis.log)
        elif isinstance(axis, Categorical):
            params[name] = trial.suggest_categorical(name, list(axis.choices))
    return params


class OptunaMethod(Method):
    """One sampler with one pruner, in a study in memory."""

    def __init__(self, problem: Problem, race: Race, sampler: str, pruner: str = "none") -> None:
        super().__init__(problem, race)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore")
        self._study = optuna.create_study(sampler=SAMPLERS[sampler](race.seed), pruner=PRUNERS[pruner](problem))
        self._prunes = pruner != "none"

    def ask(self) -> Job:
        trial = self._study.ask()
        return Job(trial, suggest(trial, self.problem))

    def report(self, job: Job, step: int, value: float) -> bool:
        if not self._prunes:
            return True
        job.key.report(value, step)
        return not job.key.should_prune()

    def tell(self, job: Job, step: int, value: float, *, stopped: bool) -> None:
        if stopped:
            self._study.tell(job.key, state=optuna.trial.TrialState.PRUNED)
        else:
            if self._prunes:
                job.key.report(value, step)
            self._study.tell(job.key, value)


def distributions(problem: Problem) -> dict[str, BaseDistribution]:
    """The whole space of a problem without conditions."""
    found: dict[str, BaseDistribution] = {}
    for name, axis in problem.space.items():
        if isinstance(axis, Float):
            found[name] = optuna.distributions.FloatDistribution(axis.low, axis.high, log=axis.log)
        elif isinstance(axis, Int):
            found[name] = optuna.distributions.IntDistribution(axis.low, axis.high, log=axis.log)
    return found
