"""Optuna's pruners by import path: the same verdicts as in Optuna's own study, and clear words about wrong options."""

from __future__ import annotations

import optuna
import pytest

from tests.pruners.oracle import Oracle
from tuner import plugins
from tuner.errors import PluginFailed, SweepError
from tuner.study import Metric, PluginSpec
from tuner.testing.pruners import run_course

LOSS = Metric("loss")


class Broken(optuna.pruners.BasePruner):
    def prune(self, study, trial):
        raise ZeroDivisionError("a bad day")


class Lastly(optuna.pruners.BasePruner):
    """Reads all that a pruner may read."""

    def __init__(self, most: int = 3) -> None:
        self.most = most

    def prune(self, study, trial):
        values = [t.value for t in study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))]
        assert study.best_value == min(values) if values else study.trials
        study._storage.set_trial_user_attr(trial._trial_id, "seen", trial.user_attrs.get("seen", 0) + 1)
        return study.trials[trial.number].user_attrs["seen"] > self.most


def build(path, metric=LOSS, **options):
    return plugins.build("pruner", PluginSpec("optuna", {"class": path, **options}), metric)


@pytest.mark.parametrize("goal", ["minimize", "maximize"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("MedianPruner", {"n_startup_trials": 2}),
        ("SuccessiveHalvingPruner", {}),
        ("SuccessiveHalvingPruner", {"min_resource": 2, "reduction_factor": 2, "bootstrap_count": 3}),
        ("HyperbandPruner", {"max_resource": 9}),
        ("HyperbandPruner", {}),
        ("WilcoxonPruner", {"p_threshold": 0.3}),
    ],
)
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.filterwarnings("ignore:WilcoxonPruner finds steps existing:UserWarning")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_verdicts_are_those_of_optunas_own_study(goal, name, options):
    theirs = Oracle(goal, getattr(optuna.pruners, name)(**options))
    one = run_course(build(f"optuna.pruners:{name}", Metric("loss", goal), **options), trials=25, steps=9)
    other = run_course(theirs, trials=25, steps=9)
    assert one.verdicts
    assert list(one.verdicts) == list(other.verdicts)
    assert one.reports == other.reports


def test_a_pruner_in_a_pruner():
    inner = {"class": "optuna.pruners:MedianPruner", "n_startup_trials": 2}
    wrapped = build("optuna.pruners:PatientPruner", wrapped_pruner=inner, patience=1)
    ours = plugins.build(
        "pruner", PluginSpec("patient", {"patience": 1, "pruner": {"type": "median", "n_startup_trials": 2}}), LOSS
    )
    assert list(run_course(wrapped).verdicts) == list(run_course(ours).verdicts) != []


def test_a_pruner_may_read_the_study_and_write_attributes():
    course = run_course(build(f"{__name__}:Lastly", most=2))
    assert {verdict.reason.split(" stops")[0] for verdict in course.verdicts.values()} == {f"{__name__}:Lastly"}


def test_one_that_raises_is_named_with_trial_and_step():
    with pytest.raises(
        PluginFailed, match=r"Broken raised ZeroDivisionError in prune for trial 4 at step 7 \(tests/\S+\): a bad day"
    ):
        build(f"{__name__}:Broken").judge(4, 7, 0.5)


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({}, "pruner.class"),
        ({"class": "MedianPruner"}, "pruner.class"),
        ({"class": "optuna.pruners:MedainPruner"}, "pruner.class"),
        ({"class": "optuna.samplers:TPESampler"}, "pruner.class"),
        ({"class": "optuna.pruners:MedianPruner", "n_startup_trails": 3}, "pruner.n_startup_trails"),
        ({"class": "optuna.pruners:MedianPruner", "n_startup_trials": -3}, "pruner"),
        ({"class": "optuna.pruners:PercentilePruner"}, "pruner"),
        (
            {"class": "optuna.pruners:PatientPruner", "patience": 1, "wrapped_pruner": {"class": "nowhere:Pruner"}},
            "pruner.wrapped_pruner.class",
        ),
    ],
)
def test_wrong_options_name_themselves(options, path):
    with pytest.raises(SweepError) as caught:
        plugins.build("pruner", PluginSpec("optuna", options), LOSS)
    assert caught.value.path == path
