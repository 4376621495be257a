"""What ``gp`` adds to the suite: it learns, from all that it is told, in any order, and nothing that it is told breaks it."""

import math
from typing import Any

import numpy as np
import pytest

from tuner.core.ports import Problem, Suggestion
from tuner.errors import SweepError
from tuner.samplers._gp_surrogate import Effort
from tuner.samplers.gp import GPSampler
from tuner.samplers.random import RandomSampler
from tuner.space import Categorical, Float, Int, SearchSpace
from tuner.study import Constraint, Metric
from tuner.testing.samplers import CONDITIONAL, MIXED, WIDE, finished
from tuner.trial import Failed, FailureKind, Trial, TrialState

LOSS = (Metric("loss"),)
BOWL = SearchSpace({"lr": Float(1e-5, 1.0, log=True), "depth": Int(1, 20), "kind": Categorical(["a", "b", "c"])})
PLANE = SearchSpace({"x": Float(0.0, 1.0), "y": Float(0.0, 1.0)})


def bowl(params: Any) -> float:
    return float((math.log10(params["lr"]) + 2.5) ** 2 + (params["depth"] - 7) ** 2 / 10 + (params["kind"] != "b"))


def place(suggestion: Suggestion) -> tuple[float, float]:
    """Where on the plane it lies."""
    x, y = suggestion.params["x"], suggestion.params["y"]
    assert isinstance(x, float)
    assert isinstance(y, float)
    return x, y


def complete(number, params, values, **fields):
    return Trial(number, TrialState.COMPLETE, params, values, **fields)


def run(sampler, function, n, first=0):
    """Best value of ``n`` trials, one after another."""
    values = []
    for number in range(first, first + n):
        (suggestion,) = sampler.ask(number, 1)
        values.append(function(suggestion.params))
        sampler.tell([complete(number, suggestion.params, {"loss": values[-1]})])
    return values


@pytest.mark.parametrize("goal", ["minimize", "maximize"])
def test_finds_the_bottom_of_a_bowl(goal):
    sign = 1 if goal == "minimize" else -1
    for seed in range(2):
        problem = Problem(BOWL, (Metric("loss", goal),), seed)
        found = min(sign * v for v in run(GPSampler(problem), lambda params: sign * bowl(params), 30))
        drawn = min(sign * v for v in run(RandomSampler(problem), lambda params: sign * bowl(params), 30))
        assert found < 0.01
        assert found < 0.1 * drawn


@pytest.mark.parametrize("n", [8, 64])
def test_suggestions_made_together_keep_apart_and_find_the_hollow(n):
    def hollow(p):
        return (p["x"] - 0.3) ** 2 + (p["y"] - 0.6) ** 2 + 0.05 * math.sin(40 * p["x"]) * math.cos(30 * p["y"])

    sampler = GPSampler(Problem(PLANE, LOSS, 3))
    run(sampler, hollow, 16)
    points = np.array([place(s) for s in sampler.ask(16, n)])
    apart = np.abs(points[:, None] - points[None]).max(-1) + np.eye(n)
    assert apart.min() > 0.015
    assert (np.hypot(*(points - (0.3, 0.6)).T) < 0.25).mean() > 0.3  # the disc is a fifth of the plane


def test_the_order_of_asks_and_tells_changes_nothing():
    """Only which trials are finished and which are running does."""
    for space in (MIXED, CONDITIONAL):
        drawn = RandomSampler(Problem(space, LOSS, 5)).ask(0, 20)
        trials = [finished(number, s.params) for number, s in enumerate(drawn)]
        one, other = GPSampler(Problem(space, LOSS, 1)), GPSampler(Problem(space, LOSS, 1))
        for number, suggestion in enumerate(drawn):
            one.replay(number, suggestion)
            if number >= 4:
                one.tell([trials[number - 4]])
                if number % 5 == 0:
                    one.ask(number + 1, 0)
        for number, suggestion in enumerate(drawn):
            other.replay(number, suggestion)
        other.tell(trials[15:7:-1])
        other.tell(trials[:8])
        assert list(one.ask(20, 3)) == list(other.ask(20, 3))


def test_a_replay_goes_on_exactly_with_more_running_than_are_believed_in(monkeypatch):
    monkeypatch.setattr("tuner.samplers._gp_models._EFFORTS", ((99, Effort(40, 60, 5, 64, 8)),))
    one, other = GPSampler(Problem(PLANE, LOSS, 3)), GPSampler(Problem(PLANE, LOSS, 3))
    run(one, lambda p: p["x"] + p["y"], 10)
    asked = one.ask(10, 9)
    drawn = GPSampler(Problem(PLANE, LOSS, 3))
    for number in range(10):
        (suggestion,) = drawn.ask(number, 1)
        other.replay(number, suggestion)
        trial = complete(number, suggestion.params, {"loss": sum(place(suggestion))})
        drawn.tell([trial])
        other.tell([trial])
    for k, suggestion in enumerate(asked[:7]):
        other.replay(10 + k, suggestion)
    assert list(other.ask(17, 2)) == list(asked[7:])


