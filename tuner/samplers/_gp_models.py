"""The surrogates of one problem, fitted when they are needed, and what they make of a row: how much it is worth trying."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.core.ports import Problem
from tuner.samplers._encoding import Encoding, Rows
from tuner.samplers._gp_acquisition import log_cdf, log_ei
from tuner.samplers._gp_features import Features
from tuner.samplers._gp_records import Observations, Records
from tuner.samplers._gp_search import Worth
from tuner.samplers._gp_surrogate import Effort, Surrogate
from tuner.samplers._gp_warp import Warp

__all__ = ["Models"]

Array = NDArray[np.float64]

_BEST = 8
"""How many of the best trials the best mean is looked for among; the search begins around them."""
_WEIGHTS = 10
"""How many scalarisations of several metrics there are; trial ``n`` is chosen for the one of number n modulo this."""
_AUGMENTED = 0.05
"""Share of the sum in the augmented Tchebycheff scalarisation (Knowles, 2006)."""
_VALIDITY_NOISE = 0.05
_APART, _CROWDED = 0.02, 1e3
"""How far a suggestion keeps from trials that run, in some parameter, where it can; a model that is sure where the best is
would send all workers there."""
DARING = 2.0
"""Scale of the half-normal distribution that the weight of the standard deviation is drawn from."""
_EFFORTS = (
    (32, Effort(fitted=200, known=500, believed=100, draws=512, children=24)),
    (300, Effort(fitted=120, known=300, believed=64, draws=384, children=16)),
    (math.inf, Effort(fitted=64, known=160, believed=48, draws=256, children=12)),
)
"""What a suggestion may cost while at most so many trials run: the more there are, the sooner the next one is wanted."""


@dataclass(frozen=True, slots=True)
class _Target:
    """What is to be made small: its surrogate and what it was fitted to."""

    surrogate: Surrogate
    known: Observations
    values: Array


@dataclass(frozen=True, slots=True)
class _Limit:
    """What must be at most ``bound`` in the surrogate's own units."""

    surrogate: Surrogate
    bound: float


