"""Any Optuna sampler by its import path."""

import importlib.util
from typing import Any

import optuna
import pytest

from tuner import plugins
from tuner.core.ports import Problem
from tuner.errors import PluginFailed, SweepError
from tuner.space import Categorical, Float, Int, SearchSpace
from tuner.study import Constraint, Metric, PluginSpec
from tuner.testing.samplers import MIXED, SamplerTestCase, earlier, finished
from tuner.trial import Failed, FailureKind, Trial, TrialState

LOSS = (Metric("loss"),)


def build(space: Any = MIXED, **options: Any) -> Any:
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


def test_prior_trials_are_rows_before_the_first_one():
    sampler = build(**{"class": "optuna.samplers:TPESampler", "n_startup_trials": 3})
    sampler.inform(earlier(MIXED, 8))
    (suggestion,) = sampler.ask(0, 1)
    sampler.tell([finished(0, suggestion.params)])
    states = [row.state.name for row in sampler._storage.rows]
    assert len(states) == 9
    assert set(states) == {"COMPLETE", "PRUNED"}
    assert sampler._storage.rows[8].values == [finished(0, {}).values["loss"]]


def test_constraints_reach_the_sampler_in_optunas_form():
    constraints = (Constraint("latency_ms", high=20.0), Constraint("auc", low=0.8, high=0.9))
    options = {"class": "optuna.samplers:RandomSampler"}
    sampler = plugins.build("sampler", PluginSpec("optuna", options), Problem(MIXED, LOSS, 1, constraints=constraints))
    values = [{"latency_ms": 25.0, "auc": 0.85}, {"latency_ms": 10.0, "auc": 0.4}, {"auc": 0.85}]
    for number, row in enumerate(values):
        (suggestion,) = sampler.ask(number, 1)
        trial = Trial(number, TrialState.COMPLETE, suggestion.params, {"loss": 1.0, **row}, violation=0.25)
        sampler.tell([trial])
    told = [list(row.constraints.values()) for row in sampler._storage.rows]
    assert told[0] == [pytest.approx(0.25), pytest.approx(max(-0.05 / 0.9, -0.05 / 0.8))]
    assert told[1] == [pytest.approx(-0.5), pytest.approx(0.5)]
    assert told[2] == [0.25]


def test_invalid_parameters_count_as_the_worst_there_is_and_other_failures_not_at_all():
    sampler = build(**{"class": "optuna.samplers:RandomSampler"})
    kinds = [FailureKind.INVALID_PARAMS, FailureKind.NODE_LOST]
    for number, kind in enumerate(kinds):
        (suggestion,) = sampler.ask(number, 1)
        sampler.tell([Trial(number, TrialState.FAIL, suggestion.params, {}, failure=Failed(kind, "why"))])
    assert [row.state.name for row in sampler._storage.rows] == ["PRUNED", "FAIL"]


class Stubborn(optuna.samplers.RandomSampler):
    """Suggests the lowest value for ever."""

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
        return param_distribution.low


def test_a_sampler_that_repeats_itself_is_helped_out_by_draws_until_nothing_is_left(monkeypatch):
    monkeypatch.setattr(optuna.samplers, "Stubborn", Stubborn, raising=False)
    sampler = build(SearchSpace({"n": Int(0, 6)}), **{"class": "optuna.samplers:Stubborn"})
    found = [s.params["n"] for s in sampler.ask(0, 20)]
    assert found[0] == 0
    assert sorted(found) == list(range(7))
    assert not sampler.ask(7, 1)


class Lacking(optuna.samplers.RandomSampler):
    """Imports something only when it is asked, as Optuna's GPSampler does torch."""

    def sample_independent(self, *arguments: Any) -> Any:
        raise ModuleNotFoundError("No module named 'torch'")


class Forgetful(optuna.samplers.RandomSampler):
    """Cannot bear the end of a trial."""

    def after_trial(self, *arguments: Any) -> None:
        raise KeyError("lost")


def test_what_the_class_raises_is_said_to_be_its_fault(monkeypatch):
    monkeypatch.setattr(optuna.samplers, "Lacking", Lacking, raising=False)
    monkeypatch.setattr(optuna.samplers, "Forgetful", Forgetful, raising=False)
    said = r"Lacking raised ModuleNotFoundError in sample_independent for trial 0 \(tests/\S+:\d+\): No module named 'torch'"
    with pytest.raises(PluginFailed, match=said) as caught:
        build(**{"class": "optuna.samplers:Lacking"}).ask(0, 1)
    assert "install what it needs" in str(caught.value)
    sampler = build(**{"class": "optuna.samplers:Forgetful"})
    (suggestion,) = sampler.ask(0, 1)
    with pytest.raises(
        PluginFailed, match=r"Forgetful raised KeyError in after_trial as trial 0 ended \(tests/\S+\): 'lost'"
    ):
        sampler.tell([finished(0, suggestion.params)])


class Stray(optuna.samplers.RandomSampler):
    """Chooses what is no choice."""

    def sample_independent(self, *arguments: Any) -> Any:
        return "purple"


def test_a_class_of_another_name_is_told_the_nearest_one():
    with pytest.raises(SweepError, match="has no attribute 'TPSampler'") as caught:
        build(**{"class": "optuna.samplers:TPSampler"})
    assert caught.value.hint == "did you mean optuna.samplers:TPESampler?"


def test_what_the_class_chooses_beside_the_space_is_said_to_be_its_fault(monkeypatch):
    monkeypatch.setattr(optuna.samplers, "Stray", Stray, raising=False)
    space = SearchSpace({"kind": Categorical(["a", "b"])})
    with pytest.raises(
        PluginFailed, match=r"optuna.samplers:Stray gave trial 0 kind: value out of range, got 'purple'"
    ):
        build(space, **{"class": "optuna.samplers:Stray"}).ask(0, 1)


class Holding(optuna.samplers.RandomSampler):
    """Holds a sampler that needs torch."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(seed)
        self.inner = optuna.samplers.GPSampler(seed=seed)


class Unprepared(optuna.samplers.RandomSampler):
    def __init__(self, seed: int | None = None) -> None:
        raise ImportError("Tried to import 'botorch' but failed. Actual error: No module named 'botorch'.")


class Clumsy(optuna.samplers.RandomSampler):
    def __init__(self, seed: int | None = None) -> None:
        self.table = dict[str, int]()["table"]


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize(
    ("name", "says", "hint"),
    [
        (
            "GPSampler",
            "GPSampler can suggest nothing here: it needs torch, which is not installed",
            "pip install torch; or",
        ),
        ("Holding", "Holding can suggest nothing here: it needs torch", "`sampler: gp`"),
        ("Unprepared", "Unprepared cannot be built here: Tried to import 'botorch'", "pip install botorch"),
        ("Clumsy", r"Clumsy raised KeyError in __init__ \(tests/\S+:\d+\): 'table'", "mend it"),
    ],
)
def test_a_class_that_cannot_suggest_here_is_refused_before_anything_runs(name, says, hint, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else found(name))
    for one in (Holding, Unprepared, Clumsy):
        monkeypatch.setattr(optuna.samplers, one.__name__, one, raising=False)
    with pytest.raises(SweepError, match=says) as caught:
        build(**{"class": f"optuna.samplers:{name}"})
    assert caught.value.path == "sampler.class"
    assert hint in (caught.value.hint or "")
