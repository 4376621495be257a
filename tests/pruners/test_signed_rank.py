"""The signed-rank test against SciPy's, which the engine does not import."""

from random import Random

import pytest
import scipy.stats

from tuner.pruners._signed_rank import p_greater


def theirs(differences):
    test = scipy.stats.wilcoxon(differences, alternative="greater", zero_method="zsplit")
    return float(test.pvalue)


@pytest.mark.parametrize("n", [2, 3, 30, 50, 51, 80])
@pytest.mark.parametrize("digits", [0, 1, 12], ids=["ties and zeros", "ties", "neither"])
def test_p_is_that_of_scipy(n, digits):
    rng = Random(n)
    for _ in range(20):
        differences = [round(rng.gauss(0.2, 1.0), digits) for _ in range(n)]
        assert p_greater(differences) == pytest.approx(theirs(differences), abs=1e-12)


@pytest.mark.parametrize("n", [5, 8, 13, 14])
def test_p_with_ties_is_that_of_scipy_where_it_counts_out_all_signs(n):
    rng = Random(n)
    for digits in (0, 1) if n < 13 else (0,):
        differences = [round(rng.gauss(0.2, 1.0), digits) for _ in range(n)]
        assert p_greater(differences) == pytest.approx(theirs(differences), abs=1e-12)


def test_nothing_but_zeros():
    assert p_greater([0.0] * 5) == theirs([0.0] * 5) == 1.0
    assert p_greater([0.0] * 14) == theirs([0.0] * 14) == 0.5


def test_known_value():
    # Five of five worse: one sign pattern of 32.
    assert p_greater([0.1, 0.2, 0.3, 0.4, 0.5]) == 1 / 32
