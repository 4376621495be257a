"""From a table to a saved model that predicts the same, over estimators, tasks and preprocessing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tuner.registry.package import load_model, predict_file

MODELS: dict[str, dict[str, Any]] = {
    "xgboost.XGB": {"n_estimators": 15},
    "lightgbm.LGBM": {"n_estimators": 15},
    "sklearn.ensemble.RandomForest": {"n_estimators": 15},
    "sklearn.ensemble.HistGradientBoosting": {"max_iter": 15},
    "sklearn.ensemble.GradientBoosting": {"n_estimators": 15},
    "sklearn.neighbors.KNeighbors": {"n_neighbors": 7},
    "sklearn.svm.SV": {"C": 10.0},
    "sklearn.neural_network.MLP": {"max_iter": 30, "learning_rate_init": 0.01},
    "sklearn.linear_model.SGD": {"max_iter": 20},
    "sklearn.tree.DecisionTree": {"max_depth": 4},
}
OTHERS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "classification": [("sklearn.linear_model.LogisticRegression", {"C": 1.0}), ("sklearn.naive_bayes.GaussianNB", {})],
    "regression": [("sklearn.linear_model.Ridge", {"alpha": 1.0}), ("sklearn.linear_model.Lasso", {"alpha": 0.01})],
}


def cases(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    task = "regression" if kind == "regression" else "classification"
    for stem, params in MODELS.items():
        ending = {"classification": "C" if stem.endswith("SV") else "Classifier"}.get(task)
        yield stem + (ending or ("R" if stem.endswith("SV") else "Regressor")), params
    yield from OTHERS[task]


def metric_of(kind: str) -> dict[str, str]:
    return {"metric": "rmse", "goal": "minimize"} if kind == "regression" else {"metric": "accuracy"}


@pytest.mark.parametrize(
    ("kind", "estimator", "params"),
    [(kind, *case) for kind in ("binary", "multiclass", "regression") for case in cases(kind)],
)
def test_a_saved_model_predicts_what_was_fitted_on_a_mixed_table(bench, mixed_file, tmp_path, kind, estimator, params):
    path = mixed_file(kind)
    params = params or {"var_smoothing": 1e-9}
    made = bench(params, estimator=estimator, data={"path": str(path), "target": "target"}, **metric_of(kind)).prepare()
    final = made.finalize(tmp_path / "model")
    saved = load_model(final.path)
    table = pd.read_csv(path)
    said = saved.predict(table)
    assert (final.n_tuning_rows, final.n_test_rows) == (192, 48)
    rows = made.objective._splits.test
    if kind == "regression":
        error = np.sqrt(np.mean((said["prediction"].to_numpy()[rows] - table["target"].to_numpy()[rows]) ** 2))
        assert error == pytest.approx(final.test["rmse"])
        assert error < table["target"].std()
    else:
        right = (said["prediction"].astype(str) == table["target"]).to_numpy()[rows].mean()
        assert right == pytest.approx(final.test["accuracy"])
        assert right > 1.3 / len(saved.card["classes"])
        probabilities = said.drop(columns="prediction")
        if len(probabilities.columns):
            assert list(probabilities) == [f"probability_{name}" for name in saved.card["classes"]]
            assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # numbers that are not scaled
@pytest.mark.parametrize("encoder", ["onehot", "ordinal", "target"])
@pytest.mark.parametrize("scaler", ["none", "standard", "robust", "minmax", "quantile", "power"])
def test_every_preprocessing_is_saved_and_takes_labels_that_it_never_saw(bench, mixed_file, tmp_path, encoder, scaler):
    params = {
        "C": 1.0,
        "preprocess.encoder": encoder,
        "preprocess.scaler": scaler,
        "preprocess.imputer": {"none": "constant", "standard": "mean", "power": "most_frequent"}.get(scaler, "median"),
        "preprocess.indicator": scaler == "robust",
        "preprocess.select_percentile": 80 if scaler == "minmax" else 100,
        "preprocess.categorical_imputer": "most_frequent" if encoder == "onehot" else "none",
    }
    path = mixed_file("multiclass", ".parquet")
    estimator = "sklearn.linear_model.LogisticRegression"
    made = bench(params, estimator=estimator, data={"path": str(path), "target": "target"}).prepare()
    saved = load_model(made.finalize(tmp_path / "model").path)
    strange = pd.DataFrame(
        {
            "sunny": [True, None],
            "day": [None, "2031-05-01"],
            "colour": ["violet", None],
            "count": [3, 4],
            "size": [None, 1e3],
        }
    )
    said = saved.predict(strange)
    assert said["prediction"].isin(["low", "middle", "high"]).all()
    assert np.isfinite(said.drop(columns="prediction").to_numpy(dtype=float)).all()


def test_the_card_says_where_the_model_came_from(bench, tmp_path):
    made = bench({"n_estimators": 7}, estimator="xgboost.XGBClassifier", data={"sklearn": "wine"}).prepare()
    final = made.finalize(tmp_path / "model")
    card = json.loads((final.path / "model.json").read_text())
    assert sorted(card["files"]) == ["model.ubj", "requirements.txt"]
    assert card["parameters"] == {"n_estimators": 7}
    assert card["steps"] == 7
    assert card["metrics"]["test"] == dict(final.test)
    assert card["classes"] == [0, 1, 2]
    assert card["data"]["table_sha256"] == made.objective.describe()["data"]["table_sha256"]
    assert card["lineage"] == {"code": "here"}
    assert card["goals"] == {"accuracy": "maximize"}
    assert "xgboost==" in (final.path / "requirements.txt").read_text()
    assert load_model(final.path).predictor.model.num_boosted_rounds() == 7


def test_the_model_has_as_many_epochs_as_were_validated(bench, tmp_path):
    params = {"max_iter": 50, "tol": 1e3, "n_iter_no_change": 3}
    made = bench(params, estimator="sklearn.neural_network.MLPClassifier", data={"sklearn": "wine"}).prepare()
    final = made.finalize(tmp_path / "model")
    assert len(load_model(final.path).predictor.model.loss_curve_) == 4


def test_labels_come_back_as_the_table_had_them(bench, tmp_path):
    table = pd.DataFrame({"x": range(60), "y": [7, 12, -3] * 20})
    table.to_csv(tmp_path / "t.csv", index=False)
    options = {"estimator": "sklearn.tree.DecisionTreeClassifier", "data": {"path": "t.csv", "target": "y"}}
    made = bench({"max_depth": 2}, base=tmp_path, **options).prepare()
    said = load_model(made.finalize(tmp_path / "model").path).predict(table)
    assert said["prediction"].dtype == np.int64
    assert set(said["prediction"]) <= {7, 12, -3}
    assert list(said)[1:] == ["probability_-3", "probability_7", "probability_12"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_predict_file_reads_and_writes_tables(bench, mixed_file, tmp_path, suffix):
    path = mixed_file("binary")
    made = bench({"n_estimators": 5}, estimator="lightgbm.LGBMClassifier", data={"path": str(path), "target": "target"})
    folder = made.prepare().finalize(tmp_path / "model").path
    out = predict_file(folder, path, tmp_path / f"said{suffix}")
    said = pd.read_csv(out) if suffix == ".csv" else pd.read_parquet(out)
    assert list(said) == ["prediction", "probability_no", "probability_yes"]
    assert len(said) == 240
    assert predict_file(folder, path).name == "binary.predictions.csv"


def test_missing_words_of_the_data_are_missing_in_predictions_too(bench, tmp_path):
    table = pd.DataFrame({"x": [str(k) if k % 5 else "?" for k in range(80)], "y": [k > 40 for k in range(80)]})
    table.to_csv(tmp_path / "t.csv", index=False)
    data = {"path": "t.csv", "target": "y", "missing": ["?"]}
    made = bench({"max_depth": 2}, base=tmp_path, estimator="sklearn.tree.DecisionTreeClassifier", data=data).prepare()
    folder = made.finalize(tmp_path / "model").path
    said = pd.read_csv(predict_file(folder, tmp_path / "t.csv"))
    assert load_model(folder).card["features"][0]["kind"] == "number"
    assert said["prediction"].dtype == bool
    assert (said["prediction"] == table["y"]).mean() > 0.8


PIPELINES = """
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.impute import SimpleImputer

