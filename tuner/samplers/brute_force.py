"""The ``brute_force`` sampler: all there is."""

from __future__ import annotations

from tuner.core.ports import Problem
from tuner.errors import SearchSpaceError
from tuner.samplers._every import EveryCombination
from tuner.samplers._grid import Axis, Combinations, axis_of

__all__ = ["BruteForceSampler"]


class BruteForceSampler(EveryCombination):
    """Suggests every allowed combination of a finite space exactly once, in an order of the seed, and then nothing more.

    It is ``grid`` without points: no range is thinned out. Optuna's sampler of this name finds the space out while it runs
    and may therefore stop too early, unless told otherwise by ``avoid_premature_stop``; here the space is declared, so that
    neither the early stop nor the option exists.

    Args:
        problem: The space and the seed; metrics do not matter.

    Raises:
        SearchSpaceError: A parameter has uncountably many values, or the conditions are too entangled to be counted.
    """

    def __init__(self, problem: Problem) -> None:
        axes: dict[str, Axis] = {}
        for name, distribution in problem.space.items():
            axis = axis_of(distribution, None)
            if axis is None:
                raise SearchSpaceError(
                    f"brute force cannot try all values of {name!r}",
                    path=f"parameters.{name}",
                    got=str(distribution),
                    expected="a step, or a list of values",
                    hint=f"or thin it out: sampler: {{type: grid, points: {{{name}: 5}}}}",
                )
            axes[name] = axis
        super().__init__(problem, Combinations(problem.space, axes), shuffle=True)
