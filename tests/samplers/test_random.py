"""What ``random`` adds to the suite: the distributions are right, and it costs next to nothing."""

import math
import timeit
import tracemalloc
from collections import Counter
from collections.abc import Mapping
from typing import Any

import optuna
import pytest

from tuner.core.ports import Problem
from tuner.errors import SearchSpaceError
from tuner.samplers.random import RandomSampler
from tuner.space import Categorical, Distribution, Float, Int, SearchSpace
from tuner.study import Metric
from tuner.trial import ParamValue, Trial, TrialState

LOSS = (Metric("loss"),)


def draws(distribution: Distribution, n: int, seed: int = 1) -> list[ParamValue]:
    sampler = RandomSampler(Problem(SearchSpace({"x": distribution}), LOSS, seed, noisy=True))
    return [suggestion.params["x"] for suggestion in sampler.ask(0, n)]


def chi_square(counts: Mapping[Any, int], expected: Mapping[Any, float]) -> float:
    return sum((counts.get(k, 0) - e) ** 2 / e for k, e in expected.items())


def critical(degrees: int) -> float:
    """The 99.9 % point of chi-square (Wilson and Hilferty's approximation)."""
    return degrees * (1 - 2 / (9 * degrees) + 3.09 * math.sqrt(2 / (9 * degrees))) ** 3


@pytest.mark.parametrize(
    "distribution",
    [
        Int(3, 12),
        Int(0, 95, step=10),
        Float(0.0, 0.95, step=0.1),
        Categorical(["a", None, True, 1, 0.5]),
    ],
    ids=str,
)
def test_discrete_values_are_equally_likely(distribution):
    n, values = 20_000, distribution.values()
    keys = Counter((type(value), value) for value in draws(distribution, n))
    expected = {(type(value), value): n / len(values) for value in values}
    assert set(keys) == set(expected)
    assert chi_square(keys, expected) < critical(len(values) - 1)


@pytest.mark.parametrize(
    ("distribution", "scale"),
    [(Float(-2.0, 3.0), lambda x: (x + 2) / 5), (Float(1e-6, 1e2, log=True), lambda x: (math.log10(x) + 6) / 8)],
    ids=["linear", "log"],
)
def test_reals_are_uniform_in_their_scale(distribution, scale):
    n = 20_000
    counts = Counter(int(scale(value) * 20) for value in draws(distribution, n))
    assert chi_square(counts, dict.fromkeys(range(20), n / 20)) < critical(19)


def test_logarithmic_whole_numbers_have_optunas_distribution():
    low, high, n = 1, 16, 40_000
    width = math.log(high + 0.5) - math.log(low - 0.5)
    expected = {k: n * (math.log(k + 0.5) - math.log(k - 0.5)) / width for k in range(low, high + 1)}
    ours = Counter(draws(Int(low, high, log=True), n))
    assert chi_square(ours, expected) < critical(high - low)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    theirs = Counter(study.ask().suggest_int("x", low, high, log=True) for _ in range(4000))
    assert chi_square(theirs, {k: e / 10 for k, e in expected.items()}) < critical(high - low)


def test_whole_numbers_beyond_the_precision_of_floats_reach_every_bit():
    values = [int(value or 0) for value in draws(Int(0, 2**80), 2000)]
    assert {value & 1 for value in values} == {0, 1}
    assert max(values) > 2**79


def test_reals_never_reach_the_upper_end():
    high = math.nextafter(1.0, 2.0)
    assert set(draws(Float(1.0, high), 200)) == {1.0}


def test_no_two_trials_and_seeds_share_their_chance():
    space = SearchSpace({"x": Float(0.0, 1.0)})
    found = {
        suggestion.params["x"]
        for seed in (0, 1, 2, 2**32 - 1)
        for suggestion in RandomSampler(Problem(space, LOSS, seed)).ask(0, 5000)
    }
    assert len(found) == 20_000


def test_any_trial_can_be_asked_for_at_any_time():
    space = SearchSpace({"x": Float(0.0, 1.0), "n": Int(1, 9)})
    sampler = RandomSampler(Problem(space, LOSS, 3))
    late = sampler.ask(70_000, 1)
    sampler.ask(0, 10)
    assert late == sampler.ask(70_000, 1)


def test_a_space_that_is_all_forbidden_is_refused():
    space = SearchSpace({"x": Int(0, 9)}, forbidden=[{"x": {"high": 4}}, {"x": {"low": 5}}])
    with pytest.raises(SearchSpaceError, match="forbidden"):
        RandomSampler(Problem(space, LOSS, 1)).ask(0, 1)


FIVE = SearchSpace(
    {
        "a": Float(0.0, 1.0),
        "b": Float(1e-5, 1.0, log=True),
        "c": Int(1, 100),
        "d": Categorical(["x", "y", "z"]),
        "e": Float(0.0, 1.0, step=0.1),
    }
)


def test_a_suggestion_of_five_parameters_takes_microseconds():
    sampler = RandomSampler(Problem(FIVE, LOSS, 1))
    best = min(timeit.repeat(lambda: sampler.ask(0, 500), number=1, repeat=20)) / 500
    assert best < 15e-6 * 2  # twice what is promised, for busy machines


def test_nothing_is_kept_for_a_trial():
    sampler = RandomSampler(Problem(FIVE, LOSS, 1))
    sampler.ask(0, 10)
    tracemalloc.start()
    try:
        for number in range(2000):
            sampler.ask(number, 1)
        assert tracemalloc.get_traced_memory()[0] < 2000
    finally:
        tracemalloc.stop()


def test_a_finite_space_is_drawn_without_repeating_until_nothing_is_left():
    space = SearchSpace({"a": Int(0, 4), "b": Categorical(["x", "y"])}, forbidden=[{"a": 2, "b": "x"}])
    sampler = RandomSampler(Problem(space, LOSS, 1))
    found = [tuple(suggestion.params.items()) for suggestion in sampler.ask(0, 30)]
    assert len(set(found)) == len(found) == 9
    assert not sampler.ask(9, 1)


def test_what_an_earlier_study_tried_is_not_drawn_again():
    space = SearchSpace({"a": Int(0, 9)})
    sampler = RandomSampler(Problem(space, LOSS, 1))
    sampler.inform([Trial(-1 - k, TrialState.COMPLETE, {"a": k}, {"loss": 0.0}) for k in range(7)])
    assert sorted(int(s.params["a"] or 0) for s in sampler.ask(0, 10)) == [7, 8, 9]
