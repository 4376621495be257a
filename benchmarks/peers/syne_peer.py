"""Syne Tune: KDE, BORE, CQR and BoTorch for full evaluations; ASHA, BOHB, ASHA-BORE and ASHA-CQR by step. Defaults."""

from __future__ import annotations

import logging
import warnings
from types import SimpleNamespace
from typing import Any

from syne_tune import config_space as cs
from syne_tune.optimizer import baselines
from syne_tune.optimizer.scheduler import SchedulerDecision
from syne_tune.optimizer.schedulers.single_objective_scheduler import SingleObjectiveScheduler

from benchmarks.problems import METRIC, Problem
from benchmarks.race import Job, Method, Race
from tuner.space import Categorical, Float, Int
from tuner.trial import Params

__all__ = ["SyneMethod"]

STEP = "epoch"
FULL = {"kde": "TPE", "bore": "BORE", "cqr": "CQR"}
BY_STEP = {"asha": "ASHA", "bohb": "BOHB", "asha-bore": "ASHABORE", "asha-cqr": "ASHACQR"}


class SyneMethod(Method):
    """One of Syne Tune's baselines. It knows no conditions: parameters that are not active are chosen and ignored."""

    def __init__(self, problem: Problem, race: Race, name: str) -> None:
        super().__init__(problem, race)
        logging.disable(logging.WARNING)
        warnings.simplefilter("ignore")
        space = {key: _domain(axis) for key, axis in problem.space.items()}
        if name in BY_STEP:
            make = getattr(baselines, BY_STEP[name])
            grid = {"time_attr": STEP, "max_t": problem.steps[-1], "grace_period": problem.steps[0]}
            self._scheduler = make(space, METRIC, random_seed=race.seed, **grid)
        elif name in FULL:
            self._scheduler = getattr(baselines, FULL[name])(space, METRIC, random_seed=race.seed)
        else:
            self._scheduler = SingleObjectiveScheduler(space, METRIC, searcher=name, random_seed=race.seed)
        self._by_step = name in BY_STEP
        self._begun = 0

    def ask(self) -> Job:
        suggestion = self._scheduler.suggest()
        trial: Any = SimpleNamespace(trial_id=self._begun, config=suggestion.config)
        self._begun += 1
        self._scheduler.on_trial_add(trial)
        return Job(trial, _params(self.problem, suggestion.config))

    def report(self, job: Job, step: int, value: float) -> bool:
        if not self._by_step:
            return True
        answer = self._scheduler.on_trial_result(job.key, {METRIC: value, STEP: step})
        return bool(answer == SchedulerDecision.CONTINUE)

    def tell(self, job: Job, step: int, value: float, *, stopped: bool) -> None:
        if stopped:
            self._scheduler.on_trial_remove(job.key)
            return
        result = {METRIC: value, STEP: step}
        self._scheduler.on_trial_result(job.key, result)
        self._scheduler.on_trial_complete(job.key, result)


def _domain(axis: Any) -> Any:
    if isinstance(axis, Float):
        return cs.loguniform(axis.low, axis.high) if axis.log else cs.uniform(axis.low, axis.high)
    if isinstance(axis, Int):
        return cs.lograndint(axis.low, axis.high) if axis.log else cs.randint(axis.low, axis.high)
    return cs.choice([str(index) for index in range(len(axis.choices))])


def _params(problem: Problem, config: Params) -> Params:
    params: dict[str, Any] = {}
    for name, axis in problem.space.items():
        if problem.space.is_active(name, params):
            params[name] = axis.choices[int(str(config[name]))] if isinstance(axis, Categorical) else config[name]
    return params
