"""The four kinds of parameter: Float, Int, Categorical, Constant."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from tuner.errors import SearchSpaceError
from tuner.space.conditions import Condition, freeze_conditions, matches, number, scalar
from tuner.trial import ParamValue

__all__ = ["Categorical", "Constant", "Distribution", "Float", "Int"]

STEP_TOLERANCE = 1e-6
"""Share of a float's step by which a value may miss the grid."""
_FINEST = 1e-9  # share of the larger bound: a step below is lost in rounding, as 2**-53 / 1e-9 nears STEP_TOLERANCE
_MAX_LISTED = 1_000_000


@dataclass(frozen=True, slots=True)
class Float:
    """A real number in [low, high].

    Args:
        low: Smallest value.
        high: Largest value, at least ``low``.
        log: Whether it is sampled evenly in its logarithm; then ``low`` must be above 0 and ``step`` None.
        step: Distance between values, counted from ``low``; None for all reals.
        when: Parameter name -> condition; the parameter is active only if all of them hold. None for always.

    Raises:
        SearchSpaceError: The bounds, the step or their combination make no sense.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None
    when: Mapping[str, Condition] | None = None

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            object.__setattr__(self, name, _real(getattr(self, name), name))
        if self.step is not None:
            object.__setattr__(self, "step", _real(self.step, "step"))
        _check_range(self.low, self.high, log=self.log, step=self.step)
        if self.log and self.step is not None:
            raise SearchSpaceError(
                "log and step exclude each other for a float", path="step", got=self.step, hint="drop one of them"
            )
        if self.step is not None and self.step < _FINEST * max(abs(self.low), abs(self.high)):
            raise SearchSpaceError(
                f"a step of {self.step} is too small for bounds of that size: floats cannot count it",
                path="step",
                expected=f"at least {_FINEST:g} of the larger bound",
                hint="leave the step out: all reals are then in range",
            )
        object.__setattr__(self, "when", freeze_conditions(self.when, "when"))

    def __str__(self) -> str:
        return f"float {_range_text(self)}"

    @property
    def n_values(self) -> int | None:
        """How many values there are; None when they cannot be counted."""
        if self.low == self.high:
            return 1
        return None if self.step is None else (_exact(self.high) - _exact(self.low)) // _exact(self.step) + 1

    def contains(self, value: ParamValue) -> bool:
        """Whether ``value`` can be a value of this parameter; steps are met up to a millionth of a step."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if self.step is None:
            return self.low <= value <= self.high
        # Samplers count steps in floats, and may end a hair beside the grid, the last one a hair above high.
        hair = STEP_TOLERANCE * self.step
        if not self.low - hair <= value <= self.high + hair:
            return False
        k = (value - self.low) / self.step
        return abs(k - round(k)) < STEP_TOLERANCE

    def values(self) -> list[ParamValue] | None:
        """Every value, in rising order; None when there is no step and they cannot be counted.

        Steps are counted in decimals, so that steps of 0.1 give 0.3 and not 0.30000000000000004.

        Raises:
            SearchSpaceError: There are more than a million.
        """
        n = _listable(self.n_values)
        if n is None or self.step is None:
            return None if n is None else [self.low]
        low, step = _exact(self.low), _exact(self.step)
        return [float(low + k * step) for k in range(n)]


