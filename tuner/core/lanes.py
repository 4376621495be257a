"""How many attempts may be in flight: lanes over nodes, and how deep a lane may be filled."""

from __future__ import annotations

import heapq
import math

from tuner.resources import Node, Resources

__all__ = ["Lanes", "Pace", "slots"]

MAX_LANES = 100_000  # bounds the ledger should a cluster claim absurd resources


def slots(node: Node, grant: Resources) -> int:
    """How many attempts with ``grant`` a node holds at once."""
    ratios = [
        have / want
        for have, want in (
            (node.resources.cpu, grant.cpu),
            (node.resources.gpu, grant.gpu),
            (node.resources.memory_mib, grant.memory_mib),
        )
        if want > 0
    ]
    # An attempt that asks for nothing still takes a place: one for each CPU of the node.
    ratios = ratios or [node.resources.cpu]
    return math.floor(min(ratios) + 1e-9)


class Lanes:
    """A lane is the right to run one attempt at a time. Lanes 0 to ``count - 1`` are open.

    The least loaded lane is taken first, the lowest number among equals. When ``count`` falls, lanes above it take nothing
    more and close as their attempts end.
    """

    def __init__(self) -> None:
        self.count = 0
        self.in_flight = 0
        self._load: list[int] = []
        self._heap: list[tuple[int, int]] = []  # (load, lane); entries that no longer hold are skipped

    def resize(self, count: int) -> None:
        """Set how many lanes are open."""
        count = min(count, MAX_LANES)
        if count > self.count:
            self._load.extend([0] * (count - len(self._load)))
            for lane in range(self.count, count):
                heapq.heappush(self._heap, (self._load[lane], lane))
        self.count = count

    def free(self, depth: int) -> int:
        """How many more attempts may be taken with lanes filled ``depth`` deep."""
        return max(0, self.count * depth - self.in_flight)

    def has_room(self, depth: int) -> bool:
        """Whether an open lane is filled less than ``depth`` deep."""
        while self._heap:
            load, lane = self._heap[0]
            if lane < self.count and load == self._load[lane]:
                return load < depth
            heapq.heappop(self._heap)
        return False

    def take(self, depth: int) -> int | None:
        """Put one attempt on the least loaded open lane; None when every one is filled ``depth`` deep."""
        if not self.has_room(depth):
            return None
        load, lane = self._heap[0]
        self._load[lane] = load + 1
        heapq.heapreplace(self._heap, (load + 1, lane))
        self.in_flight += 1
        return lane

    def give_back(self, lane: int) -> None:
        """An attempt of ``lane`` ended."""
        self._load[lane] -= 1
        self.in_flight -= 1
        if lane < self.count:
            heapq.heappush(self._heap, (self._load[lane], lane))
            if len(self._heap) > 4 * self.count + 16:
                # Entries that no longer hold would else add up, one an attempt.
                self._heap = sorted((load, lane) for lane, load in enumerate(self._load[: self.count]))

    def clear(self) -> None:
        """Nothing is in flight and no lane is open any more."""
        self.__init__()  # type: ignore[misc]


class Pace:
    """How deep lanes may be filled, from how long attempts were measured to take.

    Handing an attempt to a worker costs about a millisecond of the driver. Attempts that take much less would leave workers
    idle in between, so as many go together as fit into ``BATCH_S``; anything longer goes one by one, so that suggestions are
    made as late, and from as much knowledge, as possible. The measure is a decaying maximum: one slow attempt among fast
    ones is enough to go one by one again for a while.
    """

    BATCH_S = 0.02  # much shorter than any attempt whose suggestion could profit from waiting
    MAX_DEPTH = 16  # a no-op takes 0.1 ms: 16 share the millisecond of their hand-over, more gain little
    WARM_UP = 20  # attempts that must be seen first
    DECAY = 0.9  # a slow attempt is forgotten after some forty fast ones

    def __init__(self) -> None:
        self._seen = 0
        self._slow_s = 0.0

    def observe(self, wall_s: float) -> None:
        """An attempt ran to its end in ``wall_s``."""
        self._seen += 1
        self._slow_s = max(wall_s, self._slow_s * self.DECAY)

    def reset(self) -> None:
        """An attempt took its worker down: its lane's neighbours must not pay for the next one."""
        self._slow_s = 1.0

    @property
    def depth(self) -> int:
        """How many attempts a lane may hold now."""
        if self._seen < self.WARM_UP:
            return 1
        return max(1, min(self.MAX_DEPTH, int(self.BATCH_S / max(self._slow_s, 1e-6))))
