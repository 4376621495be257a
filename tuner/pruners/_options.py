"""Checks of the options that pruners share."""

from __future__ import annotations

from tuner.errors import SweepError

__all__ = ["at_least"]


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