class Models:
    """The surrogates of a problem's metrics, its constraints and of the validity of parameters.

    They are fitted at the first question after something was learned and serve until the next. They follow from the
    records alone.

    Args:
        problem: The metrics, the constraints and the seed.
        encoding: Of its space.
        records: What is known.
    """

    def __init__(self, problem: Problem, encoding: Encoding, records: Records) -> None:
        self._problem, self._encoding, self._records = problem, encoding, records
        self._features = Features(encoding)
        self._targets: dict[int, _Target] = {}
        self._limits: list[_Limit] | None = None
        self._spent = self.effort

    @property
    def effort(self) -> Effort:
        """What a suggestion may cost now."""
        n = len(self._records.running)
        return next(effort for most, effort in _EFFORTS if n <= most)

    def learned(self, *, earlier: bool = False) -> None:
        """The records have changed; ``earlier`` when they now hold trials of earlier studies."""
        self._forget()
        if earlier:
            self._features = Features(self._encoding, informed=True)

    def _forget(self) -> None:
        self._targets.clear()
        self._limits = None

    def worth(self, number: int) -> Worth:
        """What trial ``number`` should look for.

        Expected improvement on the best posterior mean at a feasible trial (Ament et al., 2023, in logarithms), times the
        probability of feasibility (Gardner et al., 2014). While no feasible trial is known, that probability alone.

        Raises:
            numpy.linalg.LinAlgError: A model cannot be fitted.
        """
        if self._spent is not self.effort:
            self._forget()
            self._spent = self.effort
        target, limits = self._target(number), self._all_limits()
        pending = self._records.pending()
        rows = np.array([self._records.running[n] for n in pending]).reshape(len(pending), len(self._encoding))
        for surrogate in (target.surrogate, *(limit.surrogate for limit in limits)):
            surrogate.believe(pending, rows)
        whole = np.flatnonzero(target.known.whole)
        candidates = whole if len(whole) else np.arange(len(target.known))
        best = target.known.rows[candidates[np.argsort(target.values[candidates], kind="stable")][:_BEST]]
        improve = len(whole) > 0 or not limits
        incumbent = float(target.surrogate.predict(best)[0].min()) if improve else 0.0

        running = self._filled(target.surrogate.believed)
        daring = self._daring(number) if pending else None

        def judge(rows: Rows) -> Array:
            total = np.zeros(len(rows))
            if improve:
                mean, variance = target.surrogate.predict(rows)
                total = log_ei(mean, variance, incumbent) if daring is None else daring * np.sqrt(variance) - mean
            for limit in limits:
                total = total + log_cdf(*limit.surrogate.predict(rows), limit.bound)
            return total - _CROWDED * _near(self._filled(rows), running)

        return Worth(judge, best)

    @staticmethod
    def _filled(rows: Rows) -> Rows:
        """Rows in which inactive parameters differ from no other."""
        return np.nan_to_num(rows, nan=0.5)

    def _daring(self, number: int) -> float:
        """How many standard deviations below the mean trial ``number`` hopes for: drawn, so that no two want the same."""
        return DARING * abs(float(np.random.default_rng([self._problem.seed, number, 1]).standard_normal()))

    def _target(self, number: int) -> _Target:
        several = len(self._problem.metrics) > 1
        key = number % _WEIGHTS if several else 0
        if key not in self._targets:
            if several:
                known, table = self._records.metrics()
                values = self._scalarised(table, key)
            else:
                known = self._records.objective()
                values = known.values
            warped, extra = _warped(known, values)
            self._targets[key] = _Target(Surrogate(self._features, known, warped, extra, self._spent), known, warped)
        return self._targets[key]

    def _scalarised(self, table: Array, key: int) -> Array:
        """Several metrics as one: the augmented Tchebycheff distance from the best of each, under weights of number ``key``."""
        warped = np.column_stack([Warp(column)(column) for column in table.T])
        span = np.ptp(warped, axis=0)
        scaled = (warped - warped.min(axis=0)) / np.where(span > 0.0, span, 1.0)
        share = (key + 0.5) / _WEIGHTS
        m = table.shape[1]
        weights = np.array([share, 1.0 - share])
        if m > 2:
            weights = np.random.default_rng([self._problem.seed, key]).dirichlet(np.ones(m))
        result: Array = (scaled * weights).max(axis=1) + _AUGMENTED * (scaled @ weights)
        return result

    def _all_limits(self) -> list[_Limit]:
        if self._limits is None:
            known = [self._records.constraint(k) for k in range(len(self._problem.constraints))]
            self._limits = [self._constraint(observed) for observed in known if len(observed)]
            if self._records.invalid:
                self._limits.append(self._validity())
        return self._limits

    def _constraint(self, known: Observations) -> _Limit:
        """The slack on a logarithmic scale to both sides of 0, standardised."""
        scale = float(np.median(np.abs(known.values))) or 1.0
        values = np.sign(known.values) * np.log1p(np.abs(known.values) / scale)
        shift, spread = float(values.mean()), float(values.std()) or 1.0
        surrogate = Surrogate(self._features, known, (values - shift) / spread, np.zeros(len(values)), self._spent)
        return _Limit(surrogate, -shift / spread)

    def _validity(self) -> _Limit:
        """A classifier by regression on -1 and 1 (Rasmussen and Williams, 2006, section 6.5)."""
        known = self._records.validity()
        noise = np.full(len(known), _VALIDITY_NOISE)
        return _Limit(Surrogate(self._features, known, known.values, noise, self._spent), 0.0)


def _near(rows: Rows, others: Rows) -> NDArray[np.bool_]:
    """Which rows, shape (m,), differ from some other row, shape (k, d), by less than ``_APART`` in every parameter."""
    near = np.zeros(len(rows), dtype=np.bool_)
    for other in others:
        suspects = np.flatnonzero(~near)
        near[suspects] = (np.abs(rows[suspects] - other) < _APART).all(axis=1)
    return near


def _warped(known: Observations, values: Array) -> tuple[Array, Array]:
    """Values warped, those of earlier studies by themselves as their scale may differ, and the variance of predicted ones."""
    warped, extra = np.empty_like(values), np.zeros_like(values)
    for group in (known.earlier, ~known.earlier):
        if group.any():
            own, spread = values[group], known.spread[group]
            warp = Warp(own)
            warped[group] = warp(own)
            extra[group] = (0.5 * (warp(own + spread) - warp(own - spread))) ** 2
    return warped, extra
