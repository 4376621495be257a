"""DEHB: differential evolution under Hyperband, by ``ask`` and ``tell``; every evaluation starts from nothing. Defaults."""

from __future__ import annotations

import logging
import tempfile
import warnings

from dehb import DEHB

from benchmarks.peers.configspace import configuration_space, params_of
from benchmarks.problems import Problem
from benchmarks.race import Job, Method, Race

__all__ = ["DehbMethod"]


class DehbMethod(Method):
    """DEHB over the problem's steps."""

    def __init__(self, problem: Problem, race: Race) -> None:
        super().__init__(problem, race)
        logging.disable(logging.WARNING)
        warnings.simplefilter("ignore")
        space = configuration_space(problem, race.seed)
        self._dehb = DEHB(
            cs=space,
            dimensions=len(space),
            min_fidelity=problem.steps[0],
            max_fidelity=problem.steps[-1],
            seed=race.seed,
            n_workers=1,  # of its own Dask cluster, which ask and tell do not use
            save_freq=None,
            log_level="ERROR",
            output_path=tempfile.mkdtemp(),
        )

    def ask(self) -> Job:
        info = self._dehb.ask()
        end = sum(step <= round(info["fidelity"]) for step in self.problem.steps)
        return Job(info, params_of(self.problem, info["config"]), 0, max(1, end))

    def tell(self, job: Job, step: int, value: float, *, stopped: bool) -> None:
        took_s = self.problem.course(job.params).at_s[self.problem.steps.index(step)]
        self._dehb.tell(job.key, {"fitness": value, "cost": took_s})