def test_keeps_to_a_constraint():
    problem = Problem(PLANE, LOSS, 2, constraints=(Constraint("latency", high=0.5),))
    sampler = GPSampler(problem)
    feasible, over = [], []
    for number in range(28):
        (suggestion,) = sampler.ask(number, 1)
        x, y = place(suggestion)
        latency = x + 0.2 * y
        violation = problem.constraints[0].violation(latency)
        sampler.tell([complete(number, suggestion.params, {"loss": -x - y, "latency": latency}, violation=violation)])
        over.append(violation)
        if violation == 0.0:
            feasible.append(x + y)
    assert max(feasible) > 1.27  # the optimum, 1.3, lies on the edge
    assert np.median(over[14:]) < 0.02


def test_seeks_what_is_feasible_while_nothing_is():
    problem = Problem(PLANE, LOSS, 2, constraints=(Constraint("size", high=0.0),))
    sampler = GPSampler(problem)
    for number in range(8):
        x, y = 0.5 + number / 16, 0.3 + number * 7 % 8 / 12
        sampler.replay(number, Suggestion({"x": x, "y": y}))
        sampler.tell([complete(number, {"x": x, "y": y}, {"loss": 0.0, "size": x - 0.1}, violation=x)])
    assert all(place(s)[0] < 0.3 for s in sampler.ask(8, 2))


def test_learns_which_parameters_are_invalid():
    sampler = GPSampler(Problem(BOWL, LOSS, 4))
    invalid = 0
    for number in range(40):
        (suggestion,) = sampler.ask(number, 1)
        if suggestion.params["kind"] == "b":  # the best but for that
            failure = Failed(FailureKind.INVALID_PARAMS, "no b")
            sampler.tell([Trial(number, TrialState.FAIL, suggestion.params, {}, failure=failure)])
            invalid += number >= 20
        else:
            sampler.tell([complete(number, suggestion.params, {"loss": bowl(suggestion.params)})])
    assert invalid <= 4


def test_other_failures_are_not_blamed_on_the_parameters():
    one, other = GPSampler(Problem(PLANE, LOSS, 3)), GPSampler(Problem(PLANE, LOSS, 3))
    drawn = RandomSampler(Problem(PLANE, LOSS, 5)).ask(0, 14)
    for number, suggestion in enumerate(drawn):
        if number < 12:
            one.replay(number, suggestion)
            one.tell([complete(number, suggestion.params, {"loss": suggestion.params["x"]})])
            other.replay(number, suggestion)
            other.tell([complete(number, suggestion.params, {"loss": suggestion.params["x"]})])
        else:
            failure = Failed(FailureKind.NODE_LOST, "gone")
            one.replay(number, suggestion)
            one.tell([Trial(number, TrialState.FAIL, suggestion.params, {}, failure=failure)])
    assert list(one.ask(14, 1)) == list(other.ask(14, 1))


def test_trials_stopped_early_inform_it():
    """That small x is bad it knows from trials only that were stopped at the first step."""

    def asked(told):
        sampler = GPSampler(Problem(PLANE, LOSS, 1, by_step=True), n_startup_trials=6)
        for number in range(24):
            params = {"x": number / 24, "y": number * 7 % 24 / 24}
            end = abs(params["x"] - 0.75)
            sampler.replay(number, Suggestion(params))
            sampler.report(number, 1, {"loss": 1.0 + 2.0 * end})
            if number >= 14:
                sampler.tell([complete(number, params, {"loss": end}, last_step=9)])
            elif told:
                sampler.tell([Trial(number, TrialState.PRUNED, params, {"loss": 1.0 + 2.0 * end}, last_step=1)])
            else:
                sampler.tell([Trial(number, TrialState.PRUNED, params, {})])
        return [place(s)[0] for s in sampler.ask(24, 8)]

    assert min(asked(told=False)) < 0.5 < min(asked(told=True))


