"""Trials of three model families whose memory and time differ by parameters by more than a factor of ten.

The laws are those of the families: a forest's memory is its trees times their leaves, which double with each level until rows
run out; boosting holds one shallow tree at a time and the binned table; a network holds its weights with two moments of each
and a batch of activations. Constants are of a table with a hundred thousand rows. Both memory and time scatter about the law.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping

from tuner.core.ports import Context, Objective
from tuner.errors import ExecutorError
from tuner.executors.simulated import Simulation
from tuner.resources import Resources
from tuner.space import Categorical, Float, Int, SearchSpace
from tuner.trial import Completed, Params

BASE_MIB = 180.0  # interpreter, libraries, the table
MOST_LEAVES = 50_000
STEPS = 5
SPACE = SearchSpace(
    {
        "family": Categorical(["forest", "boosting", "network"]),
        "n_estimators": Int(50, 1000, log=True),
        "max_depth": Int(3, 18),
        "width": Int(64, 2048, log=True),
        "batch": Int(32, 4096, log=True),
        "learning_rate": Float(1e-3, 0.5, log=True),
    }
)


def memory_mib(params: Params) -> float:
    """Memory above the worker's own that the law gives."""
    n, depth, width, batch = (_number(params, name) for name in ("n_estimators", "max_depth", "width", "batch"))
    leaves = min(math.pow(2.0, depth), MOST_LEAVES)
    if params["family"] == "forest":
        return 40.0 + n * leaves * 120.0 / 2**20
    if params["family"] == "boosting":
        return 150.0 + n * min(leaves, 4096.0) * 50.0 / 2**20 + 0.02 * leaves
    return 60.0 + 4 * width**2 * 16.0 / 2**20 + batch * width * 24.0 / 2**20


def wall_s(params: Params) -> float:
    """Seconds on one CPU that the law gives."""
    n, depth, width, batch = (_number(params, name) for name in ("n_estimators", "max_depth", "width", "batch"))
    if params["family"] == "forest":
        return 20.0 + 0.05 * n * depth
    if params["family"] == "boosting":
        return 15.0 + 0.06 * n * depth
    return 30.0 + 0.25 * width + 4000.0 / math.sqrt(batch)


def _number(params: Params, name: str) -> float:
    value = params[name]
    assert isinstance(value, int | float)
    return float(value)


class Shapes(Objective):
    """An objective that is simulated only.

    Args:
        scatter: Of memory and time about their laws, relative.
    """

    def __init__(self, scatter: float = 0.05) -> None:
        self._scatter = scatter
        self.checkpoints = True

    def run(self, params: Params, context: Context) -> Mapping[str, float]:
        """There is nothing to run."""
        raise ExecutorError("this objective can only be simulated", hint="take `executor: simulated`")

    def simulate(self, params: Params, seed: int, grant: Resources, resume_step: int | None = None) -> Simulation:
        """See ``tuner.executors.simulated.Simulates``: nine tenths of the work go faster with more CPUs."""
        chance = random.Random(seed)
        peak_mib = memory_mib(params) * math.exp(chance.gauss(0.0, self._scatter))
        alone_s = wall_s(params) * math.exp(chance.gauss(0.0, 4 * self._scatter))
        cpu = max(1.0, grant.cpu)
        whole_s = alone_s * (0.1 + 0.9 / cpu)
        loss = chance.random() + math.log10(_number(params, "learning_rate") / 0.05) ** 2
        first = (resume_step or 0) + 1
        return Simulation(
            _reports(first, whole_s / STEPS, loss), 0.0, Completed({"loss": loss}), peak_mib, cpus=alone_s / whole_s
        )


def _reports(first: int, pace_s: float, loss: float) -> Iterator[tuple[float, int, Mapping[str, float]]]:
    return ((pace_s, step, {"loss": loss + 1.0 / step}) for step in range(first, STEPS + 1))
