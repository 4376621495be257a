"""A specification written as a sweep file reads back equal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.errors import SearchSpaceError
from tuner.space import Categorical, Constant, Distribution, Float, Int, SearchSpace
from tuner.study import (
    CheckpointPolicy,
    Constraint,
    Limits,
    Metric,
    PluginSpec,
    Prices,
    ResourceRequest,
    Retry,
    StudySpec,
)
from tuner.sweep import build_spec, load, parse, to_yaml
from tuner.trial import FailureKind

GOOD = Path(__file__).parent / "good"
TRAIN = PluginSpec("function", {"function": "work:train", "base": str(Path.cwd())})
NAMES = st.text(min_size=1, max_size=12).filter(lambda name: bool(name.strip()))
FINITE = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.booleans() | st.integers(-(2**63), 2**63) | FINITE | st.text(max_size=8) | st.none()


@st.composite
def floats(draw: st.DrawFn) -> Float:
    log = draw(st.booleans())
    low, high = sorted(draw(st.tuples(*[st.floats(1e-300 if log else -1e300, 1e300)] * 2)))
    return Float(low, high, log=log)


@st.composite
def ints(draw: st.DrawFn) -> Int:
    log = draw(st.booleans())
    low, high = sorted(draw(st.tuples(*[st.integers(1 if log else -(2**60), 2**60)] * 2)))
    return Int(low, high, log=log, step=1 if log else draw(st.integers(1, 9)))


CATEGORICALS = st.lists(SCALARS, min_size=1, max_size=5, unique_by=lambda v: (isinstance(v, bool), v)).map(Categorical)
DISTRIBUTIONS: st.SearchStrategy[Distribution] = floats() | ints() | CATEGORICALS | SCALARS.map(Constant)


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    parameters: dict[str, Distribution] = draw(st.dictionaries(NAMES, DISTRIBUTIONS, min_size=1, max_size=5))
    parent = draw(st.sampled_from(sorted(parameters)))
    values = parameters[parent].values() if isinstance(parameters[parent], Categorical | Constant) else None
    condition: Any = draw(st.sampled_from(values)) if values else {"low": parameters[parent].low}  # type: ignore[union-attr]
    child = draw(NAMES.filter(lambda name: name not in parameters))
    whole: Mapping[str, Distribution] = {**parameters, child: Float(0.0, 1.0, when={parent: condition})}
    clauses = [{parent: condition, child: {"low": 0.5}}] if draw(st.booleans()) else []
    return SearchSpace(whole, clauses)


@settings(max_examples=60, deadline=None)
@given(spaces())
def test_any_space_reads_back_equal(space: SearchSpace) -> None:
    spec = StudySpec("demo", (Metric("loss"),), space, TRAIN, limits=Limits(trials=1))
    assert parse(to_yaml(spec)).spec.space == space


def _constraints(rows: list[tuple[str, float, bool]]) -> list[Constraint]:
    return [Constraint(name.strip(), low=bound if low else None, high=bound + 1.0) for name, bound, low in rows]


@settings(max_examples=40, deadline=None)
@given(
    metrics=st.lists(st.builds(Metric, st.sampled_from("abcde"), st.sampled_from(["minimize", "maximize"]), FINITE | st.none()),
                     min_size=1, max_size=3, unique_by=lambda m: m.name),
    limits=st.builds(Limits, trials=st.integers(1, 10**9), parallel=st.none() | st.integers(1, 9999),
                     time_s=st.none() | st.floats(1e-3, 1e9), trial_time_s=st.none() | st.floats(1e-3, 1e9),
                     failures=st.none() | st.integers(0, 999), patience=st.none() | st.integers(1, 999),
                     steps=st.none() | st.integers(1, 10**9), nodes=st.none() | st.integers(1, 999)),
    resources=st.builds(ResourceRequest, cpu=st.none() | st.floats(0.01, 999), memory_mib=st.none() | st.floats(1, 1e7),
                        gpu=st.none() | st.floats(0, 1) | st.integers(1, 8).map(float)),
    retry=st.builds(Retry, st.integers(0, 9), st.frozensets(st.sampled_from([FailureKind.TIMEOUT, FailureKind.RAISED]))),
    seed=st.integers(0, 2**32 - 1),
    grace=st.floats(1e-3, 1e6),
    more=st.fixed_dictionaries({
        "constraints": st.lists(st.tuples(NAMES.filter(lambda name: name.strip() not in "abcde"), FINITE, st.booleans()),
                                max_size=3, unique_by=lambda row: row[0].strip()).map(_constraints),
        "noisy": st.booleans(),
        "weight": st.floats(1e-3, 1e6),
        "prices": st.none() | st.builds(Prices, *[st.floats(1e-9, 1e9)] * 3),
        "checkpoints": st.builds(CheckpointPolicy, st.integers(0, 99), st.none() | st.floats(1e-3, 1e9)),
    }),
)  # fmt: skip
def test_any_specification_reads_back_equal(
    metrics: list[Metric],
    limits: Limits,
    resources: ResourceRequest,
    retry: Retry,
    seed: int,
    grace: float,
    more: dict[str, Any],
) -> None:
    spec = build_spec(
        name="demo",
        objective=TRAIN,
        space={"x": Float(0.0, 1.0)},
        metric=metrics,
        limits=limits,
        resources=resources,
        retry=retry,
        seed=seed,
        stop_grace=grace,
        pruner={"type": "asha", "eta": 4},
        **more,
    )
    assert parse(to_yaml(spec)).spec == spec


@pytest.mark.parametrize("percent", ["20%", "2.5%", "33%", "0.1%", "100%", "7%"])
def test_shares_read_back_equal(percent: str) -> None:
    limits = {"trials": 3, "failures": percent}
    spec = build_spec(name="demo", objective=TRAIN, space={"x": Float(0.0, 1.0)}, metric="loss", limits=limits)
    assert parse(to_yaml(spec)).spec == spec


@pytest.mark.parametrize("name", sorted(path.name for path in GOOD.glob("*.yaml") if path.name != "space.yaml"))
def test_every_good_sweep_reads_back_equal(name: str) -> None:
    spec = load(GOOD / name).spec
    assert parse(to_yaml(spec), GOOD / name).spec == spec


def test_what_yaml_cannot_hold_is_shown() -> None:
    spec = StudySpec(
        "demo",
        (Metric("loss"),),
        SearchSpace({"x": Float(0, 1)}),
        PluginSpec("function", {"function": print, "n": [Path("a"), np.float64(0.5), FailureKind.HUNG]}),
    )
    text = to_yaml(spec)
    assert "built-in function print" in text
    assert "n: [a, 0.5, hung]" in text


def test_the_strategies_reach_conditions_that_are_refused_elsewhere() -> None:
    with pytest.raises(SearchSpaceError):
        SearchSpace({"a": Constant(1), "b": Float(0, 1, when={"a": 2})})
