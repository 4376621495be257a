"""A shuffled order of 0 .. n-1 that is computed, not stored."""

from __future__ import annotations

from hashlib import blake2b

__all__ = ["Permutation"]

_ROUNDS = 4


class Permutation:
    """A pseudo-random permutation of the numbers below ``n``, which may be astronomically large.

    A Feistel network (Luby and Rackoff, 1988: four rounds) permutes the numbers of the next even count of bits; those that
    land beyond ``n`` are sent through it again (cycle walking: Black and Rogaway, 2002), 4 times at most on average.

    Args:
        n: How many numbers, at least 1.
        seed: Which permutation.
    """

    def __init__(self, n: int, seed: int) -> None:
        self._n = n
        self._half = max(1, ((n - 1).bit_length() + 1) // 2)
        self._mask = (1 << self._half) - 1
        self._bytes = (self._half + 7) // 8
        self._keys = [b"%d.%d" % (seed, r) for r in range(_ROUNDS)]

    def __getitem__(self, position: int) -> int:
        """The number at ``position``.

        Raises:
            IndexError: ``position`` is not below ``n``.
        """
        if not 0 <= position < self._n:
            raise IndexError(position)
        number = self._mixed(position)
        while number >= self._n:
            number = self._mixed(number)
        return number

    def _mixed(self, number: int) -> int:
        left, right = number >> self._half, number & self._mask
        for key in self._keys:
            left, right = right, left ^ self._round(key, right)
        return (left << self._half) | right

    def _round(self, key: bytes, half: int) -> int:
        digest, block = b"", 0
        while len(digest) < self._bytes:  # one block of 64 bytes serves every grid below 2**1024
            digest += blake2b(half.to_bytes(self._bytes, "little") + b"%d" % block, key=key).digest()
            block += 1
        return int.from_bytes(digest[: self._bytes], "little") & self._mask
