"""The best trial, the front, the hypervolume."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.core.pareto import Front, hypervolume, reference_point
from tuner.core.selection import best, hypervolumes, pareto
from tuner.study import Constraint, Metric
from tuner.trial import Trial, TrialState

LOSS, ACCURACY = Metric("loss"), Metric("accuracy", "maximize")


def trial(number, loss=1.0, accuracy=0.5, violation=0.0, wall_s=1.0, state=TrialState.COMPLETE):
    values = {"loss": loss, "accuracy": accuracy}
    return Trial(number, state, {}, values, 1, finished_at=float(number), wall_s=wall_s, violation=violation)


def numbers(trials):
    return [t.number for t in trials]


def test_a_feasible_trial_is_better_than_any_infeasible_one():
    trials = [trial(0, 0.1, violation=0.01), trial(1, 5.0), trial(2, 7.0)]
    assert numbers([best(trials, LOSS)]) == [1]


def test_while_none_is_feasible_the_one_that_violates_least_is_the_best():
    assert numbers([best([trial(0, 0.1, violation=2.0), trial(1, 5.0, violation=0.5)], LOSS)]) == [1]


def test_equal_values_are_told_apart_by_cost_then_by_order():
    assert numbers([best([trial(0, wall_s=2.0), trial(1, wall_s=1.0), trial(2, wall_s=1.0)], LOSS)]) == [1]


def test_only_complete_trials_can_be_the_best():
    assert best([trial(0, 0.0, state=TrialState.PRUNED)], LOSS) is None


def test_the_front_holds_what_nothing_beats_and_equals_of_it():
    trials = [trial(0, 1.0, 0.5), trial(1, 2.0, 0.9), trial(2, 2.0, 0.4), trial(3, 1.0, 0.5), trial(4, 3.0, 0.9)]
    assert numbers(pareto(trials, (LOSS, ACCURACY))) == [0, 3, 1]


def test_infeasible_trials_are_not_on_the_front_while_a_feasible_one_is_there():
    trials = [trial(0, 0.0, 1.0, violation=0.1), trial(1, 1.0, 0.5)]
    assert numbers(pareto(trials, (LOSS, ACCURACY))) == [1]


def test_while_none_is_feasible_the_front_is_of_those_that_violate_least():
    trials = [trial(0, 0.0, 1.0, violation=0.2), trial(1, 1.0, 0.5, violation=0.1), trial(2, 0.5, 0.4, violation=0.1)]
    assert numbers(pareto(trials, (LOSS, ACCURACY))) == [2, 1]


def test_with_one_metric_the_front_is_the_best():
    assert numbers(pareto([trial(0, 2.0), trial(1, 1.0), trial(2, 1.0)], (LOSS,))) == [1, 2]


def _beaten(point, points):
    return any(all(x <= y for x, y in zip(other, point, strict=True)) and other != point for other in points)


points_of = {
    size: st.lists(st.tuples(*[st.integers(0, 6).map(float)] * size), min_size=1, max_size=25) for size in (2, 3, 4)
}


@pytest.mark.parametrize("size", [2, 3, 4])
@given(data=st.data())
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_a_front_is_what_comparing_all_pairs_gives(size, data):
    points = data.draw(points_of[size])
    front = Front(size)
    for index, point in enumerate(points):
        grew = front.add(point)
        assert grew == (point not in points[:index] and not _beaten(point, points[: index + 1]))
    assert front.points == sorted({point for point in points if not _beaten(point, points)})


@pytest.mark.parametrize("size", [2, 3, 4])
@given(data=st.data())
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_the_hypervolume_is_the_number_of_unit_cells_that_are_covered(size, data):
    points = data.draw(points_of[size])
    reference = (5.0,) * size
    cells = 0
    for index in range(5**size):
        cell = [index // 5**axis % 5 for axis in range(size)]
        cells += any(all(x <= c for x, c in zip(point, cell, strict=True)) for point in points)
    assert hypervolume(points, reference) == cells


def test_the_hypervolume_agrees_with_optunas_over_random_fronts():
    wfg = pytest.importorskip("optuna._hypervolume.wfg")
    numpy = pytest.importorskip("numpy")
    draw = random.Random(5)
    for size in (2, 3, 4):
        points = [tuple(draw.random() for _ in range(size)) for _ in range(40)]
        theirs = wfg.compute_hypervolume(numpy.array(points), numpy.full(size, 1.1))
        assert hypervolume(points, (1.1,) * size) == pytest.approx(float(theirs), rel=1e-9)


def test_the_reference_lies_a_tenth_beyond_the_worst():
    assert reference_point([(0.0, -5.0, 0.0), (10.0, -5.0, 0.0)]) == (11.0, -4.5, 1.0)


def test_hypervolume_over_time_rises_with_every_trial_that_adds_something():
    trials = [trial(0, 2.0, 0.2), trial(1, 3.0, 0.1), trial(2, 1.0, 0.3), trial(3, 1.0, 0.9, violation=1.0)]
    course = hypervolumes(trials, (LOSS, ACCURACY), reference=(4.0, 0.0))
    assert [t.number for t, _ in course] == [0, 2]
    assert [volume for _, volume in course] == pytest.approx([2.0 * 0.2, 3.0 * 0.3])
    assert hypervolumes([], (LOSS, ACCURACY)) == []


def test_a_violation_is_relative_to_its_bound():
    assert Constraint("ms", high=20.0).violation(25.0) == 0.25
    assert Constraint("recall", low=0.8).violation(0.6) == pytest.approx(0.25)
    assert Constraint("gap", high=0.0).violation(0.5) == 0.5
    assert Constraint("both", 1.0, 2.0).violation(1.5) == 0.0
    assert math.isinf(Constraint("ms", high=1.0).violation(math.inf))


@pytest.mark.parametrize("size", [2, 3, 4])
def test_what_points_add_one_by_one_is_the_hypervolume_of_all(size):
    draw = random.Random(7)
    metrics = tuple(Metric(f"m{k}") for k in range(size))
    found = [
        Trial(n, TrialState.COMPLETE, {}, {m.name: draw.random() for m in metrics}, finished_at=float(n))
        for n in range(40)
    ]
    course = hypervolumes(found, metrics, reference=(0.9,) * size)
    points = [tuple(t.values.values()) for t in found]
    assert course[-1][1] == pytest.approx(hypervolume(points, (0.9,) * size), rel=1e-9)
    third = course[2][0].number
    assert course[2][1] == pytest.approx(hypervolume(points[: third + 1], (0.9,) * size), rel=1e-9)
