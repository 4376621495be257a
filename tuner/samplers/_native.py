"""Uniform draws from a search space, in pure Python: for ``random`` and as the last resort of other samplers."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from random import Random

from tuner.errors import SearchSpaceError, closest
from tuner.space import Categorical, Constant, Distribution, Float, Int, SearchSpace
from tuner.trial import Params, ParamValue

__all__ = ["TRIES", "SpaceDrawer", "active_among", "grid_point", "nearest", "trial_key", "typed"]

TRIES = 10_000
"""How many draws may fall on forbidden combinations, one after another, before a space is called too forbidden."""

_COMPLETIONS = 2_000
"""How many draws may miss given values before they are said to exclude each other."""

_Uniform = Callable[[], float]
_Draw = Callable[[_Uniform], ParamValue]
_EXACT = 1 << 53
_LISTED = 4096


def trial_key(seed: int, number: int) -> bytes:
    """What to seed ``random.Random`` with, so that no two trials share a stream.

    Bytes are hashed there (SHA-512). Whole numbers are only spread: seeds put together as ``seed << 64 | number`` gave
    trial 1 of study seed 0 the very stream of trial 1 of study seed 2**32 - 1.
    """
    return b"%d.%d" % (seed, number)


def grid_point(d: Float, k: int) -> float:
    """Value ``k``, from 0, of a float with a step, counted in decimals as ``Float.values`` does."""
    return float(Decimal(repr(d.low)) + k * Decimal(repr(d.step)))


def typed(d: Distribution, value: ParamValue) -> ParamValue:
    """The value in the parameter's own type: 1 as 1.0 for a float, 3.0 as 3 for a whole number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return value
    if isinstance(d, Float):
        return float(value)
    return int(value) if isinstance(d, Int) else value


def nearest(d: Distribution, value: ParamValue) -> ParamValue:
    """The parameter's value that is nearest to ``value``, which may be out of its range.

    Raises:
        SearchSpaceError: Nothing is near: a choice that is not there, a text for a number.
    """
    if d.contains(value):
        return typed(d, value)
    if not isinstance(d, Float | Int) or not isinstance(value, int | float) or isinstance(value, bool):
        raise SearchSpaceError("value out of range", got=value, expected=str(d))
    clipped = min(max(value, d.low), d.high)
    if isinstance(d, Int):
        return d.low + min(round((clipped - d.low) / d.step), d.n_values - 1) * d.step
    if d.step is None:
        return float(clipped)
    return grid_point(d, min(round((clipped - d.low) / d.step), (d.n_values or 1) - 1))


def active_among(space: SearchSpace, values: Params) -> dict[str, ParamValue]:
    """Those of the values that are active with each other, constants included; what is not given meets no condition."""
    params: dict[str, ParamValue] = {}
    for name, d in space.items():
        if (name in values or isinstance(d, Constant)) and space.is_active(name, params):
            params[name] = d.value if isinstance(d, Constant) else values[name]
    return params


def _below(uniform: _Uniform, n: int) -> int:
    """A whole number in [0, n). Above 2**53 one float has too few bits, so several make one long fraction."""
    if n <= _EXACT:
        return int(uniform() * n)
    bits, fraction = 0, 0
    while bits < n.bit_length() + 53:
        fraction = (fraction << 53) | int(uniform() * _EXACT)
        bits += 53
    return (fraction * n) >> bits


def _float_draw(d: Float) -> _Draw:
    low, high, n = d.low, d.high, d.n_values
    if n is not None:
        if n <= _LISTED:
            values = [grid_point(d, k) for k in range(n)] if d.step is not None else [low]
            return lambda uniform: values[int(uniform() * n)]
        return lambda uniform: grid_point(d, _below(uniform, n))
    last = math.nextafter(high, low)  # ranges of reals are half open, as Optuna's are
    if d.log:
        log_low, log_high = math.log(low), math.log(high)
        return lambda uniform: min(max(math.exp(log_low + uniform() * (log_high - log_low)), low), last)
    if math.isinf(high - low):

        def draw_wide(uniform: _Uniform) -> float:
            u = uniform()
            return min(low * (1.0 - u) + high * u, last)

        return draw_wide
    return lambda uniform: min(low + uniform() * (high - low), last)


