"""Parameters as rows of numbers and back."""

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.samplers._encoding import Encoding
from tuner.samplers._native import SpaceDrawer
from tuner.space import Categorical, Constant, Float, Int, SearchSpace
from tuner.testing.samplers import CONDITIONAL, FINITE, MIXED, SINGLE, WIDE

STEPPED_PARENT = SearchSpace(
    {
        "x": Float(-0.3, 0.6, step=0.1),
        "n": Int(1, 100_000, log=True),
        "r": Float(1e-3, 1e3, log=True),
        "on zero": Float(0.0, 1.0, when={"x": 0.0}),
        "above": Int(0, 9, when={"x": {"low": 0.3}, "n": {"high": 50}}),
        "among": Int(0, 9, when={"n": [1, 2, 3]}),
        "right": Int(0, 9, when={"r": {"low": 1.0}}),
    },
    forbidden=[{"x": [0.1, 0.2], "n": {"high": 10}}],
)
SPACES = {
    "mixed": MIXED,
    "conditional": CONDITIONAL,
    "single": SINGLE,
    "wide": WIDE,
    "finite": FINITE,
    "stepped parent": STEPPED_PARENT,
}


def close(a, b):
    if isinstance(a, float):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-290 if abs(a) < 1 else 0.0)
    if isinstance(a, int) and not isinstance(a, bool):
        return type(b) is int and abs(a - b) <= 1e-12 * abs(a) + (1e3 if abs(a) > 2**53 else 0)
    return a == b and type(a) is type(b)


@pytest.mark.parametrize("name", SPACES)
def test_what_was_drawn_comes_back(name):
    space = SPACES[name]
    encoding, drawer, rng = Encoding(space), SpaceDrawer(space), Random(3)
    for _ in range(300):
        params = drawer.draw(rng)
        back = encoding.decode(encoding.encode(params))
        assert back is not None
        assert list(back) == list(params)
        assert all(close(params[k], back[k]) for k in params), (params, back)
        space.check(back)


@pytest.mark.parametrize("name", ["mixed", "conditional", "finite"])
def test_values_on_a_grid_come_back_exactly(name):
    space = SPACES[name]
    encoding, drawer, rng = Encoding(space), SpaceDrawer(space), Random(4)
    for _ in range(200):
        params = drawer.draw(rng)
        back = encoding.decode(encoding.encode(params)) or {}
        for key, value in params.items():
            d = space[key]
            if not (isinstance(d, Float) and d.step is None):
                assert back[key] == value
                assert type(back[key]) is type(value)


@pytest.mark.parametrize("name", SPACES)
def test_any_point_is_decoded_into_the_space_or_found_forbidden(name):
    space = SPACES[name]
    encoding = Encoding(space)
    rows = encoding.draw(np.random.default_rng(5), 300)
    for row, active, allowed in zip(rows, encoding.active(rows), encoding.allowed(rows), strict=True):
        params = encoding.decode(row)
        assert (params is not None) == allowed
        if params is not None:
            space.check(params)
            assert [n for n, there in zip(encoding.names, active, strict=True) if there] == [
                n for n in params if n in encoding.names
            ]


@pytest.mark.parametrize("name", SPACES)
def test_snapped_rows_are_those_of_the_decoded_parameters(name):
    encoding = Encoding(SPACES[name])
    rows = encoding.draw(np.random.default_rng(6), 200)
    for row, snapped in zip(rows, encoding.snap(rows), strict=True):
        params = encoding.decode(row)
        if params is not None:
            np.testing.assert_allclose(encoding.encode(params), snapped, rtol=0, atol=1e-9)


def test_only_parameters_with_a_choice_have_an_axis():
    assert Encoding(SINGLE).names == ("f",)
    assert Encoding(SearchSpace({"a": Constant(1)})).names == ()
    assert Encoding(SearchSpace({"a": Constant(1)})).decode(np.empty(0)) == {"a": 1}
    assert len(Encoding(MIXED)) == 8


