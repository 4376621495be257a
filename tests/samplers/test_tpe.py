"""What ``tpe`` adds to the suite: it learns, it is Optuna's, it is cheap to keep and to rebuild."""

import math
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import optuna
import pytest

from tuner import plugins
from tuner.core.ports import Problem, Sampler, Suggestion
from tuner.errors import InvalidTransition, SearchSpaceError, SweepError
from tuner.samplers.random import RandomSampler
from tuner.samplers.tpe import TPESampler
from tuner.space import Categorical, Float, Int, SearchSpace
from tuner.study import Goal, Metric, PluginSpec, trial_seed
from tuner.testing.samplers import CONDITIONAL, MIXED, finished
from tuner.trial import Params, ParamValue, Trial, TrialState

LOSS = (Metric("loss"),)
TEN = SearchSpace(
    {f"p{i}": Float(0.0, 1.0) if i % 3 else Int(1, 100) for i in range(9)} | {"kind": Categorical(["a", "b", "c"])}
)


def best_after(sampler: Sampler, function: Callable[[Params], float], n: int, goal: Goal = "minimize") -> float:
    values: list[float] = []
    for number in range(n):
        (suggestion,) = sampler.ask(number, 1)
        values.append(function(suggestion.params))
        sampler.tell([Trial(number, TrialState.COMPLETE, suggestion.params, {"loss": values[-1]})])
    return min(values) if goal == "minimize" else max(values)


def bowl(params: Any) -> float:
    return float((math.log10(params["lr"]) + 2.5) ** 2 + (params["depth"] - 7) ** 2 / 10 + (params["kind"] != "b"))


BOWL = SearchSpace({"lr": Float(1e-5, 1.0, log=True), "depth": Int(1, 20), "kind": Categorical(["a", "b", "c"])})


@pytest.mark.parametrize("goal", ["minimize", "maximize"])
def test_beats_random_on_a_bowl(goal):
    sign = 1 if goal == "minimize" else -1
    metrics = (Metric("loss", goal),)

    def mean_best(make: Callable[[Problem], Sampler]) -> float:
        problems = [Problem(BOWL, metrics, seed) for seed in range(10)]
        bests = [best_after(make(problem), lambda params: sign * bowl(params), 50, goal) for problem in problems]
        return sign * sum(bests) / len(bests)

    tpe, random = mean_best(TPESampler), mean_best(RandomSampler)
    assert tpe < 0.5 * random


def told(study: optuna.Study, sampler: Sampler, space: SearchSpace, n: int) -> None:
    """The same ``n`` finished trials, random ones, in an Optuna study and in our sampler."""
    drawn = RandomSampler(Problem(space, LOSS, 3)).ask(0, n)
    for number, suggestion in enumerate(drawn):
        sampler.replay(number, suggestion)
        trial = study.ask()
        suggest(trial, space, suggestion.params.__getitem__)
        outcome = finished(number, suggestion.params)
        sampler.tell([outcome])
        if outcome.state == TrialState.COMPLETE:
            study.tell(trial, outcome.values["loss"])
        elif outcome.state == TrialState.PRUNED:
            trial.report(outcome.values["loss"], outcome.last_step or 0)
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)


class Fixed(optuna.samplers.BaseSampler):
    """Suggests what it is told to, so that an Optuna study can be given a history."""

    def __init__(self) -> None:
        self.value_of: Callable[[str], Any] = str

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
        return {}

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        return {}

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
        return self.value_of(param_name)


def suggest(
    trial: optuna.Trial, space: SearchSpace, value_of: Callable[[str], Any] | None = None
) -> dict[str, ParamValue]:
    if value_of is not None:
        assert isinstance(trial.study.sampler, Fixed)
        trial.study.sampler.value_of = value_of
    params: dict[str, ParamValue] = {}
    for name, d in space.items():
        if not space.is_active(name, params):
            continue
        if isinstance(d, Float):
            params[name] = trial.suggest_float(name, d.low, d.high, log=d.log)
        elif isinstance(d, Int):
            params[name] = trial.suggest_int(name, d.low, d.high, log=d.log, step=d.step)
        elif isinstance(d, Categorical):
            params[name] = trial.suggest_categorical(name, d.choices)
        else:
            params[name] = d.value
    return params


PLAIN = SearchSpace(
    {
        "lr": Float(1e-5, 1e-1, log=True),
        "momentum": Float(0.0, 0.99),
        "layers": Int(1, 8),
        "width": Int(8, 1024, log=True),
        "batch": Int(16, 256, step=16),
        "kind": Categorical(["a", "b", None]),
    }
)
UNFORBIDDEN = SearchSpace(dict(CONDITIONAL))


