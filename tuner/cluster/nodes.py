"""Which nodes there are, in our words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tuner.resources import Node, Resources

__all__ = ["draining_nodes", "is_spot", "living_nodes", "offered_memory_mib"]

_MIB = 2**20
# Ray makes the first of RAY_NODE_TYPE_NAME, which its second autoscaler and KubeRay set on the nodes that they start. Its first
# autoscaler sets nothing: the other is for a cluster file that wants to say it nevertheless.
_TYPE_LABELS = ("ray.io/node-group", "tuner.io/node-type")
_MARKET_LABELS = ("ray.io/market-type", "market-type")


def living_nodes() -> list[Node]:
    """The nodes that live now, with all that they offer; a head without CPUs is one that offers 0."""
    import ray

    return [_node(row) for row in ray.nodes() if row["Alive"]]


def offered_memory_mib(node_id: str) -> float:
    """What a node offers to attempts in all, in MiB; no limit where Ray does not say."""
    return next((node.resources.memory_mib for node in living_nodes() if node.node_id == node_id), 0.0) or math.inf


def draining_nodes() -> set[str]:
    """Nodes that were told to end soon (a spot machine's notice); empty where Ray does not say."""
    import ray

    try:
        return set(ray._private.state.state.get_draining_nodes())
    except (AttributeError, RuntimeError):  # no public way to ask, so this one may go
        return set()


def is_spot(labels: Mapping[str, Any]) -> bool:
    """Whether a node with these labels may be taken away at any time."""
    return any(labels.get(label) == "spot" for label in _MARKET_LABELS)


def _node(row: dict[str, Any]) -> Node:
    offered = row["Resources"]
    resources = Resources(
        cpu=float(offered.get("CPU", 0)),
        gpu=float(offered.get("GPU", 0)),
        memory_mib=float(offered.get("memory", 0)) / _MIB,
    )
    labels = dict(row.get("Labels") or {})
    kinds = [labels[label] for label in _TYPE_LABELS if labels.get(label)]
    return Node(row["NodeID"], resources, labels, kinds[0] if kinds else None)
