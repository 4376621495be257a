"""A tiny seeded sampler and Hypothesis strategies for search spaces, for tests only."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from random import Random
from typing import Any

from hypothesis import strategies as st

from tuner.errors import SearchSpaceError
from tuner.space import Categorical, Condition, Constant, Distribution, Float, Int, SearchSpace
from tuner.trial import Params, ParamValue

TRIES = 1000


def draw_value(distribution: Distribution, rng: Random) -> ParamValue:
    """One value, log-uniform where the distribution says so."""
    if isinstance(distribution, Constant):
        return distribution.value
    if isinstance(distribution, Categorical):
        return rng.choice(distribution.choices)
    if isinstance(distribution, Int):
        if not distribution.log:
            return rng.randrange(distribution.low, distribution.high + 1, distribution.step)
        exponent = rng.uniform(math.log(distribution.low), math.log(distribution.high))
        return min(max(round(math.exp(exponent)), distribution.low), distribution.high)
    if distribution.step is not None:
        n = distribution.n_values
        assert n is not None
        return distribution.low + distribution.step * rng.randrange(n)
    if distribution.log:
        exponent = rng.uniform(math.log(distribution.low), math.log(distribution.high))
        return min(max(math.exp(exponent), distribution.low), distribution.high)
    return rng.uniform(distribution.low, distribution.high)


def draw_all(space: SearchSpace, rng: Random) -> dict[str, ParamValue]:
    """A value for every parameter, active or not."""
    return {name: draw_value(distribution, rng) for name, distribution in space.items()}


def draw(space: SearchSpace, rng: Random) -> dict[str, ParamValue]:
    """The active parameters of one point that is not forbidden."""
    for _ in range(TRIES):
        params = space.active(draw_all(space, rng))
        if not space.is_forbidden(params):
            return params
    raise AssertionError(f"{TRIES} draws in a row were forbidden")


def fitting(params: Params, space: SearchSpace) -> set[tuple[str, str]]:
    """The choices that a point makes among categories, constants left out."""
    return {(name, repr(value)) for name, value in params.items() if isinstance(space[name], Categorical)}


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(-5, 5), st.text("abc", min_size=1, max_size=3)
)
reals = st.floats(-1e6, 1e6, allow_subnormal=False)
positives = st.floats(1e-9, 1e9, allow_subnormal=False)


@st.composite
def floats(draw_from: st.DrawFn) -> Float:
    kind = draw_from(st.sampled_from(["plain", "log", "step"]))
    low, high = sorted([draw_from(positives if kind == "log" else reals) for _ in range(2)])
    finest = max((high - low) / 50, 1e-9 * max(-low, high))
    if kind == "step" and finest < high - low:
        return Float(low, high, step=draw_from(st.floats(finest, high - low)))
    return Float(low, high, log=kind == "log")


@st.composite
def ints(draw_from: st.DrawFn) -> Int:
    if draw_from(st.booleans()):
        low, high = sorted(draw_from(st.tuples(st.integers(1, 2**40), st.integers(1, 2**40))))
        return Int(low, high, log=True)
    low, high = sorted(draw_from(st.tuples(st.integers(-(2**40), 2**40), st.integers(-(2**40), 2**40))))
    return Int(low, high, step=draw_from(st.integers(1, 7)))


def _distinct(values: list[ParamValue]) -> bool:
    return len({(type(value) is bool, value) for value in values}) == len(values)


distributions: st.SearchStrategy[Distribution] = st.one_of(
    floats(),
    ints(),
    st.lists(scalars, min_size=1, max_size=5).filter(_distinct).map(Categorical),
    scalars.map(Constant),
)


@st.composite
def _condition_on(draw_from: st.DrawFn, parent: Distribution) -> Condition:
    """A condition that some value of ``parent`` meets."""
    rng = Random(draw_from(st.integers(0, 2**32)))
    value = draw_value(parent, rng)
    if isinstance(value, bool) or not isinstance(value, int | float) or draw_from(st.booleans()):
        more: list[ParamValue] = [value, *draw_from(st.lists(scalars, max_size=2))]
        return value if draw_from(st.booleans()) else more
    return {"low": value - draw_from(st.floats(0, 10)), **({"high": value} if draw_from(st.booleans()) else {})}


def _with_when(distribution: Distribution, when: Mapping[str, Condition]) -> Distribution:
    if isinstance(distribution, Categorical):
        return Categorical(distribution.choices, when)
    if isinstance(distribution, Constant):
        return Constant(distribution.value, when)
    if isinstance(distribution, Int):
        return Int(distribution.low, distribution.high, distribution.log, distribution.step, when)
    return Float(distribution.low, distribution.high, distribution.log, distribution.step, when)


@st.composite
def search_spaces(draw_from: st.DrawFn) -> SearchSpace:
    """Spaces with nested conditions and forbidden combinations; those that cannot hold are left out."""
    parameters: dict[str, Distribution] = {}
    for index in range(draw_from(st.integers(1, 6))):
        distribution = draw_from(distributions)
        parents = (
            draw_from(st.lists(st.sampled_from(sorted(parameters)), max_size=2, unique=True)) if parameters else []
        )
        when = {parent: draw_from(_condition_on(parameters[parent])) for parent in parents}
        candidate = {**parameters, f"p{index}": _with_when(distribution, when)}
        parameters = candidate if _stands(candidate) else {**parameters, f"p{index}": distribution}
    forbidden: list[Mapping[str, Condition]] = []
    for _ in range(draw_from(st.integers(0, 2))):
        named = draw_from(st.lists(st.sampled_from(sorted(parameters)), min_size=1, max_size=3, unique=True))
        clause = {name: draw_from(_condition_on(parameters[name])) for name in named}
        if _stands(parameters, *forbidden, clause):
            forbidden.append(clause)
    return SearchSpace(parameters, forbidden)


def _stands(parameters: Mapping[str, Distribution], *forbidden: Mapping[str, Condition]) -> bool:
    try:
        SearchSpace(parameters, forbidden)
    except SearchSpaceError:
        return False
    return True


def exact(document: Any) -> str:
    """Plain data as text in which 1, 1.0 and true differ."""
    return json.dumps(document)
