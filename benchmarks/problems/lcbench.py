"""The LCBench surrogate of YAHPO Gym (Pfisterer, Schneider, Moosbauer, Binder, Bischl 2022): 34 real tasks, 7 parameters.

Regret is (max - validation accuracy) / (max - min), with the task's extremes as published beside the surrogate; a search may
find slightly better than that maximum. Epochs 2 to 51 are reported (1 is untrained, 52 repeats 51). The predicted runtime is
not monotone in the epoch: its running maximum is taken, so time never goes back. Needs onnxruntime and the surrogate's
folder (``--data``); everything else runs without.
"""

from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.problems.problem import Course, Problem
from tuner.space import Float, Int, SearchSpace
from tuner.trial import Params

__all__ = ["DATA", "EPOCHS", "LCBench", "available", "tasks"]

DATA = Path(__file__).parents[3] / "shared/data/yahpo/lcbench"
EPOCHS = tuple(range(2, 52))
COLUMNS = ("batch_size", "learning_rate", "momentum", "weight_decay", "num_layers", "max_units", "max_dropout")
SPACE = SearchSpace(
    {
        "batch_size": Int(16, 512, log=True),
        "learning_rate": Float(1e-4, 1e-1, log=True),
        "momentum": Float(0.1, 0.99),
        "weight_decay": Float(1e-5, 1e-1),
        "num_layers": Int(1, 5),
        "max_units": Int(64, 1024, log=True),
        "max_dropout": Float(0.0, 1.0),
    }
)
TICK_S = 1e-3  # least time between two reports, where the running maximum stands still


class LCBench(Problem):
    """One task.

    Args:
        task: Its OpenML number.
        data: The surrogate's folder.
        by_step: Whether every epoch is reported, or the last one only.
    """

    def __init__(self, task: str, data: Path = DATA, *, by_step: bool = False) -> None:
        name = f"lcbench-{task}" + ("-epochs" if by_step else "")
        super().__init__(name, "lcbench", SPACE, EPOCHS if by_step else EPOCHS[-1:])
        self._session = _session(data)
        self._low, self._high = _range(data, task)
        self._task = np.full((len(EPOCHS), 1), _codes(data)[task], np.int32)

    def _course(self, params: Params) -> Course:
        x = np.empty((len(EPOCHS), 1 + len(COLUMNS)), np.float32)
        x[:, 0] = EPOCHS
        x[:, 1:] = [params[name] for name in COLUMNS]
        predicted = self._session.run(None, {"x_cat": self._task, "x_cont": x})[0].astype(float)
        regrets = (self._high - predicted[:, 1]) / (self._high - self._low)
        at_s = np.maximum.accumulate(np.maximum(predicted[:, 0], TICK_S)) + TICK_S * np.arange(len(EPOCHS))
        if not self.by_step:
            return Course((float(regrets[-1]),), (float(at_s[-1]),))
        return Course(tuple(regrets.tolist()), tuple(at_s.tolist()))


def available(data: Path = DATA) -> bool:
    """Whether the surrogate is there and can be read."""
    try:
        import onnxruntime  # noqa: F401
    except ImportError:
        return False
    return (data / "model.onnx").exists()


def tasks(data: Path = DATA) -> list[str]:
    """Every task's OpenML number, in the order of the numbers."""
    return sorted(
        set(_codes(data)) - {"#na#", "167083"}, key=int
    )  # 167083 has a code, but is not in the surrogate's space


@cache
def _codes(data: Path) -> dict[str, int]:
    codes: dict[str, int] = json.loads((data / "encoding.json").read_text(encoding="utf-8"))["OpenML_task_id"]
    return codes


@cache
def _session(data: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(data / "model.onnx"), options)


def _range(data: Path, task: str) -> tuple[float, float]:
    with (data.parent / "instance_target_statistics.csv").open(encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if (r["metric"], r["instance"]) == ("val_accuracy", task)]
    found = {row["statistic"]: float(row["value"]) for row in rows if row["scenario"] == "lcbench"}
    return found["min"], found["max"]
