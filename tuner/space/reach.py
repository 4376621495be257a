"""Whether conditions can ever hold, and whether they always do, over the values that parameters can take."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from tuner.space.conditions import Condition, matches
from tuner.space.distributions import Categorical, Constant, Distribution, Float
from tuner.trial import ParamValue

__all__ = ["always_holds", "can_hold"]

_MAX_TRIED = 10_000


def can_hold(distribution: Distribution, conditions: Sequence[Condition]) -> bool:
    """Whether some value of ``distribution`` meets all ``conditions`` at once."""
    candidates = _candidates(distribution, conditions)
    if candidates is None:
        return _interval_is_met(distribution, [c for c in conditions if isinstance(c, Mapping)])
    return any(distribution.contains(value) and all(matches(value, c) for c in conditions) for value in candidates)


def always_holds(distribution: Distribution, condition: Condition) -> bool:
    """Whether every value of ``distribution`` meets ``condition``. False where there are too many values to try."""
    if isinstance(condition, Mapping) and not isinstance(distribution, Categorical | Constant):
        inside = condition.get("low", -math.inf) <= distribution.low
        return bool(inside and distribution.high <= condition.get("high", math.inf))
    n = distribution.n_values
    if n is None or n > _MAX_TRIED:
        return False
    return all(matches(value, condition) for value in distribution.values() or ())


def _candidates(distribution: Distribution, conditions: Sequence[Condition]) -> Iterable[ParamValue] | None:
    """Finitely many values among which one must be that meets all conditions; None when only ranges bound them."""
    if isinstance(distribution, Categorical | Constant):
        return distribution.values()
    for condition in conditions:
        if isinstance(condition, Mapping):
            continue
        if isinstance(condition, Sequence) and not isinstance(condition, str):
            return condition
        return (condition,)
    return None


def _interval_is_met(distribution: Distribution, ranges: Sequence[Mapping[str, float]]) -> bool:
    assert not isinstance(distribution, Categorical | Constant)
    low = max([distribution.low, *(r["low"] for r in ranges if "low" in r)])
    high = min([distribution.high, *(r["high"] for r in ranges if "high" in r)])
    if low > high:
        return False
    if isinstance(distribution, Float) and distribution.step is None:
        return True
    step = distribution.step or 1
    # The first value on the grid at or above low; a hair of tolerance, as floats count steps only nearly.
    k = math.ceil((low - distribution.low) / step - 1e-9)
    return distribution.low + k * step <= high + 1e-9 * step
