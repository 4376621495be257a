"""Prepared data that many trials of one process share, bounded in bytes and in number."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

__all__ = ["BoundedCache"]

Value = TypeVar("Value")


class BoundedCache:
    """Least recently used entries go first when a bound is passed; the newest one always stays.

    Not for several threads: a worker process runs one trial at a time.

    Args:
        limit_bytes: Most bytes, as the entries' makers state them.
        limit_entries: Most entries.
    """

    def __init__(self, limit_bytes: int, limit_entries: int) -> None:
        self._limit_bytes, self._limit_entries = limit_bytes, limit_entries
        self._entries: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self.n_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable, make: Callable[[], tuple[Value, int]]) -> Value:
        """The value of ``key``; ``make`` returns (value, bytes) when there is none."""
        if key in self._entries:
            self._entries.move_to_end(key)
            return cast(Value, self._entries[key][0])
        value, size = make()
        self._entries[key] = (value, size)
        self.n_bytes += size
        while len(self._entries) > 1 and (self.n_bytes > self._limit_bytes or len(self._entries) > self._limit_entries):
            _, (_, freed) = self._entries.popitem(last=False)
            self.n_bytes -= freed
        return value

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self.n_bytes = 0
