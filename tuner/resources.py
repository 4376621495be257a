"""What an attempt is given, what it used, and what a node has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Node", "Resources", "Usage"]


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

    def fits_into(self, other: Resources) -> bool:
        """Whether this amount can be taken out of ``other`` (1e-9 forgives the sums of fractions)."""
        return (
            self.cpu <= other.cpu + 1e-9 and self.gpu <= other.gpu + 1e-9 and self.memory_mib <= other.memory_mib + 1e-9
        )


@dataclass(frozen=True, slots=True)
class Usage:
    """What one attempt was measured to use, its child processes included.

    Attributes:
        peak_memory_mib: Highest resident memory seen above the worker's own base, in MiB.
        cpu_s: CPU seconds, user and system.
        wall_s: Seconds from its start to its end.
        gpu_util: Mean GPU utilisation, 0 to 1; None where no GPU was granted or it could not be read.
        peak_gpu_memory_mib: Highest GPU memory seen; None as above.
    """

    peak_memory_mib: float = 0.0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    gpu_util: float | None = None
    peak_gpu_memory_mib: float | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """A machine that runs attempts.

    Attributes:
        node_id: Unique for the node's lifetime.
        resources: What it offers to attempts, in all.
        labels: What the cluster says of it (``ray.io/...``, market type), never interpreted by the core.
    """

    node_id: str
    resources: Resources
    labels: dict[str, Any] = field(default_factory=dict)
