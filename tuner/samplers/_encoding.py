"""Parameters as rows of numbers, for samplers that compute: ranges scaled to [0, 1], choices by their index.

Values on a grid get cells of equal share: with n values, value k (from 0) is the cell [k / n, (k + 1) / n) and stands at its
middle, so that a uniform draw in [0, 1] makes all of them equally likely. Logarithmic whole numbers have cells that reach half
a unit to either side, on the logarithmic scale. Both are the measures of ``tuner.samplers._native.SpaceDrawer``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tuner.space import Categorical, Condition, Constant, Distribution, Float, Int, SearchSpace, matches
from tuner.space.reach import widened
from tuner.trial import Params, ParamValue

__all__ = ["Axis", "Encoding", "Rows"]

Rows = NDArray[np.float64]
"""Encoded parameters: shape (d,) of one set, (m, d) of several; NaN where a parameter is inactive."""

_LISTED = 4096
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Axis:
    """One parameter with more than one value.

    Attributes:
        name: Its name.
        kind: ``real``; ``whole`` for values on a grid (whole numbers, floats with a step); ``choice``.
        n: How many values; None for reals.
        log: Whether the scale is logarithmic.
        width: Distance of neighbouring values in the scale, 1 / n; None for reals, choices and logarithmic whole numbers
            (whose distances differ: see ``edges``).
        low: Lower end of the range in the units of the scale (the logarithm of the value where ``log``).
        high: Upper end, likewise.
        encode: Value -> place: in [0, 1], or index 0.0 to n - 1.0; NaN for what is no value of this parameter.
        decode: Place -> value; places outside are moved onto the nearest end.
    """

    name: str
    kind: Literal["real", "whole", "choice"]
    n: int | None
    log: bool
    width: float | None
    low: float
    high: float
    encode: Callable[[Any], float]
    decode: Callable[[float], ParamValue]

    def snap(self, places: Rows) -> Rows:
        """The places of the values that ``decode`` would give, shape as given."""
        if self.kind == "choice":
            return np.clip(np.floor(places), 0.0, (self.n or 1) - 1.0)
        if self.width is not None and self.n is not None:
            return (np.clip(np.floor(places * self.n), 0.0, self.n - 1.0) + 0.5) * self.width
        places = np.clip(places, 0.0, 1.0)
        if self.kind == "real":
            return places
        return (np.log(self.values(places)) - self.low) / (self.high - self.low)

    def edges(self, places: Rows) -> tuple[Rows, Rows]:
        """Both ends of the cells around snapped ``places``, each in the shape given; a real's cell is a point."""
        if self.kind != "whole":
            return places, places
        if self.width is not None:
            return np.maximum(places - 0.5 * self.width, 0.0), np.minimum(places + 0.5 * self.width, 1.0)
        values, span = self.values(places), self.high - self.low
        below, above = (np.log(values - 0.5) - self.low) / span, (np.log(values + 0.5) - self.low) / span
        return np.clip(below, 0.0, 1.0), np.clip(above, 0.0, 1.0)

    def values(self, places: Rows) -> Rows:
        """The values of numeric ``places`` as floats, near enough to compare them (exact up to 2**53)."""
        if self.kind == "real" or self.width is None:
            scaled = self.low + np.clip(places, 0.0, 1.0) * (self.high - self.low)
            if not self.log:
                return scaled
            values = np.exp(scaled)
            return values if self.kind == "real" else np.maximum(np.rint(values), 1.0)
        n = float(self.n or 1)
        k = np.clip(np.floor(places * n), 0.0, n - 1.0)
        return self.low + k * ((self.high - self.low) / (n - 1.0))


_Test = Callable[[Rows], NDArray[np.bool_]]
"""Which of the places of one parameter, shape (m,), meet a condition."""


