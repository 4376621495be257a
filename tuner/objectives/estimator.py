"""The ``estimator`` objective: any scikit-learn-compatible class, a table, a validation scheme."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import parallel_config  # type: ignore[import-untyped]
from threadpoolctl import threadpool_limits

from tuner.core.ports import Context, FinalModel, Objective
from tuner.errors import InvalidParams, ObjectiveError, RegistryError, SweepError
from tuner.objectives import _checks as checks
from tuner.objectives._build import Blueprint, read_blueprint
from tuner.objectives._data import load
from tuner.objectives._folds import Preparation, Prepared
from tuner.objectives._measures import Meter, what_is_wanted
from tuner.objectives._metrics import Metrics, resolve_metrics
from tuner.objectives._parameters import SplitParams, split_params
from tuner.objectives._pickle import dump
from tuner.objectives._preprocess import Choices
from tuner.objectives._resuming import Saves, saves_of
from tuner.objectives._sources import DataOptions
from tuner.objectives._splits import SplitOptions, Splits, make_splits, parse_test
from tuner.objectives._steps import Job
from tuner.objectives._table import Table, infer_task, make_table
from tuner.objectives._training import (
    Fidelity,
    Pace,
    choose_fidelity,
    fit_to,
    parse_fidelity,
    train_by_folds,
    train_by_steps,
)
from tuner.registry.package import finite, load_model, save_model, versions
from tuner.registry.predictor import Predictor, Task
from tuner.study import StudySpec, trial_seed
from tuner.trial import Params, Trial

__all__ = ["Estimator"]

_CHECKED_ROWS = 1000


@contextmanager
def _bounded(threads: int) -> Iterator[None]:
    """Bound thread pools; what joblib runs in parallel runs in threads: processes would be outside the grant."""
    with threadpool_limits(threads), parallel_config("threading", n_jobs=threads):
        yield


def _agree(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Whether two predictions are the same but for rounding: forests add up their trees in no fixed order."""
    numbers = [name for name in one if pd.api.types.is_float_dtype(one[name])]
    exact = [] if numbers else list(one)
    return list(one) == list(other) and bool(
        one[exact].equals(other[exact]) and np.allclose(one[numbers], other[numbers], rtol=1e-6, equal_nan=True)
    )


