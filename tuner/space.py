"""Search spaces: which parameters there are, over which ranges, under which conditions.

A space is a value: it samples nothing (samplers do) and reads no file (``tuner.catalog`` and ``tuner.sweep`` do).

    space = SearchSpace({
        "booster": Categorical(["gbtree", "dart"]),
        "learning_rate": Float(1e-3, 0.5, log=True),
        "rate_drop": Float(0.0, 0.5, when={"booster": "dart"}),
        "n_estimators": Constant(500),
    })
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self

from tuner.errors import SearchSpaceError, closest
from tuner.trial import Params, ParamValue

__all__ = ["Categorical", "Condition", "Constant", "Distribution", "Float", "Int", "SearchSpace", "matches"]

Condition = ParamValue | Sequence[ParamValue] | Mapping[str, float]
"""What a value must be: equal to a scalar, one of a sequence, or within ``{"low": a, "high": b}`` (both ends included,
either may be absent)."""


def matches(value: ParamValue, condition: Condition) -> bool:
    """Whether ``value`` meets ``condition``. Numbers compare by value, but True is not 1."""
    if isinstance(condition, Mapping):
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return condition.get("low", -math.inf) <= value <= condition.get("high", math.inf)
    if isinstance(condition, list | tuple):
        return any(matches(value, choice) for choice in condition)
    if isinstance(value, bool) != isinstance(condition, bool):
        return False
    return value == condition


def _frozen(when: Mapping[str, Condition] | None) -> Mapping[str, Condition]:
    return MappingProxyType(dict(when or {}))


@dataclass(frozen=True)
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
        _check_range(self.low, self.high, log=self.log, step=self.step)
        if self.log and self.step is not None:
            raise SearchSpaceError("log and step exclude each other for a float", got=self.step, hint="drop one of them")
        object.__setattr__(self, "low", float(self.low))
        object.__setattr__(self, "high", float(self.high))
        object.__setattr__(self, "when", _frozen(self.when))

    def contains(self, value: ParamValue) -> bool:
        """Whether ``value`` can be a value of this parameter."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            return False
        if self.step is None:
            return True
        k = (value - self.low) / self.step
        return abs(k - round(k)) < 1e-6

    def values(self) -> list[ParamValue] | None:
        """Every value, in rising order; None when there is no step and they cannot be counted."""
        if self.step is None:
            return [self.low] if self.low == self.high else None
        n = int(math.floor((self.high - self.low) / self.step + 1e-9))
        return [min(self.low + k * self.step, self.high) for k in range(n + 1)]


@dataclass(frozen=True)
class Int:
    """A whole number in [low, high]. Arguments and errors as for ``Float``; ``step`` is at least 1."""

    low: int
    high: int
    log: bool = False
    step: int = 1
    when: Mapping[str, Condition] | None = None

    def __post_init__(self) -> None:
        for name in ("low", "high", "step"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
                raise SearchSpaceError(f"{name} of an int must be a whole number", got=value)
            object.__setattr__(self, name, int(value))
        _check_range(self.low, self.high, log=self.log, step=self.step)
        if self.log and self.step != 1:
            raise SearchSpaceError("log and step exclude each other for an int", got=self.step, hint="drop one of them")
        object.__setattr__(self, "when", _frozen(self.when))

    def contains(self, value: ParamValue) -> bool:
        """Whether ``value`` can be a value of this parameter."""
        if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
            return False
        return self.low <= value <= self.high and (int(value) - self.low) % self.step == 0

    def values(self) -> list[ParamValue]:
        """Every value, in rising order."""
        return list(range(self.low, self.high + 1, self.step))


@dataclass(frozen=True)
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
        if isinstance(self.choices, str) or not self.choices:
            raise SearchSpaceError("a categorical needs a list of at least one value", got=self.choices)
        for choice in self.choices:
            if choice is not None and not isinstance(choice, str | int | float | bool):
                raise SearchSpaceError("a choice must be a string, a number, a boolean or null", got=choice)
            if isinstance(choice, float) and not math.isfinite(choice):
                raise SearchSpaceError("a choice must be finite", got=choice)
        object.__setattr__(self, "choices", tuple(self.choices))
        if len({(type(choice) is bool, choice) for choice in self.choices}) < len(self.choices):
            raise SearchSpaceError("two choices are equal", got=list(self.choices))
        object.__setattr__(self, "when", _frozen(self.when))

    def contains(self, value: ParamValue) -> bool:
        """Whether ``value`` can be a value of this parameter."""
        return matches(value, self.choices)

    def values(self) -> list[ParamValue]:
        """Every value, in the order of declaration."""
        return list(self.choices)


@dataclass(frozen=True)
class Constant:
    """One fixed value, passed to the objective and never sampled. Arguments as for ``Categorical``."""

    value: ParamValue
    when: Mapping[str, Condition] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "when", _frozen(self.when))

    def contains(self, value: ParamValue) -> bool:
        """Whether ``value`` is the value."""
        return matches(value, self.value)

    def values(self) -> list[ParamValue]:
        """The one value."""
        return [self.value]


