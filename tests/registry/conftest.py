"""Small fitted models in folders."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from tuner.registry.features import Feature, encode
from tuner.registry.package import save_model
from tuner.registry.predictor import Predictor

FEATURES = (
    Feature("age", "number", "int64"),
    Feature("colour", "category", "str", ("blue", "red")),
)
TABLE = pd.DataFrame({"age": [20, 30, 40, 50] * 5, "colour": ["red", "blue"] * 10, "y": ["no", "no", "yes", "yes"] * 5})


def make_predictor(model=None) -> Predictor:
    matrix = encode(TABLE, FEATURES)
    preprocess = make_pipeline(OneHotEncoder(handle_unknown="ignore", sparse_output=False)).fit(matrix)
    y = np.array([0, 0, 1, 1] * 5)
    fitted = (model or LogisticRegression()).fit(preprocess.transform(matrix), y)
    return Predictor(fitted, preprocess, FEATURES, "classification", ("no", "yes"))


@pytest.fixture
def table() -> pd.DataFrame:
    return TABLE.copy()


@pytest.fixture
def predictor() -> Predictor:
    return make_predictor()


@pytest.fixture
def saved(tmp_path, predictor):
    save_model(predictor, {"study": "demo", "trial": 3}, tmp_path / "model")
    return tmp_path / "model"
