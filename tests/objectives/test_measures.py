"""What is measured of a model besides its scores, and only when something names it."""

from __future__ import annotations

import pickle

import pytest

from tuner.errors import SweepError
from tuner.objectives._measures import Meter, what_is_wanted
from tuner.space import Constant, SearchSpace
from tuner.study import Constraint, Limits, Metric, PluginSpec, StudySpec

CANCER = {"sklearn": "breast_cancer"}
XGB, LOGISTIC = "xgboost.XGBClassifier", "sklearn.linear_model.LogisticRegression"


def constrained(*constraints: Constraint) -> dict[str, object]:
    return {"constraints": constraints}


def spec(*metrics: Metric, **more: object) -> StudySpec:
    return StudySpec("s", metrics, SearchSpace({"C": Constant(1)}), PluginSpec("estimator"), **more)  # type: ignore[arg-type]


def test_nothing_is_measured_unless_it_is_named(bench):
    values, recorder = bench({"n_estimators": 3}, estimator=XGB, data=CANCER).prepare().run()
    assert list(values) == ["accuracy"]
    assert set().union(*recorder.values) == {"accuracy"}


@pytest.mark.parametrize("validation", [{"kind": "holdout"}, {"kind": "cv", "folds": 3}])
@pytest.mark.parametrize(("estimator", "params"), [(XGB, {"n_estimators": 4}), (LOGISTIC, {"C": 1.0})])
def test_what_constraints_name_is_in_the_final_values_but_not_in_reports(bench, estimator, params, validation):
    bounds = [Constraint(name, high=1e9) for name in ("predict_ms", "fit_s", "model_mib", "recall", "peak_memory_mib")]
    made = bench(params, estimator=estimator, data=CANCER, validation=validation, spec=constrained(*bounds)).prepare()
    values, recorder = made.run()
    assert set(values) == {"accuracy", "recall", "predict_ms", "fit_s", "model_mib"}  # usage is the core's to add
    assert 0.0 < values["predict_ms"] < 1000.0
    assert 0.0 < values["fit_s"] < 60.0
    assert 1e-4 < values["model_mib"] < 10.0
    assert all(set(report) == {"accuracy", "recall"} for report in recorder.values)


def test_a_larger_model_is_larger_and_slower_to_fit(bench):
    bounds = constrained(Constraint("model_mib", high=9.0), Constraint("fit_s", high=9.0))
    small, large = (
        bench({"n_estimators": n, "max_depth": 6}, estimator=XGB, data=CANCER, spec=bounds).prepare().run()[0]
        for n in (2, 60)
    )
    assert small["model_mib"] < large["model_mib"]
    assert small["fit_s"] < large["fit_s"]


def test_a_measure_may_be_a_metric_and_the_first_one_is_in_every_report(bench):
    metrics = (Metric("model_mib"), Metric("accuracy", "maximize"), Metric("predict_ms"))
    made = bench({"n_estimators": 5}, metric=metrics, estimator=XGB, data=CANCER).prepare()
    values, recorder = made.run()
    assert set(values) == {"model_mib", "accuracy", "predict_ms"}
    assert all(set(report) == {"accuracy", "model_mib"} for report in recorder.values)
    sizes = [report["model_mib"] for report in recorder.values]
    assert sizes == sorted(sizes)


def test_the_time_to_fit_is_the_mean_over_the_folds():
    meter = Meter(["fit_s"], "accuracy", "classification")
    meter.fit_s = 6.0
    assert meter.final(None, None, 3) == {"fit_s": 2.0}


def test_the_size_is_that_of_the_pickle():
    model = {"weights": list(range(1000))}
    assert Meter(["model_mib"], "x", "regression").final(model, None, 1) == {
        "model_mib": len(pickle.dumps(model, 5)) / 2**20
    }


def test_names_are_sorted_by_what_delivers_them():
    bounds = (Constraint("wall_s", high=9.0), Constraint("fit_s", high=9.0), Constraint("f1", low=0.5))
    wanted = what_is_wanted(spec(Metric("accuracy", "maximize"), constraints=bounds), ["recall", "predict_ms"])
    assert wanted.measures == ("predict_ms", "fit_s")
    assert wanted.extra == {"recall": "objective.metrics[0]", "f1": "constraints[2].name"}


def test_maximizing_a_latency_is_a_mistake():
    with pytest.raises(SweepError, match="predict_ms is better when it is lower"):
        what_is_wanted(spec(Metric("predict_ms", "maximize")), [])


@pytest.mark.parametrize(("name", "near"), [("predict_mss", "predict_ms"), ("peak_memory", "peak_memory_mib")])
def test_a_constraint_on_what_nothing_delivers_is_told_before_the_start(bench, name, near):
    bound = constrained(Constraint("fit_s", high=1.0), Constraint(name, high=1.0))
    with pytest.raises(SweepError) as caught:
        bench({"C": 1.0}, estimator=LOGISTIC, data=CANCER, spec=bound).prepare()
    assert caught.value.path == "constraints[1].name"
    assert near in (caught.value.hint or "")


@pytest.mark.parametrize("more", [{"pruner": PluginSpec("asha")}, {"limits": Limits(steps=100)}])
def test_what_waits_for_reports_that_never_come_is_told_before_the_start(bench, more):
    options = {"estimator": LOGISTIC, "data": CANCER, "spec": more}
    with pytest.raises(SweepError) as caught:
        bench({"C": 1.0}, **options).prepare()
    assert caught.value.path == ("pruner" if "pruner" in more else "limits.steps")
    bench({"C": 1.0}, validation={"kind": "cv", "folds": 2}, **options).prepare()
