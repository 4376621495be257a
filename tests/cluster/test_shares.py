"""Who may use how much of a cluster that several studies use."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.cluster.autoscaling import Bundle, Extent, Placement
from tuner.cluster.shares import Claim, fair_picks, fair_shares
from tuner.resources import NodeType, Resources

CLUSTER = Resources(cpu=100, gpu=0, memory_mib=1000)
ONE = Resources(cpu=1, memory_mib=10)


def shares(**claims: Claim[Resources]) -> dict[str, float]:
    return fair_shares(claims, CLUSTER)


def test_a_study_alone_has_all():
    assert shares(a=Claim(3.0, (ONE,))) == {"a": 1.0}


def test_two_that_want_everything_share_by_weight():
    assert shares(a=Claim(3.0), b=Claim(1.0)) == pytest.approx({"a": 0.75, "b": 0.25})


def test_what_one_does_not_want_the_others_get():
    got = shares(a=Claim(1.0, (ONE,) * 10), b=Claim(1.0, (ONE,) * 300), c=Claim(1.0, (ONE,) * 300))
    assert got["b"] == got["c"] == pytest.approx(0.45)


def test_a_study_that_wants_little_may_still_take_what_its_weight_entitles_it_to():
    assert shares(a=Claim(1.0, (ONE,)), b=Claim(1.0)) == pytest.approx({"a": 0.5, "b": 0.99})


def test_studies_that_need_different_resources_get_more_than_half_each():
    much_memory, many_cpus = Resources(cpu=1, memory_mib=40), Resources(cpu=4, memory_mib=10)
    got = shares(a=Claim(1.0, (much_memory,) * 100), b=Claim(1.0, (many_cpus,) * 100))
    assert got["a"] == got["b"] == pytest.approx(0.8)


def test_what_nobody_wants_may_be_taken_by_anybody():
    assert shares(a=Claim(1.0, (ONE,) * 10), b=Claim(1.0, (ONE,) * 20)) == pytest.approx({"a": 0.8, "b": 0.9})


def test_while_there_is_no_node_shares_go_by_weight():
    assert fair_shares({"a": Claim(1.0, (ONE,)), "b": Claim(3.0, (ONE,))}, Resources(0, 0, 0)) == {"a": 0.25, "b": 0.75}


amounts = st.builds(Resources, st.floats(0.1, 50), st.just(0.0), st.floats(0, 500))
claims = st.dictionaries(
    st.sampled_from("abcd"),
    st.builds(Claim, st.floats(0.1, 10), st.none() | st.lists(amounts, max_size=30)),
    min_size=1,
)


@settings(deadline=None, max_examples=200)
@given(claims)
def test_none_gets_less_than_its_weight_entitles_it_to_nor_more_than_all(claims):
    total = sum(claim.weight for claim in claims.values())
    for study, share in fair_shares(claims, CLUSTER).items():
        assert claims[study].weight / total - 1e-9 <= share <= 1.0


TYPE = NodeType("cpu", Resources(4, 0, 4096), max_nodes=3)
CPU = Bundle(cpu=1, memory_mib=100)


def picked(extent: Extent, **claims: Claim[Bundle]) -> dict[str, int]:
    picks = fair_picks(claims, extent.largest, Placement(extent).place)
    return {study: len(bundles) for study, bundles in picks.items()}


def test_the_limit_of_nodes_is_shared_by_weight():
    extent = Extent(types=(TYPE,))
    assert picked(extent, a=Claim(2.0, (CPU,) * 50), b=Claim(1.0, (CPU,) * 50)) == {"a": 8, "b": 4}


def test_a_study_that_wants_less_leaves_its_part_of_the_limit_to_others():
    extent = Extent(types=(TYPE,))
    assert picked(extent, a=Claim(1.0, (CPU,) * 2), b=Claim(1.0, (CPU,) * 50)) == {"a": 2, "b": 10}


def test_what_no_node_holds_keeps_nothing_else_back():
    extent = Extent(types=(TYPE,))
    assert picked(extent, a=Claim(1.0, (Bundle(cpu=64), CPU)), b=Claim(1.0, None)) == {"a": 1, "b": 0}


@pytest.mark.parametrize(
    ("n_cpus", "light", "heavy"), [(2, 0.25, 0.75), (4, 0.25, 0.75), (6, 0.25, 5 / 6), (8, 0.25, 0.75), (10, 0.25, 0.8)]
)
def test_no_cpu_stays_idle_because_shares_are_held_in_whole_attempts(n_cpus, light, heavy):
    claims = {"light": Claim(1.0, (ONE,) * 50), "heavy": Claim(3.0, (ONE,) * 50)}
    told = fair_shares(claims, Resources(n_cpus, 0, 4096))
    assert told == pytest.approx({"light": light, "heavy": heavy})


def test_what_is_left_between_shares_goes_to_no_attempt_that_is_too_large_for_it():
    claims = {"a": Claim(1.0, (Resources(cpu=3),) * 9), "b": Claim(1.0, (ONE,) * 50)}
    assert fair_shares(claims, Resources(8, 0, 4096)) == pytest.approx({"a": 0.5, "b": 0.5})


@settings(deadline=None, max_examples=200)
@given(st.dictionaries(st.sampled_from("abcd"), st.floats(0.1, 10), min_size=1), st.integers(4, 40))
def test_whole_attempts_of_all_studies_together_fit(weights, n_cpus):
    told = fair_shares({name: Claim(w, (ONE,) * 99) for name, w in weights.items()}, Resources(n_cpus, 0, 99_999))
    assert sum(max(1, int(share * n_cpus + 1e-9)) for share in told.values()) <= n_cpus + len(weights) - 1
    if all(share * n_cpus >= 1 for share in told.values()):
        assert sum(int(share * n_cpus + 1e-9) for share in told.values()) == n_cpus
