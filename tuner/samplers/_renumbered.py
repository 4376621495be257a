"""A sampler that chooses some of a study's trials and knows of no others: its own count of them, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tuner.core.ports import Sampler, Suggestion
from tuner.trial import Trial

__all__ = ["Renumbered"]


class Renumbered:
    """The calls of the sampler port, with the study's numbers outside and the sampler's own, from 0 without gaps, inside.

    Trials that it was never asked for are passed over. Not for samplers that name parents.

    Args:
        sampler: New.

    Attributes:
        sampler: The same, to be informed.
    """

    def __init__(self, sampler: Sampler) -> None:
        self.sampler = sampler
        self._asked = 0
        self._inside: dict[int, int] = {}  # the study's number -> the sampler's, of trials that are not finished

    def ask(self, numbers: Sequence[int]) -> Sequence[Suggestion]:
        """Suggestions for the study's trials ``numbers``, in rising order; fewer as for ``Sampler.ask``."""
        suggestions = self.sampler.ask(self._asked, len(numbers))
        for number in numbers[: len(suggestions)]:
            self._add(number)
        return suggestions

    def tell(self, trials: Sequence[Trial]) -> None:
        """Tell of those trials that it was asked for."""
        mine = [replace(t, number=self._inside.pop(t.number)) for t in trials if t.number in self._inside]
        if mine:
            self.sampler.tell(mine)

    def report(self, trial: int, step: int, values: Mapping[str, float]) -> None:
        """Tell of a report, if it was asked for the trial."""
        if trial in self._inside:
            self.sampler.report(self._inside[trial], step, values)

    def replay(self, number: int, suggestion: Suggestion) -> None:
        """Take a suggestion back from the log."""
        self.sampler.replay(self._asked, suggestion)
        self._add(number)

    def _add(self, number: int) -> None:
        self._inside[number] = self._asked
        self._asked += 1
