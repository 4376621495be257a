"""What ``grid`` adds to the suite: exactly the allowed combinations, once each, however many there are."""

import itertools
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner import plugins
from tuner.core.ports import Problem, Suggestion
from tuner.errors import SearchSpaceError, SweepError
from tuner.samplers.grid import GridSampler
from tuner.space import Categorical, Constant, Float, Int, SearchSpace
from tuner.study import Metric, PluginSpec
from tuner.testing.samplers import CONDITIONAL, FINITE
from tuner.trial import Params, ParamValue, Trial, TrialState

LOSS = (Metric("loss"),)


def grid(space: SearchSpace, seed: int = 1, **options: Any) -> GridSampler:
    return GridSampler(Problem(space, LOSS, seed), **options)


def everything(sampler: GridSampler, limit: int = 5000) -> list[Params]:
    suggestions = sampler.ask(0, limit)
    assert len(suggestions) < limit
    return [suggestion.params for suggestion in suggestions]


def by_hand(space: SearchSpace) -> list[Params]:
    """All allowed combinations of a small space, by trying every product of values."""
    found: list[Params] = []
    for values in itertools.product(*(space[name].values() or [] for name in space)):
        full = dict(zip(space, values, strict=True))
        params: dict[str, ParamValue] = {}
        for name in space:
            if space.is_active(name, params):
                params[name] = full[name]
        if params not in found and not space.is_forbidden(params):
            found.append(params)
    return found


def test_unshuffled_order_is_that_of_declaration():
    space = SearchSpace({"a": Categorical(["x", "y"]), "k": Constant(3), "b": Int(1, 3)})
    assert everything(grid(space, shuffle=False)) == [{"a": a, "k": 3, "b": b} for a in ("x", "y") for b in (1, 2, 3)]


def test_shuffled_order_has_the_same_combinations():
    space = SearchSpace({"a": Int(0, 9), "b": Int(0, 9)})
    plain, one, other = everything(grid(space, shuffle=False)), everything(grid(space, 1)), everything(grid(space, 2))
    assert sorted(map(str, plain)) == sorted(map(str, one)) == sorted(map(str, other))
    assert plain != one != other
    assert len({params["a"] for params in one[:20]}) > 5, "the first parameter changes from the start"


@st.composite
def finite_spaces(draw: st.DrawFn) -> SearchSpace:
    parameters: dict[str, Int] = {}
    ranges: dict[str, int] = {}
    for index in range(draw(st.integers(1, 5))):
        when: dict[str, Any] = {}
        for parent in (
            draw(st.lists(st.sampled_from(sorted(parameters)), unique=True, max_size=2)) if parameters else []
        ):
            low = draw(st.integers(0, ranges[parent]))
            when[parent] = draw(st.sampled_from([low, {"low": low}, {"high": low}, [0, low]]))
        name = f"p{index}"
        ranges[name] = draw(st.integers(0, 3))
        try:
            SearchSpace({**parameters, name: Int(0, ranges[name], when=when)})
        except SearchSpaceError:
            when = {}
        parameters[name] = Int(0, ranges[name], when=when)
    forbidden: list[dict[str, int]] = []
    for _ in range(draw(st.integers(0, 3))):
        names = draw(st.lists(st.sampled_from(sorted(parameters)), unique=True, min_size=1, max_size=3))
        clause = {name: draw(st.integers(0, ranges[name])) for name in names}
        try:
            SearchSpace(parameters, [*forbidden, clause])
        except SearchSpaceError:
            continue
        forbidden.append(clause)
    return SearchSpace(parameters, forbidden)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(space=finite_spaces(), seed=st.integers(0, 2**32 - 1))
def test_exactly_the_allowed_combinations_whatever_the_conditions(space, seed):
    expected = by_hand(space)
    assert everything(grid(space, shuffle=False)) == expected
    shuffled = everything(grid(space, seed))
    assert len(shuffled) == len(expected)
    assert all(params in expected for params in shuffled)


def test_the_suites_spaces_agree_with_a_count_by_hand():
    assert everything(grid(FINITE, shuffle=False)) == by_hand(FINITE)
    finite = SearchSpace(
        {
            name: Float(0.0, 1.0, step=0.5, when=d.when) if isinstance(d, Float) else d
            for name, d in CONDITIONAL.items()
        },
        CONDITIONAL.forbidden,
    )
    assert everything(grid(finite, shuffle=False)) == by_hand(finite)


def test_astronomical_grids_cost_no_memory():
    space = SearchSpace({f"p{i}": Int(0, 10**30) for i in range(40)} | {"f": Float(0.0, 1.0, step=1e-9)})
    tracemalloc.start()
    try:
        sampler = grid(space)
        found = {str(sampler.ask(number, 1)[0].params) for number in range(200)}
        assert tracemalloc.get_traced_memory()[0] < 2 * 10**6
    finally:
        tracemalloc.stop()
    assert len(found) == 200
    for suggestion in sampler.ask(10**9, 3):
        space.check(suggestion.params)


