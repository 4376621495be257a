"""The ``tpe`` sampler for Optuna's own studies, and for Optuna's public conformance suites.

study = optuna.create_study(sampler=TunerTPESampler(seed=17))
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import intersection_search_space
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from tuner.core.ports import Problem, Suggestion
from tuner.errors import SearchSpaceError
from tuner.samplers.tpe import TPESampler
from tuner.space import Categorical, Distribution, Float, Int, SearchSpace
from tuner.study import Metric
from tuner.trial import ParamValue, Trial, TrialState

__all__ = ["TunerTPESampler"]

_KEPT = 64
_STATES = {OptunaState.COMPLETE: TrialState.COMPLETE, OptunaState.PRUNED: TrialState.PRUNED}
_LARGEST = 1.7e308


class TunerTPESampler(BaseSampler):
    """``tuner.samplers.tpe.TPESampler`` behind Optuna's interface.

    Optuna does not declare the space, so the parameters that all finished trials have are modelled jointly, and every other
    one on its own, as by Optuna's samplers. Combinations may be suggested again. Pruned trials rank by how far they came.

    Args:
        n_startup_trials: As for ``TPESampler``.
        n_ei_candidates: As for ``TPESampler``.
        prior_weight: As for ``TPESampler``.
        constant_liar: As for ``TPESampler``.
        seed: From 0; None for a random one.
    """

    def __init__(
        self,
        *,
        n_startup_trials: int = 10,
        n_ei_candidates: int = 24,
        prior_weight: float = 1.0,
        constant_liar: bool = True,
        seed: int | None = None,
    ) -> None:
        self._options: dict[str, Any] = {
            "n_startup_trials": n_startup_trials,
            "n_ei_candidates": n_ei_candidates,
            "prior_weight": prior_weight,
            "constant_liar": constant_liar,
        }
        self._seed = _new_seed() if seed is None else seed
        self._random = RandomSampler(seed=self._seed)
        self._lock = Lock()
        self._engines: OrderedDict[object, _Engine] = OrderedDict()
        TPESampler(Problem(SearchSpace({"x": Int(0, 1)}), (Metric("0"),), 0), **self._options)

    def reseed_rng(self) -> None:
        """Go on with another random seed, as a copy in another process must."""
        self._seed = _new_seed()
        self._random.reseed_rng()
        self._engines.clear()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The parameters that every finished trial has, and more than one value."""
        found = intersection_search_space(study.get_trials(deepcopy=False))
        return {name: d for name, d in found.items() if not d.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Values for all of these parameters, chosen jointly."""
        engine = self._engine(study, search_space) if search_space else None
        return engine.suggest(study, trial) if engine is not None else {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A value for one parameter, learned from the trials that have it."""
        engine = self._engine(study, {param_name: param_distribution})
        if engine is None:
            return self._random.sample_independent(study, trial, param_name, param_distribution)
        return engine.suggest(study, trial)[param_name]

    def _engine(self, study: Study, space: Mapping[str, BaseDistribution]) -> _Engine | None:
        """The engine for a space in a study; None for a space that ours cannot hold."""
        key = (id(study._storage), study._study_id, tuple((name, repr(d)) for name, d in space.items()))
        with self._lock:
            if key not in self._engines:
                try:
                    self._engines[key] = _Engine(study, space, self._seed, self._options)
                except SearchSpaceError:
                    return None
                if len(self._engines) > _KEPT:
                    self._engines.popitem(last=False)
            self._engines.move_to_end(key)
            return self._engines[key]


class _Engine:
    """One of our samplers over one space, kept up to date with a study."""

    def __init__(
        self, study: Study, space: Mapping[str, BaseDistribution], seed: int, options: Mapping[str, Any]
    ) -> None:
        self._storage = study._storage  # its id stays taken while this lives
        self._distributions = dict(space)
        metrics = tuple(
            Metric(str(k), "maximize" if direction == StudyDirection.MAXIMIZE else "minimize")
            for k, direction in enumerate(study.directions)
        )
        ours = SearchSpace({name: _ours(d) for name, d in space.items()})
        self._sampler = TPESampler(Problem(ours, metrics, seed, noisy=True), **options)
        self._lock = Lock()
        self._next = 0
        self._running: dict[int, int] = {}
        self._told: set[int] = set()

    def suggest(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        """Values for a trial, in Optuna's form."""
        with self._lock:
            for other in study.get_trials(deepcopy=False):
                if other.number != trial.number and other.number not in self._told:
                    self._learn(other)
            self._forget(trial.number)  # asked again: draws go by our numbers, so it gets another
            (suggestion,) = self._sampler.ask(self._start(trial.number), 1)
        return {name: d.to_external_repr(_internal(suggestion.params[name])) for name, d in self._distributions.items()}

    def _start(self, number: int) -> int:
        self._running[number] = self._next
        self._next += 1
        return self._running[number]

    def _forget(self, number: int) -> None:
        if number in self._running:
            self._sampler.tell([Trial(self._running.pop(number), TrialState.FAIL, {}, {})])

    def _learn(self, trial: FrozenTrial) -> None:
        if trial.state == OptunaState.WAITING or (trial.state == OptunaState.RUNNING and trial.number in self._running):
            return
        params: dict[str, ParamValue] = {}
        for name, d in self._distributions.items():
            if name in trial.params and type(trial.distributions[name]) is type(d):
                inner = trial.distributions[name].to_internal_repr(trial.params[name])
                if d._contains(inner):
                    params[name] = inner
        if trial.state == OptunaState.RUNNING:
            if len(params) == len(self._distributions):
                self._sampler.replay(self._start(trial.number), Suggestion(params))
            return
        self._told.add(trial.number)
        self._forget(trial.number)
        if params:
            self._sampler.tell([_told(self._next, trial, params)])
            self._next += 1


def _told(number: int, trial: FrozenTrial, params: Mapping[str, ParamValue]) -> Trial:
    values: dict[str, float] = {}
    step = trial.last_step
    if trial.state == OptunaState.COMPLETE:
        values = {str(k): min(max(v, -_LARGEST), _LARGEST) for k, v in enumerate(trial.values)}
    elif step is not None and not math.isnan(trial.intermediate_values[step]):
        values = {"0": min(max(trial.intermediate_values[step], -_LARGEST), _LARGEST)}
    violation = sum(max(bound, 0.0) for bound in trial.constraints.values())
    state = _STATES.get(trial.state, TrialState.FAIL)
    return Trial(number, state, params, values, last_step=step, violation=violation)


def _ours(d: BaseDistribution) -> Distribution:
    if isinstance(d, FloatDistribution):
        return Float(d.low, d.high, log=d.log, step=d.step)
    if isinstance(d, IntDistribution):
        return Int(d.low, d.high, log=d.log, step=d.step)
    assert isinstance(d, CategoricalDistribution)
    return Categorical(list(range(len(d.choices))))  # choices may be any objects: their places will do


def _internal(value: ParamValue) -> float:
    assert isinstance(value, int | float)
    return value


def _new_seed() -> int:
    return int(np.random.default_rng().integers(2**31))
