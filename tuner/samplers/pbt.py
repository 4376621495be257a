"""The ``pbt`` sampler: parameters that change while a population trains."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from random import Random

from tuner.core.ports import Problem, Sampler, Suggestion
from tuner.errors import SweepError, closest
from tuner.samplers._native import SpaceDrawer, nearest, trial_key
from tuner.samplers._options import at_least, share
from tuner.space import Categorical, Constant, Float, Int
from tuner.trial import Params, ParamValue, Trial, TrialState

__all__ = ["PBTSampler"]

_TRIES = (
    64  # perturbations that may be forbidden, one after another, before the parent's parameters are taken as they are
)


class PBTSampler(Sampler):
    """Begins with a random population, and puts a changed copy of one of the best in the place of each trial that the ``pbt``
    pruner has stopped (population based training: Jaderberg et al., 2017).

    The copy starts from its parent's latest checkpoint (exploit), with each parameter multiplied by one of ``factors`` or,
    now and then, drawn anew (explore). When nothing is left to continue, because all members have completed, it ends.
    A failed trial is replaced as well, up to as many times as there are members.

    Deviations from the paper: a parent is drawn from the best of those that still train; parameters whose range reaches
    down to 0 or below are moved by a share of their range instead of multiplied; choices change only by being drawn anew.

    Args:
        problem: The space, the first metric and the seed.
        population: How many members, at least 2.
        interval: Steps from turn to turn, at least 1: the pruner's.
        quantile: Share of the training members (at least one) among which a parent is drawn, above 0, at most 0.5.
        resample_probability: Chance of each parameter to be drawn anew.
        factors: What numbers are multiplied by, one of them at random, each above 0.
        explore: The parameters that change; None for all. What shapes the model must not be among them, as a checkpoint would
            not fit.
        max: The pruner's: step from which on no trial is stopped.

    Raises:
        SweepError: An option is wrong, or the budget of trials is smaller than the population.
    """

    wants_reports = True
    across_brackets = True

    def __init__(  # noqa: PLR0913 -- the options of a plug-in are its keyword arguments
        self,
        problem: Problem,
        *,
        population: int = 10,
        interval: int = 1,
        quantile: float = 0.25,
        resample_probability: float = 0.25,
        factors: Sequence[float] = (0.8, 1.2),
        explore: Sequence[str] | None = None,
        max: int | None = None,
    ) -> None:
        at_least("population", population, 2)
        at_least("interval", interval, 1)
        at_least("max", max, 1)
        share("resample_probability", resample_probability)
        if not 0.0 < quantile <= 0.5:
            raise SweepError(
                "no share of the population", path="sampler.quantile", got=quantile, expected="above 0, at most 0.5"
            )
        if problem.trials is not None and problem.trials < population:
            raise SweepError(
                f"limits.trials leaves no room for a population of {population}: copies count as trials, too",
                path="sampler.population",
                got=problem.trials,
                expected=f"limits.trials from {population}, or limits.time or limits.steps in its place",
            )
        self._space, self._seed = problem.space, problem.seed
        self._metric = problem.metrics[0].name
        self._sign = 1.0 if problem.metrics[0].goal == "minimize" else -1.0
        self._drawer = SpaceDrawer(problem.space)
        self._population, self._quantile = population, quantile
        self._resampled, self._factors = resample_probability, _factors(factors)
        self._moving = self._names(explore)
        self._n_begun = self._n_failed = 0
        self._training: dict[int, Params] = {}
        self._latest: dict[int, tuple[int, float]] = {}  # training trial -> (step, score)
        self._vacant: deque[int] = deque()  # trials whose places are free

    @property
    def waits(self) -> bool:
        """Whether members train still: a place may become free."""
        return bool(self._training)

    def ask(self, first: int, count: int) -> Sequence[Suggestion]:
        """The first members, then a copy for each place that has become free.

        Raises:
            SearchSpaceError: Next to everything is forbidden.
        """
        suggestions: list[Suggestion] = []
        for number in range(first, first + count):
            rng = Random(trial_key(self._seed, number))
            if self._n_begun < self._population:
                suggestion: Suggestion | None = Suggestion(self._drawer.draw(rng))
            else:
                suggestion = self._copy(rng) if self._vacant else None
            if suggestion is None:
                break
            self.replay(number, suggestion)
            suggestions.append(suggestion)
        return suggestions

    def tell(self, trials: Sequence[Trial]) -> None:
        """A member has ended; its place is free unless it completed."""
        for trial in trials:
            known = self._training.pop(trial.number, None) is not None
            self._latest.pop(trial.number, None)
            failed = trial.state is TrialState.FAIL
            self._n_failed += failed
            if known and (trial.state is TrialState.PRUNED or (failed and self._n_failed <= self._population)):
                self._vacant.append(trial.number)

    def report(self, trial: int, step: int, values: Mapping[str, float]) -> None:
        """Note how far a member is, and how good."""
        value = values.get(self._metric)
        if trial in self._training and value is not None and math.isfinite(value):
            self._latest[trial] = (step, self._sign * value)

    def replay(self, number: int, suggestion: Suggestion) -> None:
        """A trial takes a place: one of the first, or one that was free."""
        if self._n_begun < self._population:
            self._n_begun += 1
        elif self._vacant:
            self._vacant.popleft()
        self._training[number] = suggestion.params

    def _copy(self, rng: Random) -> Suggestion | None:
        ranked = sorted(self._latest, key=lambda trial: (self._latest[trial][1], trial))
        if not ranked:
            return None
        parent = rng.choice(ranked[: max(1, int(len(ranked) * self._quantile))])
        step, score = self._latest[parent]
        params = self._explored(self._training[parent], rng)
        before = self._training[parent]
        changes = [f"{name} {_short(before.get(name))} -> {_short(value)}" for name, value in params.items()
                   if before.get(name) != value]  # fmt: skip
        note = (
            f"in place of trial {self._vacant[0]} it continues trial {parent}, whose {self._metric} was "
            f"{self._sign * score:.6g} at step {step}, with {', '.join(changes) or 'the same parameters'}"
        )
        return Suggestion(params, parent=parent, note=note)

    def _explored(self, params: Params, rng: Random) -> Params:
        for _ in range(_TRIES):
            changed: dict[str, ParamValue] = {}
            for name, d in self._space.items():
                if not self._space.is_active(name, changed):
                    continue
                if isinstance(d, Constant):
                    changed[name] = d.value
                elif name not in params or (name in self._moving and rng.random() < self._resampled):
                    changed[name] = self._drawer.value(name, rng)
                elif name in self._moving:
                    changed[name] = _moved(d, params[name], rng.choice(self._factors))
                else:
                    changed[name] = params[name]
            if not self._space.is_forbidden(changed):
                return changed
        return params

    def _names(self, explore: Sequence[str] | None) -> frozenset[str]:
        sampled = self._space.sampled
        if explore is None:
            return frozenset(sampled)
        if isinstance(explore, str) or not isinstance(explore, Sequence) or not explore:
            raise SweepError(
                "must be a list of parameters", path="sampler.explore", got=explore, expected=f"of {', '.join(sampled)}"
            )
        for name in explore:
            if name not in sampled:
                near = closest(str(name), sampled)
                raise SweepError(
                    f"there is no parameter {name!r} to explore",
                    path="sampler.explore",
                    got=list(explore),
                    expected=f"some of {', '.join(sampled)}",
                    hint=f"did you mean {near!r}?" if near else None,
                )
        return frozenset(explore)


def _factors(factors: object) -> tuple[float, ...]:
    numbers = factors if isinstance(factors, Sequence) and not isinstance(factors, str) else ()
    if not numbers or not all(isinstance(f, int | float) and not isinstance(f, bool) and f > 0 for f in numbers):
        raise SweepError(
            "must be numbers above 0", path="sampler.factors", got=factors, expected="a list such as [0.8, 1.2]"
        )
    return tuple(float(f) for f in numbers)


def _moved(d: Float | Int | Categorical, value: ParamValue, factor: float) -> ParamValue:
    """The value times the factor, or moved by a share of the range that reaches to 0 or below; on the grid, within range."""
    if isinstance(d, Categorical) or not isinstance(value, int | float):
        return value
    moved = nearest(d, value * factor if d.low > 0 else value + (factor - 1.0) * (d.high - d.low))
    step = d.step
    if moved == value and step is not None and factor != 1.0:  # less than half a step: one step, so that it moves
        return nearest(d, value + (step if factor > 1.0 else -step))
    return moved


def _short(value: ParamValue) -> str:
    return f"{value:.4g}" if isinstance(value, float) else repr(value)
