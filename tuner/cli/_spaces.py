"""A search space as rows of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.dashboard import text
from tuner.space import Categorical, Constant, Distribution, Float, Int, SearchSpace

__all__ = ["condition_text", "forbidden_lines", "parameter_rows"]


def parameter_rows(space: SearchSpace) -> list[tuple[str, str, str, str]]:
    """(name, kind, range, condition) of every parameter, in order of declaration."""
    return [
        (name, _kind(distribution), _range(distribution), _conditions(distribution.when))
        for name, distribution in space.items()
    ]


def forbidden_lines(space: SearchSpace) -> list[str]:
    """A line for every combination that is never tried."""
    return [_conditions(clause) for clause in space.forbidden]


def _kind(distribution: Distribution) -> str:
    if isinstance(distribution, Float | Int):
        return f"{'float' if isinstance(distribution, Float) else 'int'}{' log' if distribution.log else ''}"
    return "choice" if isinstance(distribution, Categorical) else "constant"


def _range(distribution: Distribution) -> str:
    if isinstance(distribution, Constant):
        return text.param(distribution.value)
    if isinstance(distribution, Categorical):
        return ", ".join(text.param(choice) for choice in distribution.choices)
    step = f" step {text.param(distribution.step)}" if distribution.step not in (None, 1) else ""
    return f"{text.param(distribution.low)} to {text.param(distribution.high)}{step}"


def _conditions(when: Mapping[str, Any] | None) -> str:
    return " and ".join(f"{name} {condition_text(condition)}" for name, condition in (when or {}).items())


def condition_text(condition: Any) -> str:
    """A condition in words: ``= dart``, ``in [a, b]``, ``>= 2``, ``in 2 to 5``."""
    if isinstance(condition, Mapping):
        low, high = condition.get("low"), condition.get("high")
        if low is None or high is None:
            return f">= {text.param(low)}" if high is None else f"<= {text.param(high)}"
        return f"in {text.param(low)} to {text.param(high)}"
    if isinstance(condition, list | tuple):
        return f"in [{', '.join(text.param(choice) for choice in condition)}]"
    return f"= {text.param(condition)}"
