"""SMAC3: the black-box facade (GP), the hyperparameter-optimisation facade (random forest) and the multi-fidelity facade.

Defaults, by ``ask`` and ``tell``; nothing is written to disk. Hyperband's budgets are steps; a configuration that is promoted
is trained again from the start, as SMAC does without checkpoints of the user's own.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from typing import Any

from smac import BlackBoxFacade, HyperparameterOptimizationFacade, MultiFidelityFacade, Scenario
from smac.runhistory.dataclasses import TrialValue

from benchmarks.peers.configspace import configuration_space, params_of
from benchmarks.problems import Problem
from benchmarks.race import Job, Method, Race

__all__ = ["SmacMethod"]

FACADES = {"bb": BlackBoxFacade, "hpo": HyperparameterOptimizationFacade, "mf": MultiFidelityFacade}
UNLIMITED = 1_000_000


class SmacMethod(Method):
    """One of SMAC's facades."""

    def __init__(self, problem: Problem, race: Race, facade: str) -> None:
        super().__init__(problem, race)
        logging.disable(logging.WARNING)
        warnings.simplefilter("ignore")
        options: dict[str, Any] = {}
        if facade == "mf":
            options = {"min_budget": problem.steps[0], "max_budget": problem.steps[-1]}
        scenario = Scenario(
            configuration_space(problem, race.seed),
            deterministic=True,
            n_trials=race.trials or UNLIMITED,
            seed=race.seed,
            output_directory=tempfile.mkdtemp(),
            **options,
        )
        if race.trials is None:  # else its initial design would be a quarter of a million
            options = {"initial_design": FACADES[facade].get_initial_design(scenario, n_configs=10)}
        else:
            options = {}
        self._smac = FACADES[facade](
            scenario, lambda config, seed=0, budget=None: 0.0, logging_level=False, overwrite=True, **options
        )

    def ask(self) -> Job | None:
        try:
            info = self._smac.ask()
        except StopIteration:
            return None
        end = None
        if info.budget is not None:
            end = sum(step <= round(info.budget) for step in self.problem.steps)
        return Job(info, params_of(self.problem, info.config), 0, max(1, end) if end is not None else None)

    def tell(self, job: Job, step: int, value: float, *, stopped: bool) -> None:
        took_s = self.problem.course(job.params).at_s[self.problem.steps.index(step)]
        self._smac.tell(job.key, TrialValue(cost=value, time=took_s), save=False)
