"""The ``tpe`` sampler: a tree-structured Parzen estimator on columns of numbers, made for many trials at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import ClassVar

import numpy as np

from tuner.core.ports import Problem, Sampler, Suggestion
from tuner.errors import SweepError
from tuner.samplers._encoding import Encoding, Rows
from tuner.samplers._halton import Halton
from tuner.samplers._native import SpaceDrawer, trial_key
from tuner.samplers._parzen import Features
from tuner.samplers._seen import Seen
from tuner.samplers._tpe_history import History
from tuner.samplers._tpe_model import Model
from tuner.study import trial_seed
from tuner.trial import Params, Trial

__all__ = ["TPESampler"]

_TRIES = 8


class TPESampler(Sampler):
    """x"""

    wants_reports: ClassVar[bool] = True
    order_free: ClassVar[bool] = True
    across_brackets: ClassVar[bool] = True

    def __init__(
        self,
        problem: Problem,
        *,
        n_startup_trials: int = 10,
        n_ei_candidates: int = 64,
        prior_weight: float = 1.0,
        constant_liar: bool = True,
        multi_fidelity: bool | None = None,
    ) -> None:
        _check("n_startup_trials", n_startup_trials, n_startup_trials >= 0, "a whole number from 0")
        _check("n_ei_candidates", n_ei_candidates, n_ei_candidates >= 1, "a whole number from 1")
        _check("prior_weight", prior_weight, 0.0 < prior_weight < math.inf, "a number above 0")
        by_rung = problem.by_step if multi_fidelity is None else multi_fidelity
        self._space, self._seed = problem.space, problem.seed
        self._metrics = [(m.name, 1.0 if m.goal == "minimize" else -1.0) for m in problem.metrics]
        self._encoding = Encoding(problem.space)
        self._features = Features(self._encoding)
        d, n_metrics = len(self._encoding), len(problem.metrics)
        self._own = History(d, n_metrics, by_rung=by_rung, late=bool(problem.constraints))
        self._earlier = History(d, n_metrics)
        self._running: dict[int, Rows] = {}
        self._seen = Seen(problem.space, problem.noisy, problem.seed)
        self._drawer = SpaceDrawer(problem.space)
        self._design = Halton(d, trial_seed(problem.seed, -1))
        self._n_startup, self._n_candidates = n_startup_trials, n_ei_candidates
        self._prior_weight, self._lies = prior_weight, constant_liar
        self._model: Model | None = None
        self._informed: frozenset[int] = frozenset()

    def ask(self, first: int, count: int) -> Sequence[Suggestion]:
        """Suggestions for trials ``first`` to ``first + count - 1``, each made in the knowledge of those before it.

        Raises:
            SearchSpaceError: Next to everything is forbidden.
        """
        suggestions: list[Suggestion] = []
        for number in range(first, first + count):
            params = self._choose(number)
            if params is None:
                break
            self._start(number, params)
            suggestions.append(Suggestion(params))
        return suggestions

    def tell(self, trials: Sequence[Trial]) -> None:
        """Learn of finished trials; those that failed for another reason than their parameters are forgotten."""
        for trial in trials:
            row = self._running.pop(trial.number, None)
            if row is None:
                self._own.place(trial.number, self._encoding.encode(trial.params))
            self._own.finish(trial, self._losses(trial))
            self._model = None

    def report(self, trial: int, step: int, values: Mapping[str, float]) -> None:
        """Learn a running trial's partial result, when partial results are compared at all."""
        name, sign = self._metrics[0]
        if trial in self._running and name in values and self._own.report(trial, step, sign * values[name]):
            self._model = None

    def inform(self, trials: Sequence[Trial]) -> None:
        """Learn of an earlier study: split by its own results, weighing less and less as own trials come."""
        for trial in trials:
            self._seen.add(trial.params)
            self._earlier.place(trial.number, self._encoding.encode(trial.params))
            self._earlier.finish(trial, self._losses(trial))
        self._model = None

    def replay(self, number: int, suggestion: Suggestion) -> None:
        """Note a trial that runs, whoever chose it."""
        self._start(number, suggestion.params)

    def _start(self, number: int, params: Params) -> None:
        row = self._encoding.encode(params)
        self._seen.add(params)
        self._own.place(number, row)
        late = self._running and number < next(reversed(self._running))
        self._running[number] = row
        if late:
            self._running = dict(sorted(self._running.items()))

    def _losses(self, trial: Trial) -> list[float]:
        """Values, turned so that smaller is better; none when one is missing."""
        if not all(name in trial.values for name, _ in self._metrics):
            return []
        return [sign * trial.values[name] for name, sign in self._metrics]

    def _choose(self, number: int) -> Params | None:
        """Parameters for a trial; None when nothing is left to try."""
        if self._seen.exhausted:
            return None
        rng = np.random.Generator(np.random.SFC64([self._seed, number]))
        if self._own.n + self._own.n_reporting < self._n_startup and not self._earlier.n:
            params = self._designed(number)
        else:
            params = self._modelled(rng)
        return params if params is not None else self._seen.draw(self._drawer, Random(trial_key(self._seed, number)))

    def _designed(self, number: int) -> Params | None:
        point = self._encoding.of_unit(self._design[number][None])[0]
        return self._fresh(point)

    def _modelled(self, rng: np.random.Generator) -> Params | None:
        model = self._fitted()
        running = {n: row for n, row in self._running.items() if n not in self._informed} if self._lies else {}
        for _ in range(_TRIES):
            rows = model.candidates(rng, self._n_candidates)
            for k in model.ranked(rows, running):
                params = self._fresh(rows[k])
                if params is not None:
                    return params
        return None

    def _fresh(self, row: Rows) -> Params | None:
        """The parameters of a row; None when they are forbidden, or tried already."""
        params = self._encoding.decode(np.nan_to_num(row, nan=0.5))  # whatever rounding makes of a condition
        return None if params is None or params in self._seen else params

    def _fitted(self) -> Model:
        if self._model is None:
            own = self._own.split(_n_good)
            splits = [(own, 1.0)]
            if self._earlier.n:
                fading = self._n_fading / (self._n_fading + self._own.n)
                splits.append((self._earlier.split(_n_good), fading))
            self._model, self._informed = Model(self._features, splits, self._prior_weight), own.informed
        return self._model

    @property
    def _n_fading(self) -> int:
        return max(self._n_startup, 10)


def _n_good(n: int) -> int:
    return min(math.ceil(math.sqrt(n)), 50)


def _check(name: str, value: object, fine: bool, expected: str) -> None:
    if not fine:
        raise SweepError(f"{name} is out of range", path=f"sampler.{name}", got=value, expected=expected)
