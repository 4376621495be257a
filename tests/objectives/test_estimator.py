"""The estimator objective: fidelity, determinism, validation, caching, workers' view of it."""

from __future__ import annotations

import sys
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer

from tuner.errors import InvalidParams, TrialPruned
from tuner.objectives._cache import BoundedCache
from tuner.objectives._checks import may_use_gpu
from tuner.objectives._folds import MATRICES, PREPARED
from tuner.space import Categorical, Constant, Float, SearchSpace
from tuner.study import Metric

CANCER = {"sklearn": "breast_cancer"}
XGB = "xgboost.XGBClassifier"
TREE = "sklearn.tree.DecisionTreeClassifier"
LOGISTIC = "sklearn.linear_model.LogisticRegression"


def test_boosting_reports_every_round_and_returns_the_last(bench):
    values, seen = bench({"n_estimators": 12}, estimator=XGB, data=CANCER, metric="roc_auc").prepare().run()
    assert seen.steps == list(range(1, 13))
    assert values == seen.values[-1]
    assert values["roc_auc"] > 0.97


@pytest.mark.parametrize("estimator", [XGB, "lightgbm.LGBMClassifier"])
def test_report_every_thins_the_reports_but_keeps_the_last(bench, estimator):
    every = bench({"n_estimators": 11}, estimator=estimator, data=CANCER, report_every=4).prepare().run()
    each = bench({"n_estimators": 11}, estimator=estimator, data=CANCER).prepare().run()
    assert every[1].steps == [4, 8, 11]
    assert every[0] == each[0]
    assert every[1].values == [each[1].values[step - 1] for step in (4, 8, 11)]


@pytest.mark.parametrize("estimator", ["sklearn.linear_model.SGDClassifier", "sklearn.neural_network.MLPClassifier"])
def test_partial_fit_estimators_report_every_epoch(bench, estimator):
    values, seen = bench({"max_iter": 7}, estimator=estimator, data=CANCER).prepare().run()
    assert seen.steps == list(range(1, 8))
    assert values == seen.values[-1]


def test_an_mlp_ends_when_its_training_loss_stalls(bench):
    params = {"max_iter": 60, "tol": 1e3, "n_iter_no_change": 4}
    _, seen = bench(params, estimator="sklearn.neural_network.MLPClassifier", data=CANCER).prepare().run()
    assert seen.steps == [1, 2, 3, 4, 5]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_solver_without_epochs_is_trained_in_one_go(bench):
    params = {"max_iter": 30, "solver": "lbfgs"}
    _, seen = bench(params, estimator="sklearn.neural_network.MLPClassifier", data=CANCER).prepare().run()
    assert seen.steps == [1]


def test_epochs_of_one_trial_are_shuffled_differently(bench):
    """Two epochs in the same order would leave the model of a high learning rate where one epoch left it."""
    params = {"max_iter": 6, "learning_rate": "constant", "eta0": 0.5, "penalty": None}
    _, seen = (
        bench(params, estimator="sklearn.linear_model.SGDClassifier", data=CANCER, metric="accuracy").prepare().run()
    )
    assert len({tuple(value.items()) for value in seen.values}) > 1


def test_folds_are_reported_as_running_means(bench):
    options = {"validation": {"kind": "cv", "folds": 4, "repeats": 2}, "fidelity": "folds"}
    values, seen = bench({"max_depth": 3}, estimator=TREE, data=CANCER, **options).prepare().run()
    assert seen.steps == list(range(1, 9))
    assert values == seen.values[-1]
    singles = np.diff([0, *(step * value["accuracy"] for step, value in zip(seen.steps, seen.values, strict=True))])
    assert np.isclose(singles.mean(), values["accuracy"])
    assert len(set(singles.round(6))) > 1


