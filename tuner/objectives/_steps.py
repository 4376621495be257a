"""Models that are trained step by step, and what they say of the validation rows after each step.

A stepper trains one model on one fold. Cross-validation advances one stepper a fold in turn, so a report is a mean over all
folds from the first step on, comparable between trials. No callback is involved: a stop raised by a report passes through our
own loop only.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight

from tuner.objectives._folds import Part, Prepared
from tuner.registry.predictor import Responses, Task, respond

__all__ = ["DEFAULT_EPOCHS", "EpochStepper", "Job", "PlainStepper", "Stepper", "takes_epochs"]

DEFAULT_EPOCHS = 100
"""Most epochs when the space does not set ``max_iter``: scikit-learn's own 1,000 are a bound that its stopping rule needs."""


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """What all steppers of a trial share.

    Attributes:
        estimator: Built, not fitted; a stepper trains it, so each fold gets one of its own.
        task: What is learned.
        n_classes: How many classes; 0 for regression.
        wanted: Responses to ask for.
        weight_argument: What ``fit`` calls row weights; None when it takes none.
        seed: For what a stepper draws by itself.
        epochs_given: Whether the trial sets ``max_iter``.
    """

    estimator: Any
    task: Task
    n_classes: int
    wanted: tuple[Any, ...]
    weight_argument: str | None
    seed: int
    epochs_given: bool = False


class Stepper(Protocol):
    """Trains one model."""

    n_steps: int

    @property
    def finished(self) -> bool:
        """Whether more steps would change nothing."""

    @property
    def model(self) -> Any:
        """The model as it stands, fit to be asked and saved."""

    def advance(self) -> None:
        """Train one step."""

    def responses(self) -> Responses:
        """What the model says of the validation rows now."""


class PlainStepper:
    """One step: ``fit``."""

    n_steps = 1

    def __init__(self, job: Job, fold: Prepared) -> None:
        self._job, self._fold = job, fold
        self.finished = False
        self.model = job.estimator

    def advance(self) -> None:
        """Fit."""
        self.model.fit(self._fold.train.x, self._fold.train.y, **_weights(self._job, self._fold.train))
        self.finished = True

    def responses(self) -> Responses:
        """Of the validation rows."""
        assert self._fold.valid is not None
        return respond(self.model, self._fold.valid.x, self._job.task, self._job.wanted)


def _weights(job: Job, part: Part) -> dict[str, Any]:
    if part.weights is None or job.weight_argument is None:
        return {}
    return {job.weight_argument: part.weights}


def takes_epochs(estimator: Any) -> bool:
    """Whether an estimator, as it is set, can be trained an epoch at a time by ``partial_fit``.

    It needs ``partial_fit`` and ``max_iter``, as SGD and MLP estimators have them. An MLP with ``solver="lbfgs"`` has no
    epochs, and ``early_stopping`` sets rows aside on its own; both are trained in one go.
    """
    if not hasattr(estimator, "max_iter") or not hasattr(type(estimator), "partial_fit"):
        return False
    return getattr(estimator, "solver", None) != "lbfgs" and not getattr(estimator, "early_stopping", False)


class EpochStepper:
    """One ``partial_fit`` over all training rows a step.

    Each epoch shuffles anew: a ``random_state`` that is a number would give every ``partial_fit`` the same order. Where the
    estimator keeps its training loss (MLP), training ends by scikit-learn's own rule: no gain of ``tol`` in
    ``n_iter_no_change`` epochs running.
    """

    def __init__(self, job: Job, fold: Prepared) -> None:
        self._job, self._fold = job, fold
        estimator = job.estimator
        most = int(estimator.max_iter) if job.epochs_given else min(int(estimator.max_iter), DEFAULT_EPOCHS)
        self.n_steps = max(1, most)
        self._options: dict[str, Any] = _weights(job, fold.train)
        if (
            getattr(estimator, "class_weight", None) == "balanced"
        ):  # partial_fit cannot count classes that it has not seen
            by_class = compute_sample_weight("balanced", fold.train.y)
            given = self._options.get("sample_weight")
            self._options["sample_weight"] = by_class if given is None else by_class * given
            estimator.set_params(class_weight=None)
        if job.task == "classification":
            self._options["classes"] = np.arange(job.n_classes)
        estimator.set_params(random_state=np.random.RandomState(job.seed))
        self._estimator = estimator
        self._step = 0

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or the training loss no longer falls."""
        return self._step >= self.n_steps or self._stalled()

    def _stalled(self) -> bool:
        losses = getattr(self._estimator, "loss_curve_", None)
        patience = getattr(self._estimator, "n_iter_no_change", None)
        tolerance = getattr(self._estimator, "tol", None)
        if not losses or patience is None or tolerance is None or len(losses) <= patience:
            return False
        best = np.minimum.accumulate(losses)
        gains = np.asarray(losses[1:]) <= best[:-1] - tolerance
        return not bool(gains[-int(patience) :].any())

    def state(self) -> bytes:
        """The estimator with its random state: training goes on as if it had never been interrupted."""
        return pickle.dumps(self._estimator, protocol=5)

    def restore(self, state: bytes, step: int) -> None:
        """Go on from a state; parameters other than those that shaped the model are this job's."""
        chosen = {k: v for k, v in self._estimator.get_params(deep=False).items() if k != "random_state"}
        self._estimator = pickle.loads(state).set_params(**chosen)
        rate = chosen.get("learning_rate_init")
        optimizer = getattr(self._estimator, "_optimizer", None)
        if rate is not None and optimizer is not None:
            optimizer.learning_rate_init = rate  # an MLP looks at its own parameter only when training begins
        self._step = step

    @property
    def model(self) -> Any:
        """The estimator, its ``random_state`` a plain number again."""
        self._estimator.set_params(random_state=self._job.seed)
        return self._estimator

    def advance(self) -> None:
        """One epoch."""
        self._estimator.partial_fit(self._fold.train.x, self._fold.train.y, **self._options)
        self._options.pop("classes", None)
        self._step += 1

    def responses(self) -> Responses:
        """Of the validation rows."""
        assert self._fold.valid is not None
        return respond(self._estimator, self._fold.valid.x, self._job.task, self._job.wanted)
