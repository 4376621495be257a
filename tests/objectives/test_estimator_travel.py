"""An estimator objective reaches processes that know nothing of the folder that the sweep lies in."""

from __future__ import annotations

import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from tuner.objectives.estimator import Estimator
from tuner.space import Float, SearchSpace
from tuner.study import Metric, PluginSpec, StudySpec

MODULE = """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    import numpy as np

    def build():
        return make_pipeline(StandardScaler(), LogisticRegression())

    def load():
        chance = np.random.default_rng(5)
        X = chance.normal(size=(200, 4))
        return X, (X[:, 0] > 0).astype(int)

    def share(y, predicted):
        return float((y == predicted).mean())
"""
ELSEWHERE = """
    import pickle, sys
    from pathlib import Path
    from types import SimpleNamespace
    objective = pickle.loads(Path(sys.argv[1]).read_bytes())
    context = SimpleNamespace(grant=SimpleNamespace(cpu=1.0), report=lambda *a, **k: None, stop_requested=None)
    print(objective.run({"logisticregression__C": 1.0}, context))
"""


@pytest.fixture
def objective(tmp_path):
    folder = tmp_path / "beside"
    folder.mkdir()
    (folder / "own_parts.py").write_text(textwrap.dedent(MODULE), encoding="utf-8")
    metric = Metric("own_parts:share", "maximize")
    space = SearchSpace({"logisticregression__C": Float(1e-3, 10.0, log=True)})
    made = Estimator(estimator="own_parts.build", data={"loader": "own_parts:load"}, base=str(folder))
    made.prepare(StudySpec("s", (metric,), space, PluginSpec("estimator")))
    yield made
    sys.modules.pop("own_parts", None)


def test_modules_beside_the_sweep_file_travel_with_any_pickler(objective, tmp_path):
    file = tmp_path / "objective.pickle"
    file.write_bytes(pickle.dumps(objective))
    command = [sys.executable, "-c", textwrap.dedent(ELSEWHERE), str(file)]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=root)
    assert done.returncode == 0, done.stderr
    assert "own_parts:share" in done.stdout


def test_the_table_stays_out_of_band(objective):
    buffers: list[pickle.PickleBuffer] = []
    payload = pickle.dumps(objective, protocol=5, buffer_callback=buffers.append)
    sizes = [len(buffer.raw()) for buffer in buffers]
    assert 200 * 4 * np.dtype(float).itemsize in sizes
    assert len(payload) < 100_000