def test_cross_validated_boosting_reports_the_mean_of_all_folds_from_the_first_round(bench):
    cv = {"kind": "cv", "folds": 3}
    by_rounds = bench({"n_estimators": 6}, estimator=XGB, data=CANCER, validation=cv).prepare()
    by_folds = bench({"n_estimators": 6}, estimator=XGB, data=CANCER, validation=cv, fidelity="folds").prepare()
    (rounds, seen), (folds, seen_folds) = by_rounds.run(), by_folds.run()
    assert seen.steps == [1, 2, 3, 4, 5, 6]
    assert seen_folds.steps == [1, 2, 3]
    assert rounds == pytest.approx(folds)


def test_without_fidelity_nothing_is_reported(bench):
    for options in ({"estimator": TREE}, {"estimator": XGB, "fidelity": "none"}):
        _, seen = bench({"max_depth": 2}, data=CANCER, **options).prepare().run()
        assert seen.steps == []


@pytest.mark.parametrize(
    ("estimator", "options", "expected"),
    [
        (XGB, {}, "boosting_rounds"),
        ("lightgbm.LGBMRegressor", {}, "boosting_rounds"),
        ("sklearn.linear_model.SGDRegressor", {}, "epochs"),
        ("sklearn.naive_bayes.GaussianNB", {}, "none"),  # partial_fit, but no epochs
        (TREE, {"validation": {"folds": 3}}, "folds"),
        (TREE, {}, "none"),
    ],
)
def test_the_finest_fidelity_is_the_default(bench, estimator, options, expected):
    numbers = estimator.endswith("Regressor")
    data = {"sklearn": "diabetes"} if numbers else CANCER
    params = {"var_smoothing": 1e-9} if "naive" in estimator else {"random_state": 1}
    made = bench(params, estimator=estimator, data=data, metric="r2" if numbers else "accuracy", **options).prepare()
    assert made.objective.describe()["estimators"] == {estimator: expected}


@pytest.mark.parametrize("estimator", [XGB, "lightgbm.LGBMClassifier", "sklearn.linear_model.SGDClassifier", TREE])
def test_a_stop_passes_through_training(bench, estimator):
    made = bench({"random_state": 0}, estimator=estimator, data=CANCER, validation={"folds": 3}).prepare()
    with pytest.raises(TrialPruned, match="not worth it"):
        made.run(raise_at=(2, TrialPruned("not worth it")))


@pytest.mark.parametrize(
    ("estimator", "params"),
    [
        (XGB, {"n_estimators": 8, "subsample": 0.6, "colsample_bytree": 0.6}),
        ("lightgbm.LGBMClassifier", {"n_estimators": 8, "subsample": 0.6, "subsample_freq": 1}),
        ("sklearn.linear_model.SGDClassifier", {"max_iter": 5}),
        ("sklearn.neural_network.MLPClassifier", {"max_iter": 5}),
        ("sklearn.ensemble.RandomForestClassifier", {"n_estimators": 8}),
        ("sklearn.ensemble.HistGradientBoostingClassifier", {"max_iter": 8}),
        (LOGISTIC, {"C": 1.0}),
        ("sklearn.svm.SVC", {"C": 1.0}),
        ("sklearn.neighbors.KNeighborsClassifier", {"n_neighbors": 3}),
    ],
)
@pytest.mark.parametrize("workers_view", [False, True], ids=["here", "pickled and read-only"])
def test_equal_parameters_give_equal_values(bench, estimator, params, workers_view):
    made = bench(params, estimator=estimator, data=CANCER, metric="accuracy", validation={"folds": 2}).prepare()
    first, seen = made.run()
    if workers_view:
        made.objective = over_the_wire(made.objective)
        PREPARED.clear()
        MATRICES.clear()
    again, seen_again = made.run()
    assert again == first
    assert seen_again.values == seen.values


def over_the_wire(objective: Any) -> Any:
    """As a worker gets it: pickled with out-of-band buffers, whose arrays are read-only there."""
    buffers: list[Any] = []
    text = cloudpickle.dumps(objective, protocol=5, buffer_callback=buffers.append)
    copies = [memoryview(bytes(buffer.raw())).toreadonly() for buffer in buffers]
    there = cloudpickle.loads(text, buffers=copies)
    assert not there._preparation.table.matrix.flags.writeable
    assert len(text) < 20_000, "the table travels inside the pickle, not beside it"
    return there


