"""tuner's distributions as Optuna's, and values back and forth."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from tuner.samplers._native import grid_point
from tuner.space import Categorical, Float, Int, SearchSpace
from tuner.trial import ParamValue

__all__ = ["Column", "NotANumber", "columns_of"]


class NotANumber(Exception):  # noqa: N818 -- a finding, not an error of the program
    """The sampler suggested NaN or infinity (numerical trouble in very wide ranges)."""


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Column:
    """One parameter as Optuna knows it.

    Attributes:
        distribution: Optuna's distribution.
        decode: Optuna's value -> ours, moved onto the nearest value of the space. Raises NotANumber.
        encode: Our value -> Optuna's.
        single: The only value there is, wrapped in a tuple; None when there are several.
    """

    distribution: BaseDistribution
    decode: Callable[[Any], ParamValue]
    encode: Callable[[ParamValue], Any] = _same
    single: tuple[ParamValue] | None = None


def _float_column(d: Float) -> Column:
    n = d.n_values
    if n is None:
        return Column(FloatDistribution(d.low, d.high, log=d.log), lambda value: _clipped(value, d.low, d.high))
    # Told to Optuna by position: its own stepped floats may lose the last value when `high` is no multiple of the step.
    low, step, last = d.low, d.step or 1.0, n - 1
    return Column(
        IntDistribution(0, last),
        lambda k: grid_point(d, round(_clipped(k, 0, last))) if last else low,
        lambda value: min(max(round((float(value or 0) - low) / step), 0), last),
        single=None if last else (low,),
    )


def _clipped(value: float, low: float, high: float) -> float:
    if not math.isfinite(value):
        raise NotANumber
    return float(min(max(value, low), high))


def _snapped(value: float, low: int, size: int, step: int) -> int:
    if not math.isfinite(value):
        raise NotANumber
    # In whole numbers throughout: beyond 2**53 a float division would miss its neighbours.
    return low + min(max((2 * (int(value) - low) + step) // (2 * step), 0), size - 1) * step


def _int_column(d: Int) -> Column:
    low, step, size = d.low, d.step, d.n_values
    return Column(
        IntDistribution(low, low + (size - 1) * step, log=d.log, step=step),
        lambda value: _snapped(value, low, size, step),
        single=(low,) if size == 1 else None,
    )


def _categorical_column(d: Categorical) -> Column:
    choices = tuple(d.choices)
    single = (choices[0],) if len(choices) == 1 else None
    if len(set(choices)) == len(choices):
        return Column(CategoricalDistribution(choices), _same, single=single)
    # Optuna cannot tell True from 1 nor False from 0: there the choices go by position.
    positions = {(type(choice) is bool, choice): index for index, choice in enumerate(choices)}
    return Column(
        CategoricalDistribution(range(len(choices))),
        lambda index: choices[index],
        lambda value: positions[type(value) is bool, value],
        single,
    )


def columns_of(space: SearchSpace) -> Mapping[str, Column]:
    """Name -> column of every parameter that a sampler chooses, in the order of declaration."""
    columns: dict[str, Column] = {}
    for name, d in space.sampled.items():
        if isinstance(d, Categorical):
            columns[name] = _categorical_column(d)
        else:
            columns[name] = _float_column(d) if isinstance(d, Float) else _int_column(d)
    return columns
