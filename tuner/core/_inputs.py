"""Parameters as numbers that a model can learn from."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tuner.space import Categorical, Constant, Float, Int, SearchSpace
from tuner.trial import Params, ParamValue

__all__ = ["Inputs"]


@dataclass(frozen=True, slots=True)
class _Number:
    name: str
    log: bool
    middle: float
    half: float

    def place(self, value: ParamValue) -> float:
        """In -1 to 1; a parameter that is not there stands in the middle."""
        if value is None or isinstance(value, str):
            return 0.0
        return ((math.log(value) if self.log else value) - self.middle) / self.half


class Inputs:
    """Turns parameters into rows of numbers. Constants, and parameters with one value, are left out.

    A number becomes its place in its range, -1 to 1, of the logarithm where it is sampled so; a categorical one column for each
    choice (one for both of two), 1 where it was chosen. A parameter that is not active is the same as the middle of a range, or
    as no choice.

    Args:
        space: What the parameters mean.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._parts: list[_Number | tuple[str, dict[tuple[bool, ParamValue], int], int]] = []
        self.width = 0
        for name, distribution in space.items():
            if isinstance(distribution, Constant) or distribution.n_values == 1:
                continue
            if isinstance(distribution, Categorical):
                places = {(isinstance(c, bool), c): i for i, c in enumerate(distribution.choices)}
                columns = 1 if len(places) == 2 else len(places)
                self._parts.append((name, places, columns))
                self.width += columns
            else:
                self._parts.append(_number(name, distribution))
                self.width += 1
        self._seen: set[tuple[str, bool, ParamValue]] = set()

    def row(self, params: Params) -> list[float]:
        """The numbers, ``width`` of them."""
        row: list[float] = []
        for part in self._parts:
            if isinstance(part, _Number):
                row.append(part.place(params.get(part.name)))
                continue
            name, places, columns = part
            value = params.get(name)
            chosen = places.get((isinstance(value, bool), value)) if name in params else None
            start = len(row)
            row.extend([0.0] * columns)
            if chosen is not None and chosen < columns:
                row[start + chosen] = 1.0
        return row

    def see(self, params: Params) -> None:
        """Remember which choices there were."""
        self._seen.update(self._choices(params))

    def unseen(self, params: Params) -> bool:
        """Whether a choice is among them that was never seen."""
        return any(choice not in self._seen for choice in self._choices(params))

    def _choices(self, params: Params) -> list[tuple[str, bool, ParamValue]]:
        return [
            (part[0], isinstance(params[part[0]], bool), params[part[0]])
            for part in self._parts
            if not isinstance(part, _Number) and part[0] in params
        ]


def _number(name: str, distribution: Float | Int) -> _Number:
    low, high = distribution.low, distribution.high
    ends = (math.log(low), math.log(high)) if distribution.log else (float(low), float(high))
    return _Number(name, distribution.log, (ends[0] + ends[1]) / 2, (ends[1] - ends[0]) / 2)
