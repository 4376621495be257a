"""``tpe`` behind Optuna's interface: Optuna's public suites, and what they do not ask."""

from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    MultiObjectiveSamplerTestCase,
    RelativeSamplerTestCase,
)

from tuner.errors import SweepError
from tuner.samplers._tpe_optuna import TunerTPESampler


class TestTunerTPESampler(BasicSamplerTestCase, RelativeSamplerTestCase, MultiObjectiveSamplerTestCase):
    @pytest.fixture
    def sampler(self):
        return lambda: TunerTPESampler(n_startup_trials=0, seed=3)


def bowl(trial):
    kind = trial.suggest_categorical("kind", ["a", "b"])
    x = trial.suggest_float("x", -5.0, 5.0)
    extra = trial.suggest_int("extra", 0, 9) if kind == "b" else 9
    return (x - 2.0) ** 2 + extra / 9


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def test_a_study_of_optuna_is_optimised():
    study = optuna.create_study(sampler=TunerTPESampler(seed=1))
    study.optimize(bowl, n_trials=60)
    assert study.best_value < 0.35


def test_the_same_seed_gives_the_same_study():
    studies = [optuna.create_study(sampler=TunerTPESampler(seed=2)) for _ in range(2)]
    for study in studies:
        study.optimize(bowl, n_trials=25)
    assert [t.params for t in studies[0].trials] == [t.params for t in studies[1].trials]


def test_one_sampler_serves_two_studies():
    sampler = TunerTPESampler(seed=3, n_startup_trials=0)
    one, other = (optuna.create_study(sampler=sampler) for _ in range(2))
    one.optimize(lambda trial: abs(trial.suggest_float("x", 0.0, 1.0) - 0.1), n_trials=40)
    other.optimize(lambda trial: abs(trial.suggest_float("x", 0.0, 1.0) - 0.9), n_trials=40)
    assert abs(one.best_params["x"] - 0.1) < 0.05
    assert abs(other.best_params["x"] - 0.9) < 0.05


@pytest.mark.filterwarnings("ignore:Choices for a categorical")
def test_choices_may_be_any_objects():
    class Thing:
        pass

    things: list[Any] = [Thing(), Thing(), float("nan")]
    study = optuna.create_study(sampler=TunerTPESampler(seed=4, n_startup_trials=1))
    distributions = {"thing": CategoricalDistribution(things), "x": optuna.distributions.FloatDistribution(0.0, 1.0)}
    for _ in range(8):
        trial = study.ask(distributions)
        assert type(trial.params["thing"]) in (Thing, float), "Optuna hands out copies"
        study.tell(trial, 1.0)


def test_trials_pruned_and_infeasible_are_learned_from():
    def objective(trial):
        x = trial.suggest_float("x", 0.0, 1.0)
        trial.set_constraint("low", 0.5 - x)
        if x > 0.8:
            trial.report(x, 1)
            raise optuna.TrialPruned
        return x

    study = optuna.create_study(sampler=TunerTPESampler(seed=5))
    study.optimize(objective, n_trials=60)
    late = [t.params["x"] for t in study.trials[30:]]
    assert sum(0.45 < x < 0.8 for x in late) > 20


def test_wrong_options_are_refused():
    with pytest.raises(SweepError, match="n_ei_candidates"):
        TunerTPESampler(n_ei_candidates=0)
