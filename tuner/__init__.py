"""tuner: a distributed hyperparameter-tuning engine.

    import tuner

    def train(params, context):
        for step in range(50):
            loss = ...
            context.report(step, loss=loss)
        return {"loss": loss}

    study = tuner.run(train, space={"lr": tuner.Float(1e-5, 1e-1, log=True)}, metric="loss", goal="minimize", trials=50)
    print(study.best_params, study.best_value)

Importing it loads neither Ray nor Optuna nor any other large library; they come when they are needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuner.errors import InvalidParams, TrialPruned, TunerError
from tuner.space import Categorical, Constant, Float, Int, SearchSpace
from tuner.study import Constraint, Metric
from tuner.trial import Attempt, Failed, FailureKind, Report, Trial, TrialState

if TYPE_CHECKING:
    from tuner.api import Study, load_study, resume, run
    from tuner.worker import checkpoint, report, save_checkpoint

__version__ = "0.1.0"

__all__ = [
    "Attempt",
    "Categorical",
    "Constant",
    "Constraint",
    "Failed",
    "FailureKind",
    "Float",
    "Int",
    "InvalidParams",
    "Metric",
    "Report",
    "SearchSpace",
    "Study",
    "Trial",
    "TrialPruned",
    "TrialState",
    "TunerError",
    "__version__",
    "checkpoint",
    "load_study",
    "report",
    "resume",
    "run",
    "save_checkpoint",
]

_LAZY = {
    "run": "tuner.api",
    "resume": "tuner.api",
    "load_study": "tuner.api",
    "Study": "tuner.api",
    "report": "tuner.worker",
    "checkpoint": "tuner.worker",
    "save_checkpoint": "tuner.worker",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'tuner' has no attribute {name!r}")
