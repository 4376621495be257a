"""What a value must be for a parameter to be active, or for a combination to be forbidden."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterator, Mapping, Sequence
from typing import Generic, TypeVar

from tuner.errors import SearchSpaceError, closest
from tuner.trial import ParamValue

__all__ = ["Condition", "Frozen", "freeze_conditions", "matches", "number", "scalar"]

Condition = ParamValue | Sequence[ParamValue] | Mapping[str, float]
"""What a value must be: equal to a scalar, one of a sequence, or within ``{"low": a, "high": b}`` (both ends included,
either may be absent)."""

_V = TypeVar("_V", covariant=True)
_ENDS = {"low": "low", "high": "high", "min": "low", "max": "high"}


class Frozen(Mapping[str, _V], Generic[_V]):
    """A mapping that cannot be changed, and that pickles and hashes (``types.MappingProxyType`` does neither)."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, _V]) -> None:
        self._items = dict(items)

    def __getitem__(self, key: str) -> _V:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        return repr(self._items)


def matches(value: ParamValue, condition: Condition) -> bool:
    """Whether ``value`` meets ``condition``. Numbers compare by value, but True is not 1."""
    if isinstance(condition, str):
        return value == condition
    if isinstance(condition, Mapping):
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return bool(condition.get("low", -math.inf) <= value <= condition.get("high", math.inf))
    if isinstance(condition, list | tuple):
        return any(matches(value, choice) for choice in condition)
    if isinstance(value, bool) != isinstance(condition, bool):
        return False
    return value == condition


def scalar(value: object, what: str, *, path: str | None = None) -> ParamValue:
    """``value`` as a plain string, int, float, bool or None: subclasses, enums and NumPy scalars lose their clothes.

    Args:
        value: What was given.
        what: What it is, for the message, as ``a choice``.
        path: Where it stands, for the message.

    Raises:
        SearchSpaceError: It is no scalar, or a float that is not finite (JSON and SQL cannot hold those).
    """
    if isinstance(value, str):
        return str.__str__(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        if not math.isfinite(value):
            raise SearchSpaceError(
                f"{what} must be finite",
                path=path,
                got=float(value),
                hint="JSON and SQL cannot hold it; write null where none is meant",
            )
        return float(value)
    if type(value).__module__ == "numpy" and hasattr(value, "item") and not getattr(value, "shape", None):
        return scalar(value.item(), what, path=path)
    raise SearchSpaceError(f"{what} must be a string, a number, a boolean or null", path=path, got=value)


def number(value: object, what: str, *, path: str | None = None) -> int | float:
    """``value`` as a plain, finite int or float.

    Raises:
        SearchSpaceError: It is no finite number; a number in quotes is named as such.
    """
    if not isinstance(value, bool) and isinstance(value, numbers.Real):
        try:
            if math.isfinite(value):
                return int(value) if isinstance(value, numbers.Integral) else float(value)
        except OverflowError:
            raise SearchSpaceError(
                f"{what} is too large", path=path, expected="a number below 1.8e308 in size"
            ) from None
    quoted = isinstance(value, str) and _reads_as_number(value)
    raise SearchSpaceError(
        f"{what} must be a finite number",
        path=path,
        got=value,
        hint=f"write {value} without quotes" if quoted else None,
    )


def _reads_as_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def freeze_conditions(conditions: object, where: str) -> Frozen[Condition]:
    """Conditions by parameter name, checked, in their one plain form and unchangeable.

    Args:
        conditions: Parameter name -> condition; None for none.
        where: Where they stand, for messages, as ``when``; empty when the caller says so itself.

    Raises:
        SearchSpaceError: One of them is no condition.
    """
    if conditions is None:
        return Frozen({})
    if not isinstance(conditions, Mapping):
        raise SearchSpaceError(
            "must map parameter names to conditions",
            path=where or None,
            got=conditions,
            expected="{parameter: value}, {parameter: [values]} or {parameter: {low, high}}",
        )
    prefix = f"{where}." if where else ""
    return Frozen({str(name): _condition(row, f"{prefix}{name}") for name, row in conditions.items()})


def _condition(row: object, path: str) -> Condition:
    if isinstance(row, Mapping):
        return _interval(row, path)
    if isinstance(row, list | tuple):
        if not row:
            raise SearchSpaceError("an empty list can never hold", path=path, expected="at least one value")
        return tuple(scalar(choice, "a condition's value", path=path) for choice in row)
    return scalar(row, "a condition", path=path)


def _interval(row: Mapping[object, object], path: str) -> Frozen[float]:
    ends: dict[str, float] = {}
    for key, value in row.items():
        end = _ENDS.get(str(key))
        if end is None:
            near = closest(str(key), _ENDS)
            raise SearchSpaceError(
                f"unknown key {key!r} in a condition",
                path=path,
                expected="low, high or both",
                hint=f"did you mean {near!r}?" if near else None,
            )
        if end in ends:
            raise SearchSpaceError(f"{end} is said twice", path=path, got=dict(row))
        ends[end] = number(value, end, path=path)
    if not ends:
        raise SearchSpaceError("an empty range says nothing", path=path, expected="low, high or both")
    if ends.get("low", -math.inf) > ends.get("high", math.inf):
        raise SearchSpaceError(f"low {ends['low']} is above high {ends['high']}", path=path, hint="swap them")
    return Frozen(ends)
