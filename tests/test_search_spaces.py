"""Every space of the catalogue: sourced, round-tripped, sampled, and fitted with its estimator."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectPercentile, f_classif, f_regression
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)

from tests.spaces.sampling import draw, exact, fitting
from tests.spaces.table import PAGE, REGENERATE, page
from tuner import catalog, plugins
from tuner.catalog import CatalogEntry
from tuner.space import Categorical, Float, Int, SearchSpace
from tuner.study import Metric, PluginSpec, StudySpec
from tuner.trial import ParamValue

NAMES = catalog.names()
ROOT = Path(__file__).resolve().parents[1]
N_ROWS = 240
# Only what costs time, and only downwards: every other parameter reaches its estimator as it was drawn.
AT_MOST = {"n_estimators": 8, "max_iter": 60}
# The estimators' parameters that their constructors take in **kwargs, and that the library is known to read.
THROUGH_KWARGS = {"lightgbm": {"extra_trees"}}


@pytest.fixture(params=NAMES)
def entry(request: pytest.FixtureRequest) -> CatalogEntry:
    return catalog.load(request.param)


def test_the_catalogue_holds_what_it_promises() -> None:
    families = {name.split("/")[0] for name in NAMES}
    assert len(NAMES) >= 18
    assert families >= {
        "xgboost", "lightgbm", "random_forest", "extra_trees", "hist_gradient_boosting", "logistic_regression", "svm",
        "knn", "mlp", "ridge", "lasso", "elastic_net", "decision_tree", "sgd", "naive_bayes", "pipeline", "models",
    }  # fmt: skip


# -- what each file says -------------------------------------------------------------------------------------------


def test_each_space_says_what_it_is_for(entry: CatalogEntry) -> None:
    assert entry.title
    assert entry.title != entry.name
    assert entry.task in ("classification", "regression")
    assert entry.estimator == "from_space" or callable(imported(entry.estimator))


def test_each_parameter_has_its_source(entry: CatalogEntry) -> None:
    assert not entry.unsourced, f"{entry.path}: no source names {', '.join(entry.unsourced)}"
    for source in entry.sources:
        assert source.url is not None
        assert source.url.startswith("https://")
        assert re.search(r"\((19|20)\d\d\)|documentation", source.cite), (
            f"neither a year nor documentation: {source.cite}"
        )


def test_ranges_have_somewhere_to_go(entry: CatalogEntry) -> None:
    for name, distribution in entry.space.items():
        if isinstance(distribution, Float | Int):
            assert distribution.low < distribution.high, name
        if isinstance(distribution, Categorical):
            assert len(distribution.choices) > 1, name


def test_each_space_reads_back_equal(entry: CatalogEntry) -> None:
    document = entry.space.to_dict()
    back = SearchSpace.from_dict(json.loads(json.dumps(document, allow_nan=False)))
    assert back == entry.space
    assert exact(back.to_dict()) == exact(document)


def test_the_defaults_are_a_point_of_the_space(entry: CatalogEntry) -> None:
    entry.space.check(entry.defaults)
    assert entry.defaults == entry.space.active(entry.defaults)
    for name, value in entry.defaults.items():
        if isinstance(entry.space[name], Int):
            assert type(value) is int, name
        if isinstance(entry.space[name], Float):
            assert type(value) is float, name


def test_samples_are_points_of_the_space(entry: CatalogEntry) -> None:
    rng = Random(entry.name)
    for _ in range(40):
        params = draw(entry.space, rng)
        entry.space.check(params)
        assert json.loads(json.dumps(params)) == params


# -- fitting -------------------------------------------------------------------------------------------------------


def imported(path: str | None) -> Any:
    assert path is not None
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


@pytest.fixture(scope="session")
def table() -> tuple[pd.DataFrame, dict[str, pd.Series[Any]]]:
    """A small table with missing values and categories, and a target for each task."""
    rng = np.random.default_rng(17)
    numbers = rng.normal(size=(N_ROWS, 5))
    letters = rng.choice(["a", "b", "c"], size=N_ROWS)
    signal = numbers[:, 0] - 0.5 * numbers[:, 1] + 0.7 * (letters == "a") + 0.3 * rng.normal(size=N_ROWS)
    frame = pd.DataFrame(numbers, columns=[f"x{i}" for i in range(5)]).assign(letter=letters)
    frame.loc[rng.choice(N_ROWS, 20, replace=False), "x1"] = np.nan
    targets = {"classification": pd.Series((signal > 0).astype(int)), "regression": pd.Series(signal / signal.std())}
    return frame, targets


SCALERS: dict[ParamValue, Any] = {
    "none": lambda: "passthrough",
    "standard": StandardScaler,
    "minmax": MinMaxScaler,
    "robust": RobustScaler,
    "quantile": lambda: QuantileTransformer(n_quantiles=50),
    "power": PowerTransformer,
}
ENCODERS: dict[ParamValue, Any] = {
    "onehot": lambda: OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    "ordinal": OrdinalEncoder,
    "target": TargetEncoder,
}


def preprocessing(choices: dict[str, ParamValue], task: str) -> Pipeline:
    """The preprocessing that ``preprocess.`` parameters choose; unknown names or values are an error."""
    strategy, scaler = choices.pop("imputer", "mean"), SCALERS[choices.pop("scaler", "standard")]()
    encoder = ENCODERS[choices.pop("encoder", "onehot")]()
    percentile = choices.pop("select_percentile", 100)
    assert not choices, f"no such preprocessing: {choices}"
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy=str(strategy)), scaler), [f"x{i}" for i in range(5)]),
            ("letters", encoder, ["letter"]),
        ]
    )
    score = f_classif if task == "classification" else f_regression
    return make_pipeline(columns, SelectPercentile(score, percentile=percentile))


def model(entry: CatalogEntry, params: dict[str, ParamValue]) -> tuple[Pipeline, Any]:
    """The preprocessing and the estimator that a point of the space describes."""
    rest = dict(params)
    path = rest.pop("estimator") if entry.estimator == "from_space" else entry.estimator
    chosen: dict[str, ParamValue] = {}
    keywords: dict[str, Any] = {}
    for name, value in rest.items():
        group, _, short = name.rpartition(".")
        if group == "preprocess":
            chosen[short] = value
        else:
            assert short not in keywords, f"{name} and another parameter mean the same keyword"
            keywords[short] = min(value, AT_MOST[short]) if short in AT_MOST else value  # type: ignore[type-var]
    kind = imported(str(path))
    known = kind().get_params().keys() | THROUGH_KWARGS.get(kind.__module__.split(".")[0], set())
    assert keywords.keys() <= known, f"{path} does not take {keywords.keys() - known}"
    return preprocessing(chosen, entry.task), kind(**quiet(kind), **keywords)


def quiet(kind: Any) -> dict[str, Any]:
    """One thread, a fixed seed, and every warning about parameters, as far as the estimator has such switches."""
    switches = {"n_jobs": 1, "random_state": 0} | ({"verbosity": 1} if kind.__module__.startswith("xgboost") else {})
    taken = kind().get_params().keys()
    if kind.__name__ == "LogisticRegression":
        switches.pop("n_jobs")  # deprecated since scikit-learn 1.8
    return {name: value for name, value in switches.items() if name in taken}


def points(entry: CatalogEntry) -> list[dict[str, ParamValue]]:
    """The defaults and enough samples that each choice of each category is tried once; three at the very least."""
    rng = Random(entry.name)
    chosen = [entry.defaults]
    seen = fitting(entry.defaults, entry.space)
    for _ in range(300):
        params = draw(entry.space, rng)
        if len(chosen) < 3 or not fitting(params, entry.space) <= seen:
            chosen.append(params)
            seen |= fitting(params, entry.space)
    every = {(n, repr(v)) for n, d in entry.space.items() if isinstance(d, Categorical) for v in d.choices}
    assert seen == every, f"never drawn: {every - seen}"
    return chosen


class Listener:
    """Takes LightGBM's messages, to find the parameters that it does not know."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, line: str) -> None:
        self.lines.append(line)

    warning = info


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_estimator_takes_every_sample(entry: CatalogEntry, table: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    frame, targets = table
    listener = Listener()
    if (entry.estimator or "").startswith("lightgbm"):
        basic = importlib.import_module("lightgbm.basic")
        for name in ("_LOGGER", "_INFO_METHOD_NAME", "_WARNING_METHOD_NAME"):
            monkeypatch.setattr(basic, name, getattr(basic, name))  # put back afterwards
        importlib.import_module("lightgbm").register_logger(listener)
    for params in points(entry):
        prepare, estimator = model(entry, params)
        train = prepare.fit_transform(frame, targets[entry.task])
        estimator.fit(train, targets[entry.task])
        predicted = np.asarray(estimator.predict(train[:20]), dtype=float)
        assert predicted.shape == (20,)
        assert np.isfinite(predicted).all(), params
    assert not [line for line in listener.lines if "Unknown parameter" in line]


def test_the_estimator_objective_takes_each_space(entry: CatalogEntry, table: Any, tmp_path: Path) -> None:
    """Names, groups and preprocessing choices mean the same to the objective as to the catalogue."""
    frame, targets = table
    frame.assign(y=targets[entry.task]).to_csv(tmp_path / "table.csv", index=False)
    data = {"path": "table.csv", "target": "y"}
    spec = StudySpec(
        name="catalogue",
        metrics=(Metric("accuracy" if entry.task == "classification" else "r2", "maximize"),),
        space=entry.space,
        objective=PluginSpec("estimator", {"estimator": entry.estimator, "data": data}),
    )
    objective = plugins.build("objective", PluginSpec("estimator", {**spec.objective.options, "base": str(tmp_path)}))
    objective.prepare(spec)


# -- the page and the wheel ----------------------------------------------------------------------------------------


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), f"docs/search_spaces.md is out of date: run {REGENERATE}"


@pytest.mark.slow
def test_the_wheel_carries_the_whole_catalogue(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("tuner-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    # From the wheel alone, in a folder that is no checkout: the names, and each of them loaded.
    code = "import json; from tuner import catalog; print(json.dumps({n: len(catalog.load(n).space) for n in catalog.names()}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "site"), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {name: len(catalog.load(name).space) for name in NAMES}