@pytest.mark.parametrize("space", [PLAIN, UNFORBIDDEN], ids=["plain", "conditional"])
@pytest.mark.parametrize("options", [{}, {"multivariate": False}, {"constant_liar": False}], ids=str)
def test_suggests_what_optuna_suggests(space, options):
    sampler = TPESampler(Problem(space, LOSS, 11), **options)
    study = optuna.create_study(sampler=Fixed())
    told(study, sampler, space, 40)
    for number in range(40, 46):  # left running: the constant liar must see them
        study.sampler = optuna.samplers.TPESampler(seed=trial_seed(11, number), **options)
        assert sampler.ask(number, 1)[0].params == suggest(study.ask(), space), number


def test_nothing_needs_to_be_logged_beside_the_parameters():
    sampler = TPESampler(Problem(MIXED, LOSS, 1), n_startup_trials=2)
    for number in range(10):
        (suggestion,) = sampler.ask(number, 1)
        assert suggestion.state is None
        sampler.tell([finished(number, suggestion.params)])


def test_forbidden_regions_that_the_model_favours_are_left():
    space = SearchSpace({"x": Float(0.0, 1.0), "y": Float(0.0, 1.0)}, forbidden=[{"x": {"high": 0.5}}])
    sampler = TPESampler(Problem(space, LOSS, 1))
    for number in range(60):
        (suggestion,) = sampler.ask(number, 1)
        space.check(suggestion.params)
        sampler.tell(
            [Trial(number, TrialState.COMPLETE, suggestion.params, {"loss": float(suggestion.params["x"] or 0)})]
        )


def test_a_space_that_is_all_forbidden_is_refused():
    space = SearchSpace({"x": Int(0, 9)}, forbidden=[{"x": {"high": 4}}, {"x": {"low": 5}}])
    sampler = TPESampler(Problem(space, LOSS, 1))
    with pytest.raises(SearchSpaceError, match="forbidden"):
        sampler.ask(0, 1)


def test_trials_out_of_order_are_a_bug_of_ours():
    sampler = TPESampler(Problem(PLAIN, LOSS, 1))
    with pytest.raises(InvalidTransition, match="out of order"):
        sampler.ask(3, 1)
    with pytest.raises(InvalidTransition, match="out of order"):
        sampler.replay(1, Suggestion({}))


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"n_startup_trials": -1}, "sampler.n_startup_trials"),
        ({"n_ei_candidates": 0}, "sampler.n_ei_candidates"),
        ({"n_ei_candidates": "many"}, "sampler.n_ei_candidates"),
        ({"multivariate": 1}, "sampler.multivariate"),
        ({"n_startup_trails": 5}, "sampler.n_startup_trails"),
    ],
)
def test_wrong_options_name_themselves(options, path):
    with pytest.raises(SweepError) as caught:
        plugins.build("sampler", PluginSpec("tpe", options), Problem(PLAIN, LOSS, 1))
    assert caught.value.path == path


def test_warnings_of_optuna_are_kept_from_the_user(recwarn):
    sampler = TPESampler(Problem(MIXED, (Metric("a"), Metric("b")), 1), multivariate=True, group=True)
    for number in range(15):
        (suggestion,) = sampler.ask(number, 1)
        sampler.tell([Trial(number, TrialState.COMPLETE, suggestion.params, {"a": number, "b": -number})])
    assert not recwarn.list


def test_ten_thousand_trials_are_kept_small_and_rebuilt_fast():
    n = 10_000
    drawn = RandomSampler(Problem(TEN, LOSS, 5)).ask(0, n)
    trials = [finished(number, suggestion.params) for number, suggestion in enumerate(drawn)]
    sampler = TPESampler(Problem(TEN, LOSS, 5))
    started = time.process_time()
    for number, suggestion in enumerate(drawn):
        sampler.replay(number, suggestion)
        sampler.tell([trials[number]])
    assert time.process_time() - started < 1.5
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        sampler = TPESampler(Problem(TEN, LOSS, 5), n_startup_trials=n)
        for number in range(1000):
            (suggestion,) = sampler.ask(number, 1)
            sampler.tell([finished(number, suggestion.params)])
        assert (tracemalloc.get_traced_memory()[0] - before) / 1000 < 3 * 1024
    finally:
        tracemalloc.stop()
