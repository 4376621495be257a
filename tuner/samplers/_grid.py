"""Every allowed combination of a space with finitely many values, numbered: counted, never listed.

Walking down the parameters in the order of declaration, all that matters of the values chosen so far is which conditions
and forbidden clauses they have already made impossible. Combinations below the same parameter with the same such set are
equally many, so each is counted once; combination ``index`` is then found by walking down again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from tuner.errors import SearchSpaceError
from tuner.samplers._native import grid_point
from tuner.space import Condition, Distribution, Float, Int, SearchSpace, matches
from tuner.trial import ParamValue

__all__ = ["Axis", "Combinations", "axis_of"]

_MAX_NODES = 100_000
_MAX_PARENT_VALUES = 100_000


@dataclass(frozen=True, slots=True)
class Axis:
    """The values of one parameter, computed when they are asked for: ranges may be longer than memory.

    Attributes:
        n: How many, at least 1.
        at: Position, from 0 -> value.
    """

    n: int
    at: Callable[[int], ParamValue]


def axis_of(distribution: Distribution, points: int | None) -> Axis | None:
    """The values of a parameter on the grid; None when they cannot be counted and ``points`` is None.

    Args:
        distribution: The parameter.
        points: How many values of a range to take, evenly spaced in its scale with both ends; None for all there are.
    """
    if not isinstance(distribution, Float | Int):
        return _listed(distribution.values())
    n = distribution.n_values
    if points is not None and (n is None or points < n):
        return _listed(_spaced(distribution, points))
    if n is None:
        return None
    if isinstance(distribution, Int):
        low, step = distribution.low, distribution.step
        return Axis(n, lambda k: low + k * step)
    if distribution.step is None:
        return _listed([distribution.low])
    return Axis(n, partial(grid_point, distribution))


def _listed(values: Sequence[ParamValue]) -> Axis:
    return Axis(len(values), values.__getitem__)


def _spaced(d: Float | Int, points: int) -> Sequence[ParamValue]:
    shares = [k / (points - 1) for k in range(points)] if points > 1 else [0.5]
    if d.log:
        low, high = math.log(d.low), math.log(d.high)
        reals = [math.exp(low + (high - low) * share) for share in shares]
    else:
        reals = [d.low * (1.0 - share) + d.high * share for share in shares]
    n = d.n_values
    if n is None:
        ends = {0.0: d.low, 1.0: d.high}  # exp(log(x)) is not always x
        spaced = [ends.get(share, min(max(real, d.low), d.high)) for share, real in zip(shares, reals, strict=True)]
        return list(dict.fromkeys(spaced))
    step = d.step or 1
    positions = dict.fromkeys(min(max(round((real - d.low) / step), 0), n - 1) for real in reals)
    return [grid_point(d, k) if isinstance(d, Float) else d.low + k * d.step for k in positions]


@dataclass(frozen=True, slots=True)
class _Run:
    """Neighbouring values of one axis after which the same is possible.

    Attributes:
        start: Position of the first.
        n: How many.
        dead: Rules that cannot hold any more after these.
        below: Combinations of the later parameters for each of them.
    """

    start: int
    n: int
    dead: frozenset[int]
    below: int


@dataclass(frozen=True, slots=True)
class _Rule:
    """A parameter's ``when`` or a forbidden clause.

    Attributes:
        conditions: All must hold.
        until: Position of the parameter from which on it no longer matters.
        clause: Whether it forbids.
    """

    conditions: Mapping[str, Condition]
    until: int
    clause: bool


class Combinations:
    """All allowed combinations of active parameters, in the order of declaration, the last parameter changing fastest.

    Args:
        space: The parameters with their conditions and forbidden clauses.
        axes: The values of each, in the order in which they are to come.

    Attributes:
        total: How many there are; may exceed what ``len`` can say.

    Raises:
        SearchSpaceError: The conditions are so entangled that the combinations cannot be counted.
    """

    def __init__(self, space: SearchSpace, axes: Mapping[str, Axis]) -> None:
        self._names = list(space)
        self._axes = [axes[name] for name in self._names]
        position = {name: index for index, name in enumerate(self._names)}
        whens = [_Rule(d.when, position[name], False) for name, d in space.items() if d.when]
        clauses = [_Rule(c, max(position[name] for name in c), True) for c in space.forbidden]
        self._rules = whens + clauses
        self._when = {rule.until: index for index, rule in enumerate(whens)}
        self._naming = [[r for r, rule in enumerate(self._rules) if name in rule.conditions] for name in self._names]
        self._nodes: dict[tuple[int, frozenset[int]], list[_Run]] = {}
        self.total = self._count(0, frozenset())

    def __getitem__(self, index: int) -> Mapping[str, ParamValue]:
        """Combination ``index``.

        Raises:
            IndexError: ``index`` is not below ``total``.
        """
        if not 0 <= index < self.total:
            raise IndexError(index)
        params: dict[str, ParamValue] = {}
        dead: frozenset[int] = frozenset()
        for level, name in enumerate(self._names):
            for run in self._nodes[level, dead]:
                if index < run.n * run.below:
                    break
                index -= run.n * run.below
            offset, index = divmod(index, run.below)
            if self._active(level, dead):
                params[name] = self._axes[level].at(run.start + offset)
            dead = run.dead
        return params

    def _active(self, level: int, dead: frozenset[int]) -> bool:
        return self._when.get(level) not in dead

    def _count(self, level: int, dead: frozenset[int]) -> int:
        if level == len(self._names):
            return 1
        if (level, dead) not in self._nodes:
            if len(self._nodes) >= _MAX_NODES:
                raise SearchSpaceError(
                    "the conditions are too entangled for the grid to be counted",
                    hint="forbid fewer combinations, or use the random sampler",
                )
            self._nodes[level, dead] = []
            runs = [_Run(start, n, after, self._count(level + 1, after)) for start, n, after in self._runs(level, dead)]
            self._nodes[level, dead] = [run for run in runs if run.below]
        return sum(run.n * run.below for run in self._nodes[level, dead])

    def _runs(self, level: int, dead: frozenset[int]) -> Iterator[tuple[int, int, frozenset[int]]]:
        naming = [r for r in self._naming[level] if r not in dead]
        if not self._active(level, dead):
            yield 0, 1, self._after(level, dead.union(naming))  # absent: nothing that names it can hold
            return
        axis = self._axes[level]
        if not naming:
            yield 0, axis.n, self._after(level, dead)
            return
        start = 0
        last: frozenset[int] | None = None
        for position, failed in enumerate(self._failing(level, naming)):
            if failed != last:
                if last is not None:
                    yield from self._run(level, start, position - start, dead | last)
                start, last = position, failed
        if last is not None:
            yield from self._run(level, start, axis.n - start, dead | last)

    def _failing(self, level: int, naming: Sequence[int]) -> Iterator[frozenset[int]]:
        """For each value, the rules among ``naming`` that it makes impossible."""
        name, axis = self._names[level], self._axes[level]
        if axis.n > _MAX_PARENT_VALUES:
            raise SearchSpaceError(
                f"{axis.n} values are too many for a parameter that conditions name",
                path=f"parameters.{name}",
                hint=f"give it a larger step, or the grid fewer points: {{type: grid, points: {{{name}: 10}}}}",
            )
        for value in map(axis.at, range(axis.n)):
            yield frozenset(r for r in naming if not matches(value, self._rules[r].conditions[name]))

    def _run(self, level: int, start: int, n: int, dead: frozenset[int]) -> Iterator[tuple[int, int, frozenset[int]]]:
        forbidden = any(r.clause and r.until == level and k not in dead for k, r in enumerate(self._rules))
        if not forbidden:
            yield start, n, self._after(level, dead)

    def _after(self, level: int, dead: frozenset[int]) -> frozenset[int]:
        """Only rules that still matter below ``level``, so that equal futures are recognised as equal."""
        return frozenset(r for r in dead if self._rules[r].until > level)
