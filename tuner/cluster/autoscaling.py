"""Telling Ray's autoscaler what could be used now: what may be asked for, and asking."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tuner.resources import Node, NodeType, Resources

__all__ = ["Bundle", "Extent", "Placement", "clipped", "request_bundles", "was_refused"]

MOST_BUNDLES = 1_000
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Bundle(Resources):
    """What one attempt would hold.

    Attributes:
        type: Of the nodes that are to hold it; ``""`` for any.
    """

    type: str = ""


@dataclass(frozen=True, slots=True)
class Extent:
    """What a cluster holds and could grow to.

    Attributes:
        nodes: Those that live; ones without a CPU (a head) hold nothing.
        types: What could be started; empty when that is not known.
        max_nodes: How many worker nodes there may be at once; None for as many as the types allow.
    """

    nodes: tuple[Node, ...] = ()
    types: tuple[NodeType, ...] = ()
    max_nodes: int | None = None

    @property
    def living(self) -> Resources:
        """What the nodes that live and run trials offer together."""
        return _sum([(node.resources, 1) for node in self.nodes if node.resources.cpu > 0])

    @property
    def largest(self) -> Resources:
        """What there would be at the most of each resource; of the nodes that live where types are not known."""
        if not self.types:
            return self.living
        most = self.max_nodes if self.max_nodes is not None else sum(kind.max_nodes for kind in self.types)
        return _sum([(kind.resources, min(kind.max_nodes, most)) for kind in self.types])


def _sum(amounts: Sequence[tuple[Resources, int]]) -> Resources:
    return Resources(
        cpu=sum(amount.cpu * count for amount, count in amounts),
        gpu=sum(amount.gpu * count for amount, count in amounts),
        memory_mib=sum(amount.memory_mib * count for amount, count in amounts),
    )


class Placement:
    """Bundles put on nodes, first fit: on those that live, then on new ones within the limits.

    Nodes that live count as empty, because a request counts what runs on them too. Where types are not known every bundle that
    some living node could hold has a place, and while no node lives every bundle has: the head knows what it could
    start, we do not.

    Args:
        extent: What there is and could be.
    """

    def __init__(self, extent: Extent) -> None:
        workers = [node for node in extent.nodes if node.resources.cpu > 0]
        self._known = bool(extent.types)
        self._sizes = [node.resources for node in workers]
        self._open = [(node.type, node.resources) for node in workers]
        living = [node.type for node in workers]
        # A GPU node is started for a bundle without GPU only when nothing else can hold it, as Ray does.
        self._types = sorted(
            extent.types, key=lambda kind: (kind.resources.gpu, kind.resources.cpu, kind.resources.memory_mib)
        )
        self._left = {kind.name: kind.max_nodes - living.count(kind.name) for kind in extent.types}
        self._nodes_left = None if extent.max_nodes is None else extent.max_nodes - len(workers)

    def place(self, bundle: Bundle) -> Bundle | None:
        """Take room for one more; None when there is none, and nothing has changed then.

        Returns:
            What to ask for: without its type when nodes of that are used up and others hold it.
        """
        if not self._known:
            fits = not self._sizes or any(bundle.fits_into(size) for size in self._sizes)
            return bundle if fits else None
        if self._put(bundle):
            return bundle
        free = replace(bundle, type="")
        return free if bundle.type and self._put(free) else None

    def _put(self, bundle: Bundle) -> bool:
        for index, (name, free) in enumerate(self._open):
            if bundle.type in ("", name) and bundle.fits_into(free):
                self._open[index] = (name, _minus(free, bundle))
                return True
        return self._start(bundle)

    def _start(self, bundle: Bundle) -> bool:
        """Open the smallest node that holds it, of a type of which there may be one more."""
        if self._nodes_left is not None and self._nodes_left <= 0:
            return False
        for kind in self._types:
            right = bundle.type in ("", kind.name) and bundle.fits_into(kind.resources)
            if right and self._left[kind.name] > 0:
                self._left[kind.name] -= 1
                if self._nodes_left is not None:
                    self._nodes_left -= 1
                self._open.append((kind.name, _minus(kind.resources, bundle)))
                return True
        return False


def _minus(free: Resources, bundle: Resources) -> Resources:
    return Resources(
        max(0.0, free.cpu - bundle.cpu),
        max(0.0, free.gpu - bundle.gpu),
        max(0.0, free.memory_mib - bundle.memory_mib),
    )


def clipped(bundles: Sequence[Bundle], extent: Extent) -> list[Bundle]:
    """The bundles that may be asked for together, large ones first.

    One that no node type holds, or one more than the limits of nodes allow, makes Ray's second autoscaler drop the whole
    request and remove the nodes. Ray packs in the order of size too (number of resources, then their sum).
    """
    placement = Placement(extent)
    ordered = sorted(bundles[:MOST_BUNDLES], key=_size, reverse=True)
    placed = map(placement.place, ordered)
    return [bundle for bundle in placed if bundle is not None]


def _size(bundle: Resources) -> tuple[int, float]:
    amounts = _as_ray(bundle)
    return len(amounts), sum(amounts.values())


def request_bundles(bundles: Sequence[Bundle], selectors: Mapping[str, Mapping[str, str]] | None = None) -> bool:
    """Ask for nodes that hold these bundles; replaces what was asked before, by anyone, and stands until it is replaced.

    Args:
        bundles: One per attempt, clipped; empty for nothing more.
        selectors: Labels that the nodes of a type have and others have not, by type. Ray's first autoscaler minds none.

    Returns:
        Whether the cluster took it: one that does not answer now is asked again soon.
    """
    from ray.autoscaler.sdk import request_resources

    labels = [dict((selectors or {}).get(bundle.type, {})) for bundle in bundles]
    able = "bundle_label_selectors" in inspect.signature(request_resources).parameters  # Ray 2.50 has not
    chosen = {"bundle_label_selectors": labels} if able and any(labels) else {}
    with contextlib.suppress(Exception):
        request_resources(bundles=[_as_ray(bundle) for bundle in bundles], **chosen)
        return True
    return False


def was_refused(gcs_address: str) -> bool:
    """Whether the autoscaler says that it cannot fulfil the request that stands; False where it does not say (the first one).

    Args:
        gcs_address: ``host:port`` of the head.
    """
    try:
        import ray
        from ray.core.generated.autoscaler_pb2 import GetClusterStatusReply

        reply = GetClusterStatusReply.FromString(ray._raylet.GcsClient(gcs_address).get_cluster_status())
        return bool(reply.autoscaling_state.infeasible_cluster_resource_constraints)
    except Exception:  # no public way to ask, so this one may go, or the head does not answer now
        return False


def _as_ray(bundle: Resources) -> dict[str, float]:
    amounts = {"CPU": bundle.cpu, "GPU": bundle.gpu, "memory": float(int(bundle.memory_mib * _MIB))}
    return {name: amount for name, amount in amounts.items() if amount > 0}
