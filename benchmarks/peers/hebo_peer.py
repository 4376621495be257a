"""HEBO by ``suggest`` and ``observe``, defaults. It knows no conditions: parameters that are not active are ignored."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from hebo.design_space.design_space import DesignSpace
from hebo.optimizers.hebo import HEBO

from benchmarks.problems import Problem
from benchmarks.race import Job, Method, Race
from tuner.space import Categorical, Float, Int

__all__ = ["HeboMethod"]


class HeboMethod(Method):
    """HEBO, one suggestion at a time; it is not told of running trials, for which it has no word."""

    def __init__(self, problem: Problem, race: Race) -> None:
        super().__init__(problem, race)
        warnings.simplefilter("ignore")
        np.random.seed(race.seed)
        space = DesignSpace().parse([_row(name, axis) for name, axis in problem.space.items()])
        self._hebo = HEBO(space, scramble_seed=race.seed)

    def ask(self) -> Job:
        row = self._hebo.suggest(n_suggestions=1)
        chosen = row.iloc[0].to_dict()
        params: dict[str, Any] = {}
        for name, axis in self.problem.space.items():
            if not self.problem.space.is_active(name, params):
                continue
            if isinstance(axis, Categorical):
                params[name] = axis.choices[int(chosen[name])]
            else:
                params[name] = int(chosen[name]) if isinstance(axis, Int) else float(chosen[name])
        return Job(row, params)

    def tell(self, job: Job, step: int, value: float, *, stopped: bool) -> None:
        self._hebo.observe(job.key, np.array([[value]]))


def _row(name: str, axis: Any) -> dict[str, Any]:
    if isinstance(axis, Categorical):
        return {"name": name, "type": "cat", "categories": [str(index) for index in range(len(axis.choices))]}
    if isinstance(axis, Int):
        return {"name": name, "type": "pow_int" if axis.log else "int", "lb": axis.low, "ub": axis.high}
    assert isinstance(axis, Float)
    return {"name": name, "type": "pow" if axis.log else "num", "lb": axis.low, "ub": axis.high}
