"""An estimator's import path -> something that builds it from a trial's parameters, and knows which it accepts."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from tuner.errors import InvalidParams, ObjectiveError, closest
from tuner.objectives._imports import import_path
from tuner.objectives._native_names import NATIVE_NAMES, NEEDS_VALIDATION_ROWS
from tuner.objectives._parameters import SplitParams
from tuner.registry.predictor import Task

__all__ = ["Blueprint", "Traits", "read_blueprint"]

_TREES = ("sklearn.tree", "sklearn.ensemble", "xgboost", "lightgbm", "catboost")
# BernoulliNB is the exception: it cuts at 0, which means something only for features around their mean.
_UNSCALED = (*_TREES, "sklearn.naive_bayes", "sklearn.dummy")
_THREADS = ("n_jobs", "nthread", "num_threads", "thread_count")


@dataclass(frozen=True, slots=True)
class Traits:
    """What decides the default preprocessing.

    Attributes:
        tree: Splits on thresholds, so neither scale nor the order of codes matters much.
        allow_nan: Takes missing values as they are.
        scaled: Is better off with features of one scale.
        frame: Wants a table with named columns, because it holds a ``ColumnTransformer`` of its own.
    """

    tree: bool
    allow_nan: bool
    scaled: bool
    frame: bool


@dataclass(frozen=True, slots=True, eq=False)
class Blueprint:
    """How one estimator is built.

    Attributes:
        path: Its import path, for messages.
        make: Called with the keyword arguments.
        task: What it is for; None when it does not say.
        traits: Of the estimator built without arguments; None when it cannot be built so.
        keywords: Names that it accepts; None when it accepts any.
        nested: ``step__name`` names that it accepts.
        weight_argument: What its ``fit`` calls row weights; None when it takes none.
    """

    path: str
    make: Callable[..., Any]
    task: Task | None
    traits: Traits
    keywords: frozenset[str] | None
    nested: frozenset[str]
    weight_argument: str | None

    def build(self, params: SplitParams, seed: int, threads: int) -> Any:
        """A new estimator.

        Args:
            params: The trial's.
            seed: For every ``random_state`` that the trial does not set.
            threads: For every ``n_jobs`` and the like that the trial does not set.

        Raises:
            InvalidParams: The estimator refuses the parameters.
        """
        settable = {k: v for k, v in params.keywords.items() if k in self._set_later}
        try:
            estimator = self.make(**{k: v for k, v in params.keywords.items() if k not in settable})
            if params.nested or settable:
                estimator.set_params(**settable, **params.nested)
        except (TypeError, ValueError) as error:
            raise InvalidParams(f"{self.path} refuses its parameters: {error}") from error
        _set_defaults(estimator, {**params.keywords, **params.nested}, seed, threads)
        return estimator

    @property
    def _set_later(self) -> frozenset[str]:
        """Keywords that a factory's signature does not have, but the estimator that it returns does."""
        if inspect.isclass(self.make) or self.keywords is None:
            return frozenset()
        return self.keywords - _signature(self.make)[0]

    def check_name(self, name: str, written: str) -> None:
        """Raise unless the estimator accepts a parameter.

        Args:
            name: The keyword or ``step__name``.
            written: The same as the search space has it.

        Raises:
            ObjectiveError: It does not; names the closest that it accepts.
        """
        if name in NEEDS_VALIDATION_ROWS and self.path.startswith(("xgboost", "lightgbm")):
            raise ObjectiveError(
                f"parameter {written!r}: a trial of {self.path} has no validation rows of its own to stop early on",
                hint="let a pruner stop trials instead, for example pruner: asha",
            )
        known = self.nested if "__" in name else self.keywords
        if known is None or name in known:
            return
        near = closest(name, known)
        raise ObjectiveError(
            f"parameter {written!r}: {self.path} accepts no {name!r}",
            hint=f"did you mean {near!r}?" if near else f"it accepts: {', '.join(sorted(known)[:30]) or 'none'}",
        )


def read_blueprint(path: str, base: Path | None, constants: Mapping[str, Any]) -> Blueprint:
    """Import an estimator and learn what it accepts.

    Args:
        path: Import path of a class, of a function that returns an estimator, or of an estimator.
        base: The sweep file's folder.
        constants: Keyword arguments that are the same in all trials; it is built once with those that it has.

    Raises:
        ObjectiveError: It cannot be imported, cannot be built, or is no estimator.
    """
    found = import_path(path, base, "estimator", _is_estimator_class)
    make: Callable[..., Any] = found
    if not callable(found):
        if not isinstance(found, BaseEstimator):
            raise ObjectiveError(
                f"estimator {path!r} is a {type(found).__name__}, not an estimator",
                hint="name a class, a function that returns an estimator, or an estimator",
            )
        make = _Copies(found)
    names, takes_any, required = _signature(make)
    example = _example(make, path, {k: v for k, v in constants.items() if k in names or takes_any}, required)
    for method in ("fit", "predict"):
        if not hasattr(example, method):
            kind = "class" if inspect.isclass(found) else "function's result"
            raise ObjectiveError(
                f"estimator {path!r}: the {kind} has no method {method!r}, so it is no estimator",
                hint="an estimator has fit(X, y) and predict(X), as scikit-learn's have",
            )
    deep = set(example.get_params(deep=True)) if hasattr(example, "get_params") else set()
    library = type(example).__module__.partition(".")[0]
    if takes_any:  # such a class takes whatever it is given as its own; what it has without being given anything is
        deep -= set(constants) - names - _own_names(make, required)
    plain = names | {name for name in deep if "__" not in name} | NATIVE_NAMES.get(library, frozenset())
    return Blueprint(
        path=path,
        make=make,
        task=_task(example),
        traits=_traits(example),
        keywords=None if takes_any and library not in NATIVE_NAMES else frozenset(plain),
        nested=frozenset(name for name in deep if "__" in name),
        weight_argument=_weight_argument(example),
    )


