"""What an attempt is given, what it used, and what a node has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Node", "NodeType", "Resources", "Usage"]


@dataclass(frozen=True, slots=True)
class Resources:
    """An amount of CPU, GPU and memory.

    Attributes:
        cpu: Logical CPUs, at least 0; fractions are allowed.
        gpu: GPUs, at least 0; a fraction below 1 shares one GPU.
        memory_mib: Memory in MiB; 0 means that memory is neither asked for nor limited.
    """

    cpu: float = 1.0
    gpu: float = 0.0
    memory_mib: float = 0.0

    def __str__(self) -> str:
        """For people: ``2 CPU, 1 GPU, 512 MiB of memory``; what is not asked for is left out."""
        parts = [f"{self.cpu:g} CPU"]
        parts += [f"{self.gpu:g} GPU"] if self.gpu else []
        parts += [f"{self.memory_mib:.0f} MiB of memory"] if self.memory_mib else []
        return ", ".join(parts)

    def fits_into(self, other: Resources) -> bool:
        """Whether this amount can be taken out of ``other`` (1e-9 forgives the sums of fractions)."""
        return (
            self.cpu <= other.cpu + 1e-9 and self.gpu <= other.gpu + 1e-9 and self.memory_mib <= other.memory_mib + 1e-9
        )


@dataclass(frozen=True, slots=True)
class Usage:
    """What one attempt was measured to use, its child processes included.

    Attributes:
        peak_memory_mib: Highest memory seen above the worker's own base, in MiB; shared objects of the node's do not count.
        cpu_s: CPU seconds, user and system.
        wall_s: Seconds from its start to its end.
        gpu_util: Mean GPU utilisation, 0 to 1; None where no GPU was granted or it could not be read.
        peak_gpu_memory_mib: Highest GPU memory seen; None as above.
        base_memory_mib: What the worker's process holds when it has loaded the objective and runs nothing, in MiB. It is there
            however many attempts run in the process one after another; a grant of memory covers it and the peak above it.
        mean_memory_mib: Mean over time of the memory above the base, in MiB.
        threads: Most threads seen at once in all of the attempt's processes that had work in the attempt; 0 when not counted.
        received_mib: Bytes that came to the worker for this attempt (the objective with its data, a checkpoint), in MiB.
        gpu_memory_mib: Memory of one GPU that it could see, used or not; None where it could not be read.
    """

    peak_memory_mib: float = 0.0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    gpu_util: float | None = None
    peak_gpu_memory_mib: float | None = None
    base_memory_mib: float = 0.0
    mean_memory_mib: float = 0.0
    threads: int = 0
    received_mib: float = 0.0
    gpu_memory_mib: float | None = None

    @property
    def whole_memory_mib(self) -> float:
        """What a grant of memory must cover: the base of the worker's process and the peak above it."""
        return self.base_memory_mib + self.peak_memory_mib


@dataclass(frozen=True, slots=True)
class Node:
    """A machine that runs attempts.

    Attributes:
        node_id: Unique for the node's lifetime.
        resources: What it offers to attempts, in all.
        labels: What the cluster says of it (``ray.io/...``, market type), never interpreted by the core.
        type: Name of its ``NodeType``; None when it has none.
    """

    node_id: str
    resources: Resources
    labels: dict[str, Any] = field(default_factory=dict)
    type: str | None = None


@dataclass(frozen=True, slots=True)
class NodeType:
    """A kind of machine that the cluster's autoscaler can start.

    Attributes:
        name: As the cluster's file calls it.
        resources: What a node of it offers to attempts.
        max_nodes: How many there may be at once.
        min_nodes: How many there always are.
        price_h: What one costs an hour while it is up, busy or not; None when that is not known.
        spot: Whether it may be taken away at any time.
        boot_s: How long it takes from the request to the first attempt, where that is known; None when not.
        spot_loss_day: Share of a spot type's nodes that are taken away a day, 0 up to 1, where that is known; for forecasts.
    """

    name: str
    resources: Resources
    max_nodes: int
    min_nodes: int = 0
    price_h: float | None = None
    spot: bool = False
    boot_s: float | None = None
    spot_loss_day: float | None = None
