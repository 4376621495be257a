"""Which nodes there are, in our words."""

from __future__ import annotations

from typing import Any

from tuner.resources import Node, Resources

__all__ = ["draining_nodes", "living_nodes"]

_MIB = 2**20


def living_nodes() -> list[Node]:
    """The nodes that live now, with all that they offer; a head without CPUs is one that offers 0."""
    import ray

    return [_node(row) for row in ray.nodes() if row["Alive"]]


def draining_nodes() -> set[str]:
    """Nodes that were told to end soon (a spot machine's notice); empty where Ray does not say."""
    import ray

    try:
        return set(ray._private.state.state.get_draining_nodes())
    except (AttributeError, RuntimeError):  # no public way to ask, so this one may go
        return set()


def _node(row: dict[str, Any]) -> Node:
    offered = row["Resources"]
    resources = Resources(
        cpu=float(offered.get("CPU", 0)),
        gpu=float(offered.get("GPU", 0)),
        memory_mib=float(offered.get("memory", 0)) / _MIB,
    )
    return Node(row["NodeID"], resources, dict(row.get("Labels") or {}))