class Encoding:
    """Parameters of a space as rows of numbers, and back.

    Args:
        space: Any space: conditions and forbidden combinations are minded, constants and single values added by ``decode``.

    Attributes:
        names: The parameters that have more than one value, in the order of declaration.
        axes: One for each of them.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        axes = {name: _axis(name, d) for name, d in space.items() if not isinstance(d, Constant) and d.n_values != 1}
        self.names: tuple[str, ...] = tuple(axes)
        self.axes: tuple[Axis, ...] = tuple(axes.values())
        self._position = {name: j for j, name in enumerate(self.names)}
        self._encoders = [(name, axis.encode) for name, axis in axes.items()]
        self._walk = [
            (name, bool(d.when), self._position.get(name, -1), axes[name].decode if name in axes else _only_value(d))
            for name, d in space.items()
        ]
        whens = {name: self._tests(d.when) for name, d in space.items() if d.when}
        self._whens: dict[str, list[tuple[str, int, _Test | bool]]] = whens
        self._clauses = [self._tests(clause) for clause in space.forbidden]

    def __len__(self) -> int:
        return len(self.names)

    def encode(self, params: Params) -> Rows:
        """One row, shape (d,); NaN where a parameter is missing or its value is none of this space."""
        missing, nan = _MISSING, math.nan
        return np.array(
            [nan if (v := params.get(name, missing)) is missing else encode(v) for name, encode in self._encoders],
            dtype=np.float64,
        )

    def decode(self, row: Rows) -> dict[str, ParamValue] | None:
        """Parameters in the order of declaration, snapped onto the grid; None when the combination is forbidden.

        What is active is decided by the conditions: places of inactive parameters are ignored.

        Args:
            row: Shape (d,), with a number for every parameter that turns out to be active.

        Raises:
            ValueError: An active parameter has no number.
        """
        places: list[float] = row.tolist()
        space, params = self._space, dict[str, ParamValue]()
        for name, conditional, j, decode in self._walk:
            if conditional and not space.is_active(name, params):
                continue
            place = places[j] if j >= 0 else 0.0
            if place != place:
                raise ValueError(f"no number for the active parameter {name!r}")
            params[name] = decode(place)
        return None if space.forbidden and space.is_forbidden(params) else params

    def active(self, rows: Rows) -> NDArray[np.bool_]:
        """Which parameters are active in each row, shape (m, d), by the conditions on the numbers of their parents.

        Args:
            rows: Shape (m, d); numbers of inactive parameters do not matter.
        """
        known = self._known(rows)
        result = np.ones((len(rows), len(self.names)), dtype=np.bool_)
        for name, j in self._position.items():
            if name in known:
                result[:, j] = known[name]
        return result

    def allowed(self, rows: Rows) -> NDArray[np.bool_]:
        """Which rows, shape (m,), are no forbidden combinations."""
        allowed = np.ones(len(rows), dtype=np.bool_)
        if self._clauses:
            known = self._known(rows)
            for tests in self._clauses:
                allowed &= ~self._all(tests, rows, known)
        return allowed

    def snap(self, rows: Rows) -> Rows:
        """The rows that ``encode`` gives of what ``decode`` makes of these, shape (m, d), inactive parameters NaN."""
        snapped = np.empty_like(rows)
        for j, axis in enumerate(self.axes):
            snapped[:, j] = axis.snap(rows[:, j])
        if self._whens:
            snapped[~self.active(snapped)] = np.nan
        return snapped

    def draw(self, rng: np.random.Generator, count: int) -> Rows:
        """Uniform rows, shape (count, d), a number for every parameter; forbidden ones may be among them."""
        return self.of_unit(rng.random((count, len(self.names))))

    def of_unit(self, points: Rows) -> Rows:
        """Points of the unit cube, shape (m, d), as rows: a choice's index is its share of the unit interval."""
        rows = points.copy()
        for j, axis in enumerate(self.axes):
            if axis.kind == "choice":
                rows[:, j] = np.minimum(np.floor(rows[:, j] * axis.n), axis.n - 1.0)  # type: ignore[operator]
        return rows

    def _known(self, rows: Rows) -> dict[str, NDArray[np.bool_]]:
        """Where each conditional parameter is active, shape (m,)."""
        known: dict[str, NDArray[np.bool_]] = {}
        for name, tests in self._whens.items():
            known[name] = self._all(tests, rows, known)
        return known

    def _all(
        self, tests: list[tuple[str, int, _Test | bool]], rows: Rows, known: Mapping[str, NDArray[np.bool_]]
    ) -> NDArray[np.bool_]:
        met = np.ones(len(rows), dtype=np.bool_)
        for parent, j, test in tests:
            met &= test if isinstance(test, bool) else test(rows[:, j])
            if parent in known:
                met &= known[parent]
        return met

    def _tests(self, conditions: Mapping[str, Condition] | None) -> list[tuple[str, int, _Test | bool]]:
        tests: list[tuple[str, int, _Test | bool]] = []
        for parent, condition in (conditions or {}).items():
            j = self._position.get(parent, -1)
            d = self._space[parent]
            asked = widened(d, condition)
            tests.append((parent, j, _test(self.axes[j], asked) if j >= 0 else matches(_only_value(d)(0.0), asked)))
        return tests


def _only_value(d: Distribution) -> Callable[[float], ParamValue]:
    value = d.low if isinstance(d, Float | Int) else d.values()[0]
    return lambda place: value


