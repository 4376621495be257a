"""Checks of the options that pruners share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.errors import SweepError

__all__ = ["at_least", "first_look"]


def first_look(options: Mapping[str, Any]) -> float:
    """The step before which a pruner of ours with these options, which it has accepted, ends no trial."""
    inner = options.get("pruner")
    if isinstance(inner, Mapping):
        return first_look(inner)
    if "interval" in options:
        return float(options["interval"])  # a population's turn
    if "n_warmup_steps" in options:
        return float(options["n_warmup_steps"])
    eta = options.get("eta") or options.get("reduction_factor") or 3
    return float(options.get("min", 0) * eta ** options.get("early_stopping_rate", 0))


def at_least(name: str, value: float, least: float, *, whole: bool = True) -> None:
    """Raise unless ``value`` is a number (a whole one, if so wanted) from ``least`` on.

    Raises:
        SweepError: It is not; names the option.
    """
    kind = "a whole number" if whole else "a number"
    right_type = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not right_type or not value >= least:
        raise SweepError(
            f"{name} must be {kind} of at least {least}",
            path=f"pruner.{name}",
            got=value,
            expected=f"{kind} from {least}",
        )
