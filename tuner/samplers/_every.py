"""Every combination once, in an order of the seed: what ``grid`` and ``brute_force`` have in common."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.core.ports import Problem, Sampler, Suggestion
from tuner.samplers._grid import Combinations
from tuner.samplers._permutation import Permutation
from tuner.trial import Params, Trial

__all__ = ["EveryCombination"]

_Key = tuple[tuple[str, bool, object], ...]


class EveryCombination(Sampler):
    """Goes through combinations, passing over those that were tried by others.

    What is kept is how far it came, and what others have tried: nothing for a trial of its own.

    Args:
        problem: The seed.
        combinations: What is suggested.
        shuffle: Whether the order is shuffled by the seed.
    """

    order_free = True
    across_brackets = True

    def __init__(self, problem: Problem, combinations: Combinations, *, shuffle: bool) -> None:
        self._combinations = combinations
        n = combinations.total
        self._order: Permutation | None = Permutation(n, problem.seed) if shuffle and n else None
        self._next = 0
        self._others: set[_Key] = set()

    def ask(self, first: int, count: int) -> Sequence[Suggestion]:
        """The next ``count`` combinations, as far as there are any."""
        suggestions: list[Suggestion] = []
        while len(suggestions) < count and (params := self._upcoming()) is not None:
            self._next += 1
            suggestions.append(Suggestion(params))
        return suggestions

    def inform(self, trials: Sequence[Trial]) -> None:
        """Pass over what an earlier study has tried."""
        self._others.update(_key(trial.params) for trial in trials)

    def replay(self, number: int, suggestion: Suggestion) -> None:
        """A combination that was its next one was its own; any other one is passed over when its turn comes."""
        params = self._upcoming()
        if params is not None and _key(params) == _key(suggestion.params):
            self._next += 1
        else:
            self._others.add(_key(suggestion.params))

    def _upcoming(self) -> Params | None:
        while self._next < self._combinations.total:
            params = self._combinations[self._next if self._order is None else self._order[self._next]]
            if not self._others or _key(params) not in self._others:
                return params
            self._next += 1
        return None


def _key(params: Params) -> _Key:
    """Equal for equal combinations; True is not 1."""
    return tuple((name, type(value) is bool, value) for name, value in sorted(params.items()))
