"""Memory, CPU time and threads of the processes that an attempt started."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["Children"]

_TICK_S = 0.1  # births are counted in hundredths of a second, and 0.03 s too early was seen in a virtual machine
_PAGE = resource.getpagesize()
_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", None)


class Children:
    """Samples the descendants of this process during one attempt.

    Args:
        age_s: How long ago the attempt began: what a process used before that is not the attempt's.

    Attributes:
        pids: The descendants that lived at the last sample.
    """

    def __init__(self, age_s: float) -> None:
        import psutil

        self._psutil: Any = psutil
        self._me = psutil.Process()
        self._since_s = _now_s() - age_s - _TICK_S
        self._before: dict[int, float] = {}
        self._latest: dict[int, float] = {}
        self._held_before: dict[int, int] = {}
        self._older: set[int] = set()
        self._sampled, self._resident = 0, 0  # at the last sample: what counted, and all that was resident
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
        """Look at every descendant; returns the bytes of memory that they hold together.

        Of one that lived before the attempt (a pool that is kept, another program of the user's) only what it has grown since
        it was first seen counts.
        """
        memory = resident = 0
        alive = []
        for process in self._descendants() if self.any() else ():
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    born_s = _born_s(process)
                held = _memory(process)
            except self._psutil.Error:
                continue  # it ended meanwhile
            cpu_s = times.user + times.system
            if process.pid not in self._before:
                older = born_s < self._since_s
                self._before[process.pid] = cpu_s if older else 0.0
                self._held_before[process.pid] = held if older else 0
                if older:
                    self._older.add(process.pid)
            memory += max(0, held - self._held_before[process.pid])
            resident += _resident(process.pid)
            self._latest[process.pid] = cpu_s
            alive.append(process.pid)
        self.pids = tuple(alive)
        self._sampled, self._resident = memory, resident
        return memory

    def glance(self) -> int:
        """As ``sample``, at a small part of its cost: how much those that it saw have grown since, shared pages included."""
        return max(0, self._sampled + sum(map(_resident, self.pids)) - self._resident)

    def kill(self) -> None:
        """End those that the attempt started, at once, and theirs; older ones are not the attempt's."""
        for _ in range(3):  # a process that forks while we look is found in the next round
            self.sample()
            mine = [pid for pid in self.pids if pid not in self._older]
            for pid in mine:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            if not mine:
                return

    def _descendants(self) -> Iterator[Any]:
        pids = _pids_below(self._me.pid)
        if pids is None:
            yield from self._me.children(recursive=True)
            return
        for pid in pids:
            with contextlib.suppress(self._psutil.Error):  # it ended meanwhile
                yield self._psutil.Process(pid)

    @property
    def cpu_s_not_reaped(self) -> float:
        """CPU seconds to be added to what the kernel counts of ended children: those of the living ones, less what ended
        ones had used before the attempt."""
        living = sum(self._latest[pid] - self._before[pid] for pid in self.pids)
        ended = sum(before for pid, before in self._before.items() if pid not in self.pids)
        return living - ended


def _pids_below(pid: int) -> list[int] | None:
    """The descendants of a process as Linux lists them, at a cost that grows with their number; None where it does not.

    psutil looks at every process of the machine instead, which took 8 ms where a Ray was running: a sample in 0.8 s at 1 %.
    """
    found: list[int] = []
    below = [pid]
    while below:
        task = Path(f"/proc/{below.pop()}/task")
        try:
            for thread in os.listdir(task):
                children = [int(word) for word in (task / thread / "children").read_bytes().split()]
                found += children
                below += children
        except OSError:
            if not found and not (task / str(pid) / "children").exists():
                return None
    return found


def _now_s() -> float:
    """The time by the clock of ``_born_s``."""
    return time.time() if _BOOT_CLOCK is None else time.clock_gettime(_BOOT_CLOCK)


def _born_s(process: Any) -> float:
    """When a process was born. On Linux by the clock that the kernel counts it in: psutil adds the time of the last boot, which
    the kernel rounds to whole seconds."""
    if _BOOT_CLOCK is None:
        return float(process.create_time())
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0.0  # it ended meanwhile; psutil notices too
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _resident(pid: int) -> int:
    """Resident memory in bytes, shared pages included; 0 of a process that has ended, and where Linux is not."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split(maxsplit=2)[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _memory(process: Any) -> int:
    """Resident memory in bytes; a page shared by n processes counts 1/n in each where Linux says so."""
    try:
        text = Path(f"/proc/{process.pid}/smaps_rollup").read_bytes()
        at = text.index(b"\nPss:")
        return int(text[at + 5 : at + 40].split(maxsplit=1)[0]) * 1024
    except (OSError, ValueError):
        return int(process.memory_info().rss)
