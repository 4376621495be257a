"""Fronts and what of them is kept."""

import itertools

import numpy as np
import pytest

from tuner.samplers._tpe_fronts import Fronts, spread_out


def ranks(values):
    """Front of each point, peeled off one after another."""
    found, left, rank = np.full(len(values), -1), set(range(len(values))), 0
    while left:
        front = {
            i
            for i in left
            if not any((values[j] <= values[i]).all() and (values[j] < values[i]).any() for j in left if j != i)
        }
        found[list(front)] = rank
        left, rank = left - front, rank + 1
    return found


@pytest.mark.parametrize("n_metrics", [2, 3])
def test_the_best_are_those_of_the_first_fronts(n_metrics):
    values = np.random.default_rng(1).integers(0, 12, (120, n_metrics)).astype(float)
    fronts = Fronts(n_metrics, 30)
    for number, row in enumerate(values):
        fronts.add(number, list(row))
    found, rank = fronts.best(30), ranks(values)
    assert len(set(found)) == 30
    last = max(rank[found])
    assert {i for i in range(120) if rank[i] < last} <= set(found)


def test_what_cannot_be_among_the_best_is_forgotten():
    rng = np.random.default_rng(2)
    fronts = Fronts(2, 20)
    for number in range(3000):
        fronts.add(number, list(rng.random(2)))
    assert len(fronts._numbers) < 400


def test_hypervolume_is_nearly_the_largest_there_is():
    rng = np.random.default_rng(3)
    worst = np.array([1.0, 1.0])
    for _ in range(5):
        angle = np.sort(rng.random(9)) * np.pi / 2
        front = 1.0 - np.stack([np.cos(angle), np.sin(angle)], axis=1)

        def volume(chosen, front=front):
            total, top = 0.0, 1.1 * np.ptp([front.min(axis=0), worst], axis=0) + front.min(axis=0)
            height = top[1]
            for x, y in sorted(map(tuple, front[list(chosen)])):
                if y < height:
                    total += (top[0] - x) * (height - y)
                    height = y
            return total

        best = max(volume(chosen) for chosen in itertools.combinations(range(9), 3))
        assert volume(spread_out(front, worst, 3)) > 0.9 * best


def test_equal_points_are_borne():
    fronts = Fronts(2, 10)
    for number in range(50):
        fronts.add(number, [1.0, 1.0])
    assert len(set(fronts.best(10))) == 10
