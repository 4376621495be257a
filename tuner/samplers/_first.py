"""First trials: configurations that a person, the space or an earlier study wishes to see before the sampler chooses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from tuner.core.ports import Problem, Sampler, Suggestion
from tuner.samplers._native import SpaceDrawer, trial_key
from tuner.study import FirstTrial
from tuner.trial import Params, Trial

__all__ = ["First", "first_params"]


class First(Sampler):
    """Hands the first numbers out to given configurations, and tells the sampler of them; then asks the sampler.

    Args:
        sampler: Who chooses afterwards; new.
        problem: The space, the seed, and whether it is noisy: if not, no configuration is tried twice.
        first: The configurations, in this order.

    Raises:
        SearchSpaceError: One is not of the space.
    """

    def __init__(self, sampler: Sampler, problem: Problem, first: Sequence[FirstTrial]) -> None:
        self._sampler = sampler
        self._first = first_params(problem, first)
        # What it promises is the sampler's to say.
        self.wants_reports = sampler.wants_reports
        self.order_free = sampler.order_free
        self.across_brackets = sampler.across_brackets

    @property
    def waits(self) -> bool:
        """Whether the sampler does."""
        return self._sampler.waits

    def ask(self, first: int, count: int) -> Sequence[Suggestion]:
        """The given configurations, then what the sampler suggests."""
        wished = [Suggestion(params, note=note) for params, note in self._first[first : first + count]]
        for k, suggestion in enumerate(wished):
            self._sampler.replay(first + k, Suggestion(suggestion.params))
        rest = count - len(wished)
        return [*wished, *(self._sampler.ask(first + len(wished), rest) if rest else ())]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Tell the sampler."""
        self._sampler.tell(trials)

    def report(self, trial: int, step: int, values: Mapping[str, float]) -> None:
        """Tell the sampler."""
        self._sampler.report(trial, step, values)

    def inform(self, trials: Sequence[Trial]) -> None:
        """Tell the sampler."""
        self._sampler.inform(trials)

    def replay(self, number: int, suggestion: Suggestion) -> None:
        """Tell the sampler."""
        self._sampler.replay(number, suggestion)


def first_params(problem: Problem, first: Sequence[FirstTrial]) -> list[tuple[Params, str]]:
    """The configurations completed by seeded draws, each with its note; equal ones once, unless the problem is noisy.

    Raises:
        SearchSpaceError: One is not of the space.
    """
    drawer = SpaceDrawer(problem.space)
    found: list[tuple[Params, str]] = []
    seen: set[tuple[tuple[str, bool, object], ...]] = set()
    for number, wish in enumerate(first):
        params = drawer.complete(wish.params, Random(trial_key(problem.seed, number)))
        key = tuple((name, type(value) is bool, value) for name, value in params.items())
        if problem.noisy or key not in seen:
            found.append((params, wish.note))
            seen.add(key)
    return found
