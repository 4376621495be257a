"""The ``random`` sampler: every suggestion drawn anew, from nothing but the study's seed and the trial's number."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tuner.core.ports import Problem, Sampler, Suggestion
from tuner.samplers._native import SpaceDrawer, trial_key

__all__ = ["RandomSampler"]


class RandomSampler(Sampler):
    """Draws every parameter on its own, uniformly in its own scale; it learns nothing and keeps nothing.

    A suggestion depends on the seed and the trial's number only, so batches, replays and the order of results change
    nothing. Forbidden combinations are drawn again.

    Args:
        problem: The space and the seed; metrics do not matter.
    """

    def __init__(self, problem: Problem) -> None:
        self._drawer = SpaceDrawer(problem.space)
        self._seed = problem.seed
        self._rng = random.Random(0)

    def ask(self, first: int, count: int) -> Sequence[Suggestion]:
        """Suggestions for trials ``first`` to ``first + count - 1``; a random search never exhausts its space.

        Raises:
            SearchSpaceError: Next to everything is forbidden.
        """
        suggestions = []
        for number in range(first, first + count):
            self._rng.seed(trial_key(self._seed, number))
            suggestions.append(Suggestion(self._drawer.draw(self._rng)))
        return suggestions
