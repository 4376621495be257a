"""What stands between the encoded table and the estimator, by choices that may be part of the search space.

Everything here is fitted on the training rows of a fold only. Numbers are imputed and scaled; booleans imputed; categories
encoded, a missing value being a category of its own unless it is imputed; the parts of a date are numbers. Labels that are
rare or were not seen when it was fitted are handled by the encoder: no prediction fails for them.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectPercentile, VarianceThreshold, f_classif, f_regression
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)

from tuner.errors import ObjectiveError, closest
from tuner.objectives._build import Traits
from tuner.registry.features import Feature, Kind, positions
from tuner.registry.predictor import Task

__all__ = ["Choices", "make_transformer"]

_VALUES: Mapping[str, Sequence[str]] = {
    "scaler": ("none", "standard", "robust", "minmax", "quantile", "power"),
    "imputer": ("none", "mean", "median", "most_frequent", "constant"),
    "encoder": ("onehot", "ordinal", "target"),
    "categorical_imputer": ("none", "most_frequent"),
}
_ORDINAL_MAX = 1024


@dataclass(frozen=True, slots=True)
class Choices:
    """One way to prepare a table.

    Attributes:
        scaler: For numbers and dates: ``none``, ``standard``, ``robust``, ``minmax``, ``quantile`` (to a normal) or ``power``
            (Yeo-Johnson).
        imputer: For missing numbers: ``none`` (only where the estimator takes them), ``mean``, ``median``,
            ``most_frequent`` or ``constant`` (0).
        encoder: For categories: ``onehot``, ``ordinal`` (by label) or ``target`` (cross-fitted means of the target).
        categorical_imputer: ``none``: missing is a category of its own; ``most_frequent``.
        max_categories: Most one-hot columns of one column, 2 or more; rarer labels share one.
        indicator: Whether a column that says "was missing" is added for each number with missing values.
        select_percentile: Share of the prepared columns to keep, by univariate F-test, above 0 and up to 100.
    """

    scaler: str = "none"
    imputer: str = "none"
    encoder: str = "onehot"
    categorical_imputer: str = "none"
    max_categories: int = 64
    indicator: bool = False
    select_percentile: float = 100.0

    @classmethod
    def for_estimator(cls, traits: Traits) -> Self:
        """The choices that suit an estimator when nobody chooses: trees get codes and no scaling, the rest one-hot columns
        and standard scaling; missing numbers stay where they are understood, else become the median."""
        return cls(
            scaler="standard" if traits.scaled else "none",
            imputer="none" if traits.allow_nan else "median",
            encoder="ordinal" if traits.tree else "onehot",
        )

    def updated(self, values: Mapping[str, Any], where: str = "preprocess.") -> Choices:
        """The same with some choices replaced.

        Raises:
            ObjectiveError: A choice or its value is unknown.
        """
        names = [field.name for field in fields(self)]
        for name, value in values.items():
            if name not in names:
                near = closest(name, names)
                raise ObjectiveError(
                    f"there is no preprocessing choice {where + name!r}",
                    hint=f"did you mean {where + near!r}?" if near else f"there are: {', '.join(names)}",
                )
            _check(name, value, where)
        plain: dict[str, Any] = dict(values)
        # YAML and Python both write "no choice" as null or false; the words of scikit-learn are kept for the rest.
        plain |= {name: "none" for name, value in values.items() if name in _VALUES and value in (None, False)}
        return replace(self, **plain)

    @property
    def key(self) -> tuple[Any, ...]:
        """Hashable; equal for equal choices."""
        return tuple(asdict(self).values())


def _check(name: str, value: Any, where: str) -> None:
    if name in _VALUES:
        if value not in (*_VALUES[name], None, False) and not (isinstance(value, str) and value in _VALUES[name]):
            near = closest(str(value), _VALUES[name])
            raise ObjectiveError(
                f"{where}{name} cannot be {value!r}; it is one of {', '.join(_VALUES[name])}",
                hint=f"did you mean {near!r}?" if near else None,
            )
        return
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if name == "indicator" and not isinstance(value, bool):
        raise ObjectiveError(f"{where}indicator cannot be {value!r}; it is true or false")
    if name == "max_categories" and not (number and value >= 2 and float(value).is_integer()):
        raise ObjectiveError(f"{where}max_categories cannot be {value!r}; it is a whole number of at least 2")
    if name == "select_percentile" and not (number and 0 < value <= 100):
        raise ObjectiveError(f"{where}select_percentile cannot be {value!r}; it is above 0 and at most 100")


def make_transformer(
    choices: Choices, features: Sequence[Feature], task: Task, *, seed: int, n_rows: int
) -> Pipeline | None:
    """An unfitted transformer of the encoded matrix; None when the matrix goes to the estimator as it is.

    ``n_rows`` is how many rows it will be fitted on, at least.

    ``select_percentile`` needs every value present, so missing numbers become the median where nothing else was chosen.
    """
    selecting = choices.select_percentile < 100
    if selecting and choices.imputer == "none":
        choices = replace(choices, imputer="median")
    parts = _parts(choices, positions(features), task, seed=seed, n_rows=n_rows)
    if all(step == "passthrough" for _, step, _ in parts) and not selecting:
        return None
    steps: list[tuple[str, Any]] = [("columns", ColumnTransformer(parts, sparse_threshold=0.0))]
    if selecting:
        test = f_classif if task == "classification" else f_regression
        steps.append(("varying", VarianceThreshold()))
        steps.append(("select", SelectPercentile(test, percentile=choices.select_percentile)))
    return Pipeline(steps)


def _parts(
    choices: Choices, columns: Mapping[Kind, list[int]], task: Task, *, seed: int, n_rows: int
) -> list[tuple[str, Any, list[int]]]:
    numbers = [*columns["number"], *columns["date"]]
    parts: list[tuple[str, Any, list[int]]] = []
    if numbers:
        parts.append(("numbers", _chain(_imputer(choices), _scaler(choices.scaler, seed, n_rows)), numbers))
    if columns["boolean"]:
        kept = choices.imputer == "none"
        step = None if kept else SimpleImputer(strategy="most_frequent", keep_empty_features=True)
        parts.append(("booleans", _chain(step), columns["boolean"]))
    if columns["category"]:
        missing = None
        if choices.categorical_imputer == "most_frequent":
            missing = SimpleImputer(strategy="most_frequent", keep_empty_features=True)
        parts.append(("categories", _chain(missing, _encoder(choices, task, seed)), columns["category"]))
    return parts


def _chain(*steps: Any) -> Any:
    present = [step for step in steps if step is not None]
    if not present:
        return "passthrough"
    return present[0] if len(present) == 1 else Pipeline([(type(step).__name__.lower(), step) for step in present])


def _imputer(choices: Choices) -> SimpleImputer | None:
    if choices.imputer == "none":
        return None
    fill = 0.0 if choices.imputer == "constant" else None
    return SimpleImputer(
        strategy=choices.imputer, fill_value=fill, add_indicator=choices.indicator, keep_empty_features=True
    )


def _scaler(name: str, seed: int, n_rows: int) -> Any:
    if name == "quantile":
        return QuantileTransformer(n_quantiles=min(256, n_rows), output_distribution="normal", random_state=seed)
    kinds = {"standard": StandardScaler, "robust": RobustScaler, "minmax": MinMaxScaler, "power": PowerTransformer}
    return kinds[name]() if name in kinds else None


def _target_encoder(task: Task, seed: int) -> TargetEncoder:
    """The cross-fit is seeded: by a splitter since scikit-learn 1.9, by ``random_state`` before."""
    if inspect.signature(TargetEncoder).parameters["random_state"].default is None:
        return TargetEncoder(random_state=seed)
    kind = StratifiedKFold if task == "classification" else KFold
    return TargetEncoder(cv=kind(5, shuffle=True, random_state=seed))


def _encoder(choices: Choices, task: Task, seed: int) -> Any:
    if choices.encoder == "target":
        return _target_encoder(task, seed)
    if choices.encoder == "onehot":
        return OneHotEncoder(
            handle_unknown="infrequent_if_exist", max_categories=int(choices.max_categories), sparse_output=False
        )
    # A booster that takes NaN learns where missing and unknown labels go; for the others both get codes of their own.
    unknown, missing = (np.nan, np.nan) if choices.imputer == "none" else (-1, -2)
    return OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=unknown,
        encoded_missing_value=missing,
        max_categories=_ORDINAL_MAX,
    )