@pytest.mark.parametrize(
    ("distribution", "points", "expected"),
    [
        (Float(0.0, 1.0), 5, [0.0, 0.25, 0.5, 0.75, 1.0]),
        (Float(1e-4, 1.0, log=True), 3, [1e-4, 1e-2, 1.0]),
        (Float(0.0, 1.0), 1, [0.5]),
        (Float(2.0, 2.0), 4, [2.0]),
        (Int(1, 100), 3, [1, 51, 100]),
        (Int(1, 100, log=True), 3, [1, 10, 100]),
        (Int(1, 3), 10, [1, 2, 3]),
        (Int(0, 95, step=10), 2, [0, 90]),
        (Float(0.0, 0.95, step=0.1), 2, [0.0, 0.9]),
    ],
    ids=str,
)
def test_points_are_evenly_spaced_with_both_ends(distribution, points, expected):
    space = SearchSpace({"x": distribution})
    found = [params["x"] for params in everything(grid(space, shuffle=False, points={"x": points}))]
    assert found == pytest.approx(expected)
    assert found[-1] == expected[-1]
    for value in found:
        space.check({"x": value})


def test_a_number_of_points_is_for_floats_without_a_step_only():
    space = SearchSpace({"x": Float(0.0, 1.0), "s": Float(0.0, 1.0, step=0.5), "n": Int(1, 7)})
    assert len(everything(grid(space, points=2))) == 2 * 3 * 7


def test_a_float_with_neither_step_nor_points_is_named():
    space = SearchSpace({"n": Int(1, 2), "lr": Float(0.0, 1.0)})
    with pytest.raises(SearchSpaceError, match="'lr'") as caught:
        grid(space)
    assert caught.value.path == "parameters.lr"
    assert "points" in str(caught.value)


@pytest.mark.parametrize(
    ("points", "path"),
    [
        (0, "sampler.points"),
        (True, "sampler.points"),
        ("five", "sampler.points"),
        ({"lr": 0}, "sampler.points.lr"),
        ({"lr": 2.5}, "sampler.points.lr"),
        ({"rl": 2}, "sampler.points.rl"),
        ({"kind": 2}, "sampler.points.kind"),
    ],
)
def test_wrong_points_name_themselves(points, path):
    space = SearchSpace({"lr": Float(0.0, 1.0), "kind": Categorical(["a", "b"])})
    with pytest.raises(SweepError) as caught:
        plugins.build("sampler", PluginSpec("grid", {"points": points}), Problem(space, LOSS, 1))
    assert caught.value.path == path


def test_a_parent_of_too_many_values_is_refused_with_advice():
    space = SearchSpace({"n": Int(0, 10**9), "x": Int(0, 1, when={"n": {"low": 5}})})
    with pytest.raises(SearchSpaceError, match="too many") as caught:
        grid(space)
    assert caught.value.path == "parameters.n"
    assert len(everything(grid(space, points={"n": 10}))) == 1 + 9 * 2


def test_conditions_too_entangled_to_be_counted_are_refused():
    first = {f"a{i}": Int(0, 1) for i in range(16)}
    second = {f"b{i}": Int(0, 1) for i in range(16)}
    clauses = [{f"a{i}": 1, f"b{i}": 1} for i in range(16)]
    with pytest.raises(SearchSpaceError, match="entangled"):
        grid(SearchSpace({**first, **second}, clauses))


def test_everything_forbidden_is_an_empty_grid():
    space = SearchSpace({"x": Int(0, 9)}, forbidden=[{"x": {"high": 4}}, {"x": {"low": 5}}])
    assert not grid(space).ask(0, 5)
    assert not grid(space, shuffle=False).ask(0, 5)


@pytest.mark.parametrize("name", ["grid", "brute_force"])
def test_what_others_tried_is_passed_over_and_nothing_else(name):
    sampler = plugins.build("sampler", PluginSpec(name), Problem(FINITE, LOSS, 1))
    wished: Params = {"a": 2, "b": "y", "c": 0.5}
    known: Params = {"a": 1, "b": "x"}
    sampler.inform([Trial(-1, TrialState.COMPLETE, known, {"loss": 1.0})])
    sampler.replay(0, Suggestion(wished))
    found = [s.params for s in sampler.ask(1, 100)]
    assert len(found) == 15 - 2
    assert wished not in found
    assert known not in found


def test_brute_force_refuses_what_has_no_end():
    space = SearchSpace({"n": Int(1, 3), "lr": Float(0.0, 1.0)})
    with pytest.raises(SearchSpaceError, match="cannot try all values of 'lr'") as caught:
        plugins.build("sampler", PluginSpec("brute_force"), Problem(space, LOSS, 1))
    assert caught.value.path == "parameters.lr"
