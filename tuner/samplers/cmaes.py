"""The ``cmaes`` sampler: evolution by a normal distribution that adapts itself, for long runs over numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

from tuner.core.ports import Problem, Sampler, Suggestion
from tuner.errors import SweepError, closest
from tuner.samplers._encoding import Encoding, Rows
from tuner.samplers._native import SpaceDrawer, trial_key
from tuner.samplers._options import at_least
from tuner.samplers._seen import Seen
from tuner.space import Categorical
from tuner.study import trial_seed
from tuner.trial import Params, Trial, TrialState

__all__ = ["CmaEsSampler"]

_TRIES = 8  # how often a point may be forbidden, or tried already, before a draw takes its place
_SOURCES = 10  # the warm start takes the best tenth of the earlier trials
_FINE = 1e-4  # steps below this share of their range need no margin
_Key = tuple[bool, float, float]


@dataclass(frozen=True, slots=True)
class _Options:
    popsize: int | None
    use_separable_cma: bool
    with_margin: bool
    lr_adapt: bool
    sigma0: float | None
    middle: Rows


class CmaEsSampler(Sampler):
    """Suggests by covariance matrix adaptation (CMA-ES: Hansen, 2016, as the library ``cmaes`` computes it).

    The numbers that are always active adapt, each scaled to [0, 1] (logarithmic ones by their logarithm); choices and
    conditional parameters are drawn at random. A generation is the first ``popsize`` of its trials that end; those that come
    later are lost to it. Feasible trials come before infeasible ones, these by how much they violate; invalid parameters come
    last. Trials of an earlier study, if at least ten are COMPLETE, give the first distribution (WS-CMA-ES: Nomura et al.,
    2021). Two draws in a finite space never give the same combination unless the problem is noisy.

    Deviations from Optuna's sampler of this name: the space is known from the first trial on; constraints and invalid
    parameters count; the log holds each trial's generation instead of the whole optimizer.

    Args:
        problem: The space, one metric, the constraints and the seed.
        x0: Where the first distribution has its middle, by parameter; None, and for those left out: the middle of the range.
        sigma0: Its standard deviation, in widths of the range; None for a sixth.
        n_startup_trials: How many trials must have completed before it begins, at least 0; random until then.
        consider_pruned_trials: Whether pruned trials count with their last value.
        popsize: Trials in a generation, at least 2; None for 4 + 3 ln(number of parameters).
        use_separable_cma: Whether parameters adapt each on its own (sep-CMA-ES: Ros and Hansen, 2008), which takes fewer
            trials where there are many; does nothing with one parameter.
        with_margin: Whether whole numbers and steps keep a chance to change (CMA-ES with margin: Hamano et al., 2022).
        lr_adapt: Whether the learning rate adapts, for noisy and rugged objectives (Nomura et al., 2023).

    Raises:
        SweepError: An option is wrong, two exclude each other, or there are several metrics.
    """

    def __init__(  # noqa: PLR0913 -- Optuna's options
        self,
        problem: Problem,
        *,
        x0: Mapping[str, float] | None = None,
        sigma0: float | None = None,
        n_startup_trials: int = 1,
        consider_pruned_trials: bool = False,
        popsize: int | None = None,
        use_separable_cma: bool = False,
        with_margin: bool = False,
        lr_adapt: bool = False,
    ) -> None:
        if len(problem.metrics) > 1:
            raise SweepError(
                "cmaes handles one metric only", path="sampler", got="cmaes", hint="nsga2 and tpe handle several"
            )
        at_least("n_startup_trials", n_startup_trials, 0)
        at_least("popsize", popsize, 2)
        if sigma0 is not None and not sigma0 > 0:
            raise SweepError("sigma0 is too small", path="sampler.sigma0", got=sigma0, expected="a number above 0")
        if sum((use_separable_cma, with_margin, lr_adapt)) > 1:
            raise SweepError("use_separable_cma, with_margin and lr_adapt exclude each other", path="sampler")
        self._problem = problem
        self._encoding = Encoding(problem.space)
        axes = enumerate(self._encoding.axes)
        self._columns = [j for j, axis in axes if axis.kind != "choice" and not problem.space[axis.name].when]
        self._seen = Seen(problem.space, problem.noisy, problem.seed)
        self._drawer = SpaceDrawer(problem.space)
        middle = self._middle(x0 or {})
        self._options = _Options(popsize, use_separable_cma, with_margin, lr_adapt, sigma0, middle)
        self._warm = not x0 and sigma0 is None and not use_separable_cma
        self._n_startup, self._pruned_too = n_startup_trials, consider_pruned_trials
        self._sign = 1.0 if problem.metrics[0].goal == "minimize" else -1.0
        self._n_told = 0
        self._sources: list[tuple[Rows, float]] = []
        self._made: Any = None
        self._asked: dict[int, tuple[int, Rows]] = {}  # trial -> its generation and its point
        self._solutions: list[tuple[Rows, _Key]] = []

    def ask(self, first: int, count: int) -> Sequence[Suggestion]:
        """Points of the distribution as it is now; fewer when a finite space is exhausted.

        Raises:
            SearchSpaceError: Next to everything is forbidden.
        """
        suggestions: list[Suggestion] = []
        for number in range(first, first + count):
            suggestion = None if self._seen.exhausted else self._suggest(number)
            if suggestion is None:
                break
            self._seen.add(suggestion.params)
            suggestions.append(suggestion)
        return suggestions

    def tell(self, trials: Sequence[Trial]) -> None:
        """Rank the trials of this generation, and adapt when it is full."""
        for trial in trials:
            generation, point = self._asked.pop(trial.number, (-1, self._options.middle))
            key = self._key(trial)
            self._n_told += key is not None and trial.state is not TrialState.FAIL
            if key is None or self._made is None or generation != self._made.generation:
                continue
            self._solutions.append((point, key))
            if len(self._solutions) == self._made.population_size:
                ranked = sorted(self._solutions, key=lambda solution: solution[1])
                self._made.tell([(point, float(rank)) for rank, (point, _) in enumerate(ranked)])
                self._solutions.clear()

    def inform(self, trials: Sequence[Trial]) -> None:
        """Remember where the earlier trials were good: the first distribution is made from them."""
        for trial in trials:
            self._seen.add(trial.params)
            point = self._encoding.encode(trial.params)[self._columns]
            if trial.state is TrialState.COMPLETE and not np.isnan(point).any():
                # An infeasible one is no example; it is worse than all others.
                value = self._sign * trial.values[self._problem.metrics[0].name]
                self._sources.append((point, value if trial.violation <= 0.0 else math.inf))
        self._n_told += len(self._sources)

    def replay(self, number: int, suggestion: Suggestion) -> None:
        """Take a point of the distribution back; what others chose, or was drawn, is none."""
        self._seen.add(suggestion.params)
        if suggestion.state is not None:
            generation, *point = json.loads(suggestion.state)
            self._note(number, generation, np.array(point[0]) if point else self._point(suggestion.params))

    def _suggest(self, number: int) -> Suggestion | None:
        rng = np.random.default_rng(trial_seed(self._problem.seed, number))
        begun = self._columns and self._n_told >= self._n_startup
        for _ in range(_TRIES if begun else 0):
            optimizer = self._optimizer
            optimizer.reseed_rng(int(rng.integers(2**31)))
            row = self._encoding.draw(rng, 1)[0]
            asked = optimizer.ask()
            x, raw = asked if self._options.with_margin else (asked, None)
            row[self._columns] = x
            params = self._encoding.decode(row)
            if params is not None and params not in self._seen:
                self._note(number, optimizer.generation, self._point(params) if raw is None else raw)
                state = [optimizer.generation] if raw is None else [optimizer.generation, raw.tolist()]
                return Suggestion(params, json.dumps(state, separators=(",", ":")))
        drawn = self._seen.draw(self._drawer, Random(trial_key(self._problem.seed, number)))
        return None if drawn is None else Suggestion(drawn)

    def _note(self, number: int, generation: int, point: Rows) -> None:
        assert self._optimizer is not None  # made now at the latest: a replay must find it where the first run had it
        self._asked[number] = generation, point

    def _point(self, params: Params) -> Rows:
        return self._encoding.encode(params)[self._columns]

    def _key(self, trial: Trial) -> _Key | None:
        """What trials are ranked by; None for those that do not count."""
        value = trial.values.get(self._problem.metrics[0].name)
        if trial.state is TrialState.FAIL:
            invalid = trial.failure is not None and trial.failure.kind.blames_params
            return (True, math.inf, 0.0) if invalid else None
        if value is None or not math.isfinite(value) or (trial.state is TrialState.PRUNED and not self._pruned_too):
            return None
        return trial.violation > 0.0, trial.violation, self._sign * value

    @property
    def _optimizer(self) -> Any:
        if self._made is None:
            self._made = self._new()
        return self._made

    def _new(self) -> Any:
        import cmaes  # takes a tenth of a second

        o, axes = self._options, [self._encoding.axes[j] for j in self._columns]
        # Values on a grid stand in the middles of their cells; fine grids are as good as reals.
        steps = np.array([axis.width if o.with_margin and axis.width and axis.width > _FINE else 0.0 for axis in axes])
        half = steps / 2.0
        bounds = np.stack([half, 1.0 - half], axis=1)
        mean, sigma, cov = np.clip(o.middle, bounds[:, 0], bounds[:, 1]), o.sigma0 or 1.0 / 6.0, None
        if self._warm and len(self._sources) >= _SOURCES:
            mean, sigma, cov = cmaes.get_warm_start_mgd(self._sources)
            mean = np.clip(mean, bounds[:, 0], bounds[:, 1])
        common: dict[str, Any] = {
            "mean": mean,
            "sigma": max(float(sigma), 1e-10),
            "bounds": bounds,
            "n_max_resampling": 10 * len(axes),
            "population_size": o.popsize,
        }
        if o.use_separable_cma and len(axes) > 1:
            return cmaes.SepCMA(**common)
        if o.with_margin:
            return cmaes.CMAwM(**common, cov=cov, steps=steps)
        return cmaes.CMA(**common, cov=cov, lr_adapt=o.lr_adapt)

    def _middle(self, x0: Mapping[str, float]) -> Rows:
        space = self._problem.space
        names = [self._encoding.names[j] for j in self._columns]
        middle = np.full(len(names), 0.5)
        for name, value in x0.items():
            if name not in names:
                near = closest(str(name), names)
                raise SweepError(
                    f"there is no number called {name!r} that is always active",
                    path=f"sampler.x0.{name}",
                    expected=f"some of {', '.join(names)}" if names else "nothing: there is none",
                    hint=f"did you mean {near!r}?" if near else None,
                )
            d = space[name]
            if isinstance(d, Categorical) or not d.contains(value):
                raise SweepError("value out of range", path=f"sampler.x0.{name}", got=value, expected=str(d))
            middle[names.index(name)] = self._encoding.encode({name: value})[self._encoding.names.index(name)]
        return middle
