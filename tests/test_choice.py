"""Constraints and several metrics, from ``tuner.run`` to what is exported."""

from __future__ import annotations

import json

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

import tuner
from tuner.api.stores import open_store
from tuner.errors import SweepError, TunerError
from tuner.export import export
from tuner.study import Constraint


def two(params, context):
    return {"loss": (1.0 - params["x"]) ** 2, "size": 100.0 * params["x"], "recall": 1.0 - params["x"]}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return tuner.run(
        two,
        space={"x": tuner.Float(0.0, 1.0)},
        metric=["loss", tuner.Metric("size", "minimize")],
        constraints=[Constraint("recall", low=0.25), {"name": "wall_s", "max": 60.0}],
        trials=30,
        sampler="random",
        executor="inline",
        store=f"sqlite:///{tmp_path_factory.mktemp('choice')}/tuner.db",
    )


def test_the_best_and_the_front_keep_to_the_constraints(study):
    assert study.best_trial.values["recall"] >= 0.25
    assert all(trial.violation == 0.0 for trial in study.pareto)
    infeasible = [trial for trial in study.trials if trial.values["recall"] < 0.25]
    assert infeasible
    assert all(trial.violation == pytest.approx((0.25 - trial.values["recall"]) / 0.25) for trial in infeasible)
    assert min(infeasible, key=lambda t: t.values["loss"]).values["loss"] < study.best_value


def test_measured_usage_is_among_the_values_where_a_constraint_names_it(study):
    assert all(0.0 <= trial.values["wall_s"] < 60.0 for trial in study.trials)


def test_the_front_is_every_feasible_trial_where_the_metrics_contradict_each_other(study):
    feasible = [trial for trial in study.trials if trial.violation == 0.0]
    assert study.pareto == study.best_trials == sorted(feasible, key=lambda trial: trial.values["loss"])


def test_hypervolume_rises_and_its_reference_may_be_chosen(study):
    course = [volume for _, volume in study.hypervolume()]
    assert course == sorted(course)
    assert len(course) >= 5
    (first, volume), *_ = study.hypervolume((1.0, 100.0))
    assert volume == pytest.approx((1.0 - first.values["loss"]) * (100.0 - first.values["size"]))
    with pytest.raises(TunerError, match="a value for each of loss, size"):
        study.hypervolume((1.0,))


def test_tables_and_files_say_who_is_feasible(study, tmp_path):
    frame = study.to_dataframe()
    assert list(frame["violation"]) == [trial.violation for trial in study.trials]
    store = open_store(study.store)
    rows = json.loads(export(store, study.name, tmp_path / "s.json", "json").read_text())["trials"]
    assert [row["feasible"] for row in rows] == [trial.violation == 0.0 for trial in study.trials]
    export(store, study.name, tmp_path / "s.csv", "csv")
    assert "violation" in (tmp_path / "s.csv").read_text().splitlines()[0]
    store.close()


def test_optuna_reads_the_constraints_too(study, tmp_path):
    store = open_store(study.store)
    path = export(store, study.name, tmp_path / "journal.log", "optuna")
    store.close()
    theirs = optuna.load_study(study_name=study.name, storage=JournalStorage(JournalFileBackend(str(path))))
    front = {trial.number for trial in theirs.best_trials}
    assert front == {trial.number for trial in study.pareto}


@pytest.mark.parametrize(("limits", "path"), [({"cost": 1.0}, "limits.cost"), ({"regret": 1.0}, "limits.regret")])
def test_resuming_with_a_limit_that_means_nothing_here_is_told(study, limits, path):
    with pytest.raises(SweepError) as caught:
        tuner.resume(study.name, store=study.store, objective=two, **limits)
    assert caught.value.path == path
    assert study.refresh().state == "COMPLETE"