Distribution = Float | Int | Categorical | Constant


def _check_range(low: object, high: object, *, log: bool, step: float | None) -> None:
    for name, value in (("low", low), ("high", high)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise SearchSpaceError(f"{name} must be a finite number", got=value)
    assert isinstance(low, int | float) and isinstance(high, int | float)
    if low > high:
        raise SearchSpaceError(f"low {low} is above high {high}", hint="swap them")
    if log and low <= 0:
        raise SearchSpaceError(
            f"log needs low above 0, got low {low}", hint="ranges are real values, never exponents: write low: 1e-5, not -5"
        )
    if step is not None and not step > 0:
        raise SearchSpaceError("step must be above 0", got=step)


class SearchSpace(Mapping[str, Distribution]):
    """Parameters in the order of declaration, with conditions, constants and forbidden combinations.

    Args:
        parameters: Name -> distribution. A parameter's ``when`` may name only parameters declared before it, so the
            order of declaration is an order in which values can be chosen.
        forbidden: Each a mapping name -> condition; a set of parameters that meets all conditions of one of them is never
            tried.

    Raises:
        SearchSpaceError: The space is empty, a condition names an unknown or later parameter or can never hold.
    """

    def __init__(
        self, parameters: Mapping[str, Distribution], forbidden: Sequence[Mapping[str, Condition]] = ()
    ) -> None:
        self._parameters = dict(parameters)
        self.forbidden = tuple(MappingProxyType(dict(clause)) for clause in forbidden)
        if not self._parameters:
            raise SearchSpaceError("the search space is empty", expected="at least one parameter")
        for name, distribution in self._parameters.items():
            if not isinstance(distribution, Float | Int | Categorical | Constant):
                raise SearchSpaceError(
                    "not a distribution", path=name, got=distribution, expected="Float, Int, Categorical or Constant"
                )
        self._check_conditions()
        self._unconditional = not self.forbidden and not any(d.when for d in self._parameters.values())

    def _check_conditions(self) -> None:
        seen: set[str] = set()
        for name, distribution in self._parameters.items():
            for parent, condition in (distribution.when or {}).items():
                self._check_condition(f"{name}.when", parent, condition, seen)
            seen.add(name)
        for index, clause in enumerate(self.forbidden):
            if not clause:
                raise SearchSpaceError("an empty clause forbids everything", path=f"forbidden[{index}]")
            for parent, condition in clause.items():
                self._check_condition(f"forbidden[{index}]", parent, condition, seen)

    def _check_condition(self, path: str, parent: str, condition: Condition, seen: set[str]) -> None:
        if parent not in self._parameters:
            near = closest(parent, self._parameters)
            raise SearchSpaceError(
                f"unknown parameter {parent!r}", path=path, hint=f"did you mean {near!r}?" if near else None
            )
        if parent not in seen:
            raise SearchSpaceError(
                f"names {parent!r}, which is declared later", path=path, hint=f"declare {parent!r} first"
            )
        values = self._parameters[parent].values()
        possible = values is None or any(matches(value, condition) for value in values)
        if values is None and not isinstance(condition, Mapping):
            choices = condition if isinstance(condition, list | tuple) else [condition]
            possible = any(self._parameters[parent].contains(choice) for choice in choices)
        if not possible:
            raise SearchSpaceError(f"can never hold: no value of {parent!r} meets it", path=path, got=condition)

    def __getitem__(self, name: str) -> Distribution:
        return self._parameters[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def __len__(self) -> int:
        return len(self._parameters)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SearchSpace):
            return NotImplemented
        return self.to_dict() == other.to_dict() and list(self) == list(other)

    def __hash__(self) -> int:
        return hash(tuple(self._parameters))

    def __repr__(self) -> str:
        return f"SearchSpace({self._parameters!r}, forbidden={list(map(dict, self.forbidden))!r})"

    @property
    def sampled(self) -> dict[str, Float | Int | Categorical]:
        """The parameters that a sampler chooses: all but the constants."""
        return {name: d for name, d in self._parameters.items() if not isinstance(d, Constant)}

    @property
    def conditional(self) -> bool:
        """Whether any parameter depends on another or any combination is forbidden."""
        return not self._unconditional

    def is_active(self, name: str, params: Params) -> bool:
        """Whether ``name`` is active, given the values of the parameters declared before it.

        A parameter whose parent is inactive (absent from ``params``) is inactive.
        """
        when = self._parameters[name].when
        return not when or all(parent in params and matches(params[parent], c) for parent, c in when.items())

    def is_forbidden(self, params: Params) -> bool:
        """Whether ``params`` meet all conditions of some forbidden clause."""
        return any(
            all(name in params and matches(params[name], condition) for name, condition in clause.items())
            for clause in self.forbidden
        )

    def active(self, params: Params) -> dict[str, ParamValue]:
        """The active part of ``params`` in order of declaration, constants filled in, the rest dropped.

        Raises:
            SearchSpaceError: An active parameter has no value.
        """
        chosen: dict[str, ParamValue] = {}
        for name, distribution in self._parameters.items():
            if self.is_active(name, chosen):
                if isinstance(distribution, Constant):
                    chosen[name] = distribution.value
                elif name in params:
                    chosen[name] = params[name]
                else:
                    raise SearchSpaceError("no value for an active parameter", path=name)
        return chosen

    def check(self, params: Params) -> None:
        """Raise unless ``params`` are exactly the active parameters with values in range, not forbidden.

        Raises:
            SearchSpaceError: Says which parameter is wrong and what it may be.
        """
        for name in params:
            if name not in self._parameters:
                near = closest(name, self._parameters)
                raise SearchSpaceError(
                    "unknown parameter", path=name, hint=f"did you mean {near!r}?" if near else None
                )
        for name, value in self.active(params).items():
            if not self._parameters[name].contains(value):
                raise SearchSpaceError("value out of range", path=name, got=value, expected=repr(self._parameters[name]))
            if name in params and not matches(params[name], value):
                raise SearchSpaceError("a constant has another value", path=name, got=params[name], expected=repr(value))
        extra = [name for name in params if name not in self.active(params)]
        if extra:
            raise SearchSpaceError("a value for an inactive parameter", path=extra[0], got=params[extra[0]])
        if self.is_forbidden(params):
            raise SearchSpaceError("a forbidden combination", got=dict(params))

    def to_dict(self) -> dict[str, Any]:
        """The space as plain data that JSON and YAML can hold; ``from_dict`` reads it back, equal."""
        document: dict[str, Any] = {"parameters": {n: _distribution_to_dict(d) for n, d in self._parameters.items()}}
        if self.forbidden:
            document["forbidden"] = [
                {name: _plain(condition) for name, condition in clause.items()} for clause in self.forbidden
            ]
        return document

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """A space from ``{"parameters": {...}, "forbidden": [...]}`` in the shape of a sweep file.

        Raises:
            SearchSpaceError: Anything in it is wrong; ``path`` says where.
        """
        parameters = {}
        for name, row in document.get("parameters", {}).items():
            try:
                parameters[name] = distribution_from_dict(row)
            except SearchSpaceError as error:
                error.path = f"parameters.{name}" + (f".{error.path}" if error.path else "")
                raise
        return cls(parameters, document.get("forbidden", ()))


def _plain(condition: Condition) -> Any:
    if isinstance(condition, Mapping):
        return dict(condition)
    return list(condition) if isinstance(condition, list | tuple) else condition


def _distribution_to_dict(distribution: Distribution) -> dict[str, Any]:
    row: dict[str, Any]
    if isinstance(distribution, Constant):
        row = {"value": distribution.value}
    elif isinstance(distribution, Categorical):
        row = {"values": list(distribution.choices)}
    else:
        row = {"type": "float" if isinstance(distribution, Float) else "int"}
        row |= {"low": distribution.low, "high": distribution.high}
        if distribution.log:
            row["log"] = True
        if distribution.step not in (None, 1) or (isinstance(distribution, Float) and distribution.step is not None):
            row["step"] = distribution.step
    if distribution.when:
        row["when"] = {name: _plain(condition) for name, condition in distribution.when.items()}
    return row


_FIELDS = {"type", "low", "high", "log", "step", "value", "values", "when"}


def distribution_from_dict(row: Mapping[str, Any]) -> Distribution:
    """One distribution from ``{low, high, log, step}``, ``{values}`` or ``{value}``, each with an optional ``when``.

    ``type: int | float`` settles the kind; without it a range is an int when both bounds (and the step) are whole numbers
    written as such.

    Raises:
        SearchSpaceError: Keys are unknown, missing or exclude each other, or the range is wrong.
    """
    if not isinstance(row, Mapping):
        raise SearchSpaceError("not a parameter", got=row, expected="{low, high}, {values: [...]} or {value: ...}")
    unknown = [key for key in row if key not in _FIELDS]
    if unknown:
        near = closest(str(unknown[0]), _FIELDS)
        raise SearchSpaceError(
            f"unknown key {unknown[0]!r}",
            expected="some of low, high, log, step, type, values, value, when",
            hint=f"did you mean {near!r}?" if near else None,
        )
    when = row.get("when")
    if when is not None and not isinstance(when, Mapping):
        raise SearchSpaceError("when must map parameter names to conditions", path="when", got=when)
    shapes = [shape for shape in ("value", "values", "low") if shape in row] or (["low"] if "high" in row else [])
    if len(shapes) != 1:
        raise SearchSpaceError("needs exactly one shape", got=dict(row), expected="{low, high}, {values} or {value}")
    if shapes == ["value"]:
        return Constant(row["value"], when)
    if shapes == ["values"]:
        if not isinstance(row["values"], list | tuple):
            raise SearchSpaceError("values must be a list", got=row["values"])
        return Categorical(row["values"], when)
    for bound in ("low", "high"):
        if bound not in row:
            raise SearchSpaceError(f"{bound} is missing", got=dict(row), expected="both low and high")
    return _range_from_dict(row, when)


def _range_from_dict(row: Mapping[str, Any], when: Mapping[str, Condition] | None) -> Float | Int:
    kind = row.get("type")
    if kind not in (None, "int", "float"):
        raise SearchSpaceError("unknown type", path="type", got=kind, expected="int or float")
    log = row.get("log", False)
    if not isinstance(log, bool):
        raise SearchSpaceError("log must be true or false", path="log", got=log)
    numbers = [row["low"], row["high"], *([row["step"]] if row.get("step") is not None else [])]
    whole = all(isinstance(number, int) and not isinstance(number, bool) for number in numbers)
    if kind == "int" or (kind is None and whole):
        return Int(row["low"], row["high"], log=log, step=row.get("step") or 1, when=when)
    return Float(row["low"], row["high"], log=log, step=row.get("step"), when=when)