def test_inactive_parameters_are_nan():
    encoding = Encoding(CONDITIONAL)
    row = encoding.encode({"model": "linear", "kind": "x", "penalty": None, "solver": "saga"})
    there = {name for name, place in zip(encoding.names, row, strict=True) if place == place}
    assert there == {"model", "penalty", "solver"}


def test_what_is_no_value_of_the_space_is_nan():
    encoding = Encoding(MIXED)
    row = encoding.encode(
        {"lr": 2.0, "momentum": "high", "drop out": -1.0, "layers": True, "width": 4, "batch": 1, "flag": "2"}
    )
    assert np.isnan(row).all()


def test_true_is_not_one():
    encoding = Encoding(SearchSpace({"flag": Categorical([True, False, 1, 0, None, "1"])}))
    assert [encoding.encode({"flag": v})[0] for v in (True, 1, 1.0, None, "1")] == [0.0, 2.0, 2.0, 4.0, 5.0]


def test_a_uniform_place_makes_every_grid_value_equally_likely():
    encoding = Encoding(SearchSpace({"a": Int(1, 4), "b": Float(0.0, 0.3, step=0.1)}))
    rows = np.linspace(0.0, 1.0, 4000, endpoint=False).repeat(2).reshape(-1, 2)
    decoded = [encoding.decode(row) or {} for row in rows]
    for name, values in (("a", (1, 2, 3, 4)), ("b", (0.0, 0.1, 0.2, 0.3))):
        assert [sum(p[name] == v for p in decoded) for v in values] == [1000] * 4


def test_an_active_parameter_without_a_number_is_refused():
    with pytest.raises(ValueError, match="'a'"):
        Encoding(FINITE).decode(np.array([math.nan, 0.0, math.nan]))


def test_edges_enclose_a_value_and_meet_its_neighbours():
    encoding = Encoding(SearchSpace({"a": Int(1, 9), "b": Int(1, 9, log=True), "c": Float(0.0, 1.0)}))
    for j, axis in enumerate(encoding.axes[:2]):
        places = np.array([encoding.encode({axis.name: v})[j] for v in range(1, 10)])
        below, above = axis.edges(places)
        assert (below < places).all()
        assert (places < above).all()
        np.testing.assert_allclose(above[:-1], below[1:], atol=1e-12)
        assert below[0] == pytest.approx(0.0, abs=1e-12)
        assert above[-1] == pytest.approx(1.0)
    assert all((edge == np.array([0.25])).all() for edge in encoding.axes[2].edges(np.array([0.25])))


@settings(max_examples=200, deadline=None)
@given(st.integers(-(10**300), 10**300), st.integers(1, 10**300), st.integers(1, 10**12), st.floats(0.0, 1.0))
def test_whole_numbers_of_any_size_stay_on_their_grid(low, length, step, place):
    encoding = Encoding(SearchSpace({"a": Int(low, low + length + step, step=step), "b": Int(0, 1)}))
    params = encoding.decode(np.array([place, 0.0])) or {}
    assert SearchSpace({"a": Int(low, low + length + step, step=step)})["a"].contains(params["a"])
    again = encoding.encode(params)[0]
    assert 0.0 <= again <= 1.0
    assert abs(again - place) <= 1.0 / encoding.axes[0].n + 1e-15  # type: ignore[operator]


@settings(max_examples=200, deadline=None)
@given(st.floats(1e-300, 1e300), st.floats(1.001, 1e200), st.floats(0.0, 1.0))
def test_logarithmic_reals_of_any_width_stay_in_range(low, factor, place):
    high = min(low * factor, 1.7e308)
    encoding = Encoding(SearchSpace({"a": Float(low, high, log=True)}))
    value = (encoding.decode(np.array([place])) or {})["a"]
    assert low <= value <= high
    assert encoding.encode({"a": value})[0] == pytest.approx(place, abs=1e-9)