@dataclass(frozen=True, slots=True)
class Int:
    """A whole number in [low, high]. Arguments and errors as for ``Float``; ``step`` is at least 1."""

    low: int
    high: int
    log: bool = False
    step: int = 1
    when: Mapping[str, Condition] | None = None

    def __post_init__(self) -> None:
        for name in ("low", "high", "step"):
            value = number(getattr(self, name), name, path=name)
            if value != int(value):
                raise SearchSpaceError(f"{name} of an int must be a whole number", path=name, got=value)
            object.__setattr__(self, name, int(value))
        _check_range(self.low, self.high, log=self.log, step=self.step)
        if self.log and self.step != 1:
            raise SearchSpaceError(
                "log and step exclude each other for an int", path="step", got=self.step, hint="drop one of them"
            )
        object.__setattr__(self, "when", freeze_conditions(self.when, "when"))

    def __str__(self) -> str:
        return f"int {_range_text(self)}"

    @property
    def n_values(self) -> int:
        """How many values there are."""
        return (self.high - self.low) // self.step + 1

    def contains(self, value: ParamValue) -> bool:
        """Whether ``value`` can be a value of this parameter."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            return False
        return value == int(value) and (int(value) - self.low) % self.step == 0

    def values(self) -> list[ParamValue]:
        """Every value, in rising order.

        Raises:
            SearchSpaceError: There are more than a million.
        """
        _listable(self.n_values)
        return list(range(self.low, self.high + 1, self.step))


@dataclass(frozen=True, slots=True)
class Categorical:
    """One of several values, without order.

    Args:
        choices: Strings, numbers, booleans or None; at least one, no two equal.
        when: As for ``Float``.

    Raises:
        SearchSpaceError: There is no choice, a choice is no scalar, or two are equal.
    """

    choices: Sequence[ParamValue]
    when: Mapping[str, Condition] | None = None

    def __post_init__(self) -> None:
        given: object = self.choices
        if isinstance(given, str | bytes | Mapping | set | frozenset) or not isinstance(given, Iterable):
            raise SearchSpaceError(
                "a categorical needs a list of values",
                path="values",
                got=given,
                hint="a list has an order; a set has none",
            )
        choices = tuple(scalar(choice, "a choice", path="values") for choice in given)
        if not choices:
            raise SearchSpaceError("a categorical needs at least one value", path="values", got=given)
        if len({(type(choice) is bool, choice) for choice in choices}) < len(choices):
            raise SearchSpaceError("two choices are equal", path="values", got=list(choices))
        object.__setattr__(self, "choices", choices)
        object.__setattr__(self, "when", freeze_conditions(self.when, "when"))

    def __str__(self) -> str:
        return "one of " + ", ".join(map(repr, self.choices))

    @property
    def n_values(self) -> int:
        """How many values there are."""
        return len(self.choices)

    def contains(self, value: ParamValue) -> bool:
        """Whether ``value`` can be a value of this parameter."""
        return matches(value, self.choices)

    def values(self) -> list[ParamValue]:
        """Every value, in the order of declaration."""
        return list(self.choices)


@dataclass(frozen=True, slots=True)
class Constant:
    """One fixed value, passed to the objective and never sampled. Arguments and errors as for ``Categorical``."""

    value: ParamValue
    when: Mapping[str, Condition] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", scalar(self.value, "a constant", path="value"))
        object.__setattr__(self, "when", freeze_conditions(self.when, "when"))

    def __str__(self) -> str:
        return f"always {self.value!r}"

    @property
    def n_values(self) -> int:
        """One."""
        return 1

    def contains(self, value: ParamValue) -> bool:
        """Whether ``value`` is the value."""
        return matches(value, self.value)

    def values(self) -> list[ParamValue]:
        """The one value."""
        return [self.value]


Distribution = Float | Int | Categorical | Constant


def _real(value: object, name: str) -> float:
    return float(number(value, name, path=name))


def _exact(value: float) -> Fraction:
    """The number that was written, as 1/10 for 0.1."""
    return Fraction(repr(value))


def _listable(n: int | None) -> int | None:
    if n is not None and n > _MAX_LISTED:
        raise SearchSpaceError(
            f"{n} values are too many to list", expected=f"at most {_MAX_LISTED}", hint="give the range a larger step"
        )
    return n


def _range_text(distribution: Float | Int) -> str:
    low, high, step = distribution.low, distribution.high, distribution.step
    stepped = f" in steps of {step}" if step is not None and not (isinstance(distribution, Int) and step == 1) else ""
    return f"from {low} to {high}{stepped}{', log' if distribution.log else ''}"


def _check_range(low: float, high: float, *, log: object, step: float | None) -> None:
    if not isinstance(log, bool):
        raise SearchSpaceError("log must be true or false", path="log", got=log)
    if low > high:
        raise SearchSpaceError(f"low {low} is above high {high}", hint="swap them")
    if log and low <= 0:
        raise SearchSpaceError(
            f"log needs low above 0, got low {low}",
            path="low",
            hint="ranges are real values, never exponents: write low: 1e-5, not -5",
        )
    if step is not None and not step > 0:
        raise SearchSpaceError("step must be above 0", path="step", got=step)
    if not math.isfinite(high - low):
        raise SearchSpaceError(f"the range from {low} to {high} is too wide", expected="high - low below 1.8e308")
