"""How many threads of an attempt's processes are at work."""

from __future__ import annotations

import os
from collections.abc import Sequence

__all__ = ["BusyThreads"]

BUSY_SHARE = 0.1
"""A thread is at work when it had so much of a core since the last look: what waits, as most of Ray's own do, is not."""


class BusyThreads:
    """Counts threads from look to look, by the time on a CPU that Linux keeps of each.

    Attributes:
        most: Most threads that were at work between two looks; 0 before the second one and where Linux is not.
    """

    def __init__(self) -> None:
        self._ran_ns: dict[str, int] = {}
        self._looked_s: float | None = None
        self.most = 0

    def look(self, now_s: float, pids: Sequence[int]) -> None:
        """Look at this process and ``pids``; costs about 20 microseconds a thread. ``now_s`` is of any clock that is steady."""
        ran_ns: dict[str, int] = {}
        for pid in ("self", *map(str, pids)):
            _read_all(f"/proc/{pid}/task", ran_ns)
        if self._looked_s is not None and now_s > self._looked_s:
            needed_ns = (now_s - self._looked_s) * 1e9 * BUSY_SHARE
            busy = sum(ran - self._ran_ns.get(thread, 0) >= needed_ns for thread, ran in ran_ns.items())
            self.most = max(self.most, busy, 1)  # an attempt that mostly waits has one thread all the same
        self._ran_ns, self._looked_s = ran_ns, now_s


def _read_all(folder: str, into: dict[str, int]) -> None:
    try:
        threads = os.listdir(folder)
    except OSError:
        return  # the process has ended, or this is not Linux
    for thread in threads:
        try:
            file = os.open(f"{folder}/{thread}/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            into[thread] = int(os.read(file, 64).split(maxsplit=1)[0])
        except (OSError, IndexError, ValueError):
            continue
        finally:
            os.close(file)
