"""The fixed list of types lets scikit-learn's estimators through, and nothing that runs code."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils import all_estimators
from skops import io as skops_io

from tuner.errors import RegistryError
from tuner.registry._formats import read_skops, write_skops
from tuner.registry._trusted import TRUSTED

# Chain, meta and other estimators that cannot be built or fitted on a plain table, and Birch, which skops does not support.
MODELS = [
    (name, kind)
    for name, kind in all_estimators(type_filter=["classifier", "regressor"])
    if name not in {"IsotonicRegression", "DummyClassifier"} and not name.startswith(("MultiTask", "PLSC", "CCA"))
]


@pytest.mark.parametrize(("name", "kind"), MODELS, ids=lambda part: part if isinstance(part, str) else "")
@pytest.mark.filterwarnings("ignore")
def test_what_can_be_fitted_on_a_table_is_saved_and_read(tmp_path, name, kind):
    rng = np.random.default_rng(0)
    x = np.abs(rng.normal(size=(60, 4)))
    y = (x[:, 0] > x[:, 1]).astype(int) + 1
    try:
        model = kind()
        model.fit(x, y)
    except (TypeError, ValueError):
        pytest.skip("needs arguments or another target")
    assert write_skops(model, tmp_path / "m.skops") == []
    again = read_skops(tmp_path / "m.skops", ())
    # Matrix products of equal arrays may differ in the last bit, by where in memory the arrays lie.
    np.testing.assert_allclose(model.predict(x), again.predict(x), rtol=1e-12, atol=1e-12)


def test_nothing_on_the_list_calls_what_it_is_given():
    harmful = (
        "eval",
        "exec",
        "partial",
        "methodcaller",
        "attrgetter",
        "system",
        "Popen",
        "FunctionTransformer",
        "getattr",
    )
    assert not [name for name in TRUSTED if name.rpartition(".")[2] in harmful]
    assert all(
        name.split(".")[0] in {"collections", "lightgbm", "numpy", "scipy", "sklearn", "xgboost"} for name in TRUSTED
    )


def test_a_function_is_not_trusted(tmp_path):
    import os

    skops_io.dump({"run": os.system}, tmp_path / "m.skops")
    with pytest.raises(RegistryError, match=r"types that are not trusted: posix\.system"):
        read_skops(tmp_path / "m.skops", ())
