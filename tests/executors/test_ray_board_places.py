"""Where the Ray executor would like an attempt to run."""

from __future__ import annotations

import pytest

from tests.executors.books import CRASH, Books, result, sighting, start
from tuner.cluster.wire import Returned
from tuner.resources import Resources


@pytest.fixture
def books() -> Books:
    return Books()


@pytest.fixture
def wide(books: Books) -> Books:
    """With a second node, on a cluster that others use too."""
    books.board.is_shared = True
    books.do("see_nodes", sighting("n", "m"), now_s=0.5)
    return books


def test_an_attempt_that_lasts_goes_where_its_lanes_last_one_left_a_process(wide):
    first = wide.add(start(0))
    assert first.near is None, "anywhere"
    wide.do("returned", first.number, Returned("n", [result(0, wall_s=1.0)]), now_s=2.0)
    assert wide.add(start(1)).near == "n"
    assert wide.add(start(2, lane=1)).near is None, "no process is known of"


@pytest.mark.parametrize(
    ("wall_s", "then"),
    [
        (0.001, start(1)),  # leases of short ones are shared by all lanes
        (1.0, start(1, avoid=("m",))),  # Ray takes either
        (1.0, start(1, grant=Resources(gpu=1.0))),  # such a process runs one attempt only
    ],
)
def test_other_attempts_go_anywhere(wide, wall_s, then):
    first = wide.add(start(0))
    wide.do("returned", first.number, Returned("n", [result(0, wall_s=wall_s)]), now_s=2.0)
    assert wide.add(then).near is None


def test_a_study_alone_leaves_it_to_ray_which_nodes_become_idle(wide):
    wide.board.is_shared = False
    first = wide.add(start(0))
    wide.do("returned", first.number, Returned("n", [result(0, wall_s=1.0)]), now_s=2.0)
    assert wide.add(start(1)).near is None


def test_with_one_node_there_is_nothing_to_choose(books):
    books.board.is_shared = True
    first = books.add(start(0))
    books.do("returned", first.number, Returned("n", [result(0, wall_s=1.0)]), now_s=2.0)
    assert books.add(start(1)).near is None


def test_where_a_process_died_or_a_node_was_lost_nothing_draws_the_next_one(wide):
    for trial in (0, 1):
        wide.do("returned", wide.add(start(trial)).number, Returned("n", [result(trial, wall_s=1.0)]), now_s=2.0)
    crashed = wide.add(start(2))
    assert crashed.near == "n"
    wide.do("failed", crashed.number, CRASH, now_s=3.0)
    last = wide.add(start(3))
    assert last.near is None
    wide.do("returned", last.number, Returned("n", [result(3, wall_s=1.0)]), now_s=4.0)
    wide.do("see_nodes", sighting("m", "o"), now_s=5.0)
    assert wide.add(start(4)).near is None
