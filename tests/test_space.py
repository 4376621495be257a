"""SearchSpace: what is active, what is allowed, what cannot be declared, and the round trip through plain data."""

from __future__ import annotations

import copy
import json
import pickle
from io import StringIO
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tests.spaces.sampling import draw_all, exact, search_spaces
from tuner.errors import SearchSpaceError
from tuner.space import Categorical, Constant, Float, Int, SearchSpace, matches
from tuner.space.reach import widened
from tuner.trial import Params

seeds = st.integers(0, 2**32)

NESTED = SearchSpace(
    {
        "model": Categorical(["svm", "tree", "none"]),
        "kernel": Categorical(["rbf", "poly"], when={"model": "svm"}),
        "degree": Int(2, 5, when={"kernel": "poly"}),
        "coef0": Float(-1, 1, when={"degree": {"low": 3}}),
        "depth": Int(1, 9, when={"model": ["tree"]}),
        "seeded": Constant(True, when={"depth": {"low": 2, "high": 4}}),
        "rounds": Constant(500),
    },
    forbidden=[{"kernel": "poly", "degree": 5}, {"depth": {"high": 1}, "rounds": 500}],
)


def wrong(document: dict[str, Any]) -> SearchSpaceError:
    with pytest.raises(SearchSpaceError) as caught:
        SearchSpace.from_dict(document)
    return caught.value


# -- what is active ------------------------------------------------------------------------------------------------


def test_a_child_of_an_inactive_parent_is_inactive() -> None:
    everything: Params = {"model": "tree", "kernel": "poly", "degree": 4, "coef0": 0.5, "depth": 3}
    assert NESTED.active(everything) == {"model": "tree", "depth": 3, "seeded": True, "rounds": 500}


def test_conditions_on_a_value_a_list_and_a_range_hold_together() -> None:
    assert list(NESTED.active({"model": "svm", "kernel": "poly", "degree": 3, "coef0": 0.0})) == [
        "model", "kernel", "degree", "coef0", "rounds",
    ]  # fmt: skip
    assert "coef0" not in NESTED.active({"model": "svm", "kernel": "poly", "degree": 2})
    assert NESTED.active({"model": "none"}) == {"model": "none", "rounds": 500}
    assert "seeded" not in NESTED.active({"model": "tree", "depth": 5})


def test_an_active_parameter_needs_a_value() -> None:
    with pytest.raises(SearchSpaceError, match="no value for an active parameter") as caught:
        NESTED.active({"model": "svm"})
    assert caught.value.path == "kernel"
    assert caught.value.expected == "one of 'rbf', 'poly'"


def _active_by_hand(space: SearchSpace, params: Params) -> set[str]:
    """The rule, said recursively: active when every parent is active and meets its condition."""

    def is_active(name: str) -> bool:
        when = space[name].when or {}
        return all(is_active(p) and matches(params[p], widened(space[p], c)) for p, c in when.items())

    return {name for name in space if is_active(name)}


@given(space=search_spaces(), seed=seeds)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_active_keeps_exactly_the_parameters_whose_conditions_hold(space: SearchSpace, seed: int) -> None:
    everything = draw_all(space, Random(seed))
    active = space.active(everything)
    assert set(active) == _active_by_hand(space, everything)
    assert list(active) == [name for name in space if name in active]
    assert all(space.is_active(name, active) == (name in active) for name in space)


@given(space=search_spaces(), seed=seeds)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_what_is_active_checks_unless_it_is_forbidden(space: SearchSpace, seed: int) -> None:
    active = space.active(draw_all(space, Random(seed)))
    if space.is_forbidden(active):
        with pytest.raises(SearchSpaceError, match="a forbidden combination"):
            space.check(active)
        return
    space.check(active)
    space.check({name: value for name, value in active.items() if not isinstance(space[name], Constant)})


@given(space=search_spaces(), seed=seeds)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_a_value_for_an_inactive_parameter_does_not_check(space: SearchSpace, seed: int) -> None:
    everything = draw_all(space, Random(seed))
    active = space.active(everything)
    for name in everything.keys() - active.keys():
        with pytest.raises(SearchSpaceError, match="inactive") as caught:
            space.check({**active, name: everything[name]})
        assert caught.value.path == name


# -- what is allowed -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "path", "message"),
    [
        ({"model": "knn"}, "model", "value out of range"),
        ({"model": "svm", "kernel": "poly", "degree": 9, "coef0": 0}, "degree", "value out of range"),
        ({"model": "none", "rounds": 501}, "rounds", "value out of range"),
        ({"model": "none", "depth": 3}, "depth", "inactive"),
        ({"model": "none", "dept": 3}, "dept", "unknown parameter"),
        ({"model": "svm", "kernel": "poly", "degree": 5, "coef0": 0}, "forbidden[0]", "forbidden combination"),
        ({"model": "tree", "depth": 1}, "forbidden[1]", "forbidden combination"),
    ],
)
def test_check_names_what_is_wrong(params: Params, path: str, message: str) -> None:
    with pytest.raises(SearchSpaceError, match=message) as caught:
        NESTED.check(params)
    assert caught.value.path == path
    assert caught.value.expected


