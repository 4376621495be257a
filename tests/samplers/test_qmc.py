"""What ``qmc`` adds to the suite: the points are even, and none is lost."""

from typing import Any

import pytest
from scipy.stats import qmc

from tuner import plugins
from tuner.core.ports import Problem, Suggestion
from tuner.errors import SweepError
from tuner.space import Categorical, Float, Int, SearchSpace
from tuner.study import Metric, PluginSpec

LOSS = (Metric("loss"),)
CUBE = SearchSpace({f"x{k}": Float(0.0, 1.0) for k in range(4)})


def build(space: SearchSpace = CUBE, seed: int = 1, **options: Any) -> Any:
    return plugins.build("sampler", PluginSpec("qmc", options), Problem(space, LOSS, seed))


def points(name: str, n: int, **options: Any) -> list[list[float]]:
    sampler = plugins.build("sampler", PluginSpec(name, options), Problem(CUBE, LOSS, 1))
    return [[float(v) for v in s.params.values()] for s in sampler.ask(0, n)]


@pytest.mark.parametrize("options", [{}, {"scramble": False}, {"qmc_type": "halton"}], ids=str)
def test_points_are_more_even_than_chance(options):
    ours, chance = qmc.discrepancy(points("qmc", 128, **options)), qmc.discrepancy(points("random", 128))
    assert ours < chance / 4


def test_plain_points_are_those_of_the_sequence():
    expected = qmc.Sobol(4, scramble=False).random(128)
    assert abs(expected - points("qmc", 128, scramble=False)).max() < 1e-12


def test_choices_get_equal_shares():
    space = SearchSpace({"c": Categorical(list("abcd")), "n": Int(0, 3), "x": Float(0.0, 1.0)})
    found = [s.params for s in build(space).ask(0, 64)]
    for value in "abcd":
        assert sum(params["c"] == value for params in found) == 16
    for k in range(4):
        assert sum(params["n"] == k for params in found) == 16


def test_what_others_chose_takes_no_point():
    alone, shared = build(), build()
    expected = [s.params for s in alone.ask(0, 6)]
    shared.replay(0, Suggestion({f"x{k}": 0.5 for k in range(4)}))
    assert [s.params for s in shared.ask(1, 3)] == expected[:3]
    shared.replay(4, Suggestion({f"x{k}": 0.25 for k in range(4)}))
    assert [s.params for s in shared.ask(5, 3)] == expected[3:]


def test_a_replay_far_into_the_sequence_goes_on_there():
    alone, resumed = build(), build()
    asked = alone.ask(0, 300)
    for number, suggestion in enumerate(asked[:200]):
        resumed.replay(number, suggestion)
    assert list(resumed.ask(200, 100)) == list(asked[200:])


def test_wrong_options_name_themselves():
    with pytest.raises(SweepError) as caught:
        build(qmc_type="sobel")
    assert caught.value.path == "sampler.qmc_type"
    wide = SearchSpace({f"x{k}": Int(0, 1) for k in range(21202)})
    with pytest.raises(SweepError, match="dimensions"):
        build(wide)
