"""One trial: steppers on every fold, reports by the chosen fidelity, the final values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from tuner.core.ports import Context
from tuner.errors import InvalidParams, SweepError, closest
from tuner.objectives._boosters import LightGBMStepper, XGBoostStepper, booster_kind
from tuner.objectives._folds import Prepared
from tuner.objectives._measures import Meter
from tuner.objectives._metrics import Metrics
from tuner.objectives._resuming import Saver, Saves
from tuner.objectives._steps import EpochStepper, Job, PlainStepper, Stepper, takes_epochs

__all__ = [
    "Fidelity",
    "Measuring",
    "Pace",
    "choose_fidelity",
    "fit_to",
    "parse_fidelity",
    "train_by_folds",
    "train_by_steps",
]

Fidelity = Literal["boosting_rounds", "epochs", "folds", "none"]
Measuring = tuple[Metrics, Meter]


class Pace(NamedTuple):
    """When trials report and save.

    Attributes:
        every: Steps from report to report.
        saves: When they save.
    """

    every: int
    saves: Saves


_FITS = {
    "boosting_rounds": "an XGBoost or LightGBM estimator",
    "epochs": "an estimator with partial_fit and max_iter, as SGDClassifier or MLPClassifier",
    "folds": "validation: {kind: cv}",
}


def parse_fidelity(value: object) -> Fidelity | None:
    """The ``fidelity`` option; None when it is left to the estimator.

    Raises:
        SweepError: There is no such fidelity.
    """
    if value is None:
        return None
    if value is False:
        return "none"
    for known in get_args(Fidelity):
        if value == known:
            return known  # type: ignore[no-any-return]
    near = closest(str(value), get_args(Fidelity))
    raise SweepError(
        "unknown fidelity",
        path="objective.fidelity",
        got=value,
        expected=f"one of {', '.join(get_args(Fidelity))}",
        hint=f"did you mean {near!r}?" if near else None,
    )


def choose_fidelity(wanted: Fidelity | None, estimator: Any, *, cv: bool, several: bool) -> Fidelity:
    """What a trial's reports mean.

    Args:
        wanted: As the sweep file has it; None for the finest that the estimator has.
        estimator: Built as the trials will build it.
        cv: Whether validation is a cross-validation.
        several: Whether the space chooses among estimators; their rounds and epochs could not be compared, so only folds
            are reported unless ``wanted`` says otherwise.

    Raises:
        SweepError: The estimator, or the validation, has nothing of the kind that is wanted.
    """
    suited = {
        "boosting_rounds": booster_kind(estimator) is not None,
        "epochs": hasattr(estimator, "max_iter") and hasattr(type(estimator), "partial_fit"),
        "folds": cv,
        "none": True,
    }
    if wanted is None:
        order: Sequence[Fidelity] = ("folds", "none") if several else ("boosting_rounds", "epochs", "folds", "none")
        return next(fidelity for fidelity in order if suited[fidelity])
    if not suited[wanted]:
        others = [name for name, suits in suited.items() if suits]
        raise SweepError(
            f"{wanted} needs {_FITS[wanted]}; the estimator is {type(estimator).__name__}",
            path="objective.fidelity",
            got=wanted,
            expected=f"one of {', '.join(others)}",
        )
    return wanted


def make_stepper(job: Job, fold: Prepared, fidelity: Fidelity) -> Stepper:
    """The finest stepper that the estimator has; epochs only when they are asked for (``fit`` has its own stopping)."""
    kind = booster_kind(job.estimator)
    if kind == "xgboost":
        return XGBoostStepper(job, fold)
    if kind == "lightgbm":
        return LightGBMStepper(job, fold)
    if fidelity == "epochs" and takes_epochs(job.estimator):
        return EpochStepper(job, fold)
    return PlainStepper(job, fold)


def _advance(stepper: Stepper) -> None:
    try:
        stepper.advance()
    except ValueError as error:
        # scikit-learn checks single parameters when fit begins; its exception class is private.
        if type(error).__name__ == "InvalidParameterError":
            raise InvalidParams(str(error)) from error
        raise


def fit_to(job: Job, fold: Prepared, fidelity: Fidelity, steps: int | None) -> Any:
    """Train on all rows of ``fold.train`` and return the model.

    Args:
        job: The trial's.
        fold: Rows; no validation rows are needed.
        fidelity: The study's.
        steps: How many rounds or epochs were validated; None for all.
    """
    stepper = make_stepper(job, fold, fidelity)
    stepped = fidelity in ("boosting_rounds", "epochs") and not isinstance(stepper, PlainStepper)
    for _ in range(min(steps, stepper.n_steps) if steps is not None and stepped else stepper.n_steps):
        _advance(stepper)
    return stepper.model


def train_by_steps(
    jobs: Sequence[tuple[Job, Prepared]], fidelity: Fidelity, measuring: Measuring, context: Context, pace: Pace
) -> dict[str, float]:
    """All folds step by step, each report the mean over the folds after that many steps.

    Args:
        jobs: One for each fold.
        fidelity: What a step is.
        measuring: Scores, and what is measured besides.
        context: The attempt's; training goes on from its checkpoint.
        pace: When to report and when to save.

    Returns:
        The means after the last step, which is always reported, and what is measured besides.
    """
    metrics, meter = measuring
    with meter.fitting():
        steppers = [make_stepper(job, fold, fidelity) for job, fold in jobs]
    first, rows = steppers[0], _rows(jobs[0][1])
    saver = Saver(steppers, meter, context, pace.saves)
    step = saver.resume()
    while True:
        with meter.fitting():
            for stepper in steppers:
                if not stepper.finished:
                    _advance(stepper)
        step += 1
        done = all(stepper.finished for stepper in steppers)
        if done or step % pace.every == 0:
            scores = [_score(metrics, stepper, fold) for stepper, (_, fold) in zip(steppers, jobs, strict=True)]
            values = _mean(scores)
            with saver.reporting(step):
                context.report(step, values | meter.report(first.model, rows, len(jobs)))
            if done:
                return values | meter.final(first.model, rows, len(jobs))


def train_by_folds(
    count: int,
    make: Callable[[int], tuple[Job, Prepared]],
    fidelity: Fidelity,
    measuring: Measuring,
    context: Context,
) -> dict[str, float]:
    """One fold after the other; with fidelity ``folds`` each is reported as the mean over the folds so far.

    Returns:
        The means over all folds, and what is measured besides.
    """
    metrics, meter = measuring
    scores: list[dict[str, float]] = []
    for index in range(count):
        job, fold = make(index)
        with meter.fitting():
            stepper = make_stepper(job, fold, fidelity)
            for _ in range(stepper.n_steps):
                _advance(stepper)
        scores.append(_score(metrics, stepper, fold))
        if fidelity == "folds":
            context.report(index + 1, _mean(scores) | meter.report(stepper.model, _rows(fold), index + 1))
    return _mean(scores) | meter.final(stepper.model, _rows(fold), count)


def _rows(fold: Prepared) -> Any:
    """The validation rows, as a model takes them."""
    assert fold.valid is not None
    return fold.valid.x


def _score(metrics: Metrics, stepper: Stepper, fold: Prepared) -> dict[str, float]:
    assert fold.valid is not None
    return metrics.score(fold.valid.y, stepper.responses(), fold.valid.weights)


def _mean(scores: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([score[name] for score in scores])) for name in scores[0]}