def test_another_seed_gives_another_split(bench):
    one, two = (bench(estimator=TREE, data=CANCER, seed=seed).prepare().objective._splits for seed in (3, 4))
    assert set(one.test) != set(two.test)
    assert set(one.folds[0][1]) != set(two.folds[0][1])


def test_test_rows_are_in_no_fold(bench):
    splits = bench(estimator=TREE, data=CANCER, validation={"folds": 4, "repeats": 2}).prepare().objective._splits
    assert len(splits.test) == 114
    for train, valid in splits.folds:
        assert not set(train) & set(valid)
        assert not (set(train) | set(valid)) & set(splits.test)
        assert len(train) + len(valid) == 455
    assert sorted(np.concatenate([valid for _, valid in splits.folds[:4]])) == sorted(splits.tuning)


def test_classes_keep_their_share_in_every_part(bench):
    made = bench(estimator=TREE, data=CANCER, validation={"folds": 5}).prepare().objective
    y, splits = made._preparation.table.y, made._splits
    for rows in (splits.test, *(valid for _, valid in splits.folds)):
        assert abs(y[rows].mean() - y.mean()) < 0.02


@pytest.mark.parametrize("validation", [{"kind": "holdout"}, {"kind": "cv", "folds": 3, "repeats": 2}])
@pytest.mark.parametrize("stratify", [True, False])
def test_a_group_is_never_on_both_sides(bench, tmp_path, validation, stratify):
    table = load_breast_cancer(as_frame=True).frame.assign(clinic=np.arange(569) // 7)
    table.to_csv(tmp_path / "cancer.csv", index=False)
    data = {"path": "cancer.csv", "target": "target"}
    made = bench(
        estimator=TREE, data=data, base=tmp_path, validation={**validation, "groups": "clinic", "stratify": stratify}
    ).prepare()
    prepared, splits = made.objective._preparation.table, made.objective._splits
    assert "clinic" not in [feature.name for feature in prepared.features]
    sides = [(splits.tuning, splits.test), *splits.folds]
    for left, right in sides:
        assert len(right)
        assert not set(prepared.groups[left]) & set(prepared.groups[right])


def test_preprocessing_is_fitted_on_training_rows_only(bench, tmp_path):
    """Validation and test rows are scaled away by a million: a scaler that had seen them would move the training rows."""
    n = 200
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=n), "b": rng.choice(list("xyz"), n), "y": rng.integers(0, 2, n)})
    path = tmp_path / "t.csv"
    table.to_csv(path, index=False)
    params = {"preprocess.scaler": "standard", "preprocess.encoder": "target"}
    made = bench(params, estimator=LOGISTIC, data={"path": str(path), "target": "y"}).prepare().objective
    train, _ = made._splits.folds[0]
    table.loc[np.setdiff1d(np.arange(n), train), "a"] += 1e6
    table.to_csv(path, index=False)
    moved = bench(params, estimator=LOGISTIC, data={"path": str(path), "target": "y"}).prepare().objective
    folds = []
    for objective in (made, moved):
        choices = objective._choices_of(objective._blueprints[None], {"scaler": "standard", "encoder": "target"})
        folds.append(objective._preparation.fold(0, choices))
    assert np.array_equal(folds[0].train.x, folds[1].train.x)
    assert abs(folds[0].train.x[:, 0].mean()) < 1e-9
    assert folds[1].valid.x[:, 0].min() > 1e5


def test_prepared_folds_are_shared_by_trials_and_bounded(bench, choice_of):
    space = SearchSpace({"C": Float(0.1, 10), **choice_of(**{"preprocess.scaler": ["standard", "minmax"]})})
    made = bench(space=space, estimator=LOGISTIC, data=CANCER, validation={"folds": 3}).prepare()
    for c in (0.1, 1.0, 10.0):
        for scaler in ("standard", "minmax"):
            made.run({"C": c, "preprocess.scaler": scaler})
    assert len(PREPARED) == 6
    assert 0 < PREPARED.n_bytes <= 512 * 2**20


