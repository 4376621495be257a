"""Telling Ray's autoscaler what could be used now."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from tuner.resources import Node, Resources

__all__ = ["clipped", "request_bundles"]

MOST_BUNDLES = 1_000
_MIB = 2**20


def request_bundles(bundles: Sequence[Resources], nodes: Sequence[Node]) -> None:
    """Ask for nodes that hold these bundles; replaces what was asked before, by anyone, and stands until it is replaced.

    Args:
        bundles: One per attempt; empty for nothing more.
        nodes: Those that live, by which bundles that no machine can hold are known.
    """
    from ray.autoscaler.sdk import request_resources

    wanted = [_as_ray(bundle) for bundle in clipped(bundles, nodes)]
    with contextlib.suppress(Exception):  # a cluster that does not answer now is asked again soon
        request_resources(bundles=wanted)


def clipped(bundles: Sequence[Resources], nodes: Sequence[Node]) -> Sequence[Resources]:
    """The bundles that may be asked for.

    One that no machine can hold makes Ray's second autoscaler drop the whole request. What the cluster could start is known
    to its head only, so the nodes that live stand for it; while none has a CPU, every bundle may be asked for.
    """
    workers = [node.resources for node in nodes if node.resources.cpu > 0]
    fitting = [b for b in bundles if not workers or any(b.fits_into(offered) for offered in workers)]
    return fitting[:MOST_BUNDLES]


def _as_ray(bundle: Resources) -> dict[str, float]:
    amounts = {"CPU": bundle.cpu, "GPU": bundle.gpu, "memory": float(int(bundle.memory_mib * _MIB))}
    return {name: amount for name, amount in amounts.items() if amount > 0}