def test_a_value_at_an_early_step_is_not_taken_for_an_end():
    """Reports that begin far below where trials end, as a warm-up's may, do not become the best."""
    sampler = GPSampler(Problem(PLANE, LOSS, 1, by_step=True), n_startup_trials=6)
    for number in range(24):
        params = {"x": number / 24, "y": number * 7 % 24 / 24}
        end = 1.0 + (params["x"] - 0.8) ** 2
        sampler.replay(number, Suggestion(params))
        sampler.report(number, 1, {"loss": 0.1 * end})
        if number % 2:
            sampler.tell([complete(number, params, {"loss": end}, last_step=9)])
        else:
            sampler.tell([Trial(number, TrialState.PRUNED, params, {"loss": 0.1 * end}, last_step=1)])
    assert all(abs(place(s)[0] - 0.8) < 0.15 for s in sampler.ask(24, 3))


def earlier(shift, scale, n=20):
    drawn = RandomSampler(Problem(BOWL, LOSS, 9)).ask(0, n)
    return [complete(-1 - k, s.params, {"loss": shift + scale * bowl(s.params)}) for k, s in enumerate(drawn)]


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (50.0, 30.0)], ids=["same", "other units"])
def test_an_earlier_study_saves_trials(shift, scale):
    informed, alone = [], []
    for seed in range(3):
        sampler = GPSampler(Problem(BOWL, LOSS, seed))
        sampler.inform(earlier(shift, scale))
        informed.append(min(run(sampler, bowl, 8)))
        alone.append(min(run(GPSampler(Problem(BOWL, LOSS, seed)), bowl, 8)))
    assert np.mean(informed) < 0.3 * np.mean(alone)


def test_earlier_trials_without_the_metric_teach_nothing():
    informed, alone = GPSampler(Problem(BOWL, LOSS, 0)), GPSampler(Problem(BOWL, LOSS, 0))
    informed.inform([complete(t.number, t.params, {"accuracy": 0.5}) for t in earlier(0.0, 1.0)])
    assert run(informed, bowl, 10) == run(alone, bowl, 10)


def test_an_earlier_study_that_misleads_is_unlearned():
    sampler = GPSampler(Problem(BOWL, LOSS, 0))
    sampler.inform(earlier(0.0, -1.0))
    assert min(run(sampler, bowl, 30)) < 0.1


def test_spreads_over_a_front():
    metrics = (Metric("near zero"), Metric("near one", "maximize"))
    sampler = GPSampler(Problem(PLANE, metrics, 1))
    on_front = []
    for number in range(30):
        (suggestion,) = sampler.ask(number, 1)
        x, y = place(suggestion)
        values = {"near zero": x * x + y * y, "near one": -((x - 1) ** 2) - y * y}
        sampler.tell([complete(number, suggestion.params, values)])
        if number >= 15 and y < 0.1:
            on_front.append(x)
    assert len(on_front) >= 9
    assert np.ptp(on_front) > 0.5


@pytest.mark.parametrize(
    "value",
    [lambda x: 1.0, lambda x: 1e300 * (1 if x > 0.5 else -1), lambda x: 1e-310 * x, lambda x: math.exp(600 * x)],
    ids=["constant", "huge", "tiny", "all scales"],
)
def test_bears_any_values(value):
    sampler = GPSampler(Problem(PLANE, LOSS, 1), n_startup_trials=1)
    for number in range(14):
        (suggestion,) = sampler.ask(number, 1)
        PLANE.check(suggestion.params)
        sampler.tell([complete(number, suggestion.params, {"loss": value(place(suggestion)[0])})])


@pytest.mark.parametrize("noisy", [False, True])
def test_at_the_bottom_it_says_nothing_twice_unless_a_value_is_worth_another_look(noisy):
    sampler = GPSampler(Problem(PLANE, LOSS, 0, noisy=noisy))
    tried = []

    def parabola(params):
        tried.append((params["x"], params["y"]))
        return (params["x"] - 0.3) ** 2 + (params["y"] - 0.7) ** 2

    run(sampler, parabola, 60)
    assert (len(set(tried)) < 60) == noisy


def test_bears_the_same_point_over_and_over():
    sampler = GPSampler(Problem(WIDE, LOSS, 1), n_startup_trials=1)
    (suggestion,) = sampler.ask(0, 1)
    for number in range(30):
        sampler.replay(number, suggestion)
        sampler.tell([complete(number, suggestion.params, {"loss": float(number % 2)})])
    WIDE.check(sampler.ask(30, 1)[0].params)


def test_a_long_study_is_thinned(monkeypatch):
    monkeypatch.setattr("tuner.samplers._gp_models._EFFORTS", ((99, Effort(12, 20, 5, 512, 24)),))
    assert min(run(GPSampler(Problem(BOWL, LOSS, 0)), bowl, 45)) < 0.01


@pytest.mark.parametrize("option", ["n_startup_trials", "n_candidates"])
def test_options_out_of_range_are_refused(option):
    with pytest.raises(SweepError, match=option):
        GPSampler(Problem(PLANE, LOSS, 1), **{option: 0})