def test_studies_of_one_process_do_not_get_each_others_folds(bench, tmp_path):
    """Two tables of the same numbers, one of which are names; two splits of the same sizes."""
    table = pd.DataFrame({"code": np.arange(90) % 3, "y": np.arange(90) % 2})
    table.to_csv(tmp_path / "t.csv", index=False)
    data = {"path": "t.csv", "target": "y"}
    variants: list[dict[str, Any]] = [
        {"data": data},
        {"data": {**data, "categorical": ["code"]}},
        {"data": data, "validation": {"stratify": False}},
    ]
    folds = []
    for options in variants:
        made = bench({"C": 1.0}, estimator=LOGISTIC, base=tmp_path, **options).prepare().objective
        choices = made._choices_of(made._blueprints[None], {})
        folds.append(made._preparation.fold(0, choices))
        assert made._preparation.fold(0, choices) is folds[-1]
    assert len({fold.key for fold in folds}) == 3


def test_a_binned_matrix_is_shared_by_trials_with_the_same_bins(bench):
    space = SearchSpace(
        {"max_depth": Float(1, 9, step=1), "max_bin": Categorical([16, 32]), "n_estimators": Constant(3)}
    )
    made = bench(space=space, estimator=XGB, data=CANCER).prepare()
    for depth in (1, 2, 3):
        for bins in (16, 32):
            made.run({"max_depth": depth, "max_bin": bins, "n_estimators": 3})
    assert len(MATRICES) == 3  # two for training, one of the validation rows


def test_the_cache_forgets_the_least_recently_used():
    cache = BoundedCache(limit_bytes=10, limit_entries=3)
    made: list[str] = []

    def get(key: str, size: int) -> None:
        def make() -> tuple[str, int]:
            made.append(key)
            return key, size

        assert cache.get(key, make) == key

    for key in "abcad":
        get(key, 2)
    assert made == ["a", "b", "c", "d"]
    get("a", 2)
    get("b", 2)
    assert made[-1] == "b"
    get("huge", 50)
    assert (len(cache), cache.n_bytes) == (1, 50)


def test_a_family_is_chosen_by_the_space(bench):
    space = SearchSpace(
        {
            "estimator": Categorical([XGB, LOGISTIC]),
            "xgboost.max_depth": Float(1, 5, step=1, when={"estimator": XGB}),
            "linear.C": Float(0.1, 1, when={"estimator": LOGISTIC}),
        }
    )
    made = bench(space=space, estimator="from_space", data=CANCER, validation={"folds": 3}).prepare()
    assert set(made.objective.describe()["estimators"].values()) == {"folds"}
    one, _ = made.run({"estimator": XGB, "xgboost.max_depth": 2})
    two, _ = made.run({"estimator": LOGISTIC, "linear.C": 0.5})
    assert one != two
    assert min(one["accuracy"], two["accuracy"]) > 0.9


def test_all_metrics_of_the_study_and_the_extra_ones_come_back(bench):
    metrics = (Metric("roc_auc", "maximize"), Metric("log_loss", "minimize"))
    made = bench({"C": 1.0}, metric=metrics, estimator=LOGISTIC, data=CANCER, metrics=["f1", "roc_auc"]).prepare()
    values, _ = made.run()
    assert list(values) == ["roc_auc", "log_loss", "f1"]


def test_balanced_class_weights_raise_the_recall_of_a_rare_class(bench):
    data = {"sklearn": "make_classification", "arguments": {"n_samples": 900, "weights": [0.95], "flip_y": 0.05}}
    for estimator in (XGB, "lightgbm.LGBMClassifier", LOGISTIC, "sklearn.linear_model.SGDClassifier"):
        params = {"max_iter": 20} if "linear_model" in estimator else {"n_estimators": 20, "max_depth": 2}
        plain, weighted = (
            bench(params, metric="recall", estimator=estimator, data=data, class_weight=weight).prepare().run()[0]
            for weight in (None, "balanced")
        )
        assert weighted["recall"] > plain["recall"], estimator


