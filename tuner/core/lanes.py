"""The lanes that attempts run in, and how deep a lane may be filled."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from tuner.resources import Resources

__all__ = ["Lane", "Lanes", "Pace"]


@dataclass(slots=True)
class Lane:
    """The right to run one attempt at a time.

    Attributes:
        number: Small numbers are used first.
        grant: What each of its attempts holds.
        node_id: Where it holds it; None when that node is gone.
        load: Attempts in it.
        parts: Of a gang that holds GPUs of several nodes: what it holds where. Empty for an attempt on one node.
    """

    number: int
    grant: Resources
    node_id: str | None
    load: int = 1
    parts: tuple[tuple[str, Resources], ...] = ()


class Lanes:
    """The lanes in use."""

    def __init__(self) -> None:
        self.in_flight = 0
        self._used: dict[int, Lane] = {}
        self._free: list[int] = []
        self._spare = 0  # attempts in lanes that are dead
        self._dead = 0
        self._stacks: dict[
            Resources, list[tuple[int, int]]
        ] = {}  # by grant: (load, lane); what no longer holds is skipped

    @property
    def count(self) -> int:
        """Lanes in use, those of lost nodes included."""
        return len(self._used)

    def room_in(self, depth: int) -> int:
        """How many more attempts go into lanes in use when they are filled ``depth`` deep."""
        living = len(self._used) - self._dead
        return max(0, living * depth - (self.in_flight - self._spare))

    def open(self, grant: Resources, node_id: str) -> Lane:
        """Put an attempt into a lane that is not in use."""
        number = heapq.heappop(self._free) if self._free else len(self._used)
        lane = self._used[number] = Lane(number, grant, node_id)
        self.in_flight += 1
        if self._stacks and grant in self._stacks:
            self._note(lane)
        return lane

    def deepen(self, grant: Resources, depth: int) -> Lane | None:
        """Put an attempt behind others that hold the same; None when every such lane is filled ``depth`` deep."""
        stack = self._stacks.get(grant)
        if stack is None:
            if len(self._stacks) > 64:
                self._stacks.clear()
            found = (lane for lane in self._used.values() if lane.grant == grant and lane.node_id is not None)
            stack = self._stacks[grant] = [(lane.load, lane.number) for lane in found]
            heapq.heapify(stack)
        while stack:
            load, number = stack[0]
            lane = self._used.get(number)
            if lane is None or lane.load != load or lane.grant != grant or lane.node_id is None:
                heapq.heappop(stack)
            elif load >= depth:
                return None
            else:
                lane.load += 1
                heapq.heapreplace(stack, (lane.load, number))
                self.in_flight += 1
                return lane
        return None

    def give_back(self, number: int) -> Lane:
        """An attempt of the lane ended; with a load of 0 it is in use no more."""
        lane = self._used[number]
        lane.load -= 1
        self.in_flight -= 1
        if lane.node_id is None:
            self._spare -= 1
        if not lane.load:
            del self._used[number]
            heapq.heappush(self._free, number)
            self._dead -= lane.node_id is None
        elif self._stacks and lane.grant in self._stacks:
            self._note(lane)
        return lane

    def _note(self, lane: Lane) -> None:
        stack = self._stacks[lane.grant]
        if len(stack) > 4 * len(self._used) + 16:
            del self._stacks[lane.grant]  # made anew when it is needed: entries that no longer hold would add up
        else:
            heapq.heappush(stack, (lane.load, lane.number))

    def move(self, number: int, node_id: str) -> str | None:
        """The lane's attempt runs there; returns where it was thought to be."""
        lane = self._used[number]
        before = lane.node_id
        if before is None:
            self._dead -= 1
            self._spare -= lane.load
        lane.node_id = node_id
        return before

    def lose(self, node_id: str) -> None:
        """What runs on that node will end, and nothing is put behind it."""
        for lane in self._used.values():
            if lane.node_id == node_id:
                lane.node_id = None
                self._dead += 1
                self._spare += lane.load

    def of(self, number: int) -> Lane:
        """The lane of that number."""
        return self._used[number]

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._used.values())


class Pace:
    """How deep lanes may be filled, from how long attempts were measured to take.

    Handing an attempt to a worker costs about a millisecond of the driver. Attempts that take much less would leave workers
    idle in between, so as many go together as fit into ``BATCH_S``; anything longer goes one by one, so that suggestions are
    made as late, and from as much knowledge, as possible. The measure is a decaying maximum: one slow attempt among fast
    ones is enough to go one by one again for a while.
    """

    BATCH_S = 0.02  # much shorter than any attempt whose suggestion could profit from waiting
    USUAL_DEPTH = 16
    MAX_DEPTH = 64  # no-ops, of 0.1 ms: 1.5 times as many a second as with 16, as hand-overs are shared and overlap
    AHEAD = 32  # attempts that have ended for each one above the usual: those suggested without results stay few
    WARM_UP = 20  # attempts that must be seen first
    DECAY = 0.9  # a slow attempt is forgotten after some forty fast ones

    def __init__(self) -> None:
        self._seen = 0
        self._slow_s = 0.0
        self.depth = 1  # how many attempts a lane may hold now

    def observe(self, wall_s: float) -> None:
        """An attempt ran to its end in ``wall_s``."""
        self._seen += 1
        self._slow_s = max(wall_s, self._slow_s * self.DECAY)
        if self._seen >= self.WARM_UP:
            most = min(self.MAX_DEPTH, max(self.USUAL_DEPTH, self._seen // self.AHEAD))
            self.depth = max(1, min(most, int(self.BATCH_S / max(self._slow_s, 1e-6))))

    def reset(self) -> None:
        """An attempt took its worker down: its lane's neighbours must not pay for the next one."""
        self._slow_s = 1.0
        self.depth = 1
