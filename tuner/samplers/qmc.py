"""The ``qmc`` sampler: points that fill the space more evenly than chance does."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Literal

import numpy as np
from scipy.stats import qmc

from tuner.core.ports import Problem, Sampler, Suggestion
from tuner.errors import SearchSpaceError, SweepError
from tuner.samplers._encoding import Encoding, Rows
from tuner.samplers._native import TRIES, SpaceDrawer, trial_key
from tuner.samplers._seen import Seen
from tuner.trial import Params, Trial

__all__ = ["QMCSampler"]

_BLOCK = 64  # points made at once: a power of two, as Sobol' points balance in these
_REPEATS = 64  # points in a row that may be combinations tried already before a draw takes their place


class QMCSampler(Sampler):
    """Suggests the points of a low-discrepancy sequence in turn (Bergstra and Bengio, 2012, section 4).

    The sequences are those of Sobol' (1967; direction numbers of Joe and Kuo, 2008) and Halton (1960), as SciPy makes them.
    Every parameter has a dimension of its own, choices and conditional parameters too: these look at theirs only where they
    are active. Forbidden points, and on finite spaces those that were tried, are passed over.

    Deviations from Optuna's sampler of this name: conditional parameters belong to the sequence instead of being drawn; the
    first trial does, too; ``scramble`` is on by default, as the first plain Sobol' point is a corner of the space and the
    seed would not matter.

    Args:
        problem: The space, the seed and whether it is noisy; metrics do not matter.
        qmc_type: ``sobol``, which fills best where the number of trials is a power of two, or ``halton``.
        scramble: Whether the points are scrambled by the seed (Owen, 1997; Matousek, 1998), which keeps their evenness.

    Raises:
        SweepError: The space has more parameters than the sequence has dimensions.
    """

    order_free = True
    across_brackets = True

    def __init__(
        self, problem: Problem, *, qmc_type: Literal["sobol", "halton"] = "sobol", scramble: bool = True
    ) -> None:
        self._space, self._seed = problem.space, problem.seed
        self._encoding = Encoding(problem.space)
        self._seen = Seen(problem.space, problem.noisy, problem.seed)
        self._drawer = SpaceDrawer(problem.space)
        d = len(self._encoding)
        if qmc_type == "sobol" and d > qmc.Sobol.MAXDIM:
            raise SweepError(
                f"Sobol' points have at most {qmc.Sobol.MAXDIM} dimensions, the space has {d}",
                path="sampler.qmc_type",
                hint="qmc_type: halton",
            )
        kind = qmc.Sobol if qmc_type == "sobol" else qmc.Halton
        # SciPy 1.15 renames the argument `seed` to `rng` and takes both by position.
        self._engine = kind(d, scramble=scramble, rng=np.random.default_rng(problem.seed)) if d else None
        self._block: Rows = np.empty((0, d))
        self._begin = 0  # which point of the sequence is the block's first
        self._next = 0

    def ask(self, first: int, count: int) -> Sequence[Suggestion]:
        """The next ``count`` points; fewer when a finite space is exhausted.

        Raises:
            SearchSpaceError: Next to everything is forbidden.
        """
        suggestions: list[Suggestion] = []
        for number in range(first, first + count):
            params = None if self._seen.exhausted else self._upcoming(number)
            if params is None:
                break
            self._seen.add(params)
            suggestions.append(Suggestion(params, str(self._next)))
        return suggestions

    def inform(self, trials: Sequence[Trial]) -> None:
        """What an earlier study has tried is not tried again."""
        for trial in trials:
            self._seen.add(trial.params)

    def replay(self, number: int, suggestion: Suggestion) -> None:
        """Go on after the point that it was; what others chose takes no point."""
        self._seen.add(suggestion.params)
        if suggestion.state is not None:
            self._next = int(suggestion.state)

    def _upcoming(self, number: int) -> Params | None:
        repeats = 0
        for _ in range(TRIES):
            params = self._encoding.decode(self._point(self._next))
            self._next += 1
            if params is None:
                continue
            if params not in self._seen:
                return params
            repeats += 1
            if repeats == _REPEATS:
                return self._seen.draw(self._drawer, Random(trial_key(self._seed, number)))
        raise SearchSpaceError(
            f"{TRIES} points in a row were forbidden combinations: next to nothing is left to try",
            path="forbidden",
            hint="forbid less, or write the rule as a condition (when) of a parameter",
        )

    def _point(self, k: int) -> Rows:
        """Point ``k`` of the sequence, shape (d,); points are asked for in rising order."""
        if self._engine is None:
            return np.empty(0)
        offset = k - self._begin
        if offset >= len(self._block):
            self._begin = k - k % _BLOCK
            ahead = self._begin - self._engine.num_generated
            if ahead:
                self._engine.fast_forward(ahead)
            self._block = self._encoding.of_unit(self._engine.random(_BLOCK))
            offset = k - self._begin
        row: Rows = self._block[offset]
        return row