@dataclass(frozen=True, slots=True)
class _Copies:
    """Makes unfitted copies of an estimator that a module holds ready."""

    estimator: Any

    def __call__(self) -> Any:
        return clone(self.estimator)


def _is_estimator_class(value: object) -> bool:
    return inspect.isclass(value) and hasattr(value, "fit") and hasattr(value, "predict")


def _signature(make: Callable[..., Any]) -> tuple[frozenset[str], bool, frozenset[str]]:
    """(keyword names, whether any others are taken, those without a default)."""
    try:
        parameters = inspect.signature(make).parameters.values()
    except (TypeError, ValueError):
        return frozenset(), True, frozenset()
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    return frozenset(p.name for p in named), takes_any, frozenset(p.name for p in named if p.default is p.empty)


def _own_names(make: Callable[..., Any], required: Iterable[str]) -> frozenset[str]:
    """Parameters of an estimator that was given nothing."""
    if set(required):
        return frozenset()
    try:
        return frozenset(make().get_params(deep=True))
    except Exception:  # a user's function may raise anything; it has been called with its constants before
        return frozenset()


def _example(make: Callable[..., Any], path: str, arguments: Mapping[str, Any], required: Iterable[str]) -> Any:
    absent = sorted(set(required) - set(arguments))
    if absent:
        raise ObjectiveError(
            f"estimator {path!r} needs the argument{'s' * (len(absent) > 1)} {', '.join(map(repr, absent))}",
            hint="give each a constant in the space ({value: ...}), or name a function that returns the estimator",
        )
    try:
        return make(**arguments)
    except Exception as error:  # a user's function may raise anything
        raise ObjectiveError(f"estimator {path!r} cannot be built: {type(error).__name__}: {error}") from error


def _task(estimator: Any) -> Task | None:
    try:
        return "classification" if is_classifier(estimator) else "regression" if is_regressor(estimator) else None
    except (AttributeError, TypeError):  # no tags: not derived from scikit-learn's BaseEstimator
        return None


def _traits(estimator: Any) -> Traits:
    first, last = estimator, estimator
    pipeline = isinstance(estimator, Pipeline)
    if pipeline:
        first, last = estimator.steps[0][1], estimator.steps[-1][1]
    module = type(last).__module__
    try:
        allow_nan = bool(get_tags(first).input_tags.allow_nan)
    except (AttributeError, TypeError):
        allow_nan = False
    return Traits(
        tree=module.startswith(_TREES),
        allow_nan=allow_nan,
        scaled=not pipeline and (not module.startswith(_UNSCALED) or type(last).__name__ == "BernoulliNB"),
        frame=type(first).__name__ == "ColumnTransformer",
    )


def _weight_argument(estimator: Any) -> str | None:
    name, last = "sample_weight", estimator
    while isinstance(last, Pipeline):
        step, last = last.steps[-1]
        name = f"{step}__{name}"
    return name if has_fit_parameter(last, "sample_weight") else None


def _set_defaults(estimator: Any, given: Mapping[str, Any], seed: int, threads: int) -> None:
    if not hasattr(estimator, "get_params"):
        return
    defaults: dict[str, Any] = {}
    settings = estimator.get_params(deep=True)
    for name, value in settings.items():
        owner, _, last = name.rpartition("__")
        if name in given or (name == "random_state" and "seed" in given):
            continue
        if last == "random_state" and (value is None or isinstance(value, np.random.RandomState)):
            defaults[name] = seed
        elif last in _THREADS and _uses_threads(settings[owner] if owner else estimator):
            defaults[name] = threads
    if any(name in given for name in _THREADS):
        defaults = {name: value for name, value in defaults.items() if name not in _THREADS}
    if defaults:
        estimator.set_params(**defaults)


def _uses_threads(estimator: Any) -> bool:
    """Whether its ``n_jobs`` means anything: since scikit-learn 1.8 that of LogisticRegression only makes a warning."""
    return type(estimator).__name__ != "LogisticRegression"
