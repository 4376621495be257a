"""The ``random`` sampler: every suggestion drawn anew, from nothing but the study's seed and the trial's number."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tuner.core.ports import Problem, Sampler, Suggestion
from tuner.samplers._native import SpaceDrawer, trial_key
from tuner.samplers._seen import Seen
from tuner.trial import Trial

__all__ = ["RandomSampler"]


class RandomSampler(Sampler):
    """Draws every parameter on its own, uniformly in its own scale; it learns nothing.

    A suggestion depends on the seed and the trial's number only, so batches, replays and the order of results change
    nothing. Forbidden combinations are drawn again. So are, where the space is finite and the problem not noisy, those that
    were tried already: there it depends on these too, and it ends when none is left.

    Args:
        problem: The space, the seed and whether it is noisy; metrics do not matter.
    """

    order_free = True
    across_brackets = True

    def __init__(self, problem: Problem) -> None:
        self._drawer = SpaceDrawer(problem.space)
        self._seed = problem.seed
        self._seen = Seen(problem.space, problem.noisy, problem.seed)
        self._rng = random.Random(0)

    def ask(self, first: int, count: int) -> Sequence[Suggestion]:
        """Suggestions for trials ``first`` to ``first + count - 1``; fewer when a finite space is exhausted.

        Raises:
            SearchSpaceError: Next to everything is forbidden.
        """
        suggestions: list[Suggestion] = []
        for number in range(first, first + count):
            self._rng.seed(trial_key(self._seed, number))
            params = None if self._seen.exhausted else self._seen.draw(self._drawer, self._rng)
            if params is None:
                break
            self._seen.add(params)
            suggestions.append(Suggestion(params))
        return suggestions

    def inform(self, trials: Sequence[Trial]) -> None:
        """What an earlier study has tried is not tried again."""
        for trial in trials:
            self._seen.add(trial.params)

    def replay(self, number: int, suggestion: Suggestion) -> None:
        """Note that these were tried."""
        self._seen.add(suggestion.params)
