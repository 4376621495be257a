"""What ``partial_fixed`` adds to the suite: what is fixed stays, what that decides is decided."""

from typing import Any

import pytest

from tuner import plugins
from tuner.core.ports import Problem, Suggestion
from tuner.errors import SweepError
from tuner.space import Categorical, Float, Int, SearchSpace
from tuner.study import Metric, PluginSpec
from tuner.testing.samplers import CONDITIONAL, FINITE
from tuner.trial import Params, Trial, TrialState

LOSS = (Metric("loss"),)


def build(space: SearchSpace, fixed: Any, base: Any = "random") -> Any:
    return plugins.build(
        "sampler", PluginSpec("partial_fixed", {"fixed": fixed, "base": base}), Problem(space, LOSS, 1)
    )


@pytest.mark.parametrize("base", ["tpe", "random", "qmc", {"type": "nsga2", "population_size": 4}], ids=str)
def test_fixed_parameters_keep_their_value_and_conditions_follow(base):
    sampler = build(CONDITIONAL, {"model": "tree", "booster": "dart"}, base)
    for suggestion in sampler.ask(0, 20):
        CONDITIONAL.check(suggestion.params)
        assert suggestion.params["model"] == "tree"
        assert suggestion.params["booster"] == "dart"


def test_a_fixed_parameter_that_is_not_active_has_no_value():
    sampler = build(CONDITIONAL, {"booster": "dart"})
    found = [s.params for s in sampler.ask(0, 40)]
    assert {params.get("booster") for params in found} == {"dart", None}


def test_values_get_the_parameters_type():
    space = SearchSpace({"x": Float(0.0, 2.0), "n": Int(0, 4), "y": Float(0.0, 1.0)})
    (suggestion,) = build(space, {"x": 1, "n": 2.0}).ask(0, 1)
    assert type(suggestion.params["x"]) is float
    assert type(suggestion.params["n"]) is int


def test_the_rest_of_a_finite_space_is_exhausted():
    found = [s.params for s in build(FINITE, {"b": "y"}, "grid").ask(0, 100)]
    assert len(found) == 4 * 3


def test_wished_trials_with_other_values_are_kept_from_the_base():
    sampler = build(FINITE, {"b": "y"}, "grid")
    other: Params = {"a": 2, "b": "x"}
    sampler.replay(0, Suggestion(other))
    sampler.tell([Trial(0, TrialState.COMPLETE, other, {"loss": 1.0})])
    fitting: Params = {"a": 2, "b": "y", "c": 0.5}
    sampler.replay(1, Suggestion(fitting))
    sampler.tell([Trial(1, TrialState.COMPLETE, fitting, {"loss": 1.0})])
    found = [s.params for s in sampler.ask(2, 100)]
    assert len(found) == 4 * 3 - 1
    assert fitting not in found


@pytest.mark.parametrize(
    ("fixed", "base", "path", "says"),
    [
        ({"modell": "tree"}, "random", "sampler.fixed.modell", "model"),
        ({"depth": 99}, "random", "sampler.fixed.depth", "out of range"),
        ({"model": "linear", "penalty": "l1", "solver": "lbfgs"}, "random", "sampler.fixed", "nothing is allowed"),
        ({}, "tpee", "sampler.base", "tpee"),
        ({}, {"n": 1}, "sampler.base", "names no sampler"),
        ({}, "pbt", "sampler.base", "cannot be the base"),
        ({}, {"type": "nsga2", "population_size": 1}, "sampler.base.population_size", "too small"),
        ({}, "grid", "parameters.rate_drop", "grid"),
    ],
    ids=str,
)
def test_wrong_options_name_themselves(fixed, base, path, says):
    with pytest.raises(SweepError, match=says) as caught:
        build(CONDITIONAL, fixed, base)
    assert caught.value.path == path


def test_a_fixed_choice_is_told_from_an_equal_number():
    space = SearchSpace({"c": Categorical([True, 1, "x"]), "y": Float(0.0, 1.0)})
    assert all(s.params["c"] is True for s in build(space, {"c": True}).ask(0, 5))
