"""How many attempts a lane is given ahead."""

from __future__ import annotations

import pytest

from tuner.core.lanes import Pace


def paced(*walls_s: float) -> int:
    pace = Pace()
    for wall_s in walls_s:
        pace.observe(wall_s)
    return pace.depth


def test_attempts_go_one_by_one_until_they_are_known_to_be_short():
    assert paced(*[0.0001] * 19) == 1


@pytest.mark.parametrize(("wall_s", "depth"), [(0.5, 1), (0.005, 4), (0.0001, 16)])
def test_as_many_go_together_as_take_a_fiftieth_of_a_second(wall_s, depth):
    assert paced(*[wall_s] * 40) == depth


@pytest.mark.parametrize(("n", "depth"), [(100, 16), (1024, 32), (10_000, 64)])
def test_many_go_together_only_where_they_are_few_of_all(n, depth):
    assert paced(*[0.0001] * n) == depth


def test_one_slow_attempt_has_the_next_ones_go_one_by_one():
    assert paced(*[0.0001] * 2000, 0.1) == 1
