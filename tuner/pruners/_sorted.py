"""A growing collection of numbers in rising order: ranks and quantiles for pruners."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right

__all__ = ["SortedValues"]

_FULL = 2048


class SortedValues:
    """Numbers in rising order, 8 bytes each, equal ones kept.

    They lie in chunks of at most 2,048, so an insertion moves a few KiB at most, and a position is found by adding up
    chunk lengths: at 200,000 numbers that is some 150 additions.
    """

    __slots__ = ("_chunks", "_lasts", "_size")

    def __init__(self) -> None:
        self._chunks: list[array[float]] = []
        self._lasts: list[float] = []
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, value: float) -> None:
        """Insert ``value``, which must not be NaN."""
        self._size += 1
        if not self._chunks:
            self._chunks.append(array("d", (value,)))
            self._lasts.append(value)
            return
        index = min(bisect_left(self._lasts, value), len(self._lasts) - 1)
        chunk = self._chunks[index]
        chunk.insert(bisect_right(chunk, value), value)
        self._lasts[index] = chunk[-1]
        if len(chunk) > _FULL:
            self._chunks.insert(index + 1, chunk[_FULL // 2 :])
            del chunk[_FULL // 2 :]
            self._lasts[index : index + 1] = [chunk[-1], self._chunks[index + 1][-1]]

    def __getitem__(self, index: int) -> float:
        """The number at a position from 0, in rising order.

        Raises:
            IndexError: There are not that many.
        """
        if index < 0:
            raise IndexError(index)
        for chunk in self._chunks:
            if index < len(chunk):
                return chunk[index]
            index -= len(chunk)
        raise IndexError(index)

    def below(self, value: float) -> int:
        """How many numbers are smaller than ``value``."""
        index = bisect_left(self._lasts, value)
        if index == len(self._lasts):
            return self._size
        return sum(map(len, self._chunks[:index])) + bisect_left(self._chunks[index], value)

    def upto(self, value: float) -> int:
        """How many numbers are ``value`` or smaller."""
        index = bisect_right(self._lasts, value)
        if index == len(self._lasts):
            return self._size
        return sum(map(len, self._chunks[:index])) + bisect_right(self._chunks[index], value)
