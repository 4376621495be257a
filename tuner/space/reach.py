"""Whether conditions can ever hold, and whether they always do, over the values that parameters can take."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from tuner.space.conditions import Condition, Frozen, matches
from tuner.space.distributions import STEP_TOLERANCE, Categorical, Constant, Distribution, Float
from tuner.trial import ParamValue

__all__ = ["always_holds", "can_hold", "widened"]

_MAX_TRIED = 10_000


def widened(distribution: Distribution, condition: Condition) -> Condition:
    """``condition`` as it is to be asked of values of ``distribution``.

    Values of a float with steps lie beside the grid by rounding: -0.3 + 3 * 0.1 is not 0, and 0.1 + 2 * 0.1 is not 0.3. So
    conditions on them are met within the tolerance with which the values themselves are.
    """
    if not isinstance(distribution, Float) or distribution.step is None:
        return condition
    hair = STEP_TOLERANCE * distribution.step
    if isinstance(condition, Mapping):
        return Frozen({end: bound + (hair if end == "high" else -hair) for end, bound in condition.items()})
    if isinstance(condition, list | tuple):
        # A tuple of ranges is no condition that a person may write, but ``matches`` asks each of them in turn.
        return tuple(widened(distribution, choice) for choice in condition)  # type: ignore[misc]
    if isinstance(condition, bool) or not isinstance(condition, int | float):
        return condition
    return Frozen({"low": condition - hair, "high": condition + hair})


def can_hold(distribution: Distribution, conditions: Sequence[Condition]) -> bool:
    """Whether some value of ``distribution`` meets all ``conditions`` at once."""
    candidates = _candidates(distribution, conditions)
    if candidates is None:
        return _interval_is_met(distribution, [c for c in conditions if isinstance(c, Mapping)])
    asked = [widened(distribution, condition) for condition in conditions]
    return any(distribution.contains(value) and all(matches(value, c) for c in asked) for value in candidates)


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
    tolerance = STEP_TOLERANCE if isinstance(distribution, Float) else 0
    first = distribution.low + math.ceil((low - distribution.low) / step - tolerance) * step
    return first <= high + tolerance * step
