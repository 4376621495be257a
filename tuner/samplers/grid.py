"""The ``grid`` sampler: every combination once."""

from __future__ import annotations

from collections.abc import Mapping

from tuner.core.ports import Problem
from tuner.errors import SearchSpaceError, SweepError, closest
from tuner.samplers._every import EveryCombination
from tuner.samplers._grid import Axis, Combinations, axis_of
from tuner.space import Float, Int, SearchSpace

__all__ = ["GridSampler"]


class GridSampler(EveryCombination):
    """Suggests every allowed combination of values exactly once and then nothing more.

    Combinations are numbered, not listed: conditional parameters count only where they are active, forbidden combinations
    not at all. Their order follows from the seed alone; those that others have tried (first trials, an earlier study) are
    passed over, results change nothing.

    Args:
        problem: The space and the seed; metrics do not matter.
        points: How many values to take of a range, evenly spaced in its scale, both ends included. A number applies to
            every float without a step; a mapping of parameter names to numbers applies to the ranges that it names. None
            where every range has a step.
        shuffle: Whether the order is shuffled by the seed. If not, the last parameter changes fastest.

    Raises:
        SearchSpaceError: A float has neither a step nor points, or the conditions are too entangled to be counted.
        SweepError: ``points`` is no such number or names no range.
    """

    def __init__(
        self, problem: Problem, *, points: int | Mapping[str, int] | None = None, shuffle: bool = True
    ) -> None:
        wanted = _points_of(problem.space, points)
        super().__init__(problem, Combinations(problem.space, _axes(problem.space, wanted)), shuffle=shuffle)


def _axes(space: SearchSpace, points: Mapping[str, int]) -> dict[str, Axis]:
    axes = {}
    for name, distribution in space.items():
        axis = axis_of(distribution, points.get(name))
        if axis is None:
            raise SearchSpaceError(
                f"a grid needs to know which values of {name!r} to try",
                path=f"parameters.{name}",
                got=str(distribution),
                expected="a step, or points in the sampler's options",
                hint=f"sampler: {{type: grid, points: {{{name}: 5}}}}, or points: 5 for every float without a step",
            )
        axes[name] = axis
    return axes


def _points_of(space: SearchSpace, points: int | Mapping[str, int] | None) -> dict[str, int]:
    if points is None:
        return {}
    if not isinstance(points, Mapping):
        _check_points("sampler.points", points)
        return {n: points for n, d in space.items() if isinstance(d, Float) and d.step is None}
    ranges = [name for name, d in space.items() if isinstance(d, Float | Int)]
    for name, number in points.items():
        _check_points(f"sampler.points.{name}", number)
        if name not in ranges:
            near = closest(str(name), ranges)
            raise SweepError(
                f"there is no range called {name!r}",
                path=f"sampler.points.{name}",
                expected=f"some of {', '.join(ranges)}" if ranges else "nothing: the space has no ranges",
                hint=f"did you mean {near!r}?" if near else None,
            )
    return dict(points)


def _check_points(path: str, points: object) -> None:
    if isinstance(points, bool) or not isinstance(points, int) or points < 1:
        raise SweepError("points must be a whole number above 0", path=path, got=points, expected="for example 5")
