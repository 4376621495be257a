"""Options of samplers: numbers in their ranges, names out of a list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tuner.errors import SweepError, closest

__all__ = ["at_least", "made", "share"]


def at_least(name: str, value: float | None, least: int) -> None:
    """Raise unless the option is None or at least ``least``."""
    if value is not None and not value >= least:
        raise SweepError(f"{name} is too small", path=f"sampler.{name}", got=value, expected=f"at least {least}")


def share(name: str, value: float | None) -> None:
    """Raise unless the option is None or lies in [0, 1]."""
    if value is not None and not 0.0 <= value <= 1.0:
        raise SweepError(f"{name} is no share", path=f"sampler.{name}", got=value, expected="0 to 1")


def made(option: str, value: str | Mapping[str, Any], known: Mapping[str, Callable[..., Any]]) -> Any:
    """What a name, or ``{type: name, ...its options}``, stands for.

    Args:
        option: The sampler's option, for errors.
        value: What was written.
        known: Name -> class.

    Raises:
        SweepError: The name is unknown, or the class refuses its options.
    """
    row = dict(value) if isinstance(value, Mapping) else {"type": value}
    name = str(row.pop("type", None))
    if name not in known:
        near = closest(name, known)
        raise SweepError(
            f"there is no {option} of that name",
            path=f"sampler.{option}",
            got=name,
            expected=f"one of {', '.join(known)}",
            hint=f"did you mean {near!r}?" if near else None,
        )
    try:
        return known[name](**row)
    except (TypeError, ValueError) as error:
        raise SweepError(
            f"{option} {name!r} refuses its options: {error}", path=f"sampler.{option}", got=row
        ) from error
