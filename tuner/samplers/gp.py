"""The ``gp`` sampler: Bayesian optimisation with a Gaussian process, in NumPy and SciPy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from random import Random

import numpy as np

from tuner.core.ports import Problem, Sampler, Suggestion
from tuner.errors import SweepError
from tuner.samplers._encoding import Encoding, Rows
from tuner.samplers._gp_models import Models
from tuner.samplers._gp_records import Records
from tuner.samplers._gp_search import search
from tuner.samplers._halton import Halton
from tuner.samplers._native import SpaceDrawer, trial_key
from tuner.samplers._one_thread import one_thread
from tuner.samplers._seen import Seen
from tuner.trial import Params, Trial

__all__ = ["GPSampler"]

_INFORMED_STARTUP = 3
"""How many trials of this study are needed besides those of earlier ones: enough to learn its scale."""


class GPSampler(Sampler):
    """Models the objective as a Gaussian process and tries what promises most improvement (Mockus, 1975; Jones et al., 1998).

    It is the choice for few and expensive trials. The parts, each with its source in the file that holds it:

    - The first points are a randomised Halton sequence (``_halton``).
    - The model: Matérn-5/2, a length scale for every parameter with priors of Hvarfner et al., 2024; choices by
      the overlap kernel, conditional parameters at rest where they are inactive, integers snapped (``_gp_model``,
      ``_gp_features``). Values are warped as in HEBO (``_gp_warp``).
    - The acquisition function is the logarithm of expected improvement, times the probability that constraints hold and that
      parameters are valid (``_gp_models``); a random search followed by local searches finds where it is largest,
      over ranges, grids, choices and conditions alike (``_gp_search``).
    - Trials that still run are believed to end with what the model predicts, so that suggestions keep apart
      (``_gp_surrogate``).
    - Trials that were stopped early, or still run, count with the end that their last report foretells, and its error
      (``_gp_curves``). Trials of earlier studies lie aside in the model by a distance that is learned (``_gp_features``).
    - Several metrics are made one by augmented Tchebycheff weights that change from trial to trial (ParEGO: Knowles, 2006).

    Hyperparameters are fitted anew from a fixed start after every result instead of going on from the last fit: a suggestion
    then follows from the trials known and nothing else. The model knows 500 trials at most, the best and an even
    choice of the others, which bounds the cost of a suggestion in long studies.

    Args:
        problem: The space, the metrics, the constraints and the seed.
        n_startup_trials: How many trials must have a result before the model is used, at least 1. None for 8, or one more
            than there are parameters if that is more; with an earlier study of as many trials, 3 are enough.
        n_candidates: How many uniform draws the search begins with, at least 1; as many again are drawn near the best trials.
            None for 512, and fewer while many trials run.

    Raises:
        SweepError: An option is out of range.
    """

    wants_reports = True
    order_free = True
    across_brackets = True

    def __init__(
        self, problem: Problem, *, n_startup_trials: int | None = None, n_candidates: int | None = None
    ) -> None:
        for name, value in (("n_startup_trials", n_startup_trials), ("n_candidates", n_candidates)):
            if value is not None and value < 1:
                raise SweepError(f"{name} is too small", path=f"sampler.{name}", got=value, expected="at least 1")
        self._problem = problem
        self._encoding = Encoding(problem.space)
        d = len(self._encoding)
        self._startup = max(8, d + 1) if n_startup_trials is None else n_startup_trials
        self._candidates = n_candidates
        self._records = Records(problem, self._encoding)
        self._models = Models(problem, self._encoding, self._records)
        self._design = Halton(d, problem.seed)
        self._drawer = SpaceDrawer(problem.space)
        self._seen = Seen(problem.space, problem.noisy, problem.seed)
        self._tried: set[bytes] | None = None if problem.noisy or self._seen.active else set()

    def ask(self, first: int, count: int) -> Sequence[Suggestion]:
        """Suggestions for trials ``first`` to ``first + count - 1``; fewer when a finite space is exhausted.

        Raises:
            SearchSpaceError: Next to everything is forbidden.
        """
        suggestions: list[Suggestion] = []
        for number in range(first, first + count):
            params = None if self._seen.exhausted else self._suggest(number)
            if params is None:
                break
            suggestions.append(Suggestion(params))
            self.replay(number, suggestions[-1])
        return suggestions

    def tell(self, trials: Sequence[Trial]) -> None:
        """Learn of finished trials; one that failed for no fault of its parameters is forgotten."""
        for trial in trials:
            self._records.end(trial)
        self._models.learned()

    def report(self, trial: int, step: int, values: Mapping[str, float]) -> None:
        """Note how far a running trial came, where trials may be stopped early."""
        name = self._problem.metrics[0].name
        if self._problem.by_step and name in values:
            self._records.report(trial, step, values[name])
            self._models.learned()

    def inform(self, trials: Sequence[Trial]) -> None:
        """Learn of earlier studies; what they have tried is not tried again on a finite space."""
        for trial in trials:
            self._records.end(trial)
            self._seen.add(trial.params)
        self._models.learned(earlier=self._records.informed() > 0)

    def replay(self, number: int, suggestion: Suggestion) -> None:
        """A trial runs, whoever chose it."""
        row = self._encoding.encode(suggestion.params)
        self._records.begin(number, row)
        self._seen.add(suggestion.params)
        if self._tried is not None:
            self._tried.add(row.tobytes())

    def _suggest(self, number: int) -> Params | None:
        with np.errstate(all="ignore"), one_thread():
            for row in self._promising(number):
                params = self._encoding.decode(np.nan_to_num(row))
                if params is not None and params not in self._seen and not self._repeats(params):
                    return params
        return self._seen.draw(self._drawer, Random(trial_key(self._problem.seed, number)))

    def _repeats(self, params: Params) -> bool:
        """Whether a search that has come to its end, over reals, says once more what it said before, to the last bit."""
        return self._tried is not None and self._encoding.encode(params).tobytes() in self._tried

    def _promising(self, number: int) -> Iterable[Rows]:
        """Rows to try, the best first."""
        if not len(self._encoding):
            return ()
        needed = min(self._startup, _INFORMED_STARTUP) if self._records.informed() >= self._startup else self._startup
        if self._records.usable() >= needed:
            try:
                worth = self._models.worth(number)
            except np.linalg.LinAlgError:
                return ()
            rng = np.random.default_rng([self._problem.seed, number])
            effort = self._models.effort
            draws = effort.draws if self._candidates is None else self._candidates
            return search(self._encoding, worth, rng, draws=draws, children=effort.children)
        return self._encoding.of_unit(self._design[number][None, :])
