"""Where attempts run: the nodes, the lanes over them, and what an attempt is granted there."""

from __future__ import annotations

from tuner.core.lanes import Lanes, Pace, slots
from tuner.core.rightsizing import Sizing
from tuner.resources import Node, Resources
from tuner.study import ResourceRequest

__all__ = ["Room"]


class Room:
    """Nodes and lanes of one study.

    Args:
        request: What an attempt asks for.
    """

    def __init__(self, request: ResourceRequest) -> None:
        self.sizing = Sizing(request)
        self.lanes = Lanes()
        self.pace = Pace()
        self._nodes: dict[str, Node] = {}
        self._n_slots = 0  # attempts that all nodes together hold

    def join(self, node: Node) -> None:
        """A node can take attempts; what was known of it is replaced."""
        self.lose(node.node_id)
        self._nodes[node.node_id] = node
        self._n_slots += slots(node, self.sizing.base)

    def lose(self, node_id: str) -> None:
        """A node takes no more."""
        node = self._nodes.pop(node_id, None)
        if node is not None:
            self._n_slots -= slots(node, self.sizing.base)

    def resize(self, parallel: int | None) -> None:
        """Open as many lanes as the nodes hold attempts, at most ``parallel``."""
        self.lanes.resize(min(self._n_slots, parallel or self._n_slots))

    def clear(self) -> None:
        """No node is known any more and nothing is in flight."""
        self._nodes.clear()
        self._n_slots = 0
        self.lanes.clear()

    def after_out_of_memory(self, grant: Resources, peak_memory_mib: float) -> Resources | None:
        """See ``Sizing.after_out_of_memory``."""
        return self.sizing.after_out_of_memory(grant, peak_memory_mib, self._nodes.values())

    @property
    def lacks(self) -> str | None:
        """What is missing for an attempt to run, for a person; None when one could."""
        if not self._nodes:
            return "a node to join the cluster"
        return None if self.lanes.count else f"a node that can hold {self.sizing.base}"

    @property
    def misfit(self) -> tuple[Resources, Resources] | None:
        """(what an attempt asks for, the largest node) when there are nodes and none can hold one attempt."""
        if self.lanes.count or not self._nodes:
            return None
        return self.sizing.base, max((n.resources for n in self._nodes.values()), key=lambda r: (r.cpu, r.memory_mib))
