"""Which nodes there are, in our words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tuner.core.nodes import DIED, PREEMPTED, REMOVED
from tuner.resources import Node, Resources

__all__ = ["Sighting", "is_spot", "living_nodes", "offered_memory_mib", "see_nodes"]

_MIB = 2**20
_DEATHS = {1: REMOVED, 2: DIED, 3: PREEMPTED, 4: REMOVED}  # NodeDeathInfo.Reason
# Ray makes the first of RAY_NODE_TYPE_NAME, which its second autoscaler and KubeRay set on the nodes that they start. Its first
# autoscaler sets nothing: the other is for a cluster file that wants to say it nevertheless.
_TYPE_LABELS = ("ray.io/node-group", "tuner.io/node-type")
_MARKET_LABELS = ("ray.io/market-type", "market-type")


@dataclass(frozen=True, slots=True)
class Sighting:
    """The nodes of a cluster at one moment.

    Attributes:
        living: Those that live, with all that they offer; a head without CPUs is one that offers 0.
        leaving: Of those, the ones that were told to end soon (a spot machine's notice, idleness): id -> why.
        dead: Those that were there and are no more: id -> why, as far as Ray says it.
    """

    living: tuple[Node, ...]
    leaving: Mapping[str, str] = field(default_factory=dict)
    dead: Mapping[str, str] = field(default_factory=dict)


def see_nodes() -> Sighting:
    """Look at the cluster that this process is connected to."""
    import ray

    rows = ray.nodes()
    return Sighting(
        tuple(_node(row) for row in rows if row["Alive"]),
        _leaving(),
        {row["NodeID"]: _why_dead(row) for row in rows if not row["Alive"]},
    )


def living_nodes() -> list[Node]:
    """The nodes that live now, with all that they offer; a head without CPUs is one that offers 0."""
    import ray

    return [_node(row) for row in ray.nodes() if row["Alive"]]


def offered_memory_mib(node_id: str) -> float:
    """What a node offers to attempts in all, in MiB; no limit where Ray does not say."""
    return next((node.resources.memory_mib for node in living_nodes() if node.node_id == node_id), 0.0) or math.inf


def _leaving() -> dict[str, str]:
    """Nodes that are told to end, by id; empty where Ray does not say.

    Who takes a machine away says until when; the autoscaler, which removes nodes that do nothing, does not.
    """
    import ray

    try:
        until_ms: Mapping[str, int] = ray._private.state.state.get_draining_nodes()
    except (AttributeError, RuntimeError):  # no public way to ask, so this one may go
        return {}
    return {node_id: PREEMPTED if end_ms else REMOVED for node_id, end_ms in until_ms.items()}


def _why_dead(row: Mapping[str, Any]) -> str:
    """The reason that Ray keeps of a node's death: a number of its protocol, and a sentence."""
    reason = _DEATHS.get(row.get("DeathReason") or 0, DIED)
    said = str(row.get("DeathReasonMessage") or "").strip()
    return f"{reason}: {said.splitlines()[0]}" if said and reason in (DIED, PREEMPTED) else reason


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
