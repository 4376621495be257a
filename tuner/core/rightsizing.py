"""What an attempt is granted. First form: what was asked for, and more memory after running out of it."""

from __future__ import annotations

from collections.abc import Iterable

from tuner.resources import Node, Resources
from tuner.study import ResourceRequest

__all__ = ["Sizing"]


class Sizing:
    """Grants of one study.

    ``cpu: auto`` is one CPU: with more trials than CPUs, one thread each finishes most trials per hour. ``memory: auto``
    asks for no memory until an attempt ran out of it.

    Args:
        request: What the sweep asks for.
    """

    GROWTH = 1.5  # of the grant after running out of memory
    HEADROOM = 1.2  # above the peak that was seen

    def __init__(self, request: ResourceRequest) -> None:
        self.base = Resources(
            cpu=request.cpu if isinstance(request.cpu, float | int) else 1.0,
            gpu=request.gpu if isinstance(request.gpu, float | int) else 0.0,
            memory_mib=request.memory_mib if isinstance(request.memory_mib, float | int) else 0.0,
        )

    def after_out_of_memory(self, grant: Resources, peak_memory_mib: float, nodes: Iterable[Node]) -> Resources | None:
        """What the next attempt gets after one with ``grant`` ran out of memory; None when no node has more.

        The grant grows by half, or to the peak seen and a fifth, up to the largest node. An attempt without a memory grant
        is given a fair share of the largest node (its memory for each of its CPUs that the attempt has), grown likewise.
        Nodes that have too few CPUs or GPUs for the attempt do not count.
        """
        able = (r for r in (node.resources for node in nodes) if r.cpu >= grant.cpu and r.gpu >= grant.gpu)
        largest = max(able, key=lambda r: r.memory_mib, default=None)
        if largest is None or largest.memory_mib <= 0:
            return grant
        if grant.memory_mib >= largest.memory_mib:
            return None
        held = grant.memory_mib or largest.memory_mib * min(1.0, max(grant.cpu, 1.0) / max(largest.cpu, 1.0))
        wanted = max(held * self.GROWTH, peak_memory_mib * self.HEADROOM)
        return Resources(grant.cpu, grant.gpu, min(wanted, largest.memory_mib))