def test_check_names_the_closest_parameter() -> None:
    with pytest.raises(SearchSpaceError) as caught:
        NESTED.check({"model": "tree", "dept": 3})
    assert caught.value.hint == "did you mean 'depth'?"


def test_a_forbidden_clause_counts_constants_that_were_left_out() -> None:
    assert NESTED.is_forbidden(NESTED.active({"model": "tree", "depth": 1}))
    with pytest.raises(SearchSpaceError, match="forbidden"):
        NESTED.check({"model": "tree", "depth": 1})


def test_true_is_not_one() -> None:
    space = SearchSpace({"flag": Categorical([True, False]), "x": Int(0, 3, when={"flag": True})})
    with pytest.raises(SearchSpaceError, match="out of range"):
        space.check({"flag": 1, "x": 2})


# -- what cannot be declared ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "path", "message"),
    [
        ({"parameters": {}}, None, "the search space is empty"),
        ({"parameters": None}, None, "the search space is empty"),
        ({"parameters": ["lr"]}, "parameters", "must map names to parameters"),
        ({"parameters": {"": {"value": 1}}}, None, "a parameter's name"),
        ({"parametres": {"a": {"value": 1}}}, None, "unknown key 'parametres'"),
        ({"parameters": {"a": {"low": 2, "high": 1}}}, "parameters.a", "low 2 is above high 1"),
        (
            {"parameters": {"a": {"low": 0, "high": 1, "when": {"b": 1}}}},
            "parameters.a.when.b",
            "unknown parameter 'b'",
        ),
        ({"parameters": {"a": {"low": 0, "high": 1, "when": {"a": 1}}}}, "parameters.a.when.a", "declared here"),
        (
            {"parameters": {"a": {"value": 1, "when": {"b": 1}}, "b": {"values": [1, 2]}}},
            "parameters.a.when.b",
            "declared later",
        ),
        (
            {"parameters": {"a": {"values": ["x", "y"]}, "b": {"value": 1, "when": {"a": "z"}}}},
            "parameters.b.when.a",
            "can never hold",
        ),
        (
            {
                "parameters": {
                    "a": {"values": ["x", "y"]},
                    "b": {"low": 0, "high": 1, "when": {"a": "x"}},
                    "c": {"value": 1, "when": {"b": {"low": 0.5}, "a": "y"}},
                }
            },
            "parameters.c.when.a",
            "exclude each other",
        ),
        ({"parameters": {"a": {"value": 1}}, "forbidden": {"a": 1}}, "forbidden", "must be a list of clauses"),
        ({"parameters": {"a": {"value": 1}}, "forbidden": [{}]}, "forbidden[0]", "forbids everything"),
        ({"parameters": {"a": {"low": 0, "high": 1}}, "forbidden": ["a"]}, "forbidden[0]", "must map parameter names"),
        ({"parameters": {"a": {"low": 0, "high": 1}}, "forbidden": [{"b": 1}]}, "forbidden[0]", "unknown parameter"),
        (
            {"parameters": {"a": {"low": 0, "high": 1}}, "forbidden": [{"a": {"lo": 1}}]},
            "forbidden[0]",
            "a: unknown key 'lo'",
        ),
        (
            {"parameters": {"a": {"low": 0.0, "high": 1}}, "forbidden": [{"a": 0.5}, {"a": {"low": 0}}]},
            "forbidden[1]",
            "forbids everything",
        ),
        ({"parameters": {"a": {"low": 0.0, "high": 1}}, "forbidden": [{"a": 2}]}, "forbidden[0]", "can never hold"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(
    document: dict[str, Any], path: str | None, message: str
) -> None:
    error = wrong(document)
    assert message in error.message
    assert error.path == path


def test_a_condition_names_the_closest_parameter() -> None:
    error = wrong({"parameters": {"booster": {"values": ["a", "b"]}, "x": {"value": 1, "when": {"boster": "a"}}}})
    assert error.hint == "did you mean 'booster'?"


def test_conditions_over_huge_ranges_are_judged_without_listing_them() -> None:
    huge = Int(0, 10**15)
    space = SearchSpace({"n": huge, "a": Constant(1, when={"n": {"low": 10**14}}), "b": Constant(1, when={"n": 7})})
    assert space.active({"n": 7}) == {"n": 7, "b": 1}
    with pytest.raises(SearchSpaceError, match="can never hold"):
        SearchSpace({"n": huge, "a": Constant(1, when={"n": -1})})


def test_conditions_between_the_steps_of_a_range_can_never_hold() -> None:
    SearchSpace({"n": Int(0, 100, step=10), "a": Constant(1, when={"n": {"low": 15, "high": 20}})})
    with pytest.raises(SearchSpaceError, match="can never hold"):
        SearchSpace({"n": Int(0, 100, step=10), "a": Constant(1, when={"n": {"low": 11, "high": 19}})})


def test_conditions_on_steps_are_met_beside_the_grid() -> None:
    """Samplers count steps in floats: 0.1 + 2 * 0.1 is not 0.3, and -0.3 + 3 * 0.1 is not 0."""
    space = SearchSpace(
        {
            "a": Float(0.1, 0.5, step=0.1),
            "b": Float(-0.3, 0.3, step=0.1),
            "c": Constant(1, when={"a": 0.3}),
            "d": Constant(1, when={"a": [0.3, 0.7], "b": {"high": 0}}),
        },
        forbidden=[{"a": {"high": 0.3}, "b": 0.1}],
    )
    above = 0.1 + 2 * 0.1
    assert above != 0.3
    assert space.active({"a": above, "b": -0.3 + 3 * 0.1}) == {"a": above, "b": -0.3 + 3 * 0.1, "c": 1, "d": 1}
    assert space.active({"a": 0.4, "b": 0.0}) == {"a": 0.4, "b": 0.0}
    assert space.is_forbidden({"a": above, "b": -0.3 + 4 * 0.1})
    assert not space.is_forbidden({"a": 0.4, "b": 0.1})
    assert space.to_dict()["parameters"]["c"]["when"] == {"a": 0.3}


def test_only_distributions_are_parameters() -> None:
    with pytest.raises(SearchSpaceError, match="not a distribution"):
        SearchSpace({"a": 3})  # type: ignore[dict-item]


# -- the round trip ------------------------------------------------------------------------------------------------


@given(space=search_spaces())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_plain_data_reads_back_equal_and_of_the_same_kinds(space: SearchSpace) -> None:
    document = space.to_dict()
    back = SearchSpace.from_dict(json.loads(json.dumps(document, allow_nan=False)))
    assert back == space
    assert list(back) == list(space)
    assert exact(back.to_dict()) == exact(document)
    assert [type(back[name]) for name in back] == [type(space[name]) for name in space]


@given(space=search_spaces())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_yaml_reads_back_equal(space: SearchSpace) -> None:
    stream = StringIO()
    YAML(typ="safe", pure=True).dump(space.to_dict(), stream)
    assert SearchSpace.from_dict(_ordered_like(space, YAML(typ="safe", pure=True).load(stream.getvalue()))) == space


def _ordered_like(space: SearchSpace, document: dict[str, Any]) -> dict[str, Any]:
    """The safe dumper sorts keys; parameters have an order."""
    return {**document, "parameters": {name: document["parameters"][name] for name in space}}


@given(space=search_spaces())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_a_space_can_be_pickled_copied_and_hashed(space: SearchSpace) -> None:
    assert pickle.loads(pickle.dumps(space)) == space
    assert copy.deepcopy(space) == space
    assert hash(copy.deepcopy(space)) == hash(space)
    assert all(hash(distribution) == hash(copy.deepcopy(distribution)) for distribution in space.values())


def test_equality_heeds_order_and_kinds() -> None:
    a, b = Int(0, 1), Int(0, 2)
    assert SearchSpace({"a": a, "b": b}) == SearchSpace({"a": a, "b": b})
    assert SearchSpace({"a": a, "b": b}) != SearchSpace({"b": b, "a": a})
    assert SearchSpace({"a": Constant(1)}) != SearchSpace({"a": Constant(True)})
    assert SearchSpace({"a": Constant(1)}) != SearchSpace({"a": Constant(1.0)})
    assert SearchSpace({"a": Float(0, 1)}) != SearchSpace({"a": Int(0, 1)})
    assert SearchSpace({"a": a}) != SearchSpace({"a": a}, [{"a": 1}])


def test_a_space_is_a_mapping_of_its_distributions() -> None:
    assert next(iter(NESTED)) == "model"
    assert len(NESTED) == 7
    assert NESTED["degree"] == Int(2, 5, when={"kernel": "poly"})
    assert list(NESTED.sampled) == ["model", "kernel", "degree", "coef0", "depth"]
    assert NESTED.conditional
    assert not SearchSpace({"a": Float(0, 1), "b": Constant(3)}).conditional
    assert SearchSpace({"a": Float(0, 1)}, [{"a": {"low": 0.5}}]).conditional
    assert eval(repr(NESTED)) == NESTED


def test_what_it_was_made_from_can_change_without_changing_it() -> None:
    when: dict[str, Any] = {"a": [1, 2]}
    space = SearchSpace({"a": Categorical([1, 2, 3]), "b": Constant(0, when=when)})
    when["a"].append(3)
    when.clear()
    assert space["b"].when == {"a": (1, 2)}
