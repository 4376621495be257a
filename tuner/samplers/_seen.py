"""Which combinations of a finite space were suggested already: what one run has told need not be run twice."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from random import Random
from typing import Any

from tuner.errors import SearchSpaceError
from tuner.samplers._grid import Combinations, axis_of
from tuner.samplers._native import TRIES, SpaceDrawer
from tuner.samplers._permutation import Permutation
from tuner.space import Categorical, Constant, Float, Int, SearchSpace
from tuner.trial import Params, ParamValue

__all__ = ["Seen"]

_DRAWS = 64
"""How many draws in a row may be seen ones before the combinations are gone through."""

_SOON = 1_000_000
"""Up to how many combinations, conditions aside, ``exhausted`` counts at once."""

_Position = Callable[[Any], int | None]
"""Value -> its position among the parameter's values, from 0; None for what is none of them."""


class Seen:
    """The combinations that were suggested, where every parameter has finitely many values.

    A combination is one whole number, its positions written one after another, so that two are never taken for the same;
    a set holds them: some 80 bytes each. Where nothing is kept track of (reals, or noise) nothing is ever seen.

    Args:
        space: Any space.
        noisy: Whether the same parameters are worth another run; nothing is kept track of then.
        seed: The order of ``fresh``.

    Attributes:
        active: Whether combinations are kept track of.
    """

    def __init__(self, space: SearchSpace, noisy: bool, seed: int = 0) -> None:
        self._space, self._seed = space, seed
        self._axes: list[tuple[str, int, _Position]] = []
        self._keys: set[int] = set()
        self._searched = 0  # how far into the order of `fresh` everything is seen
        self.active = not noisy and all(d.n_values is not None for d in space.values())
        if self.active:
            chosen = ((name, d) for name, d in space.items() if not isinstance(d, Constant) and d.n_values != 1)
            self._axes = [(name, (d.n_values or 1) + 1, _position(d)) for name, d in chosen]
        self._product = math.prod(base - 1 for _, base, _ in self._axes)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, params: Params) -> bool:
        return self.active and self._key(params) in self._keys

    def add(self, params: Params) -> None:
        """Note a combination; what is none of this space is passed over."""
        if self.active:
            key = self._key(params)
            if key is not None and (not self._space.forbidden or not self._space.is_forbidden(params)):
                self._keys.add(key)

    @property
    def exhausted(self) -> bool:
        """Whether nothing is left. False where the combinations cannot be counted; of very many it is known only once
        ``draw`` or ``fresh`` had to look, as counting may take seconds where conditions are entangled."""
        if not self._keys or (self._product > _SOON and "_all" not in vars(self)):
            return False
        return self._all is not None and len(self._keys) >= self._all.total

    def draw(self, drawer: SpaceDrawer, rng: Random) -> Params | None:
        """A uniform draw among what was not seen; None when nothing is left.

        Raises:
            SearchSpaceError: Next to everything is forbidden.
        """
        for _ in range(_DRAWS):
            params = drawer.draw(rng)
            if params not in self:
                return params
        if self._all is not None:
            return self.fresh()
        return next((params for params in (drawer.draw(rng) for _ in range(TRIES)) if params not in self), None)

    def fresh(self) -> Params | None:
        """A combination not seen yet, the first in a shuffled order; None when none is left or they cannot be counted.

        It depends on nothing but the seed and what was seen. All calls together look at each combination once.
        """
        if not self.active or self._all is None:
            return None
        total = self._all.total
        while self._searched < total:
            params = self._all[Permutation(total, self._seed)[self._searched]]
            if params not in self:
                return params
            self._searched += 1
        return None

    @cached_property
    def _all(self) -> Combinations | None:
        """Every allowed combination; None when conditions are too entangled to count them."""
        axes = {name: axis_of(d, None) for name, d in self._space.items()}
        try:
            return Combinations(self._space, {name: axis for name, axis in axes.items() if axis is not None})
        except SearchSpaceError:
            return None

    def _key(self, params: Params) -> int | None:
        """The digits are positions + 1, or 0 for an inactive parameter; None for what is not of this space."""
        key = 0
        for name, base, position in self._axes:
            digit = 0
            if name in params:
                place = position(params[name])
                if place is None:
                    return None
                digit = place + 1
            key = key * base + digit
        return key


def _position(d: Categorical | Float | Int) -> _Position:
    if isinstance(d, Categorical):
        # True is not 1 here.
        places: dict[tuple[bool, ParamValue], int] = {(type(c) is bool, c): k for k, c in enumerate(d.choices)}
        return lambda value: places.get((type(value) is bool, value))
    if isinstance(d, Int):
        start, step = d.low, d.step
        return lambda value: (int(value) - start) // step if d.contains(value) else None
    low, distance = d.low, d.step or 1.0
    return lambda value: round((value - low) / distance) if d.contains(value) else None
