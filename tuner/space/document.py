"""Distributions as the plain data of sweep files, and back.

Ours is ``{low, high, log, step, type}``, ``{values}`` or ``{value}``, each with an optional ``when``. On reading, the words
of W&B (``min``, ``max``, ``q``, ``distribution``) and Determined (``minval``, ``maxval``, ``vals``, ``val``, ``type:
double``) are understood too. Ranges are always real values: forms whose bounds are exponents are refused with the mend,
because read as ours they would silently search somewhere else.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from typing import Any

from tuner.errors import SearchSpaceError, closest
from tuner.space.conditions import Condition
from tuner.space.distributions import Categorical, Constant, Distribution, Float, Int

__all__ = ["condition_to_plain", "distribution_from_dict", "distribution_to_dict"]

_FIELDS = ("low", "high", "log", "step", "type", "values", "value", "when")
_ALIASES = {
    "min": "low", "max": "high", "minval": "low", "maxval": "high", "q": "step",
    "choices": "values", "vals": "values", "val": "value",
}  # fmt: skip
# Name of a kind in `distribution` (W&B) or `type` (Determined, Azure, ours) -> the base of its exponents.
_EXPONENTS = {
    "log": 10.0,
    "log_uniform": math.e, "loguniform": math.e, "inv_log_uniform": math.e,
    "q_log_uniform": math.e, "qloguniform": math.e,
}  # fmt: skip
_SHAPELESS = {"constant", "const", "categorical", "choice"}
_UNBOUNDED = {
    "normal", "q_normal", "qnormal", "log_normal", "lognormal", "q_log_normal", "qlognormal",
    "beta", "q_beta", "categorical_w_probabilities", "inv_log_uniform_values",
}  # fmt: skip
_KINDS = ("float", "int", "uniform", "int_uniform", "q_uniform", "log_uniform_values", "q_log_uniform_values")


def condition_to_plain(condition: Condition) -> Any:
    """A condition as data that JSON and YAML can hold."""
    if isinstance(condition, Mapping):
        return dict(condition)
    return list(condition) if isinstance(condition, list | tuple) else condition


def distribution_to_dict(distribution: Distribution) -> dict[str, Any]:
    """A distribution as plain data; ``distribution_from_dict`` reads it back, equal."""
    row: dict[str, Any]
    if isinstance(distribution, Constant):
        row = {"value": distribution.value}
    elif isinstance(distribution, Categorical):
        row = {"values": list(distribution.choices)}
    else:
        row = {"type": "float" if isinstance(distribution, Float) else "int"}
        row |= {"low": distribution.low, "high": distribution.high}
        if distribution.log:
            row["log"] = True
        if isinstance(distribution, Float) and distribution.step is not None:
            row["step"] = distribution.step
        if isinstance(distribution, Int) and distribution.step != 1:
            row["step"] = distribution.step
    if distribution.when:
        row["when"] = {name: condition_to_plain(condition) for name, condition in distribution.when.items()}
    return row


def distribution_from_dict(row: Mapping[str, Any]) -> Distribution:
    """One distribution from ``{low, high, log, step}``, ``{values}`` or ``{value}``, each with an optional ``when``.

    ``type: int | float`` settles the kind; without it a range is an int when both bounds (and the step) are whole numbers
    written as such. The aliases are those that the module names.

    Raises:
        SearchSpaceError: Keys are unknown, missing or exclude each other, the range is wrong or its bounds are exponents.
    """
    if not isinstance(row, Mapping):
        raise _not_a_parameter(row)
    row = _own_words(row)
    shapes = [shape for shape in ("value", "values") if shape in row] + ["low"] * ("low" in row or "high" in row)
    if len(shapes) != 1:
        raise SearchSpaceError(
            "needs exactly one shape", got=dict(row), expected="{low, high}, {values: [...]} or {value: ...}"
        )
    if shapes == ["low"]:
        return _range_from_dict(row)
    for key in ("type", "log", "step"):
        if key in row:
            raise SearchSpaceError(
                f"{key} belongs to a range",
                path=key,
                got=row[key],
                hint=f"drop it, or give low and high for {shapes[0]}",
            )
    if shapes == ["value"]:
        return Constant(row["value"], row.get("when"))
    if not isinstance(row["values"], list | tuple):
        raise SearchSpaceError("values must be a list", path="values", got=row["values"])
    return Categorical(row["values"], row.get("when"))


def _not_a_parameter(row: object) -> SearchSpaceError:
    shapes = "{low, high}, {values: [...]} or {value: ...}"
    hint = None
    if isinstance(row, list | tuple):
        hint = f"write {{values: {list(row)}}}"
    elif isinstance(row, str | numbers.Real):
        hint = f"write {{value: {row}}}"
    return SearchSpaceError("not a parameter", got=row, expected=shapes, hint=hint)


def _own_words(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with aliases and foreign kinds turned into our own keys."""
    kind, extra = _kind(row)
    own: dict[str, Any] = {}
    for key, value in row.items():
        name = _ALIASES.get(key, key)
        if key == "distribution" or (key == "type" and kind != value):
            continue
        if name not in _FIELDS:
            raise _unknown_key(key)
        if name in own:
            words = [str(other) for other in row if _ALIASES.get(other, other) == name]
            raise SearchSpaceError(f"{name} is said twice", got=dict(row), hint=f"keep one of {' and '.join(words)}")
        own[name] = value
    if kind in ("int", "float"):
        own["type"] = kind
    for key, value in extra.items():
        own.setdefault(key, value)
    return own