def _test(axis: Axis, condition: Condition) -> _Test:
    if axis.n is not None and axis.n <= _LISTED and not (axis.kind == "whole" and axis.width is None):
        middle, share = (0.0, 1) if axis.kind == "choice" else (0.5, axis.n)
        table, last = (
            np.array([matches(axis.decode((k + middle) / share), condition) for k in range(axis.n)]),
            axis.n - 1,
        )
        return lambda places: table[np.clip(np.nan_to_num(places) * share, 0, last).astype(np.intp)]
    ends = condition if isinstance(condition, list | tuple) else (condition,)

    def test(places: Rows) -> NDArray[np.bool_]:
        values = axis.values(np.nan_to_num(places))
        met = np.zeros(len(values), dtype=np.bool_)
        for end in ends:
            if isinstance(end, Mapping):
                met |= (values >= end.get("low", -math.inf)) & (values <= end.get("high", math.inf))
            elif isinstance(end, int | float) and not isinstance(end, bool):
                met |= values == end
        return met

    return test


def _axis(name: str, d: Distribution) -> Axis:
    if isinstance(d, Categorical):
        return _choices(name, d)
    if isinstance(d, Float):
        return _grid(name, d) if d.step is not None else _real(name, d)
    assert isinstance(d, Int)
    return _log_whole(name, d) if d.log else _whole(name, d)


def _choices(name: str, d: Categorical) -> Axis:
    choices, n = tuple(d.choices), len(d.choices)
    places = {(choice.__class__ is bool, choice): float(k) for k, choice in enumerate(choices)}
    last, nan = n - 1, math.nan
    return Axis(
        name,
        "choice",
        n,
        log=False,
        width=None,
        low=0.0,
        high=float(last),
        encode=lambda value: places.get((value.__class__ is bool, value), nan),
        decode=lambda place: choices[min(max(int(place), 0), last)],
    )


def _inside(place: float) -> float:
    return place if 0.0 <= place <= 1.0 else math.nan


def _real(name: str, d: Float) -> Axis:
    low, high = d.low, d.high
    log, exp, nan = math.log, math.exp, math.nan
    if not d.log:
        span = high - low

        def encode(value: Any) -> float:
            return (value - low) / span if value.__class__ in _NUMBERS and low <= value <= high else nan

        return Axis(
            name, "real", None, False, None, low, high, encode, lambda place: min(max(low + place * span, low), high)
        )
    begin, end = log(low), log(high)
    scale = end - begin

    def encode_log(value: Any) -> float:
        return min((log(value) - begin) / scale, 1.0) if value.__class__ in _NUMBERS and low <= value <= high else nan

    def decode_log(place: float) -> float:
        return min(max(exp(begin + place * scale), low), high)

    return Axis(name, "real", None, True, None, begin, end, encode_log, decode_log)


_NUMBERS = (float, int)


def _grid(name: str, d: Float) -> Axis:
    n, step, low = d.n_values or 1, d.step or 1.0, d.low
    start, distance, last = Decimal(repr(low)), Decimal(repr(step)), (d.n_values or 1) - 1
    listed = [float(start + k * distance) for k in range(n)] if n <= _LISTED else None

    def encode(value: Any) -> float:
        return _inside((round((value - low) / step) + 0.5) / n) if value.__class__ in _NUMBERS else math.nan

    def decode(place: float) -> float:
        k = min(max(int(place * n), 0), last)
        return listed[k] if listed is not None else float(start + k * distance)

    return Axis(name, "whole", n, False, 1.0 / n, low, float(start + last * distance), encode, decode)


def _whole(name: str, d: Int) -> Axis:
    n, step, low = d.n_values, d.step, d.low
    last = n - 1

    def encode(value: Any) -> float:
        # Whole numbers divide exactly, however long: the place is the nearest float to the middle of the cell.
        return _inside((2 * ((int(value) - low) // step) + 1) / (2 * n)) if value.__class__ in _NUMBERS else math.nan

    def decode(place: float) -> int:
        return low + min(max(int(place * n), 0), last) * step

    return Axis(name, "whole", n, False, 1.0 / n, float(low), float(low + last * step), encode, decode)


def _log_whole(name: str, d: Int) -> Axis:
    low, high = d.low, d.high
    log, exp = math.log, math.exp
    begin, end = log(low - 0.5), log(high + 0.5)
    scale = end - begin

    def encode(value: Any) -> float:
        inside = value.__class__ in _NUMBERS and low <= value <= high
        return min((log(value) - begin) / scale, 1.0) if inside else math.nan

    def decode(place: float) -> int:
        return min(max(round(exp(begin + min(max(place, 0.0), 1.0) * scale)), low), high)

    return Axis(name, "whole", d.n_values, True, None, begin, end, encode, decode)
