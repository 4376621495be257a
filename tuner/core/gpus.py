"""How much of a GPU an attempt gets where that is left to the engine."""

from __future__ import annotations

from collections import deque

from tuner.resources import Resources, Usage

__all__ = ["GpuShare"]

LATEST = 32
ENOUGH = 2  # attempts that must have been seen to leave their GPU alone before none is granted any more
USED_MIB = 32.0  # what a driver's context may hold without any work
USED_UTILISATION = 0.01
SPARE = 1.2  # above the largest share of memory that was seen
MOST_SHARING = 8  # attempts on one GPU: each holds a context of some hundred MiB, and time slices get short


class GpuShare:
    """The share of a GPU by measured memory and utilisation.

    Where there are GPUs the first attempts get a whole one each. What they were measured to use decides for the next: none if
    two in a row left theirs alone; else 1/k of one, the largest k up to 8 at which k attempts fit into its memory, with a fifth
    to spare, and are not busy for more than its time. Where it cannot be measured (no NVML) a whole one is granted for ever.
    """

    def __init__(self) -> None:
        self._there = False
        self._needs: deque[float] = deque(maxlen=LATEST)  # of one GPU, by the attempt's use
        self._idle = 0

    def see(self, there: bool) -> None:
        """Whether there are GPUs, or a kind of node that has some."""
        self._there = there

    @property
    def grant(self) -> float:
        """GPUs for an attempt that starts now: 0, 1, or 1/k."""
        if not self._there or self._idle >= ENOUGH:
            return 0.0
        if not self._needs:
            return 1.0
        return 1.0 / max(1, min(MOST_SHARING, int(1.0 / max(self._needs))))

    def observe(self, grant: Resources, usage: Usage) -> None:
        """An attempt had ``grant``."""
        memory, busy = usage.peak_gpu_memory_mib, usage.gpu_util
        if grant.gpu <= 0 or (memory is None and busy is None):
            return
        if (memory or 0.0) < USED_MIB and (busy or 0.0) < USED_UTILISATION:
            self._idle += not self._needs
            return
        self._idle = 0
        # Utilisation is the GPU's, which others may share: of what they all do, this one is taken to do its part.
        share = (busy or 0.0) * min(1.0, grant.gpu)
        if usage.gpu_memory_mib:
            share = max(share, SPARE * (memory or 0.0) / usage.gpu_memory_mib)
        else:
            share = 1.0
        self._needs.append(min(1.0, max(share, 1e-3)))
