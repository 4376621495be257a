"""Wilcoxon's signed-rank test, one-sided, in pure Python."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

__all__ = ["p_greater"]

MOST_EXACT = 50
MOST_EXACT_TIED = 13


def p_greater(differences: Sequence[float]) -> float:
    """How likely paired differences as large as these are, were they as often above 0 as below.

    Wilcoxon, *Individual Comparisons by Ranking Methods*, 1945. Zeros are split: half of their ranks count as above 0. The
    null distribution is exact for up to 50 differences without ties and zeros and for up to 13 with them (all signs of the
    others counted out); beyond, the normal approximation with the variance corrected for ties and without a correction for
    continuity. These are the choices of SciPy 1.17's ``wilcoxon(differences, alternative="greater", zero_method="zsplit")``.

    Args:
        differences: Finite numbers, at least one.

    Returns:
        From 0 to 1.
    """
    n = len(differences)
    ranks, ties = _double_ranks([abs(difference) for difference in differences])
    zeros = sum(rank for rank, difference in zip(ranks, differences, strict=True) if difference == 0.0)
    above = sum(rank for rank, difference in zip(ranks, differences, strict=True) if difference > 0.0)
    if n <= MOST_EXACT and not ties and not zeros:
        return _tail(_whole(n), above // 2) / (1 << n)
    if n <= MOST_EXACT_TIED:
        signed = [rank for rank, difference in zip(ranks, differences, strict=True) if difference != 0.0]
        return _tail(_sums(tuple(signed)), above) / (1 << len(signed))
    variance = (n * (n + 1.0) * (2.0 * n + 1.0) - ties / 2.0) / 24.0
    z = (above / 2.0 + zeros / 4.0 - n * (n + 1.0) / 4.0) / math.sqrt(variance)
    return 0.5 * math.erfc(z / math.sqrt(2.0))


def _double_ranks(sizes: Sequence[float]) -> tuple[list[int], int]:
    """Twice the rank of each size, equal ones sharing theirs, and the sum of ``t ** 3 - t`` over groups of ``t`` equals."""
    order = sorted(range(len(sizes)), key=sizes.__getitem__)
    ranks, ties, first = [0] * len(sizes), 0, 0
    while first < len(order):
        last = first
        while last + 1 < len(order) and sizes[order[last + 1]] == sizes[order[first]]:
            last += 1
        for place in range(first, last + 1):
            ranks[order[place]] = first + last + 2
        count = last - first + 1
        ties += count**3 - count
        first = last + 1
    return ranks, ties


def _tail(counts: Sequence[int], least: int) -> int:
    return sum(counts[least:])


@lru_cache(maxsize=MOST_EXACT + 1)
def _whole(n: int) -> tuple[int, ...]:
    """In how many ways some of the ranks 1 to n add up to each sum."""
    return _sums(tuple(range(1, n + 1)))


def _sums(ranks: tuple[int, ...]) -> tuple[int, ...]:
    """In how many ways some of ``ranks`` add up to each sum from 0 on."""
    counts = [1]
    for rank in ranks:
        longer = counts + [0] * rank
        for total, ways in enumerate(counts):
            longer[total + rank] += ways
        counts = longer
    return tuple(counts)
