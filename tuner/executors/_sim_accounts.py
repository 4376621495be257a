"""What a simulated cluster's nodes did, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tuner.resources import NodeType, Resources

__all__ = ["Accounts"]


@dataclass(slots=True)
class Accounts:
    """What the nodes did, in seconds times what they have.

    Attributes:
        up_cpu_s: CPU seconds of nodes that were up and took attempts.
        granted_cpu_s: Of these, what attempts held.
        used_cpu_s: What attempts used.
        up_mib_s: The same of memory.
        granted_mib_s: What attempts held.
        node_s: Seconds that nodes were paid for (from the request on), by type.
        spent: Money for them.
        n_lost: Nodes that were taken away.
    """

    up_cpu_s: float = 0.0
    granted_cpu_s: float = 0.0
    used_cpu_s: float = 0.0
    up_mib_s: float = 0.0
    granted_mib_s: float = 0.0
    node_s: dict[str, float] = field(default_factory=dict)
    spent: float = 0.0
    n_lost: int = 0

    @property
    def utilisation(self) -> float:
        """Share of the nodes' CPU time that attempts held; of nothing, 0."""
        return self.granted_cpu_s / self.up_cpu_s if self.up_cpu_s > 0 else 0.0

    def pay(self, kind: NodeType, seconds: float) -> None:
        """A node of this type was paid for."""
        self.node_s[kind.name] = self.node_s.get(kind.name, 0.0) + seconds
        self.spent += (kind.price_h or 0.0) * seconds / 3600.0

    def was_up(self, offered: Resources, seconds: float) -> None:
        """A node was up."""
        self.up_cpu_s += seconds * offered.cpu
        self.up_mib_s += seconds * offered.memory_mib

    def held(self, grant: Resources, seconds: float, used_cpu_s: float) -> None:
        """An attempt held its grant."""
        self.granted_cpu_s += seconds * grant.cpu
        self.granted_mib_s += seconds * grant.memory_mib
        self.used_cpu_s += used_cpu_s

    def copy(self) -> Accounts:
        """As they stand now."""
        return replace(self, node_s=dict(self.node_s))
