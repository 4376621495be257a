"""Ray Tune's ASHAScheduler with OptunaSearch, driven directly: real Ray Tune cannot run in virtual time.

The scheduler's and the search's own objects decide everything; what Ray Tune would add to a trial (actors, placement) is
left out, which flatters it. ``grace_period`` and ``max_t`` are the problem's first and last step, the rest default.
"""

from __future__ import annotations

import logging
import warnings
from types import SimpleNamespace
from typing import Any

import optuna
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

from benchmarks.peers.optuna_peer import distributions
from benchmarks.problems import METRIC, Problem
from benchmarks.race import Job, Method, Race

__all__ = ["RayMethod"]

STEP = "training_iteration"


class RayMethod(Method):
    """ASHA over OptunaSearch; problems without conditions only."""

    def __init__(self, problem: Problem, race: Race, *, reduction_factor: float = 4) -> None:
        super().__init__(problem, race)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        logging.getLogger("ray").setLevel(logging.ERROR)
        warnings.simplefilter("ignore")
        space: Any = distributions(problem)
        self._search = OptunaSearch(space, metric=METRIC, mode="min", seed=race.seed)
        self._scheduler = ASHAScheduler(
            STEP, METRIC, "min", problem.steps[-1], problem.steps[0], reduction_factor=reduction_factor
        )
        self._controller: Any = None
        self._begun = 0

    def ask(self) -> Job:
        trial: Any = SimpleNamespace(trial_id=str(self._begun))
        self._begun += 1
        params = self._search.suggest(trial.trial_id)
        assert params is not None
        self._scheduler.on_trial_add(self._controller, trial)
        return Job(trial, params)

    def report(self, job: Job, step: int, value: float) -> bool:
        result = {STEP: step, METRIC: value}
        self._search.on_trial_result(job.key.trial_id, result)
        return bool(self._scheduler.on_trial_result(self._controller, job.key, result) != "STOP")

    def tell(self, job: Job, step: int, value: float, *, stopped: bool) -> None:
        result = {STEP: step, METRIC: value}
        if not stopped:
            self._search.on_trial_result(job.key.trial_id, result)
            self._scheduler.on_trial_result(self._controller, job.key, result)
        # Ray Tune tells both of a stopped trial as of a complete one.
        self._scheduler.on_trial_complete(self._controller, job.key, result)
        self._search.on_trial_complete(job.key.trial_id, result)
