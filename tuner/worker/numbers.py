"""What counts as a number, and what to say when it is none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tuner.errors import closest

__all__ = ["NotANumber", "missing_metric", "to_float"]


class NotANumber(ValueError):  # noqa: N818 -- says what the value is
    """The value is no number; the text describes it: ``'high' (str)``."""


def to_float(value: Any) -> float:
    """A Python number, a NumPy scalar or anything else of one element that converts itself, as a float (may be NaN).

    Raises:
        NotANumber: Strings, None, lists, arrays and whatever else is no single number.
    """
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            raise NotANumber("a whole number too large for a float") from None
    # An array of one element converts too, but an array where a number is expected is a mistake.
    if hasattr(type(value), "__float__") and not getattr(value, "shape", ()):
        try:
            return float(value)
        except Exception as error:
            raise NotANumber(f"{described(value)}, which float() refuses: {error}") from None
    raise NotANumber(described(value))


def described(value: Any) -> str:
    """A value and its type, short."""
    try:
        text = repr(value)
    except Exception:  # an objective's own classes may fail to show themselves
        return f"a {type(value).__name__}"
    return f"{text if len(text) <= 80 else text[:77] + '...'} ({type(value).__name__})"


def missing_metric(name: str, got: Iterable[Any]) -> str:
    """That a metric is missing, what there was instead, and what may have been meant."""
    names = [str(key) for key in got]
    near = closest(name, names)
    found = f"got {', '.join(names[:20])}" if names else "got no values"
    return f"the metric {name!r} is missing: {found}" + (f"; is {near!r} meant to be {name!r}?" if near else "")
