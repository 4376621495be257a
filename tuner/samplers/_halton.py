"""A space-filling design whose points can be asked for in any order: the randomised Halton sequence."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["Halton"]

_BITS = 32.0


class Halton:
    """Points that fill the unit cube evenly, however many are taken.

    Coordinate j is the radical inverse in the j-th prime, the digits of each place permuted at random (Owen, 2017: "A
    randomized Halton algorithm"), which breaks the pattern that high primes show. A point depends on the seed and its
    number only.

    Args:
        d: Number of coordinates.
        seed: Of the permutations.
    """

    def __init__(self, d: int, seed: int) -> None:
        rng = np.random.default_rng([seed, d])
        self._digits = [
            (prime, [rng.permutation(prime) for _ in range(math.ceil(_BITS / math.log2(prime)))])
            for prime in _primes(d)
        ]

    def __getitem__(self, number: int) -> NDArray[np.float64]:
        """Point ``number``, from 0, shape (d,), each coordinate in [0, 1)."""
        point = np.empty(len(self._digits))
        for j, (prime, permutations) in enumerate(self._digits):
            place, rest, share = 0.0, number, 1.0
            for permutation in permutations:
                rest, digit = divmod(rest, prime)
                share /= prime
                place += share * float(permutation[digit])
            point[j] = min(place, 1.0 - 2.0**-53)
        return point


def _primes(count: int) -> list[int]:
    """The first ``count`` primes."""
    primes: list[int] = []
    candidate = 2
    while len(primes) < count:
        if all(candidate % prime for prime in primes):
            primes.append(candidate)
        candidate += 1
    return primes