def test_class_weights_by_label_equal_row_weights(bench, tmp_path):
    table = load_breast_cancer(as_frame=True).frame
    table["weight"] = np.where(table["target"] == 0, 5.0, 1.0)
    table.to_csv(tmp_path / "t.csv", index=False)
    data = {"path": "t.csv", "target": "target"}
    by_class = bench(
        {"n_estimators": 9}, estimator=XGB, base=tmp_path, data={**data, "drop": ["weight"]}, class_weight={0: 5, 1: 1}
    ).prepare()
    by_row = bench({"n_estimators": 9}, estimator=XGB, base=tmp_path, data={**data, "weights": "weight"}).prepare()
    folds = [made.objective._splits.folds[0] for made in (by_class, by_row)]
    assert np.array_equal(folds[0][1], folds[1][1])
    models = []
    for made in (by_class, by_row):
        choices = made.objective._choices_of(made.objective._blueprints[None], {})
        models.append(made.objective._preparation.fold(0, choices).train.weights)
    assert np.array_equal(*models)
    assert by_row.run()[0] != by_class.run()[0]  # row weights also weigh the scores


def test_threads_follow_the_grant(bench):
    made = bench({"n_estimators": 5}, estimator=XGB, data=CANCER).prepare().objective
    from tuner.objectives._parameters import split_params

    for cpu, expected in ((0.5, 1), (1, 1), (3, 3)):
        job, _ = made._job(split_params({"n_estimators": 5}), max(1, int(cpu)))
        assert job.estimator.n_jobs == expected
    job, _ = made._job(split_params({"n_jobs": 2}), 7)
    assert job.estimator.n_jobs == 2


def test_parameters_that_can_never_work_are_not_tried_again(bench):
    made = bench({"C": 1.0}, estimator=LOGISTIC, data=CANCER).prepare()
    with pytest.raises(InvalidParams, match="'C' parameter of LogisticRegression"):
        made.run({"C": -1.0})


BESIDE = """
import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

class Diverged(RegressorMixin, BaseEstimator):
    def fit(self, x, y):
        self.fitted_ = True
        return self
    def predict(self, x):
        return np.full(len(x), np.nan)

def spread(y_true, y_pred):
    return float(np.ptp(y_pred))

def load(n):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 2)), rng.normal(size=n)
"""


@pytest.fixture
def beside(tmp_path, monkeypatch):
    """A module beside the sweep file, importable only through ``base``; its name is new in every test."""
    name = f"beside_{abs(hash(str(tmp_path)))}"
    (tmp_path / f"{name}.py").write_text(BESIDE)
    yield name
    sys.modules.pop(name, None)


def test_a_model_that_diverges_scores_nan(bench, beside, tmp_path):
    data = {"loader": f"{beside}:load", "arguments": {"n": 40}}
    params = {"preprocess.scaler": "none"}
    made = bench(params, metric="rmse", goal="minimize", estimator=f"{beside}.Diverged", data=data, base=tmp_path)
    values, _ = made.prepare().run()
    assert np.isnan(values["rmse"])


def test_modules_beside_the_sweep_travel_to_workers_that_do_not_have_them(bench, beside, tmp_path):
    data = {"loader": f"{beside}:load", "arguments": {"n": 40}}
    params = {"preprocess.scaler": "none"}
    made = bench(params, metric=f"{beside}:spread", estimator=f"{beside}.Diverged", data=data, base=tmp_path).prepare()
    text = cloudpickle.dumps(made.objective)
    sys.modules.pop(beside)
    assert not any(entry == str(tmp_path) for entry in sys.path)
    made.objective = cloudpickle.loads(text)
    assert np.isnan(made.run()[0][f"{beside}:spread"])


@pytest.mark.parametrize(
    ("estimator", "device", "wanted"),
    [
        ("xgboost.XGBClassifier", "cpu", False),
        ("xgboost.XGBClassifier", "cuda:0", True),
        ("skorch.NeuralNetClassifier", "cpu", None),
    ],
)
def test_a_gpu_is_wanted_only_where_a_parameter_names_one(estimator, device, wanted):
    assert may_use_gpu([estimator], SearchSpace({"device": Constant(device)})) is wanted
