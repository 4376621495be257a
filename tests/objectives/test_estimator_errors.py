"""What the caller must mend is said before anything is started, in one clear message each."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tuner.errors import TunerError
from tuner.space import Categorical, Constant, Float, Int, SearchSpace
from tuner.study import Metric

CANCER = {"sklearn": "breast_cancer"}
TABLE = {"path": "people.csv", "target": "income"}
XGB = "xgboost.XGBClassifier"
LOGISTIC = "sklearn.linear_model.LogisticRegression"


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    people = pd.DataFrame(
        {"age": rng.integers(18, 80, 60), "job": rng.choice(["a", "b"], 60), "income": ["low", "high"] * 30}
    )
    people.to_csv(tmp_path / "people.csv", index=False)
    people.assign(income="low").to_csv(tmp_path / "one.csv", index=False)
    people.assign(income=people["income"].mask(people.index == 0)).to_csv(tmp_path / "gaps.csv", index=False)
    people.assign(income=["rare", *people["income"][1:]]).to_csv(tmp_path / "rare.csv", index=False)
    people.assign(age=[np.inf, *people["age"][1:]]).to_csv(tmp_path / "infinite.csv", index=False)
    people.assign(income=np.arange(60) / 8).to_csv(tmp_path / "numbers.csv", index=False)
    people.assign(age=[np.nan, *people["age"][1:]]).to_csv(tmp_path / "holes.csv", index=False)
    people.head(0).to_csv(tmp_path / "empty.csv", index=False)
    people.head(4).to_csv(tmp_path / "few.csv", index=False)
    (tmp_path / "nothing.csv").write_text("")
    (tmp_path / "broken.parquet").write_text("no parquet")
    (tmp_path / "work.py").write_text(
        "LIMIT = 3\n\ndef load():\n    raise RuntimeError('no disk')\n\ndef wrong():\n    return 7\n"
    )
    return tmp_path


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "no such file": (
        {"data": {"path": "peple.csv", "target": "income"}},
        """\
        there is no file FOLDER/peple.csv
          hint: did you mean 'people.csv'?""",
    ),
    "no such folder": (
        {"data": {"path": "there/people.csv", "target": "income"}},
        "there is no file FOLDER/there/people.csv, nor a folder FOLDER/there",
    ),
    "unknown kind of file": (
        {"data": {"path": "work.py", "target": "income"}},
        "FOLDER/work.py: tables are read and written as .csv, .csv.gz, .tsv, .parquet",
    ),
    "a file of nothing": ({"data": {"path": "nothing.csv", "target": "income"}}, "FOLDER/nothing.csv is empty"),
    "a table of no rows": ({"data": {"path": "empty.csv", "target": "income"}}, "empty.csv has no rows"),
    "no target named": (
        {"data": {"path": "people.csv"}},
        """\
        people.csv: which column is to be predicted?
          hint: add target to data; the columns are 'age', 'job', 'income'""",
    ),
    "no such column": (
        {"data": {"path": "people.csv", "target": "incme"}},
        """\
        people.csv has no column 'incme', which data.target names
          hint: did you mean 'income'?""",
    ),
    "no such column to drop": (
        {"data": {**TABLE, "drop": ["zip"]}},
        """\
        people.csv has no column 'zip', which data.drop names
          hint: the columns are 'age', 'job', 'income'""",
    ),
    "no such groups": (
        {"data": TABLE, "validation": {"groups": "jobs"}},
        """\
        people.csv has no column 'jobs', which data.groups names
          hint: did you mean 'job'?""",
    ),
    "nothing to learn from": (
        {"data": {**TABLE, "drop": ["age", "job"]}},
        "people.csv has no column left to learn from",
    ),
    "one class": (
        {"data": {"path": "one.csv", "target": "income"}},
        """\
        the target 'income' of one.csv has one class only: 'low'
          hint: a classifier needs two; was another column meant?""",
    ),
    "target with gaps": (
        {"data": {"path": "gaps.csv", "target": "income"}},
        """\
        the target 'income' is missing in 1 of 60 rows of gaps.csv
          hint: fill them in, or set data.drop_missing_target: true to leave these rows out""",
    ),
    "a class of one row": (
        {"data": {"path": "rare.csv", "target": "income"}},
        """\
        class 'rare' has 1 row, but the rows are split into 3 parts and each needs one
          hint: merge or leave out rare classes, use fewer folds, or set test: false""",
    ),
    "too few rows": (
        {"data": {"path": "few.csv", "target": "income"}, "validation": {"folds": 3}},
        """\
        4 rows are too few for 4 parts (training, validation and test)
          hint: give more rows, use fewer folds, or set test: false""",
    ),
    "groups that are too few": (
        {"data": {**TABLE, "groups": "job"}},
        """\
        2 groups are too few for 3 parts that share no group
          hint: use fewer folds, or set test: false""",
    ),
    "an infinite value": (
        {"data": {"path": "infinite.csv", "target": "income"}},
        """\
        column 'age' should hold finite numbers; row 1 of the table holds inf
          hint: mend the value, leave it empty, or leave the column out with data.drop when tuning""",
    ),
    "numbers for a classifier": (
        {"data": {"path": "numbers.csv", "target": "income"}},
        """\
        the target 'income' holds numbers such as 0.125, but the estimator is a classifier
          hint: use a regressor, or a target of labels""",
    ),
    "labels for a regressor": (
        {"data": TABLE, "estimator": "sklearn.linear_model.Ridge", "params": {"alpha": 1.0}},
        """\
        the target 'income' of people.csv holds 'low', but the estimator is a regressor
          hint: use a classifier, or a target of numbers""",
    ),
    "positive is no class": (
        {"data": {**TABLE, "positive": "rich"}},
        """\
        data.positive is 'rich', but the classes of the target are 'high', 'low'
          hint: name one of two classes""",
    ),
    "no scikit-learn table": (
        {"data": {"sklearn": "breast_canser"}},
        """\
        there is no scikit-learn table 'breast_canser'
          hint: did you mean 'breast_cancer'?""",
    ),
    "a table from the network": (
        {"data": {"sklearn": "fetch_california_housing"}},
        """\
        scikit-learn's 'fetch_california_housing' is downloaded from the network
          hint: fetch it once yourself and save it as CSV or Parquet""",
    ),
    "a loader that raises": (
        {"data": {"loader": "work:load"}},
        """\
        the data loader 'work:load' failed with RuntimeError: no disk
          hint: call it by hand; it gets data.arguments as keywords and returns (X, y) or a DataFrame""",
    ),
    "a loader of something else": (
        {"data": {"loader": "work:wrong"}},
        """\
        the data loader 'work:wrong' returned a int
          hint: return (X, y), or one pandas DataFrame that holds the target column""",
    ),
    "no such loader": (
        {"data": {"loader": "work:lod"}},
        """\
        data loader 'work:lod': the module 'work' has no 'lod'
          hint: did you mean 'load'?""",
    ),
    "an unknown key of data": (
        {"data": {"path": "people.csv", "traget": "income"}},
        """\
        objective.data.traget: data has no key 'traget'
          expected: some of path, sklearn, loader, target, positive, drop, groups, weights, categorical, \
