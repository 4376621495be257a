"""The ``auto`` sampler: who suggests next is decided by the trials that are known and those that run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tuner.core.ports import Problem, Sampler, Suggestion
from tuner.samplers.gp import GPSampler
from tuner.samplers.tpe import TPESampler
from tuner.trial import Trial, TrialState

__all__ = ["AutoSampler"]

CROWD = 300
"""From how many running trials on the Gaussian process has every second suggestion only."""
LONG = 1000
"""From how many results on it has every fourth suggestion only."""
HURRY_S = 0.05
"""Where a suggestion is wanted more often than this, the Gaussian process, which takes about as long, has none."""
KNOWN = 10
"""Results from which on it is known how long trials take."""
APART = 5
"""Of so many suggestions one is made by ``tpe``: it looks elsewhere where the Gaussian process sits in a local hollow."""
SETTLED = 20
"""Trial from which on; before, the Gaussian process is still looking everywhere itself."""


class AutoSampler(Sampler):
    """Lets ``gp`` suggest while trials are few, with a look aside by ``tpe``, and shares with it where they are many.

    The rule, for trial n:

    - ``gp`` suggests while there are fewer than 1,000 results and fewer than 300 trials run. That is nearly every study of
      expensive trials: there it was ahead of ``tpe`` on nearly every task, at 1, 8, 64 and 256 workers. From trial 20 on
      every fifth suggestion is ``tpe``'s all the same, as it gets the search out of local hollows: better than ``gp``
      alone (mean rank 2.6 for 3.0 at one worker, over 14 tasks and 6 seeds).
    - While 300 trials or more run, the two take turns (n even, n odd): as good as ``gp`` alone at 1,000 workers, for less
      than half of its time, and where one of the two is caught the other goes on.
    - From 1,000 results on, ``gp`` has every fourth suggestion (n divisible by 4): ``tpe`` costs a tenth, knows all trials
      where ``gp`` knows the best 500, and short trials, of which there are so many, do not wait for it.

    - Where trials end so fast that a suggestion is wanted every 50 ms or sooner (their mean wall time over the number that
      run, from 10 results on), ``tpe`` suggests alone: workers would wait for ``gp``.

    The measurements are in ``docs/samplers.md``. Both samplers learn of all trials, whoever chose them, so a change of
    hands loses nothing; constraints, invalid parameters, earlier studies, several metrics and partial results are
    theirs to mind.

    Args:
        problem: What is known of it in advance: the space, the metrics, the constraints, the seed.
    """

    wants_reports = True
    order_free = True
    across_brackets = True

    def __init__(self, problem: Problem) -> None:
        self._gp, self._tpe = GPSampler(problem), TPESampler(problem)
        self._members: tuple[Sampler, ...] = (self._gp, self._tpe)
        self._running: set[int] = set()
        self._n_results = 0
        self._wall_us = 0  # whole numbers, so that their sum is the same in any order

    def ask(self, first: int, count: int) -> Sequence[Suggestion]:
        """Suggestions for trials ``first`` to ``first + count - 1``; fewer when a finite space is exhausted.

        Raises:
            SearchSpaceError: Next to everything is forbidden.
        """
        suggestions: list[Suggestion] = []
        for number in range(first, first + count):
            chosen = self._choice(number)
            asked = chosen.ask(number, 1)
            if not asked:
                break
            suggestions.append(asked[0])
            self._began(number, asked[0], chosen)
        return suggestions

    def tell(self, trials: Sequence[Trial]) -> None:
        """Tell both."""
        for trial in trials:
            self._running.discard(trial.number)
            self._n_results += trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
            self._wall_us += round(trial.wall_s * 1e6)
        for member in self._members:
            member.tell(trials)

    def report(self, trial: int, step: int, values: Mapping[str, float]) -> None:
        """Tell both."""
        for member in self._members:
            member.report(trial, step, values)

    def inform(self, trials: Sequence[Trial]) -> None:
        """Tell both."""
        for member in self._members:
            member.inform(trials)

    def replay(self, number: int, suggestion: Suggestion) -> None:
        """A trial runs, whoever chose it."""
        self._began(number, suggestion, None)

    def _began(self, number: int, suggestion: Suggestion, chosen: Sampler | None) -> None:
        self._running.add(number)
        for member in self._members:
            if member is not chosen:
                member.replay(number, Suggestion(suggestion.params))

    def _choice(self, number: int) -> Sampler:
        """Who suggests trial ``number``."""
        if self._n_results >= KNOWN and 0 < self._wall_us < self._n_results * (len(self._running) + 1) * HURRY_S * 1e6:
            return self._tpe
        if self._n_results >= LONG:
            return self._tpe if number % 4 else self._gp
        if len(self._running) >= CROWD:
            return self._tpe if number % 2 else self._gp
        return self._tpe if number >= SETTLED and number % APART == APART - 1 else self._gp
