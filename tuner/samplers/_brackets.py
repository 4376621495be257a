"""One sampler for each bracket of a pruner, which knows of that bracket's trials alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tuner.core.ports import Problem, Pruner, Sampler, Suggestion
from tuner.samplers._renumbered import Renumbered
from tuner.study import trial_seed
from tuner.trial import Trial

__all__ = ["Bracketed", "by_bracket"]


class Bracketed(Sampler):
    """Asks the sampler of the bracket that the pruner will put the trial into.

    Brackets stop their trials at different steps, so what a bracket's survivors say is not to be compared with another one's:
    Hyperband (Li et al., 2018) and BOHB (Falkner et al., 2018) know of brackets, and a sampler that is told all trials would
    take those of the most patient bracket for the best parameters.

    Args:
        samplers: One a bracket, new.
        bracket_of: Trial number -> bracket; depends on nothing but the number.
    """

    def __init__(self, samplers: Sequence[Sampler], bracket_of: Callable[[int], int]) -> None:
        self._brackets = [Renumbered(sampler) for sampler in samplers]
        self._bracket_of = bracket_of

    @property
    def waits(self) -> bool:
        """Whether any bracket's sampler does."""
        return any(bracket.sampler.waits for bracket in self._brackets)

    def ask(self, first: int, count: int) -> Sequence[Suggestion]:
        """Each from its bracket's sampler; as many as come before the first that has nothing to suggest."""
        suggestions: list[Suggestion] = []
        for number in range(first, first + count):
            asked = self._brackets[self._bracket_of(number)].ask([number])
            if not asked:
                break
            suggestions.extend(asked)
        return suggestions

    def tell(self, trials: Sequence[Trial]) -> None:
        """Each to the sampler of its bracket."""
        for trial in trials:
            self._brackets[self._bracket_of(trial.number)].tell([trial])

    def inform(self, trials: Sequence[Trial]) -> None:
        """Trials of earlier studies went as far as they went: every bracket may know them."""
        for bracket in self._brackets:
            bracket.sampler.inform(trials)

    def replay(self, number: int, suggestion: Suggestion) -> None:
        """To the sampler of its bracket."""
        self._brackets[self._bracket_of(number)].replay(number, suggestion)


def by_bracket(build: Callable[[Problem], Sampler], problem: Problem, pruner: Pruner) -> Sampler:
    """The problem's sampler; where it needs one for each bracket of the pruner, all of them in one.

    One serves all where there is one bracket; where it says so itself (``across_brackets``, ``wants_reports``); and on finite
    spaces whose combinations are not to be repeated, as none would know which ones another bracket has tried.
    """
    sampler = build(problem)
    n = pruner.brackets
    finite = not problem.noisy and all(d.n_values is not None for d in problem.space.values())
    if n < 2 or finite or sampler.across_brackets or sampler.wants_reports:
        return sampler
    share = None if problem.trials is None else -(-problem.trials // n)
    parallel = None if problem.parallel is None else -(-problem.parallel // n)
    parts = [replace(problem, seed=trial_seed(problem.seed, -2 - k), trials=share, parallel=parallel) for k in range(n)]
    return Bracketed([build(part) for part in parts], pruner.bracket)
