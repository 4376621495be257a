"""Any Optuna sampler by its import path."""

from typing import Any

import optuna
import pytest

from tuner import plugins
from tuner.core.ports import Problem
from tuner.errors import SweepError
from tuner.space import Categorical, Float, Int, SearchSpace
from tuner.study import Metric, PluginSpec
from tuner.testing.samplers import MIXED, SamplerTestCase, finished
from tuner.trial import Trial, TrialState

LOSS = (Metric("loss"),)


def build(space: SearchSpace = MIXED, **options: Any) -> Any:
    return plugins.build("sampler", PluginSpec("optuna", options), Problem(space, LOSS, 1))


class TestNsga2WhoseGenerationsLieInAttributes(SamplerTestCase):
    spec = PluginSpec("optuna", {"class": "optuna.samplers:NSGAIISampler", "population_size": 5})


class TestQmcWhoseSequenceLiesInTheStudy(SamplerTestCase):
    spec = PluginSpec("optuna", {"class": "optuna.samplers:QMCSampler", "warn_independent_sampling": False})


def test_attributes_of_the_sampler_travel_with_the_suggestion():
    options: dict[str, Any] = {"class": "optuna.samplers:NSGAIISampler", "population_size": 4}
    sampler = build(**options)
    states = []
    for number in range(12):
        (suggestion,) = sampler.ask(number, 1)
        states.append(suggestion.state)
        sampler.tell([finished(number, suggestion.params)])
    assert all(state and "generation" in state for state in states)


def test_a_sampler_that_stops_the_study_exhausts_it():
    space = SearchSpace({"x": Categorical(["a", "b", "c"])})
    grid: dict[str, Any] = {"class": "optuna.samplers:GridSampler", "search_space": {"x": ["a", "b", "c"]}}
    sampler = build(space, **grid)
    seen = []
    for number in range(3):
        (suggestion,) = sampler.ask(number, 1)
        seen.append(suggestion.params["x"])
        sampler.tell([Trial(number, TrialState.COMPLETE, suggestion.params, {"loss": 1.0})])
    assert sorted(seen) == ["a", "b", "c"]
    assert not sampler.ask(3, 1)


class Keeping(optuna.samplers.RandomSampler):
    """Counts the objects that were made of it."""

    made = 0

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(seed)
        type(self).made += 1


@pytest.mark.parametrize(("reseed", "made"), [(True, 6), (False, 1)])
def test_one_object_a_trial_or_one_for_all(reseed, made, monkeypatch):
    monkeypatch.setattr(Keeping, "made", 0)
    monkeypatch.setattr(optuna.samplers, "Keeping", Keeping, raising=False)
    sampler = build(**{"class": "optuna.samplers:Keeping", "reseed": reseed})
    sampler.ask(0, 5)
    assert Keeping.made == made


class NotANumberSampler(optuna.samplers.RandomSampler):
    """Breaks down numerically."""

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
        return float("nan")


def test_suggestions_that_are_no_numbers_are_replaced_by_draws(monkeypatch):
    monkeypatch.setattr(optuna.samplers, "NotANumberSampler", NotANumberSampler, raising=False)
    space = SearchSpace({"x": Float(0.0, 1.0), "n": Int(1, 5)})
    for suggestion in build(space, **{"class": "optuna.samplers:NotANumberSampler"}).ask(0, 5):
        space.check(suggestion.params)


@pytest.mark.parametrize(
    ("options", "path", "says"),
    [
        ({}, "sampler.class", "needs the option class"),
        ({"class": "TPESampler"}, "sampler.class", "needs the option class"),
        ({"class": "optuna.samplers:TPSampler"}, "sampler.class", "TPSampler"),
        ({"class": "no_such_package:X"}, "sampler.class", "no_such_package"),
        ({"class": "optuna.pruners:NopPruner"}, "sampler.class", "no Optuna sampler"),
        ({"class": "optuna.samplers:TPESampler", "n_startup": 3}, "sampler.n_startup", "has no option"),
        ({"class": "optuna.samplers:TPESampler", "reseed": "no"}, "sampler.reseed", "true or false"),
        ({"class": "optuna.samplers:TPESampler", "seed": 3}, "sampler.seed", "again and again"),
        ({"class": "optuna.samplers:PartialFixedSampler"}, "sampler", "refuses"),
    ],
)
def test_wrong_options_name_themselves(options, path, says):
    with pytest.raises(SweepError, match=says) as caught:
        build(**options)
    assert caught.value.path == path