def _int_draw(d: Int) -> _Draw:
    low, high, step = d.low, d.high, d.step
    if d.log:
        # Half a unit on both sides, then rounded: the two ends get their fair share of the logarithmic scale.
        log_low, log_high = math.log(low - 0.5), math.log(high + 0.5)
        return lambda uniform: min(max(round(math.exp(log_low + uniform() * (log_high - log_low))), low), high)
    n = d.n_values
    if n <= _EXACT:
        return lambda uniform: low + int(uniform() * n) * step
    return lambda uniform: low + _below(uniform, n) * step


def _draw_of(distribution: Distribution) -> _Draw:
    if isinstance(distribution, Constant):
        constant = distribution.value
        return lambda uniform: constant
    if isinstance(distribution, Categorical):
        choices, n = tuple(distribution.choices), len(distribution.choices)
        return lambda uniform: choices[int(uniform() * n)]
    return _float_draw(distribution) if isinstance(distribution, Float) else _int_draw(distribution)


class SpaceDrawer:
    """Draws every parameter on its own, uniformly in its own scale, and rejects forbidden combinations.

    The distributions are those of Optuna's ``RandomSampler``: reals are half open, a step makes all grid points equally
    likely, logarithmic whole numbers are rounded from a range half a unit wider.

    Args:
        space: What is drawn from.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._draws = [(name, _draw_of(distribution)) for name, distribution in space.items()]
        self._plain = not space.conditional

    def draw(self, rng: Random) -> dict[str, ParamValue]:
        """Active parameters in the order of declaration, never forbidden. ``rng`` is the only source of chance.

        Raises:
            SearchSpaceError: ``TRIES`` draws in a row were forbidden.
        """
        uniform = rng.random
        if self._plain:
            return {name: draw(uniform) for name, draw in self._draws}
        for _ in range(TRIES):
            params: dict[str, ParamValue] = {}
            for name, draw in self._draws:
                if self._space.is_active(name, params):
                    params[name] = draw(uniform)
            if not self._space.is_forbidden(params):
                return params
        raise SearchSpaceError(
            f"{TRIES} draws in a row were forbidden combinations: next to nothing is left to try",
            path="forbidden",
            hint="forbid less, or write the rule as a condition (when) of a parameter",
        )

    def value(self, name: str, rng: Random) -> ParamValue:
        """One parameter on its own."""
        return dict(self._draws)[name](rng.random)

    def complete(self, given: Params, rng: Random) -> dict[str, ParamValue]:
        """A draw with these values; what they depend on is drawn so that all of them are active.

        Raises:
            SearchSpaceError: A parameter is unknown, a value out of range, two exclude each other, or the combination is
                forbidden; ``path`` names the parameter.
        """
        for name, value in given.items():
            if name not in self._space:
                near = closest(str(name), self._space)
                raise SearchSpaceError(
                    "unknown parameter",
                    path=str(name),
                    expected=f"one of {', '.join(self._space)}",
                    hint=f"did you mean {near!r}?" if near else None,
                )
            if not self._space[name].contains(value):
                raise SearchSpaceError("value out of range", path=name, got=value, expected=str(self._space[name]))
        values = {name: typed(self._space[name], value) for name, value in given.items()}
        active: set[str] = set()
        for _ in range(_COMPLETIONS):
            params: dict[str, ParamValue] = {}
            for name, draw in self._draws:
                if self._space.is_active(name, params):
                    params[name] = values[name] if name in values else draw(rng.random)
            if values.keys() <= params.keys() and not self._space.is_forbidden(params):
                return params
            active.update(params)
        idle = next((name for name in given if name not in active), None)
        if idle is not None:
            when = dict(self._space[idle].when or {})
            raise SearchSpaceError(
                "is not active with these values", path=idle, got=given[idle], expected=f"with {when}"
            )
        raise SearchSpaceError("a forbidden combination, or values that exclude each other", got=dict(given))
