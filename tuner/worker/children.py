"""Memory and CPU time of the processes that an attempt started."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

__all__ = ["Children"]

_CLOCK_TOLERANCE_S = 0.05


class Children:
    """Samples the descendants of this process during one attempt.

    Args:
        since_s: When the attempt began, seconds since the epoch: what a process used before that is not the attempt's.

    Attributes:
        pids: The descendants that lived at the last sample.
    """

    def __init__(self, since_s: float) -> None:
        import psutil

        self._psutil: Any = psutil
        self._me = psutil.Process()
        self._since_s = since_s
        self._before: dict[int, float] = {}
        self._latest: dict[int, float] = {}
        self.pids: tuple[int, ...] = ()

    @staticmethod
    def any() -> bool:
        """Whether this process has children at all: a microsecond, where psutil looks at every process there is."""
        if not hasattr(os, "waitid"):
            return True
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        return True

    def sample(self) -> int:
        """Look at every descendant; returns the bytes of memory that they hold together."""
        memory = 0
        alive = []
        for process in self._me.children(recursive=True) if self.any() else ():
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    born_s = process.create_time()
                memory += _memory(process)
            except self._psutil.Error:
                continue  # it ended meanwhile
            cpu_s = times.user + times.system
            if process.pid not in self._before:
                self._before[process.pid] = cpu_s if born_s < self._since_s - _CLOCK_TOLERANCE_S else 0.0
            self._latest[process.pid] = cpu_s
            alive.append(process.pid)
        self.pids = tuple(alive)
        return memory

    @property
    def cpu_s_not_reaped(self) -> float:
        """CPU seconds to be added to what the kernel counts of ended children: those of the living ones, less what ended
        ones had used before the attempt."""
        living = sum(self._latest[pid] - self._before[pid] for pid in self.pids)
        ended = sum(before for pid, before in self._before.items() if pid not in self.pids)
        return living - ended


def _memory(process: Any) -> int:
    """Resident memory in bytes; a page shared by n processes counts 1/n in each where Linux says so."""
    try:
        text = Path(f"/proc/{process.pid}/smaps_rollup").read_bytes()
        at = text.index(b"\nPss:")
        return int(text[at + 5 : at + 40].split(maxsplit=1)[0]) * 1024
    except (OSError, ValueError):
        return int(process.memory_info().rss)