def _kind(row: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """Our type for the row's ``distribution`` or ``type``, None where the numbers decide, and the keys it implies."""
    given = row.get("distribution", row.get("type"))
    if given is not None and not isinstance(given, str):
        raise SearchSpaceError("must be a name", path="type", got=given, expected="int or float")
    if given is None or given in _SHAPELESS:
        return None, {}
    if given in _EXPONENTS:
        raise _exponents(given, row)
    if given in ("int", "float", "double"):
        return {"double": "float"}.get(given, given), {}
    if given == "uniform":
        return "float", {}
    if given == "int_uniform":
        return "int", {}
    if given == "q_uniform":
        return None, {"step": 1}
    if given == "log_uniform_values":
        return "float", {"log": True}
    if given == "q_log_uniform_values":
        return _whole_log(row)
    near = closest(given, _KINDS)
    raise SearchSpaceError(
        f"unknown kind {given!r}" if given not in _UNBOUNDED else f"{given} has no equal here",
        path="distribution" if "distribution" in row else "type",
        expected="a range (low and high, perhaps log: true), values or a value",
        hint=f"did you mean {near!r}?" if near and given not in _UNBOUNDED else None,
    )


def _whole_log(row: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """W&B's ``q_log_uniform_values`` is an int on a logarithmic scale when q is 1; other steps have no equal here."""
    step = row.get("q", row.get("step", 1))
    if step != 1:
        raise SearchSpaceError(
            "a logarithmic range with steps has no equal here", path="q", got=step, hint="drop q, or list the values"
        )
    return "int", {"log": True}


def _exponents(kind: str, row: Mapping[str, Any]) -> SearchSpaceError:
    base = row.get("base", _EXPONENTS[kind])
    bounds = [_bound(row, "low"), _bound(row, "high")]
    try:
        low, high = (f"{float(base) ** float(bound):.4g}" for bound in bounds)
        mend = f"write {{low: {low}, high: {high}, log: true}}"
    except (TypeError, ValueError, OverflowError):
        mend = "write low and high as real values, and log: true"
    return SearchSpaceError(
        f"the bounds of {kind} are exponents; ranges are always real values",
        path="distribution" if "distribution" in row else "type",
        got=bounds,
        expected="real values with log: true",
        hint=mend,
    )


def _bound(row: Mapping[str, Any], end: str) -> Any:
    """What the row says for ``low`` or ``high``, in whichever word; None when it says nothing."""
    return next((value for key, value in row.items() if _ALIASES.get(key, key) == end), None)


def _unknown_key(key: object) -> SearchSpaceError:
    hints = {
        "parameters": "parameters do not nest: give each its own name, as group.name, and a condition with when",
        "probabilities": "the sampler weighs the values: drop the probabilities",
    }
    near = closest(str(key), (*_FIELDS, *_ALIASES))
    return SearchSpaceError(
        f"unknown key {key!r}",
        expected="some of " + ", ".join(_FIELDS),
        hint=hints.get(str(key)) or (f"did you mean {near!r}?" if near else None),
    )


def _range_from_dict(row: Mapping[str, Any]) -> Float | Int:
    for bound in ("low", "high"):
        if bound not in row:
            raise SearchSpaceError(f"{bound} is missing", got=dict(row), expected="both low and high")
    log = row.get("log", False)
    numbers_given = [row["low"], row["high"], *([row["step"]] if row.get("step") is not None else [])]
    whole = all(isinstance(n, numbers.Integral) and not isinstance(n, bool) for n in numbers_given)
    kind = row.get("type") or ("int" if whole else "float")
    if kind == "int":
        step = 1 if row.get("step") is None else row["step"]
        return Int(row["low"], row["high"], log=log, step=step, when=row.get("when"))
    return Float(row["low"], row["high"], log=log, step=row.get("step"), when=row.get("when"))