drop_missing_target, missing, separator, arguments
          hint: did you mean 'target'?""",
    ),
    "two sources": (
        {"data": {"path": "people.csv", "sklearn": "iris"}},
        """\
        objective.data: data must name one source
          got: {'path': 'people.csv', 'sklearn': 'iris'}
          expected: one of path, sklearn, loader""",
    ),
    "an unknown kind of validation": (
        {"validation": {"kind": "holdut"}},
        """\
        objective.validation.kind: unknown kind
          got: 'holdut'
          expected: holdout or cv
          hint: did you mean 'holdout'?""",
    ),
    "a key of the other kind": (
        {"validation": {"kind": "holdout", "repeats": 3}},
        """\
        objective.validation.repeats: holdout has no key 'repeats'
          expected: some of kind, size, stratify, groups""",
    ),
    "one fold": (
        {"validation": {"folds": 1}},
        """\
        objective.validation.folds: must be a whole number
          got: 1
          expected: at least 2""",
    ),
    "all rows for the test": (
        {"test": {"size": 1.0}},
        """\
        objective.test.size: must be a share
          got: 1.0
          expected: a number above 0 and below 1, as 0.2""",
    ),
    "an unknown fidelity": (
        {"fidelity": "epoch"},
        """\
        objective.fidelity: unknown fidelity
          got: 'epoch'
          expected: one of boosting_rounds, epochs, folds, none
          hint: did you mean 'epochs'?""",
    ),
    "rounds of what has none": (
        {"fidelity": "boosting_rounds"},
        """\
        objective.fidelity: boosting_rounds needs an XGBoost or LightGBM estimator; the estimator is LogisticRegression
          got: 'boosting_rounds'
          expected: one of none""",
    ),
    "folds of a holdout": (
        {"fidelity": "folds", "estimator": XGB, "params": {"max_depth": 3}},
        """\
        objective.fidelity: folds needs validation: {kind: cv}; the estimator is XGBClassifier
          got: 'folds'
          expected: one of boosting_rounds, none""",
    ),
    "no reports": (
        {"report_every": 0},
        """\
        objective.report_every: must be a whole number
          got: 0
          expected: at least 1""",
    ),
    "a misspelt library": (
        {"estimator": "xgbost.XGBClassifier"},
        """\
        estimator 'xgbost.XGBClassifier' cannot be imported: there is no module 'xgbost'
          hint: did you mean 'xgboost'?""",
    ),
    "a misspelt class": (
        {"estimator": "xgboost.XGBClasifier"},
        """\
        estimator 'xgboost.XGBClasifier': the module 'xgboost' has no 'XGBClasifier'
          hint: did you mean 'XGBClassifier'?""",
    ),
    "a misspelt module": (
        {"estimator": "sklearn.linear_modl.Ridge"},
        """\
        estimator 'sklearn.linear_modl.Ridge' cannot be imported: there is no module 'sklearn.linear_modl'
          hint: did you mean 'sklearn.linear_model'?""",
    ),
    "a transformer": (
        {"estimator": "sklearn.preprocessing.StandardScaler", "params": {"with_mean": True}},
        """\
        estimator 'sklearn.preprocessing.StandardScaler': the class has no method 'predict', so it is no estimator
          hint: an estimator has fit(X, y) and predict(X), as scikit-learn's have""",
    ),
    "no estimator at all": (
        {"estimator": "work.LIMIT"},
        """\
        estimator 'work.LIMIT' is a int, not an estimator
          hint: name a class, a function that returns an estimator, or an estimator""",
    ),
    "an argument that nobody gives": (
        {"estimator": "sklearn.ensemble.VotingClassifier", "params": {"voting": "hard"}},
        """\
        estimator 'sklearn.ensemble.VotingClassifier' needs the argument 'estimators'
          hint: give each a constant in the space ({value: ...}), or name a function that returns the estimator""",
    ),
    "an unknown parameter": (
        {"params": {"Cc": 1.0, "penlty": "l2"}},
        """\
        parameter 'Cc': sklearn.linear_model.LogisticRegression accepts no 'Cc'
          hint: did you mean 'C'?""",
    ),
    "an unknown parameter of XGBoost, which takes any": (
        {"estimator": XGB, "params": {"max_dept": 3}},
        """\
        parameter 'max_dept': xgboost.XGBClassifier accepts no 'max_dept'
          hint: did you mean 'max_depth'?""",
    ),
    "early stopping inside a trial": (
        {"estimator": XGB, "params": {"early_stopping_rounds": 5}},
        """\
        parameter 'early_stopping_rounds': a trial of xgboost.XGBClassifier has no validation rows of its own to stop early on
          hint: let a pruner stop trials instead, for example pruner: asha""",
    ),
    "an unknown preprocessing": (
        {"params": {"preprocess.scalr": "standard"}},
        """\
        there is no preprocessing choice 'preprocess.scalr'
          hint: did you mean 'preprocess.scaler'?""",
    ),
    "an unknown value of a preprocessing": (
        {"space": SearchSpace({"preprocess.encoder": Categorical(["onehot", "ordinl"])})},
        """\
        preprocess.encoder cannot be 'ordinl'; it is one of onehot, ordinal, target
          hint: did you mean 'ordinal'?""",
    ),
    "an unknown preprocessing in the objective": (
        {"preprocess": {"imputr": "mean"}},
        """\
        there is no preprocessing choice 'objective.preprocess.imputr'
          hint: did you mean 'objective.preprocess.imputer'?""",
    ),
    "a preprocessing of a table that goes as it is": (
        {"preprocess": "none", "params": {"preprocess.scaler": "minmax"}},
        """\
        parameter 'preprocess.scaler' chooses a preprocessing, but the estimator gets the table as it is
          hint: remove preprocess: none, or the parameter""",
    ),
    "holes that nobody fills": (
        {"data": {"path": "holes.csv", "target": "income"}, "preprocess": {"imputer": "none"}},
        """\
        sklearn.linear_model.LogisticRegression takes no missing values, but FOLDER/holes.csv has some
          hint: set objective.preprocess.imputer: median, or remove imputer: none""",
    ),
    "from_space without a choice": (
        {"estimator": "from_space"},
        """\
        objective.estimator: from_space needs a parameter 'estimator' whose values are import paths
          got: 'from_space'
          hint: add it to the space, as estimator: {values: [sklearn.svm.SVC, xgboost.XGBClassifier]}""",
    ),
    "a choice without from_space": (
        {"space": SearchSpace({"estimator": Categorical([XGB, LOGISTIC])})},
        """\
        objective.estimator: the space chooses the 'estimator' itself
          got: 'sklearn.linear_model.LogisticRegression'
          expected: from_space
          hint: write estimator: from_space, or choose a space for sklearn.linear_model.LogisticRegression""",
    ),
    "a parameter of one family that it does not accept": (
        {
            "estimator": "from_space",
            "space": SearchSpace(
                {
                    "estimator": Categorical([XGB, LOGISTIC]),
                    "linear.c": Float(0.1, 1, when={"estimator": LOGISTIC}),
                    "xgboost.max_depth": Int(1, 5, when={"estimator": XGB}),
                }
            ),
        },
        """\
        parameter 'linear.c': sklearn.linear_model.LogisticRegression accepts no 'c'
          hint: did you mean 'C'?""",
    ),
    "classifiers and regressors": (
        {
            "estimator": "from_space",
            "space": SearchSpace({"estimator": Categorical([XGB, "sklearn.linear_model.Ridge"])}),
        },
        """\
        the space chooses among classifiers (xgboost.XGBClassifier) and regressors (sklearn.linear_model.Ridge)
          hint: a study has one target: keep one kind""",
    ),
    "an unknown metric": (
        {"metric": Metric("roc_acu", "maximize")},
        """\
        metric.name: there is no metric 'roc_acu'
          expected: a name of sklearn.metrics.get_scorer_names(), a short one as rmse or log_loss, or pkg.mod:function
          hint: did you mean 'roc_auc'?""",
    ),
    "a metric of numbers for classes": (
        {"metric": Metric("rmse", "minimize")},
        """\
        metric.name: rmse does not suit classification
          hint: use balanced_accuracy or roc_auc; the task follows from the estimator""",
    ),
    "a metric of two classes for three": (
        {"metric": Metric("roc_auc", "maximize"), "data": {"sklearn": "wine"}},
        """\
        metric.name: roc_auc does not suit a target of 3 classes
          hint: use roc_auc_ovr""",
    ),
    "a goal that makes it worse": (
        {"metric": Metric("accuracy", "minimize")},
        """\
        metric.goal: accuracy is better when it is higher
          got: 'minimize'
          expected: maximize
          hint: set goal: maximize""",
    ),
    "a loss to maximize": (
        {"metric": Metric("log_loss", "maximize")},
        """\
        metric.goal: log_loss is better when it is lower
          got: 'maximize'
          expected: minimize
          hint: set goal: minimize, or use neg_log_loss, whose goal is maximize""",
    ),
    "a negated loss to minimize": (
        {"metric": Metric("neg_log_loss", "minimize")},
        """\
        metric.goal: neg_log_loss is better when it is higher
          got: 'minimize'
          expected: maximize
          hint: set goal: maximize, or use log_loss, whose goal is minimize""",
    ),
    "probabilities of what has none": (
        {"metric": Metric("log_loss", "minimize"), "estimator": "sklearn.svm.LinearSVC"},
        """\
        log_loss needs predict_proba, which LinearSVC does not have as it is set
          hint: use a metric of predicted labels, as balanced_accuracy, or a setting with probabilities""",
    ),
    "class weights of what takes none": (
        {
            "estimator": "sklearn.neighbors.KNeighborsClassifier",
            "params": {"n_neighbors": 3},
            "class_weight": "balanced",
        },
        """\
        sklearn.neighbors.KNeighborsClassifier takes no row weights, which class_weight and data.weights need
          hint: remove them, or use an estimator whose fit has sample_weight""",
    ),
    "class weights of other classes": (
        {"class_weight": {"yes": 3, "no": 1}},
        """\
        objective.class_weight: must name every class
          got: {'yes': 3, 'no': 1}
          expected: the classes 0, 1""",
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_message_says_what_to_mend(bench, folder, monkeypatch, case):
    options, expected = CASES[case]
    options = {"estimator": LOGISTIC, "data": CANCER, "base": folder, **options}
    metric = options.pop("metric", Metric("accuracy", "maximize"))
    space = options.pop("space", None)
    params = options.pop("params", {"C": 1.0})
    monkeypatch.delitem(__import__("sys").modules, "work", raising=False)
    space = space or SearchSpace({name: Constant(value) for name, value in params.items()})
    with pytest.raises(TunerError) as caught:
        bench(space=space, metric=(metric,), **options).prepare()
    assert str(caught.value).replace(str(folder.resolve()), "FOLDER") == textwrap.dedent(expected)


def test_probabilities_that_one_choice_of_the_space_gives_are_enough(bench):
    space = SearchSpace({"loss": Categorical(["hinge", "log_loss"])})
    metric = (Metric("log_loss", "minimize"),)
    bench(space=space, metric=metric, estimator="sklearn.linear_model.SGDClassifier", data=CANCER).prepare()
