"""What was suggested already is known exactly, counted, and completed."""

import sys
from random import Random

import pytest

from tuner.samplers._native import SpaceDrawer
from tuner.samplers._seen import Seen
from tuner.space import Categorical, Condition, Constant, Float, Int, SearchSpace
from tuner.testing.samplers import FINITE, MIXED
from tuner.trial import Params

FORBIDDING = FINITE
N_FORBIDDING = 4 * 3 + 3


def test_a_combination_is_seen_when_it_was_added_and_not_before():
    seen = Seen(FORBIDDING, noisy=False)
    params: Params = {"a": 1, "b": "y", "c": 0.5}
    assert params not in seen
    seen.add(params)
    assert params in seen
    assert {"a": 1, "b": "y", "c": 1.0} not in seen
    assert {"a": 1, "b": "x"} not in seen


def test_true_and_one_are_two_values():
    seen = Seen(SearchSpace({"x": Categorical([True, 1, 0, False, None])}), noisy=False)
    seen.add({"x": True})
    assert {"x": True} in seen
    assert {"x": 1} not in seen


@pytest.mark.parametrize(("space", "noisy"), [(MIXED, False), (FORBIDDING, True)], ids=["reals", "noise"])
def test_nothing_is_seen_where_repeating_cannot_happen_or_is_wished(space, noisy):
    seen = Seen(space, noisy=noisy)
    assert not seen.active
    seen.add({"a": 1, "b": "x"})
    assert {"a": 1, "b": "x"} not in seen
    assert not seen.exhausted
    assert seen.fresh() is None


def test_fresh_combinations_are_every_allowed_one_once_and_then_none():
    seen = Seen(FORBIDDING, noisy=False, seed=3)
    found = []
    while (params := seen.fresh()) is not None:
        assert not seen.exhausted
        FORBIDDING.check(params)
        found.append(tuple(params.items()))
        seen.add(params)
    assert len(set(found)) == len(found) == N_FORBIDDING
    assert seen.exhausted


def test_fresh_depends_on_what_was_seen_alone_not_on_when_it_was_asked():
    one, other = (Seen(FORBIDDING, noisy=False, seed=3) for _ in range(2))
    for _ in range(5):
        params = one.fresh()
        assert params is not None
        one.add(params)
        other.add(params)
    assert other.fresh() == one.fresh()


def test_forbidden_and_foreign_combinations_are_not_counted():
    seen = Seen(FORBIDDING, noisy=False)
    seen.add({"a": 0, "b": "x"})
    seen.add({"a": 9, "b": "y", "c": 0.5})
    seen.add({"a": 1, "b": "z"})
    assert len(seen) == 0


def test_a_space_too_long_to_list_is_followed_exactly():
    space = SearchSpace({"a": Int(0, 10**18), "b": Float(0.0, 1.0, step=1e-9), "k": Constant(1)})
    seen = Seen(space, noisy=False)
    seen.add({"a": 10**18 - 1, "b": 0.3, "k": 1})
    assert {"a": 10**18 - 1, "b": 0.3, "k": 1} in seen
    assert {"a": 10**18, "b": 0.3, "k": 1} not in seen
    assert {"a": 10**18 - 1, "b": 0.300000001, "k": 1} not in seen
    fresh = seen.fresh()
    assert fresh is not None
    space.check(fresh)


def test_a_space_that_cannot_be_counted_is_followed_all_the_same():
    named: list[dict[str, Condition]] = [{"a": {"low": 7}, "b": 1}]
    seen = Seen(SearchSpace({"a": Int(0, 200_000), "b": Int(0, 3)}, forbidden=named), noisy=False)
    params: Params = {"a": 9, "b": 3}
    seen.add(params)
    assert params in seen
    assert seen._all is None
    assert not seen.exhausted
    assert seen.fresh() is None


def test_a_combination_costs_less_than_a_hundred_bytes():
    seen = Seen(SearchSpace({"a": Int(0, 9999), "b": Int(0, 9)}), noisy=False)
    for k in range(10_000):
        seen.add({"a": k, "b": 3})
    keys = seen._keys
    assert (sys.getsizeof(keys) + sum(map(sys.getsizeof, keys))) / len(keys) < 100


def test_draws_give_what_is_left_until_nothing_is():
    seen, drawer, found = Seen(FORBIDDING, noisy=False), SpaceDrawer(FORBIDDING), []
    while (params := seen.draw(drawer, Random(1))) is not None:
        found.append(tuple(params.items()))
        seen.add(params)
    assert len(set(found)) == len(found) == N_FORBIDDING


def test_draws_give_up_where_nothing_can_be_counted_and_nothing_new_is_found():
    space = SearchSpace({"a": Int(0, 200_000), "b": Int(0, 1)}, forbidden=[{"a": {"low": 2}, "b": {"low": 0}}])
    seen, drawer = Seen(space, noisy=False), SpaceDrawer(SearchSpace({"a": Int(0, 1), "b": Int(0, 1)}))
    for a in (0, 1):
        for b in (0, 1):
            seen.add({"a": a, "b": b})
    assert seen.draw(drawer, Random(1)) is None


def test_draws_stay_uniform_among_what_is_left():
    space = SearchSpace({"a": Int(0, 3)})
    drawer, counts = SpaceDrawer(space), dict.fromkeys((1, 2, 3), 0)
    for number in range(3000):
        seen = Seen(space, noisy=False)
        seen.add({"a": 0})
        params = seen.draw(drawer, Random(number))
        assert params is not None
        counts[int(params["a"] or 0)] += 1
    assert min(counts.values()) > 900


def test_asking_whether_anything_is_left_of_a_long_space_counts_nothing():
    space = SearchSpace({"a": Int(0, 10**9), "b": Int(0, 9)}, forbidden=[{"a": {"high": 10**9 - 1}}])
    seen = Seen(space, noisy=False)
    for k in range(10):
        seen.add({"a": 10**9, "b": k})
        assert not seen.exhausted
    assert "_all" not in vars(seen)
