"""What ``cmaes`` adds to the suite: it finds the middle of a bowl, and what counts for it."""

import math
from typing import Any

import pytest

from tuner import plugins
from tuner.core.ports import Problem
from tuner.errors import SweepError
from tuner.space import Categorical, Float, Int, SearchSpace
from tuner.study import Constraint, Metric, PluginSpec
from tuner.trial import Failed, FailureKind, Params, Trial, TrialState

LOSS = (Metric("loss"),)
BOWL = SearchSpace(
    {"x": Float(-5.0, 5.0), "y": Float(1e-4, 1.0, log=True), "k": Int(0, 40), "c": Categorical(["a", "b"])}
)


def build(space: SearchSpace = BOWL, seed: int = 1, **options: Any) -> Any:
    problem = {k: options.pop(k) for k in ("metrics", "constraints") if k in options}
    metrics = problem.pop("metrics", LOSS)
    return plugins.build("sampler", PluginSpec("cmaes", options), Problem(space, metrics, seed, **problem))


def bowl(params: Params) -> float:
    x, y, k = (float(params[name] or 0) for name in ("x", "y", "k"))
    return (x - 1.0) ** 2 + (math.log10(y) + 3.0) ** 2 + ((k - 30) / 10.0) ** 2


def descend(sampler: Any, trials: int) -> list[float]:
    values = []
    for number in range(trials):
        (suggestion,) = sampler.ask(number, 1)
        values.append(bowl(suggestion.params))
        sampler.tell([Trial(number, TrialState.COMPLETE, suggestion.params, {"loss": values[-1]})])
    return values


@pytest.mark.parametrize(
    "options", [{}, {"with_margin": True}, {"use_separable_cma": True}, {"lr_adapt": True}], ids=str
)
def test_it_descends(options):
    values = descend(build(**options), 240)
    best, drawn = min(values), min(descend(plugins.build("sampler", PluginSpec("random"), Problem(BOWL, LOSS, 1)), 240))
    assert best < 0.02 < drawn


def test_maximizing_climbs():
    sampler, values = build(metrics=(Metric("loss", "maximize"),)), []
    for number in range(200):
        (suggestion,) = sampler.ask(number, 1)
        values.append(-bowl(suggestion.params))
        sampler.tell([Trial(number, TrialState.COMPLETE, suggestion.params, {"loss": values[-1]})])
    assert max(values) > -0.05


def test_it_begins_where_it_is_told_to():
    sampler = build(x0={"x": 4.0, "k": 40}, sigma0=0.01, n_startup_trials=0)
    for suggestion in sampler.ask(0, 20):
        assert abs(float(suggestion.params["x"]) - 4.0) < 0.6
        assert suggestion.params["k"] >= 38


def test_it_begins_where_an_earlier_study_was_good():
    prior = [
        Trial(-1 - k, TrialState.COMPLETE, {"x": k / 10 - 5, "y": 0.01, "k": 20, "c": "a"}, {"loss": abs(k / 10 - 9.0)})
        for k in range(100)
    ]
    warm, cold = build(n_startup_trials=1), build(n_startup_trials=0)
    warm.inform(prior)
    mean = sum(float(s.params["x"]) for s in warm.ask(0, 20)) / 20
    assert mean > 3.0 > sum(float(s.params["x"]) for s in cold.ask(0, 20)) / 20


def told(sampler: Any, judge: Any, trials: int = 160) -> list[float]:
    xs = []
    for number in range(trials):
        (suggestion,) = sampler.ask(number, 1)
        xs.append(float(suggestion.params["x"]))
        sampler.tell([judge(number, suggestion.params)])
    return xs


def test_infeasible_trials_are_worse_than_all_feasible_ones():
    space = SearchSpace({"x": Float(0.0, 1.0), "z": Float(0.0, 1.0)})
    constraint = Constraint("loss", low=0.5)

    def judge(number: int, params: Params) -> Trial:
        x = float(params["x"] or 0)
        violation = constraint.violation(x)
        return Trial(number, TrialState.COMPLETE, params, {"loss": x}, violation=violation)

    xs = told(build(space, constraints=(constraint,)), judge)
    assert abs(sum(xs[-20:]) / 20 - 0.5) < 0.05


def test_invalid_parameters_drive_it_away():
    space = SearchSpace({"x": Float(0.0, 1.0), "z": Float(0.0, 1.0)})

    def judge(number: int, params: Params) -> Trial:
        x = float(params["x"] or 0)
        if x < 0.6:
            failure = Failed(FailureKind.INVALID_PARAMS, "too small")
            return Trial(number, TrialState.FAIL, params, {}, failure=failure)
        return Trial(number, TrialState.COMPLETE, params, {"loss": 1.0 - float(params["z"] or 0)})

    xs = told(build(space), judge)
    assert sum(x < 0.6 for x in xs[:20]) > sum(x < 0.6 for x in xs[-20:])
    assert sum(x < 0.6 for x in xs[-20:]) <= 3


@pytest.mark.parametrize(
    ("options", "path", "says"),
    [
        ({"popsize": 1}, "sampler.popsize", "too small"),
        ({"n_startup_trials": -1}, "sampler.n_startup_trials", "too small"),
        ({"sigma0": 0.0}, "sampler.sigma0", "too small"),
        ({"x0": {"xx": 1.0}}, "sampler.x0.xx", "no number called"),
        ({"x0": {"c": "a"}}, "sampler.x0.c", "no number called"),
        ({"x0": {"x": 9.0}}, "sampler.x0.x", "out of range"),
        ({"with_margin": True, "lr_adapt": True}, "sampler", "exclude"),
        ({"restart_strategy": "ipop"}, "sampler.restart_strategy", "no option"),
        ({"metrics": (Metric("a"), Metric("b"))}, "sampler", "one metric"),
    ],
)
def test_wrong_options_name_themselves(options, path, says):
    with pytest.raises(SweepError, match=says) as caught:
        build(**options)
    assert caught.value.path == path
