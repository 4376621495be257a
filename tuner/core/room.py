"""Where attempts run: the nodes, the lanes on them, and what an attempt is granted there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tuner.core.gangs import parts_of_gang
from tuner.core.lanes import Lanes, Pace
from tuner.core.nodes import Nodes
from tuner.core.packing import Packing
from tuner.core.rightsizing import Grant, Load, Sizing
from tuner.resources import Node, NodeType, Resources
from tuner.study import StudySpec
from tuner.trial import Params

__all__ = ["Room"]

NOTHING = Resources(0.0, 0.0, 0.0)


class Room:
    """Nodes and lanes of one study.

    Args:
        spec: The study.

    Attributes:
        nodes: How the nodes do.
    """

    def __init__(self, spec: StudySpec) -> None:
        self.sizing = Sizing(spec.resources, spec.space)
        self.lanes = Lanes()
        self.pace = Pace()
        self.nodes = Nodes()
        self.types: tuple[NodeType, ...] = ()
        self._packing = Packing(self.sizing.typical)
        self._parallel: int | None = None
        self._offers: Counter[Resources] = Counter()

    # -- nodes ------------------------------------------------------------------------------------------------------

    @property
    def living(self) -> dict[str, Node]:
        """The nodes by id."""
        return self._packing.nodes

    def join(self, node: Node) -> None:
        """A node can take attempts; what was known of it is replaced."""
        before = self.living.get(node.node_id)
        if before is not None:
            self._offers[before.resources] -= 1
        self._packing.join(node)
        self.nodes.join(node)
        self._offers[node.resources] += 1
        if before is not None or self._offers[node.resources] == 1:
            self._look()

    def lose(self, node_id: str, why: str = "") -> None:
        """A node takes no more."""
        node = self.living.get(node_id)
        if node is not None:
            self._packing.lose(node_id)
            self.nodes.lose(node_id, why)
            self.lanes.lose(node_id)
            self._offers[node.resources] -= 1
            if not self._offers[node.resources]:
                self._look()

    def see_types(self, types: Sequence[NodeType]) -> None:
        """What the cluster can grow to."""
        self.types = tuple(types)
        self._look()

    def _look(self) -> None:
        offers = {offer for offer, n in self._offers.items() if n > 0}
        gpus = any(offer.gpu > 0 for offer in offers)
        self.sizing.see(offers | {kind.resources for kind in self.types if kind.max_nodes > 0}, gpus=gpus)
        self._packing.expect(self.sizing.typical)

    def share(self, share: float) -> None:
        """How much of the nodes may be held."""
        self._packing.share = share

    def limit(self, parallel: int | None) -> None:
        """How many attempts may run at once; None for what the nodes hold."""
        self._parallel = parallel

    def clear(self) -> None:
        """No node is known any more and nothing is in flight."""
        share = self._packing.share
        self._packing, self.lanes = Packing(self.sizing.typical), Lanes()
        self._packing.share = share
        self.nodes.clear()
        self.types = ()
        self._offers.clear()

    def learned(self) -> None:
        """Sizing has learned: places are counted by what it expects now."""
        self._packing.expect(self.sizing.typical)

    def quarantine(self) -> None:
        """Take the nodes out of use that do badly."""
        for node_id, why in self.nodes.judge():
            self._packing.close(node_id, why)

    def release(self, node_id: str) -> None:
        """A person says that a node, or ``all``, may be used again."""
        for closed in list(self._packing.closed):
            if node_id in (closed, "all"):
                self._packing.open(closed)
                self.nodes.release(closed)

    @property
    def avoid(self) -> tuple[str, ...]:
        """The nodes that are quarantined."""
        return tuple(self._packing.closed)

    # -- attempts ---------------------------------------------------------------------------------------------------

    @property
    def n_open(self) -> int:
        """How many attempts more could be started, of the size that is expected."""
        depth = self.pace.depth
        new = self._packing.n_open or self._gangs_open()
        if self._parallel is not None:
            if self.lanes.count > self._parallel:
                return 0
            new = min(new, self._parallel - self.lanes.count)
        return new * depth + (self.lanes.room_in(depth) if depth > 1 else 0)

    def load(self, left: int | None) -> Load | None:
        """How much there is to do with ``left`` trials to be started; None when attempts take milliseconds."""
        if self.pace.depth > 1:
            return None
        packing = self._packing
        return Load(
            running=self.lanes.in_flight,
            left=left,
            parallel=self._parallel,
            cpu=packing.total.cpu * packing.share,
            free_cpu=packing.free_cpu if left is not None or self._parallel is not None else packing.total.cpu,
        )

    def grant(self, params: Params, floor: Resources, left: int | None) -> Grant:
        """What the next attempt with these parameters gets; see ``Sizing.grant``."""
        return self.sizing.grant(params, floor, self.load(left))

    def reserve(self, grant: Resources) -> None:
        """An attempt has waited long for a node with enough room: keep one free for it."""
        self._packing.reserve(grant)

    def unreserve(self) -> None:
        """No attempt has waited so long."""
        self._packing.unreserve()

    def put(self, grant: Resources, *, reserved: bool = False) -> int | None:
        """Put an attempt on a node; returns its lane, None when there is no room for it.

        ``reserved``: the node that was kept free is kept for this one.
        """
        lanes, packing, depth = self.lanes, self._packing, self.pace.depth
        if self._parallel is not None and lanes.count > self._parallel:
            return None
        if self._parallel is None or lanes.count < self._parallel:
            node_id = packing.find(grant, reserved=reserved)
            if node_id is not None:
                if reserved:
                    packing.unreserve()
                packing.take(node_id, grant)
                return lanes.open(grant, node_id).number
            if grant.gpu > 1.0:
                return self._put_gang(grant)
        lane = lanes.deepen(grant, depth) if depth > 1 else None
        return None if lane is None else lane.number

    def _put_gang(self, grant: Resources) -> int | None:
        """Put an attempt that needs more GPUs than a node has on several."""
        held: list[tuple[str, Resources]] = []
        parts = self._parts(grant)
        for part in parts:
            node_id = self._packing.find(part)
            if node_id is None:
                break
            self._packing.take(node_id, part)
            held.append((node_id, part))
        if len(held) == len(parts) > 1:
            lane = self.lanes.open(grant, held[0][0])
            lane.parts = tuple(held)
            return lane.number
        for node_id, part in held:
            self._packing.give(node_id, part)
        return None

    def _parts(self, grant: Resources) -> list[Resources]:
        closed = self._packing.closed
        return list(parts_of_gang(grant, [node for i, node in self.living.items() if i not in closed]))

    def _gangs_open(self) -> int:
        """1 when an attempt as they are expected is a gang and GPUs enough are free."""
        typical, free = self.sizing.typical, self._packing
        if typical.gpu <= 1.0 or free.total.gpu - free.held.gpu + 1e-9 < typical.gpu:
            return 0
        return int(len(self._parts(typical)) > 1)

    def moved(self, lane: int, node_id: str | None) -> None:
        """The executor has put the lane's attempt there."""
        if node_id is None or node_id not in self.living:
            return
        held = self.lanes.of(lane)
        if held.node_id != node_id and not held.parts:
            before = self.lanes.move(lane, node_id)
            if before is not None:
                self._packing.give(before, held.grant)
            self._packing.take(node_id, held.grant)

    def give_back(self, lane: int) -> None:
        """An attempt of the lane ended."""
        held = self.lanes.give_back(lane)
        if held.parts:
            for node_id, part in held.parts:
                self._packing.give(node_id, part)
        elif not held.load and held.node_id is not None:
            self._packing.give(held.node_id, held.grant)

    @property
    def could_run(self) -> bool:
        """Whether there is a node, not quarantined, that can hold an attempt as they are expected."""
        want = self.sizing.typical
        if any(want.fits_into(n.resources) for i, n in self.living.items() if i not in self._packing.closed):
            return True
        return 1.0 < want.gpu <= self._packing.total.gpu and len(self._parts(want)) > 1

    @property
    def lacks(self) -> str | None:
        """What is missing for an attempt to run, for a person; None when one could."""
        if not self.living:
            return "a node to join the cluster"
        if len(self._packing.closed) == len(self.living):
            return "a node that is not quarantined (`tuner nodes` lists and releases them)"
        return None if self.could_run else f"a node that can hold {self.sizing.typical}"

    @property
    def misfit(self) -> tuple[Resources, Resources] | None:
        """(what an attempt asks for, the largest node) when there are nodes and none can hold one attempt."""
        if not self.living or self.lanes.count or self._packing.n_free:
            return None
        if self.could_run or any(self.sizing.typical.fits_into(node.resources) for node in self.living.values()):
            return None
        return self.sizing.base, max((n.resources for n in self.living.values()), key=lambda r: (r.cpu, r.memory_mib))
