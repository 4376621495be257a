"""How many CPUs an attempt gets where that is left to the engine."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from tuner.core.packing import slots
from tuner.resources import Resources, Usage

if TYPE_CHECKING:
    from tuner.core.rightsizing import Load

__all__ = ["Threads"]

LATEST = 16  # measurements that are remembered of each number of threads
ENOUGH = 2  # of them before they count
WORTH = 0.6  # of the threads granted, that must be busy on average for more of them to be worth their place
REMEMBERED = 256  # shapes of attempts whose places are remembered: grants of memory go in steps
SHORT_S = 0.05  # an attempt as short says nothing of threads: starting them takes as long


class Threads:
    """The number of threads by measured speed-up.

    With more trials to come than CPUs, one thread each finishes most trials an hour, as no program runs n times as fast on n
    threads. More are granted where CPUs would idle: where memory or ``limits.parallel`` lets fewer attempts run than there
    are CPUs, and in the tail, when fewer trials are left than CPUs. How many are worth it is measured: CPU seconds over wall
    seconds of the attempts that had n threads. Where less than 60 % of n were busy, attempts get no more than were. A number
    that was not tried yet is believed to be worth it, so it is tried.
    """

    def __init__(self) -> None:
        self._busy: dict[int, deque[float]] = {}
        self._shares: dict[tuple[tuple[Resources, ...], float, float], float | None] = {}

    def observe(self, grant: Resources, usage: Usage) -> None:
        """An attempt had ``grant``."""
        if usage.wall_s >= SHORT_S and grant.cpu >= 1:
            latest = self._busy.setdefault(int(grant.cpu), deque(maxlen=LATEST))
            latest.append(usage.cpu_s / usage.wall_s)

    def worth(self, n: int) -> int:
        """The most threads up to ``n`` that are worth granting, at least 1."""
        for tried in sorted(self._busy):
            latest = self._busy[tried]
            if tried > n or tried == 1 or len(latest) < ENOUGH:
                continue
            busy = sum(latest) / len(latest)
            if busy < WORTH * tried:
                return max(1, min(n, round(busy)))
        return max(1, n)

    def choose(self, load: Load, memory_mib: float, gpu: float, offers: tuple[Resources, ...]) -> int:
        """Threads for an attempt that starts now."""
        largest = max((offer.cpu for offer in offers), default=1.0)
        at_once = self._at_once(load, memory_mib, gpu, offers)
        n = load.cpu / at_once if at_once > 0 else 1.0
        if load.left is not None and 0 < load.left < load.free_cpu:
            n = max(n, load.free_cpu / load.left)  # those that run already hold one each
        return self.worth(max(1, math.floor(min(n, largest, max(1.0, load.free_cpu)) + 1e-9)))

    def _at_once(self, load: Load, memory_mib: float, gpu: float, offers: tuple[Resources, ...]) -> float:
        """How many attempts can run at once, one CPU each."""
        share = self._share(offers, gpu, memory_mib)
        at_once = load.cpu if share is None else load.cpu * share
        if load.parallel is not None:
            at_once = min(at_once, load.parallel)
        if load.left is not None:
            at_once = min(at_once, load.running + load.left)
        return at_once

    def _share(self, offers: tuple[Resources, ...], gpu: float, memory_mib: float) -> float | None:
        """The part of a node's CPUs that attempts of one CPU each can use; None where no node holds one.

        Of the kind of node where CPUs are scarcest: what one kind has to spare must not take places of another.
        """
        key = (offers, gpu, memory_mib)
        if key in self._shares:
            return self._shares[key]
        if len(self._shares) >= REMEMBERED:
            self._shares.clear()
        counts = [(slots(offer, Resources()), slots(offer, Resources(1.0, gpu, memory_mib))) for offer in offers]
        share = max((by_all / by_cpu for by_cpu, by_all in counts if by_cpu and by_all), default=None)
        self._shares[key] = share
        return share
