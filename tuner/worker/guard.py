"""Ends an attempt that endangers its node's memory, before the node suffers: the policy, and how it is carried out.

The policy. A grant is a promise to the attempt and to its neighbours:

- Within its grant an attempt is never ended, however short the node is: it is not the guilty one.
- Above its grant it lives while there is room. A prediction that was a little wrong is no reason to lose work; the excess
  counts in the prediction's error, and nobody is hurt by it.
- Above its grant it ends when its node is short: when the machine, or the container, has less left than a reserve of 7 % (at
  least 256 MiB; Ray's own monitor kills at 5 %, and may choose an innocent), or when all attempts together hold more than
  the node offers to them. What the attempt would grow by in the next 0.3 s counts as used. One that is above by less than
  a quarter is given 0.3 s, in which a neighbour that is further above ends and makes room.
- Far above its grant (half of it and 64 MiB) it ends when what is left is not enough for what its neighbours were promised
  and do not use yet: they must not pay for it.

This holds for predicted grants and for a user's fixed ones alike.

How it ends. ``GrantExceeded``, a ``MemoryError``, is raised in the thread that runs the objective, and the processes that the
attempt started are killed. Code that is not Python's does not notice: where the process is the executor's, it is ended
after a second (a fifth of one when half of the reserve is gone), when the driver knows how and why. An objective that catches
the error and needs less from then on goes on.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tuner.resources import Usage
from tuner.trial import Failed, FailureKind
from tuner.worker.link import Link
from tuner.worker.neighbours import IDLE, Neighbours
from tuner.worker.node_memory import NodeMemory

__all__ = ["Danger", "GrantExceeded", "Guard", "NodeView", "danger_of", "join_node"]

RESERVE_SHARE = 0.07
LEAST_RESERVE_MIB = 256.0
FAR_FACTOR, FAR_MIB = 1.5, 64.0
LITTLE_FACTOR = 1.25
LITTLE_WAIT_S = 0.3
AHEAD_S = 0.3
PATIENCE_S = 1.0
NO_PATIENCE_S = 0.2
CLOSE_SHARE = 0.9
CLOSE_INTERVAL_S = 0.03
_VIEW_EVERY_S = 1.0


class GrantExceeded(MemoryError):  # noqa: N818 -- says what happened
    """The attempt outgrew the memory that it was granted, and its node has none to spare."""


@dataclass(frozen=True, slots=True)
class NodeView:
    """The node's memory at one moment, in MiB.

    Attributes:
        free_mib: What the machine or the container has left; None where it does not say.
        reserve_mib: What shall be left.
        unclaimed_mib: What the node offers to attempts less what all of them hold; None where that is not known.
        promised_mib: What other attempts were granted and do not hold yet.
    """

    free_mib: float | None
    reserve_mib: float
    unclaimed_mib: float | None = None
    promised_mib: float = 0.0

    @property
    def room_mib(self) -> float | None:
        """What may still be used; below 0 the node is short. None where nothing is known."""
        known = [] if self.free_mib is None else [self.free_mib - self.reserve_mib]
        known += [] if self.unclaimed_mib is None else [self.unclaimed_mib]
        return min(known, default=None)

    @property
    def critical(self) -> bool:
        """Whether there is no time left for a clean end."""
        return self.free_mib is not None and self.free_mib < self.reserve_mib / 2


@dataclass(frozen=True, slots=True)
class Danger:
    """Why an attempt must end, for a person, and whether it may wait for others to end before."""

    reason: str
    may_wait: bool = False


def danger_of(whole_mib: float, grant_mib: float, growth_mib: float, node: NodeView) -> Danger | None:
    """Whether an attempt endangers its node; pure.

    Args:
        whole_mib: What its worker process and its children hold.
        grant_mib: What it was granted, above 0.
        growth_mib: What it is about to hold besides.
        node: How its node stands.
    """
    room = node.room_mib
    if whole_mib <= grant_mib or room is None:
        return None
    held = f"it held {whole_mib:.0f} MiB and was granted {grant_mib:.0f} MiB"
    if room - growth_mib < 0:
        little = whole_mib <= LITTLE_FACTOR * grant_mib and not node.critical
        return Danger(f"{held}, and {_shortage(node)}", may_wait=little)
    if whole_mib > FAR_FACTOR * grant_mib + FAR_MIB and room - growth_mib < node.promised_mib:
        return Danger(f"{held}, and what the node has left was promised to other attempts ({room:.0f} MiB)")
    return None


def _shortage(node: NodeView) -> str:
    if node.free_mib is not None and (
        node.unclaimed_mib is None or node.free_mib - node.reserve_mib < node.unclaimed_mib
    ):
        return f"its node was short of memory ({node.free_mib:.0f} MiB left, {node.reserve_mib:.0f} MiB are kept free)"
    over = -(node.unclaimed_mib or 0.0)
    return f"all attempts together held what their node offers{f' and {over:.0f} MiB more' if over > 0 else ''}"


class _Node:
    """The node as this process sees it."""

    def __init__(self, neighbours: Neighbours | None = None) -> None:
        self.memory = NodeMemory()
        self.neighbours = neighbours
        self.reserve_mib = max(LEAST_RESERVE_MIB, RESERVE_SHARE * self.memory.total_mib)

    def view(self, whole_mib: float) -> NodeView:
        free, neighbours = self.memory.free_mib(), self.neighbours
        if neighbours is None:
            return NodeView(free, self.reserve_mib)
        others = neighbours.others()
        unclaimed = neighbours.budget_mib - others.held_mib - whole_mib
        return NodeView(free, self.reserve_mib, unclaimed, others.promised_mib)

    def tell(self, held_mib: float, grant_mib: float) -> None:
        if self.neighbours is not None:
            with contextlib.suppress(OSError):  # a full disk
                self.neighbours.tell(held_mib, grant_mib)


_node: list[_Node] = []


def join_node(folder: Path, budget_mib: float) -> None:
    """This process is one of its node's workers, which together may hold ``budget_mib``; ``folder`` is where they tell it.

    Where the folder cannot be written, what the machine has left is all that is known.
    """
    neighbours = None
    with contextlib.suppress(OSError):
        neighbours = Neighbours(folder, budget_mib)
    _node[:] = [_Node(neighbours)]


def _here() -> _Node:
    if not _node:
        _node.append(_Node())
    return _node[0]


class Guard:
    """Watches one attempt; made on the thread that runs it, asked by the sampler's thread.

    Args:
        grant_mib: What was granted; 0 for no limit.
        link: To the driver; says whether this process may be ended.

    Attributes:
        condemned: Why the attempt was told to end; None while it was not.
        short: Whether the node was short of memory when that was looked at last.
    """

    def __init__(self, grant_mib: float, link: Link) -> None:
        self.grant_mib = grant_mib
        self.condemned: str | None = None
        self.short = False
        self._link, self._thread, self._node = link, threading.get_ident(), _here()
        self._lock = threading.Lock()
        self._armed = True
        self._told = False
        self._raised_s: float | None = None
        self._waits_since_s: float | None = None
        self._last: tuple[float, float] | None = None
        self._viewed_s = 0.0

    def disarm(self) -> None:
        """The objective has ended: nothing is raised any more."""
        with self._lock:
            self._armed = False

    def rest(self, held_mib: float) -> None:
        """The attempt is over, and its process holds so much."""
        if self._told:
            self._node.tell(held_mib, IDLE)

    def look(self, whole_mib: float, usage: Callable[[], Usage], kill_children: Callable[[], None]) -> float | None:
        """Look at what the attempt holds, and end it when it must be.

        Args:
            whole_mib: The worker process and its children together.
            usage: What the attempt was measured to use so far.
            kill_children: Ends the processes that it started.

        Returns:
            In how many seconds to look again; None for when it suits.
        """
        now_s = time.monotonic()
        self._node.tell(whole_mib, self.grant_mib)
        self._told = True
        above = self.grant_mib and whole_mib > self.grant_mib
        if not above and now_s - self._viewed_s < _VIEW_EVERY_S:
            self._last = (now_s, whole_mib)
            return self._interval(whole_mib)
        node, self._viewed_s = self._node.view(whole_mib), now_s
        self.short = node.room_mib is not None and node.room_mib < 0
        danger = danger_of(whole_mib, self.grant_mib, self._growth(whole_mib, now_s), node) if above else None
        if danger is None:
            self._waits_since_s = None
        elif self._must_act(danger, now_s):
            self._act(danger, node, usage, kill_children, now_s)
        return self._interval(whole_mib)

    def _interval(self, whole_mib: float) -> float | None:
        return CLOSE_INTERVAL_S if self.grant_mib and whole_mib > CLOSE_SHARE * self.grant_mib else None

    def _growth(self, whole_mib: float, now_s: float) -> float:
        before, self._last = self._last, (now_s, whole_mib)
        if before is None or now_s - before[0] < 1e-3:
            return 0.0
        return max(0.0, whole_mib - before[1]) / (now_s - before[0]) * AHEAD_S

    def _must_act(self, danger: Danger, now_s: float) -> bool:
        if not danger.may_wait:
            return True
        if self._waits_since_s is None:
            self._waits_since_s = now_s
        return now_s - self._waits_since_s >= LITTLE_WAIT_S

    def _act(
        self,
        danger: Danger,
        node: NodeView,
        usage: Callable[[], Usage],
        kill_children: Callable[[], None],
        now_s: float,
    ) -> None:
        end = self._link.end_process
        with self._lock:
            if not self._armed:
                return
            first = self._raised_s is None
            if self._raised_s is None:
                self.condemned, self._raised_s = danger.reason, now_s
                _raise_in(self._thread)
            elif end is None or now_s - self._raised_s < (NO_PATIENCE_S if node.critical else PATIENCE_S):
                return
        if end is None:
            return
        kill_children()
        if not first:
            why = f"{danger.reason}; it did not end when it was told to, so its process was ended"
            end(Failed(FailureKind.OUT_OF_MEMORY, why), usage())


def _raise_in(thread: int) -> None:
    """Let ``GrantExceeded`` be raised in a thread, when it comes to its next Python instruction."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(GrantExceeded))