class Estimator(Objective):
    """Trains and validates an estimator on a table.

    All trials see the same folds, and draw from the same ``random_state`` where they do not set one (common random numbers):
    both come from the study's seed, so two trials differ by their parameters only, and equal parameters give equal values.

    Args:
        estimator: Import path of a class, of a function that returns an estimator or a pipeline, or of an estimator;
            ``from_space`` when the space has a parameter ``estimator`` that chooses one.
        data: What to learn from; the keys are those of ``tuner.objectives._sources.DataOptions``.
        validation: ``{kind: holdout, size: 0.2}`` (what None means) or ``{kind: cv, folds: 5, repeats: 1}``; both take
            ``stratify`` (true unless said otherwise; of no effect for numbers) and ``groups``.
        test: ``{size: 0.2}`` (what None means): the share of rows set aside before anything else and seen once, by the final
            model. False or 0 for none.
        fidelity: What reports are about: ``boosting_rounds`` (XGBoost, LightGBM), ``epochs`` (``partial_fit`` estimators with
            ``max_iter``), ``folds`` (cross-validation) or ``none``. None for the first of them that there is, but rounds
            and epochs of different estimators are never compared unless asked for. Final values are those after the last step.
        report_every: Rounds or epochs from report to report, at least 1; the last one is always reported.
        preprocess: Choices of ``tuner.objectives._preprocess.Choices`` by name, which parameters ``preprocess.<choice>``
            override; ``none`` or False hands the estimator a table with named columns; None for what suits the estimator.
        class_weight: ``balanced``, or a mapping from classes to weights: how much rows of a class count in fitting. None
            for all the same. Scores are not weighted by it.
        metrics: Names of metrics to compute besides the study's; also ``predict_ms``, ``fit_s`` and ``model_mib``, which are
            measured (see ``tuner.objectives._measures``). What constraints name is computed anyhow.
        base: Folder from which relative paths count and in which modules are looked for; None for the working directory.

    Raises:
        SweepError: An option is wrong.
    """

    def __init__(  # noqa: PLR0913 -- the options of the sweep file, all by keyword
        self,
        *,
        estimator: str,
        data: Mapping[str, Any],
        validation: Mapping[str, Any] | None = None,
        test: Mapping[str, Any] | float | bool | None = None,
        fidelity: str | bool | None = None,
        report_every: int = 1,
        preprocess: Mapping[str, Any] | str | bool | None = None,
        class_weight: str | Mapping[Any, float] | None = None,
        metrics: Sequence[str] = (),
        base: str | Path | None = None,
    ) -> None:
        self._estimator = estimator
        self._data = DataOptions.parse(data)
        self._validation = SplitOptions.parse(validation)
        self._test_size = parse_test(test)
        self._wanted_fidelity = parse_fidelity(fidelity)
        if isinstance(report_every, bool) or not isinstance(report_every, int) or report_every < 1:
            raise SweepError(
                "must be a whole number", path="objective.report_every", got=report_every, expected="at least 1"
            )
        self._every = report_every
        self._as_frame = preprocess is False or preprocess == "none"
        if not self._as_frame and not (preprocess is None or isinstance(preprocess, Mapping)):
            raise SweepError(
                "must be choices by name",
                path="objective.preprocess",
                got=preprocess,
                expected="{scaler: standard} or none",
            )
        self._choices = dict(preprocess) if isinstance(preprocess, Mapping) else {}
        self._class_weight = class_weight
        self._extra = (metrics,) if isinstance(metrics, str) else tuple(metrics)
        self._base = Path(base) if base is not None else Path.cwd()

    # What prepare finds out. Unset before: an objective that was not prepared cannot run.
    _seed: int
    _blueprints: dict[str | None, Blueprint]
    _fidelities: dict[str | None, Fidelity]
    _metrics: Metrics
    _measures: tuple[str, ...]
    _first_metric: str
    _splits: Splits
    _preparation: Preparation
    _saves: Saves

    def prepare(self, spec: StudySpec) -> None:
        """Load the data and check everything. See ``Objective.prepare``."""
        paths = checks.families(self._estimator, spec.space)
        several = self._estimator == checks.FROM_SPACE
        self._seed = trial_seed(spec.seed, -1)
        self._saves = saves_of(spec)
        self._blueprints = {}
        for path in paths:
            family = path if several else None
            self._blueprints[family] = read_blueprint(path, self._base, checks.constants_for(spec.space, family))
        checks.check_names(spec.space, self._blueprints)
        frame = self._as_frame or all(blueprint.traits.frame for blueprint in self._blueprints.values())
        checks.check_preprocess(spec.space, self._choices, frame=frame)
        raw = load(self._data, self._base, self._validation.groups)
        task = self._task() or infer_task(raw.target)
        table = make_table(raw, self._data, task)
        wanted = what_is_wanted(spec, self._extra)
        self._metrics = resolve_metrics(wanted.metrics, wanted.extra, task, table.classes, self._base)
        self._measures, self._first_metric = wanted.measures, spec.metric.name
        self._splits = make_splits(table, self._validation, self._test_size, self._seed)
        self._preparation = Preparation(table, self._splits, self._weights_by_class(table), self._seed)
        self._check_families(spec)
        self.uses_gpu = checks.may_use_gpu(paths, spec.space)

    def _task(self) -> Task | None:
        tasks = {blueprint.task: blueprint.path for blueprint in self._blueprints.values() if blueprint.task}
        if len(tasks) > 1:
            raise ObjectiveError(
                f"the space chooses among classifiers ({tasks['classification']}) and regressors ({tasks['regression']})",
                hint="a study has one target: keep one kind",
            )
        return next(iter(tasks), None)

    def _weights_by_class(self, table: Table) -> Any:
        given = self._class_weight
        if given is None or given == "balanced":
            if given and table.task == "regression":
                raise SweepError("needs classes, but the target is numbers", path="objective.class_weight", got=given)
            return given
        if not isinstance(given, Mapping) or not all(isinstance(w, int | float) and w >= 0 for w in given.values()):
            raise SweepError(
                "must be balanced or a weight by class",
                path="objective.class_weight",
                got=given,
                expected="{yes: 5, no: 1}",
            )
        by_label = {str(name): float(weight) for name, weight in given.items()}
        if set(by_label) != {str(name) for name in table.classes}:
            raise SweepError(
                "must name every class",
                path="objective.class_weight",
                got=dict(given),
                expected=f"the classes {', '.join(map(repr, table.classes))}",
            )
        return {position: by_label[str(name)] for position, name in enumerate(table.classes)}

    def _check_families(self, spec: StudySpec) -> None:
        table, several = self._preparation.table, len(self._blueprints) > 1
        self._fidelities = {}
        for family, blueprint in self._blueprints.items():
            if blueprint.weight_argument is None and (table.weights is not None or self._class_weight is not None):
                raise ObjectiveError(
                    f"{blueprint.path} takes no row weights, which class_weight and data.weights need",
                    hint="remove them, or use an estimator whose fit has sample_weight",
                )
            choices = self._choices_of(blueprint, {})
            if (
                choices
                and choices.imputer == "none"
                and not blueprint.traits.allow_nan
                and np.isnan(table.matrix).any()
            ):
                raise ObjectiveError(
                    f"{blueprint.path} takes no missing values, but {table.origin.get('path') or self._data.source} has some",
                    hint="set objective.preprocess.imputer: median, or remove imputer: none",
                )
            example = checks.usable_example(spec.space, family, blueprint, self._metrics, self._seed)
            self._fidelities[family] = choose_fidelity(
                self._wanted_fidelity, example, cv=self._validation.kind == "cv", several=several
            )
        self.last_step = checks.last_step(spec.space, self._fidelities.values(), len(self._splits.folds))
        checks.check_reports(spec, self._fidelities.values(), self.last_step)
        by_steps = any(fidelity in ("boosting_rounds", "epochs") for fidelity in self._fidelities.values())
        self.checkpoints = (
            None if by_steps else False
        )  # whether a model can go on from a state shows when it is trained

    def _choices_of(self, blueprint: Blueprint, chosen: Mapping[str, Any]) -> Choices | None:
        if self._as_frame or blueprint.traits.frame:
            return None
        return Choices.for_estimator(blueprint.traits).updated(self._choices).updated(chosen)

    def run(self, params: Params, context: Context) -> Mapping[str, float]:
        """Train and validate once. See ``Objective.run``."""
        threads = max(1, int(context.grant.cpu))
        split = split_params(params)
        fidelity = self._fidelities[split.estimator]
        folds = self._splits.folds
        measuring = self._metrics, Meter(self._measures, self._first_metric, self._preparation.table.task)

        def prepared(index: int) -> tuple[Job, Prepared]:
            job, choices = self._job(split, threads)
            return job, self._preparation.fold(index, choices)

        with _bounded(threads):
            if fidelity in ("boosting_rounds", "epochs"):
                jobs = [prepared(index) for index in range(len(folds))]
                return train_by_steps(jobs, fidelity, measuring, context, Pace(self._every, self._saves))
            return train_by_folds(len(folds), prepared, fidelity, measuring, context)

    def _job(self, split: SplitParams, threads: int) -> tuple[Job, Choices | None]:
        blueprint = self._blueprints[split.estimator]
        table = self._preparation.table
        try:
            choices = self._choices_of(blueprint, split.preprocess)
            estimator = blueprint.build(split, self._seed, threads)
            wanted = self._metrics.wanted(estimator)
        except ObjectiveError as error:
            raise InvalidParams(str(error)) from error
        job = Job(
            estimator=estimator,
            task=table.task,
            n_classes=len(table.classes),
            wanted=wanted,
            weight_argument=blueprint.weight_argument,
            seed=self._seed,
            epochs_given="max_iter" in split.keywords,
        )
        return job, choices

    def finalize(self, trial: Trial, spec: StudySpec, directory: Path, lineage: Mapping[str, Any]) -> FinalModel:
        """Fit on training and validation rows, test, save, and read the saved model back. See ``Objective.finalize``."""
        table, rows = self._preparation.table, self._splits
        split = split_params(trial.params)
        threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        job, choices = self._job(split, threads)
        with _bounded(threads):
            fold = self._preparation.prepare(rows.tuning, None, choices)
            model = fit_to(job, fold, self._fidelities[split.estimator], trial.last_step)
            predictor = Predictor(model, fold.transformer, table.features, table.task, table.classes, choices is None)
            test: Mapping[str, float] = {}
            if len(rows.test):
                said = predictor.responses(table.matrix[rows.test], job.wanted)
                weights = None if table.weights is None else table.weights[rows.test]
                test = self._metrics.score(table.y[rows.test], said, weights)
        card = {
            "study": spec.name,
            "trial": trial.number,
            "estimator": self._blueprints[split.estimator].path,
            "parameters": dict(trial.params),
            "preprocess": None if choices is None else asdict(choices),
            "steps": trial.last_step,
            "metrics": {"validation": finite(trial.values), "test": finite(test)},
            "goals": {metric.name: metric.goal for metric in spec.metrics},
            "target": table.target,
            "reading": self._data.reading,
            "data": self.describe()["data"],
            "lineage": dict(lineage),
        }
        trusted = save_model(predictor, card, directory)
        self._read_back(predictor, directory, trusted)
        return FinalModel(directory, test, len(rows.tuning), len(rows.test))

    def _read_back(self, predictor: Predictor, directory: Path, trusted: Sequence[str]) -> None:
        """Raise unless the saved model says what the fitted one does, on the first rows; our own types are trusted here."""
        some = self._preparation.table.matrix[:_CHECKED_ROWS]
        saved = load_model(directory, trusted=trusted).predictor.table(some)
        if not _agree(predictor.table(some), saved):
            raise RegistryError(f"the model saved in {directory} predicts otherwise than the one that was fitted")

    def describe(self) -> Mapping[str, Any]:
        """Lineage as plain JSON data; empty before ``prepare``. See ``Objective.describe``."""
        if not hasattr(self, "_preparation"):
            return {}
        table, rows = self._preparation.table, self._splits
        train, valid = rows.folds[0]
        return {
            "data": {
                "sha256": table.sha256,
                **table.origin,
                "table_sha256": table.sha256,
                "shape": [table.n_rows, len(table.features)],
                "target": table.target,
                "notes": list(table.notes),
            },
            "task": table.task,
            "classes": list(table.classes),
            "rows": {"tuning": len(rows.tuning), "train": len(train), "validation": len(valid), "test": len(rows.test)},
            "folds": len(rows.folds),
            "estimators": {blueprint.path: self._fidelities[family] for family, blueprint in self._blueprints.items()},
            "versions": versions(),
        }

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Everything pickled in itself, so that every pickler carries modules beside the sweep file along.

        Arrays stay out of band for picklers that take them so (protocol 5).

        Raises:
            ObjectiveError: It holds something that cannot travel.
        """
        base = self._base.resolve()
        return _restored, dump(vars(self), "the estimator objective", base, out_of_band=protocol >= 5)


def _restored(payload: bytes, buffers: list[Any]) -> Estimator:
    """What ``Estimator.__reduce_ex__`` took apart."""
    restored = Estimator.__new__(Estimator)
    vars(restored).update(pickle.loads(payload, buffers=buffers))
    return restored