def plain(C=1.0):
    return make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(C=C))

def by_name():
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["size", "count"]),
        (OneHotEncoder(handle_unknown="ignore"), ["colour"]),
    )
    return make_pipeline(columns, LogisticRegression())

ready = plain()
"""


@pytest.mark.parametrize("name", ["plain", "by_name", "ready"])
def test_pipelines_of_the_users_own_are_built_tuned_and_saved(bench, mixed_file, tmp_path, name):
    path = mixed_file("binary")
    module = f"pipelines_{name}_{abs(hash(str(tmp_path)))}"
    (tmp_path / f"{module}.py").write_text(PIPELINES)
    params = {"logisticregression__C": 0.01}
    data = {"path": path.name, "target": "target"}
    made = bench(params, estimator=f"{module}.{name}", data=data, base=tmp_path, class_weight="balanced").prepare()
    final = made.finalize(tmp_path / "model")
    saved = load_model(final.path)
    assert saved.predictor.model[-1].C == 0.01
    assert saved.predictor.as_frame == (name == "by_name")
    assert final.test["accuracy"] > 0.6


def test_a_table_with_names_goes_to_boosters_that_know_categories(bench, mixed_file, tmp_path):
    path = mixed_file("multiclass")
    for estimator in ("xgboost.XGBClassifier", "lightgbm.LGBMClassifier"):
        data = {"path": str(path), "target": "target"}
        made = bench({"n_estimators": 9}, estimator=estimator, data=data, preprocess="none").prepare()
        final = made.finalize(tmp_path / estimator)
        assert load_model(final.path).card["model"]["as_frame"]
        assert final.test["accuracy"] > 0.6
