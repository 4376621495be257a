"""``tuner.run``, ``tuner.resume`` and ``Study``, from Python."""

from __future__ import annotations

import pytest

import tuner
from tuner.api import RunOptions, open_store, resume_study, run_sweep
from tuner.errors import NoNodeFits, ObjectiveError, StudyExists, SweepError
from tuner.executors import inline
from tuner.objectives.estimator import Estimator
from tuner.resources import Resources
from tuner.study import PluginSpec
from tuner.sweep import load

SPACE = {"x": tuner.Float(-1.0, 1.0)}


def parabola(params, context):
    for step in range(1, 4):
        context.report(step, loss=params["x"] ** 2 + 1 / step)
    return {"loss": params["x"] ** 2, "extra": 7.0}


@pytest.fixture
def store(tmp_path):
    return f"sqlite:///{tmp_path}/tuner.db"


def run(store, objective=parabola, **more):
    arguments = {"space": SPACE, "metric": "loss", "goal": "minimize", "trials": 8, "executor": "inline", "seed": 3}
    return tuner.run(objective, **{**arguments, "store": store, **more})


def test_a_study_knows_its_best_trial_and_all_others(store):
    study = run(store, name="p")
    assert (study.name, study.state, len(study.trials)) == ("p", "COMPLETE", 8)
    values = [trial.values["loss"] for trial in study.trials]
    assert study.best_value == min(values)
    assert study.best_trial.values == {"loss": study.best_value, "extra": 7.0}
    assert study.best_params == study.best_trial.params
    assert [report.step for report in study.reports(0)] == [1, 2, 3]


def test_a_study_is_a_table(store):
    frame = run(store).to_dataframe()
    assert len(frame) == 8
    assert {"number", "state", "params_x", "values_loss"} <= set(frame.columns)


def test_a_closure_is_tuned_and_resumed_with_itself(store):
    shift = 0.25

    def shifted(params):
        return (params["x"] - shift) ** 2

    run(store, shifted, name="closure", trials=3)
    study = tuner.resume("closure", objective=shifted, store=store, trials=6, executor="inline")
    assert (study.state, len(study.trials)) == ("COMPLETE", 6)


def test_a_closure_cannot_be_resumed_without_itself(store):
    run(store, lambda params: params["x"], name="closure", trials=2)
    with pytest.raises(ObjectiveError, match="pass the same objective"):
        tuner.resume("closure", store=store, trials=4, executor="inline")


def test_a_named_function_is_found_again(store):
    run(store, parabola, name="named", trials=2)
    info = tuner.load_study("named", store).info
    assert info.spec.objective.options["function"].endswith(":parabola")


def test_a_complete_study_is_left_alone(store):
    before = run(store, name="done").trials
    assert tuner.resume("done", store=store, executor="inline").trials == before


def test_a_name_that_is_taken_is_refused_resumed_or_numbered(store):
    run(store, name="twice", trials=2)
    with pytest.raises(StudyExists, match="twice"):
        run(store, name="twice")
    assert run(store, name="twice", if_exists="new", trials=2).name == "twice-2"
    assert run(store, name="twice", if_exists="resume").name == "twice"


def test_what_fits_no_node_leaves_no_study(store, monkeypatch):
    monkeypatch.setattr(inline, "_slot", lambda spec: Resources(cpu=2.0))
    with pytest.raises(NoNodeFits, match="64 CPU"):
        run(store, name="giant", resources={"cpu": 64})
    opened = open_store(store)
    assert list(opened.studies()) == []
    opened.close()


def test_a_driver_that_breaks_leaves_a_study_to_be_resumed(store):
    class Breaking:
        def phase(self, text): ...
        def opened(self, spec, details): ...
        def closed(self, study): ...

        def update(self, events, entries):
            if any(getattr(event, "trial", 0) == 3 for event in events):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(store, name="broken", observer=Breaking())
    assert tuner.load_study("broken", store).state == "INTERRUPTED"
    study = tuner.resume("broken", store=store, executor="inline")
    assert (study.state, len(study.trials)) == ("COMPLETE", 8)


def test_a_study_without_a_complete_trial_has_failed(store):
    def failing(params):
        raise ValueError("never works")

    study = run(store, failing, trials=3)
    assert study.state == "FAILED"
    assert study.best_trial is None
    assert {trial.failure.kind.value for trial in study.trials} == {"raised"}


def test_wrong_arguments_are_told_with_the_closest_name(store):
    with pytest.raises(SweepError, match="did you mean 'trials'"):
        run(store, trails=3)
    with pytest.raises(SweepError, match="space"):
        tuner.run(parabola, metric="loss", trials=2, store=store)


def test_a_sweep_file_is_run_with_changes(store, tmp_path):
    (tmp_path / "own_work.py").write_text("def train(params):\n    return params['x']\n", encoding="utf-8")
    text = "name: file\nobjective: {function: 'own_work:train'}\nmetric: {name: loss, goal: minimize}\n"
    (tmp_path / "sweep.yaml").write_text(
        text + "parameters: {x: {low: 0.0, high: 1.0}}\nlimits: {trials: 9}\n", encoding="utf-8"
    )
    study = tuner.run(str(tmp_path / "sweep.yaml"), trials=3, executor="inline", store=store)
    assert len(study.trials) == 3


def test_ctrl_c_while_the_model_is_fitted_leaves_a_study_to_be_resumed(store, tmp_path, monkeypatch):
    def interrupted(self, trial, spec, directory, lineage):
        raise KeyboardInterrupt

    text = "name: fit\nobjective: {estimator: sklearn.linear_model.LogisticRegression, data: {sklearn: iris}}\n"
    text += "metric: accuracy\nparameters: {C: {low: 0.1, high: 1.0}}\nsampler: random\nlimits: {trials: 2}\n"
    (tmp_path / "fit.yaml").write_text(text, encoding="utf-8")
    options = RunOptions(store=store, executor=PluginSpec("inline"), handle_signals=True)
    with monkeypatch.context() as patched:
        patched.setattr(Estimator, "finalize", interrupted)
        assert run_sweep(load(tmp_path / "fit.yaml"), options).state == "INTERRUPTED"
    study = resume_study("fit", options)
    assert (study.state, len(study.trials)) == ("COMPLETE", 2)
    assert study.model is not None
    assert study.model.test["accuracy"] > 0.5
