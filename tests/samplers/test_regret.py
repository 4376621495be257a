"""The bound on what is still to be gained."""

from __future__ import annotations

import numpy as np
import pytest

from tuner.samplers._regret import LEAST_TRIALS, RegretBound
from tuner.space import Categorical, Constant, Float, SearchSpace
from tuner.study import Metric
from tuner.trial import ParamValue, Trial, TrialState

SPACE = SearchSpace(
    {"kind": Categorical(["a", "b"]), "x": Float(0.0, 1.0), "y": Float(0.0, 1.0, when={"kind": "b"}), "c": Constant(1)}
)


def loss(params):
    return (params["x"] - 0.3) ** 2 + (0.02 if params["kind"] == "a" else (params["y"] - 0.7) ** 2)


def trials(count: int, sign: float = 1.0, scale: float = 1.0, seed: int = 1) -> list[Trial]:
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        params: dict[str, ParamValue] = {"x": float(rng.random()), "kind": "ab"[int(rng.integers(2))], "c": 1}
        if params["kind"] == "b":
            params["y"] = float(rng.random())
        found.append(Trial(number, TrialState.COMPLETE, params, {"loss": sign * scale * loss(params)}))
    return found


def test_it_is_silent_while_too_little_is_known():
    bound = RegretBound(SPACE, Metric("loss"), 0)
    infeasible = [Trial(99, TrialState.COMPLETE, {"x": 0.3, "kind": "a", "c": 1}, {"loss": 0.0}, violation=1.0)]
    assert bound(trials(LEAST_TRIALS - 1) + infeasible) is None
    assert bound(trials(LEAST_TRIALS)) is not None


@pytest.mark.parametrize("seed", range(4))
def test_it_lies_above_the_true_regret_and_falls_with_what_is_known(seed):
    bound = RegretBound(SPACE, Metric("loss"), seed)
    known = trials(120, seed=seed)
    bounds = [bound(known[:n]) or 0.0 for n in (20, 60, 120)]
    regrets = [min(t.values["loss"] for t in known[:n]) for n in (20, 60, 120)]  # the optimum is 0
    assert all(b >= r for b, r in zip(bounds, regrets, strict=True))
    assert bounds[2] < bounds[0] / 3


def test_it_is_in_the_metrics_unit_and_minds_its_goal():
    plain = RegretBound(SPACE, Metric("loss"), 0)(trials(40)) or 0.0
    scaled = RegretBound(SPACE, Metric("loss"), 0)(trials(40, scale=1000.0))
    turned = RegretBound(SPACE, Metric("loss", "maximize"), 0)(trials(40, sign=-1.0))
    assert scaled == pytest.approx(1000.0 * plain, rel=1e-6)
    assert turned == pytest.approx(plain, rel=1e-9)


def test_the_same_trials_give_the_same_bound_in_any_order():
    known = trials(40)
    assert RegretBound(SPACE, Metric("loss"), 0)(known) == RegretBound(SPACE, Metric("loss"), 0)(known[::-1])


def test_where_everything_is_equal_nothing_is_to_be_gained():
    flat = [Trial(t.number, t.state, t.params, {"loss": 0.5}) for t in trials(25)]
    assert RegretBound(SPACE, Metric("loss"), 0)(flat) == 0.0
    fixed = [Trial(n, TrialState.COMPLETE, {"c": 1}, {"loss": float(n)}) for n in range(25)]
    assert RegretBound(SearchSpace({"c": Constant(1)}), Metric("loss"), 0)(fixed) == 0.0
