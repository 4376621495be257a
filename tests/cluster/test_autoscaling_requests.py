"""What may be asked of the autoscaler, and the steward's books."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from tuner.cluster.autoscaling import Bundle, Extent, clipped
from tuner.cluster.steward import LEASE_S, Desk, Growth, Member
from tuner.resources import Node, NodeType, Resources

SMALL = NodeType("small", Resources(4, 0, 4096), max_nodes=2)
GPU = NodeType("gpu", Resources(8, 2, 16384), max_nodes=1)
HEAD = Node("h", Resources(0, 0, 8000))
CPU = Bundle(cpu=1, memory_mib=512)


def test_what_no_type_holds_is_left_out():
    assert clipped([Bundle(cpu=64), CPU, Bundle(cpu=1, memory_mib=20_000)], Extent(types=(SMALL, GPU))) == [CPU]


def test_the_limits_of_the_types_bound_what_is_asked():
    assert len(clipped([CPU] * 50, Extent(types=(SMALL,)))) == 8


def test_the_limit_of_all_nodes_bounds_what_is_asked_and_living_nodes_count():
    alive = Node("n", SMALL.resources, type="small")
    assert len(clipped([CPU] * 50, Extent((HEAD, alive), (SMALL, GPU), max_nodes=2))) == 8
    assert len(clipped([CPU] * 50, Extent((HEAD, alive, alive), (SMALL, GPU), max_nodes=2))) == 8


def test_nodes_that_live_are_filled_before_new_ones_are_started():
    alive = Node("n", GPU.resources, type="gpu")
    extent = Extent((alive,), (SMALL, GPU), max_nodes=1)
    assert len(clipped([CPU] * 9, extent)) == 8


def test_without_types_the_nodes_that_live_stand_for_them():
    extent = Extent((HEAD, Node("n", SMALL.resources)))
    assert clipped([CPU, Bundle(cpu=5)], extent) == [CPU]


def test_without_types_and_nodes_everything_may_be_asked():
    assert clipped([Bundle(cpu=64)], Extent((HEAD,))) == [Bundle(cpu=64)]


def test_large_ones_get_their_place_first():
    extent = Extent(types=(NodeType("one", Resources(4, 0, 4096), max_nodes=1),))
    assert clipped([CPU, CPU, Bundle(cpu=3, memory_mib=512)], extent) == [Bundle(cpu=3, memory_mib=512), CPU]


TWIN = replace(SMALL, name="twin")
ON_TWIN = replace(CPU, type="twin")


def test_a_bundle_goes_to_the_type_that_was_chosen_for_it():
    assert clipped([ON_TWIN] * 8, Extent(types=(SMALL, TWIN))) == [ON_TWIN] * 8


def test_when_the_chosen_type_is_used_up_any_other_will_do():
    alive = Node("n", TWIN.resources, type="twin")
    assert clipped([ON_TWIN] * 10, Extent((alive,), (SMALL, TWIN))) == [ON_TWIN] * 8 + [CPU] * 2
    assert clipped([ON_TWIN] * 10, Extent((alive,), (TWIN,))) == [ON_TWIN] * 8


def test_two_studies_that_chose_the_same_type_are_told_apart_by_what_is_left_of_it():
    wants = (ON_TWIN,) * 6
    books = desk(*(Member(name, 1.0, Growth(True, (SMALL, TWIN)), wants) for name in "ab"))
    assert Counter(books.wanted(books.extent([HEAD]), 0.0) or ()) == {ON_TWIN: 8, CPU: 4}


def member(study: str, wants: int | None = None, *, weight: float = 1.0, can_grow: bool = True) -> Member:
    return Member(study, weight, Growth(can_grow, (SMALL,), 2), None if wants is None else (CPU,) * wants)


def desk(*members: Member) -> Desk:
    books = Desk()
    for each in members:
        books.join(each.study, each, 0.0)
    return books


def test_the_wants_of_all_studies_are_merged():
    books = desk(member("a", 2), member("b", 3))
    assert books.wanted(books.extent([HEAD]), 0.0) == [CPU] * 5


def test_a_study_that_comes_first_clears_what_a_dead_one_asked():
    books = desk(member("a"))
    assert books.wanted(books.extent([HEAD]), 0.0) == []


def test_nothing_is_asked_for_studies_that_do_not_grow_the_cluster():
    books = desk(member("a", 3, can_grow=False))
    assert books.wanted(books.extent([HEAD]), 0.0) is None


def test_a_driver_that_is_silent_for_a_lease_is_forgotten_with_its_wants():
    books = desk(member("a", 2), member("b", 3))
    assert books.heard("b", LEASE_S)
    books.expire(LEASE_S + 1.0)
    assert not books.heard("a", LEASE_S + 1.0)
    assert books.wanted(books.extent([HEAD]), LEASE_S + 1.0) == [CPU] * 3


def test_after_a_refusal_less_is_asked_and_all_again_much_later():
    books = desk(member("a", 8))
    books.refused(8, 10.0)
    assert len(books.wanted(books.extent([HEAD]), 11.0) or ()) == 6
    assert len(books.wanted(books.extent([HEAD]), 1000.0) or ()) == 8


def test_messages_that_overtake_each_other_leave_the_latest_word():
    books = Desk()
    late, early = member("a", 3), member("a", None)
    late.number, early.number = 2, 1
    books.join("a", late, 0.0)
    books.join("a", early, 0.0)
    assert books.wanted(books.extent([HEAD]), 0.0) == [CPU] * 3
    books.leave("a")
    books.join("a", late, 0.0)
    assert not books.members
