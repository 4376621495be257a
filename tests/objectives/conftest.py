"""A bench for the estimator objective: prepare, run, finalize, with all reports kept."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tuner.core.ports import FinalModel, SavedCheckpoint
from tuner.objectives._folds import MATRICES, PREPARED
from tuner.objectives.estimator import Estimator
from tuner.resources import Resources
from tuner.space import Categorical, Constant, SearchSpace
from tuner.study import Metric, PluginSpec, StudySpec
from tuner.trial import Trial, TrialState


class Recorder:
    """A context that keeps every report, and raises what it is told to at one of them."""

    trial, attempt, seed, directory, stop_requested = 0, 1, 1, Path(), None
    checkpoint: SavedCheckpoint | None = None

    def __init__(self, cpu: float = 1.0, raise_at: tuple[int, BaseException] | None = None) -> None:
        self.grant = Resources(cpu=cpu)
        self.steps: list[int] = []
        self.values: list[dict[str, float]] = []
        self._raise_at = raise_at

    def save_checkpoint(self, step: int) -> AbstractContextManager[Path]:
        raise NotImplementedError

    def report(self, step: int, values: Mapping[str, float] | None = None, /, **metrics: float) -> None:
        self.steps.append(step)
        self.values.append({**(values or {}), **metrics})
        if self._raise_at and step == self._raise_at[0]:
            raise self._raise_at[1]

    def log(self, text: str) -> None: ...


class Bench:
    """One study of one set of parameters: every parameter is a constant unless a space is given."""

    def __init__(
        self, params=None, *, metric="accuracy", goal="maximize", seed=3, space=None, spec=None, **options
    ) -> None:
        self.params = dict(params or {"random_state": 0})
        self.space = space or SearchSpace({name: Constant(value) for name, value in self.params.items()})
        metrics = (Metric(metric, goal),) if isinstance(metric, str) else tuple(metric)
        self.spec = StudySpec("bench", metrics, self.space, PluginSpec("estimator", options), seed=seed, **(spec or {}))
        self.objective = Estimator(**options)

    def prepare(self) -> Bench:
        self.objective.prepare(self.spec)
        return self

    def run(self, params=None, **context: Any) -> tuple[dict[str, float], Recorder]:
        recorder = Recorder(**context)
        return dict(self.objective.run(params or self.params, recorder)), recorder

    def finalize(self, folder: Path) -> FinalModel:
        values, recorder = self.run()
        last = recorder.steps[-1] if recorder.steps else None
        trial = Trial(0, TrialState.COMPLETE, self.params, values, last_step=last)
        return self.objective.finalize(trial, self.spec, folder, {"code": "here"})


@pytest.fixture
def bench() -> type[Bench]:
    return Bench


@pytest.fixture
def recorder() -> type[Recorder]:
    return Recorder


@pytest.fixture
def choice_of():
    return lambda **choices: SearchSpace({name: Categorical(values) for name, values in choices.items()})


@pytest.fixture(autouse=True)
def _no_cache_from_other_tests():
    PREPARED.clear()
    MATRICES.clear()


def mixed_table(kind: str, n: int = 240) -> pd.DataFrame:
    """Numbers with gaps, a boolean, labels with gaps, a date; a target that depends on them."""
    rng = np.random.default_rng(11)
    size, colour = rng.normal(size=n), rng.choice(["red", "green", "blue"], n)
    sunny = rng.random(n) < 0.4
    days = rng.integers(0, 700, n)
    signal = 2 * size + (colour == "red") * 2 - sunny + days / 700 + rng.normal(scale=0.3, size=n)
    table = pd.DataFrame(
        {
            "size": np.where(rng.random(n) < 0.1, np.nan, size),
            "count": rng.integers(0, 9, n),
            "colour": pd.Series(colour).mask(rng.random(n) < 0.1),
            "sunny": sunny,
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(days, unit="D"),
        }
    )
    if kind == "regression":
        return table.assign(target=signal)
    names = ["low", "middle", "high"] if kind == "multiclass" else ["no", "yes"]
    return table.assign(target=pd.qcut(signal, len(names), labels=names).astype(str))


@pytest.fixture
def mixed_file(tmp_path):
    def write(kind: str, suffix: str = ".csv") -> Path:
        path: Path = tmp_path / f"{kind}{suffix}"
        table = mixed_table(kind)
        if suffix == ".parquet":
            table.to_parquet(path, index=False)
        else:
            table.to_csv(path, index=False)
        return path

    return write
