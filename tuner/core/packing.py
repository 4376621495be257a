"""Which node has room for an attempt: what each one has left, found without looking at all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import islice

from tuner.resources import Node, Resources

__all__ = ["Packing", "slots"]

TRIES = (
    4  # nodes of one bucket that are looked at: grants differ in memory, so the first may be too full and the next not
)
MOST_CPU = 64  # nodes with more CPUs left are alike


def slots(room: Resources, grant: Resources) -> int:
    """How many attempts with ``grant`` go into ``room`` at once; at least 0."""
    # Written out, as it is asked for every start and end of an attempt.
    least = math.inf
    if grant.cpu > 0:
        least = room.cpu / grant.cpu
    if grant.gpu > 0:
        least = min(least, room.gpu / grant.gpu)
    if grant.memory_mib > 0:
        least = min(least, room.memory_mib / grant.memory_mib)
    if least == math.inf:
        least = room.cpu  # an attempt that asks for nothing still takes a place: one for each CPU of the node
    return int(least + 1e-9) if least > 0 else 0


class Packing:
    """Nodes with what is left of them.

    Attempts go where the fewest CPUs are left that suffice (best fit), so that large attempts find room and nodes that are
    not needed drain; those without a GPU go to nodes that have one last. The executor may place an attempt elsewhere: what it
    says counts. A node may then be overdrawn, and takes nothing more until it is not.

    Attributes:
        nodes: All nodes by id.
        share: How much of all of them may be held, above 0; one attempt may always be.
        n_free: How many attempts with ``typical`` go into what is left of all nodes that are open.
    """

    def __init__(self, typical: Resources) -> None:
        self.nodes: dict[str, Node] = {}
        self.share = 1.0
        self.n_free = 0
        self.total = Resources(0.0, 0.0, 0.0)
        self._held_cpu = self._held_gpu = self._held_mib = 0.0
        self._typical = typical
        self._free: dict[str, Resources] = {}
        self._slots: dict[str, int] = {}
        self._closed: dict[str, str] = {}
        self._left_cpu = 0.0
        self._reserved: str | None = None
        self._with_gpu, self._without = _Buckets(), _Buckets()

    def join(self, node: Node) -> None:
        """A node can take attempts; what is held on one of that id stays held."""
        held = Resources(0.0, 0.0, 0.0)
        if node.node_id in self.nodes:
            before = self.nodes[node.node_id].resources
            held = _minus(before, self._free[node.node_id])
            self._remove(node.node_id)
        self.nodes[node.node_id] = node
        self.total = _plus(self.total, node.resources)
        self._put(node.node_id, _minus(node.resources, held))

    def lose(self, node_id: str) -> None:
        """A node takes no more."""
        self._hold(_minus(self.nodes[node_id].resources, self._free[node_id]), -1.0)
        self._remove(node_id)
        self._closed.pop(node_id, None)
        if self._reserved == node_id:
            self._reserved = None

    def _remove(self, node_id: str) -> None:
        self._take_out(node_id)
        node = self.nodes.pop(node_id)
        self.total = _minus(self.total, node.resources)
        del self._free[node_id]

    def close(self, node_id: str, why: str) -> None:
        """The node takes nothing more until it is opened."""
        if node_id in self.nodes and node_id not in self._closed:
            if self._reserved == node_id:
                self.unreserve()
            self._closed[node_id] = why
            self._take_out(node_id)

    def open(self, node_id: str) -> None:
        """It takes attempts again."""
        if self._closed.pop(node_id, None) is not None:
            self._put(node_id, self._free[node_id])

    def reserve(self, grant: Resources) -> None:
        """Keep a node free for an attempt that waits for it: of those that could hold it, the one with most memory left, then
        most CPUs. Nothing else is put there until ``unreserve``; at most one node is reserved."""
        if self._reserved is not None:
            return
        able = [node_id for node_id in self._slots if grant.fits_into(self.nodes[node_id].resources)]
        if able:
            most = max(able, key=lambda node_id: (self._free[node_id].memory_mib, self._free[node_id].cpu))
            self._reserved = most
            self._take_out(most)

    def unreserve(self) -> None:
        """Whatever waited for a node is gone."""
        node_id, self._reserved = self._reserved, None
        if node_id is not None:
            self._put(node_id, self._free[node_id])

    @property
    def held(self) -> Resources:
        """What attempts hold on all nodes."""
        return Resources(self._held_cpu, self._held_gpu, self._held_mib)

    def _hold(self, grant: Resources, sign: float) -> None:
        self._held_cpu += sign * grant.cpu
        self._held_gpu += sign * grant.gpu
        self._held_mib += sign * grant.memory_mib

    @property
    def closed(self) -> dict[str, str]:
        """Why nodes take nothing."""
        return self._closed

    def expect(self, typical: Resources) -> None:
        """Count free places by another grant."""
        if typical != self._typical:
            self._typical = typical
            for node_id in self._slots:
                self._slots[node_id] = slots(self._free[node_id], typical)
            self.n_free = sum(self._slots.values())

    @property
    def n_open(self) -> int:
        """Attempts with the typical grant that may be added now, the share minded."""
        if self.share >= 1.0 or not self.nodes:
            return self.n_free
        left = slots(_minus(_times(self.total, self.share), self.held), self._typical)
        return min(self.n_free, max(left, 1 if self._holds_nothing else 0))

    @property
    def _holds_nothing(self) -> bool:
        return self._held_cpu + self._held_gpu + self._held_mib <= 1e-9

    @property
    def free_cpu(self) -> float:
        """CPUs that are left on nodes that are open, of those that may be held."""
        left = max(0.0, self._left_cpu)
        return left if self.share >= 1.0 else max(0.0, min(left, self.total.cpu * self.share - self._held_cpu))

    def find(self, grant: Resources, *, reserved: bool = False) -> str | None:
        """The node that an attempt should run on; None when none has room. ``reserved``: the reserved one may be it."""
        if self.share < 1.0 and not self._may_hold(grant):
            return None
        if reserved and self._reserved is not None and grant.fits_into(self._free[self._reserved]):
            return self._reserved
        # Nodes with GPUs come last for attempts without, and alone for those that need one.
        node_id = self._without.find(grant, self._free) if grant.gpu <= 0 else None
        return self._with_gpu.find(grant, self._free) if node_id is None else node_id

    def _may_hold(self, grant: Resources) -> bool:
        return self._holds_nothing or _plus(self.held, grant).fits_into(_times(self.total, self.share))

    def take(self, node_id: str, grant: Resources) -> None:
        """An attempt is there now."""
        self._change(node_id, _whole(grant), -1.0)

    def give(self, node_id: str, grant: Resources) -> None:
        """It has gone."""
        self._change(node_id, _whole(grant), 1.0)

    def _change(self, node_id: str, grant: Resources, sign: float) -> None:
        free = self._free.get(node_id)
        if free is None:
            return
        self._hold(grant, -sign)
        new = _minus(free, grant) if sign < 0 else _plus(free, grant)
        if node_id in self._closed or node_id == self._reserved:
            self._free[node_id] = new
        else:
            self._take_out(node_id)
            self._put(node_id, new)

    def _put(self, node_id: str, free: Resources) -> None:
        self._free[node_id] = free
        if node_id in self._closed or node_id == self._reserved:
            return
        self._buckets(node_id).put(node_id, free.cpu)
        self._left_cpu += free.cpu
        n = self._slots[node_id] = slots(free, self._typical)
        self.n_free += n

    def _take_out(self, node_id: str) -> None:
        if node_id in self._slots:
            self._buckets(node_id).remove(node_id, self._free[node_id].cpu)
            self._left_cpu -= self._free[node_id].cpu
            self.n_free -= self._slots.pop(node_id)

    def _buckets(self, node_id: str) -> _Buckets:
        return self._with_gpu if self.nodes[node_id].resources.gpu > 0 else self._without


class _Buckets:
    """Nodes by whole CPUs left, in the order in which they came there.

    The last one of a bucket has just lost an attempt, so its memory is warm. A bit for each bucket that holds nodes finds the
    next one without a look at those that hold none, which are most.
    """

    def __init__(self) -> None:
        self._buckets: list[dict[str, None]] = [{} for _ in range(MOST_CPU + 1)]
        self._filled = 0

    def put(self, node_id: str, cpu: float) -> None:
        """A node has so many CPUs left."""
        at = _whole_cpus(cpu)
        self._buckets[at][node_id] = None
        self._filled |= 1 << at

    def remove(self, node_id: str, cpu: float) -> None:
        """It has not any more; ``cpu`` as it was put."""
        at = _whole_cpus(cpu)
        bucket = self._buckets[at]
        del bucket[node_id]
        if not bucket:
            self._filled &= ~(1 << at)

    def find(self, grant: Resources, free: Mapping[str, Resources]) -> str | None:
        """The node with the fewest CPUs left that the grant fits into; None when there is none among those looked at."""
        asks = grant.cpu > 0 or grant.gpu > 0 or grant.memory_mib > 0
        least = min(int(grant.cpu), MOST_CPU) if asks else 1
        filled = self._filled >> least << least
        while filled:
            lowest = filled & -filled
            for node_id in islice(reversed(self._buckets[lowest.bit_length() - 1]), TRIES):
                if grant.fits_into(free[node_id]):
                    return node_id
            filled ^= lowest
        return None


def _whole_cpus(cpu: float) -> int:
    return min(MOST_CPU, max(0, math.floor(cpu + 1e-9)))


def _whole(grant: Resources) -> Resources:
    """What an attempt takes: one that asks for nothing takes the place of a CPU."""
    return grant if grant.cpu > 0 or grant.gpu > 0 or grant.memory_mib > 0 else Resources(1.0, 0.0, 0.0)


def _plus(a: Resources, b: Resources) -> Resources:
    return Resources(a.cpu + b.cpu, a.gpu + b.gpu, a.memory_mib + b.memory_mib)


def _minus(a: Resources, b: Resources) -> Resources:
    return Resources(a.cpu - b.cpu, a.gpu - b.gpu, a.memory_mib - b.memory_mib)


def _times(a: Resources, factor: float) -> Resources:
    return Resources(a.cpu * factor, a.gpu * factor, a.memory_mib * factor)
