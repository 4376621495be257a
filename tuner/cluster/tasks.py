"""From a grant to a Ray task: what it asks for, where it must not run, and gangs over several nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tuner.resources import Resources

__all__ = ["TaskKinds", "begin_gang", "end_gang"]

_MIB = 2**20
_MOST_KEPT = 256
_GPU_WORKERS = {"env_vars": {"TUNER_GPU_WORKER": "1"}}


class TaskKinds:
    """A remote function with the options for each kind of grant; making one anew costs more than submitting it.

    A process that has used a GPU holds its memory and stays with it, whatever ``CUDA_VISIBLE_DEVICES`` says later; one that
    has found none does not find one later. So attempts with GPUs get processes that ran no attempt without, and each is
    the only one of its process. (Ray does the second by itself, but not where the GPUs are asked for by ``options``.)

    Args:
        function: What a task runs.
    """

    def __init__(self, function: Callable[[bytes], bytes]) -> None:
        import ray

        self._on_cpus = ray.remote(function)
        self._on_gpus = ray.remote(num_gpus=1, max_calls=1)(function)
        self._kept: dict[tuple[Resources, str, tuple[str, ...], str | None], Any] = {}

    def of(
        self, grant: Resources, name: str, *, avoid: tuple[str, ...] = (), near: str | None = None, gang: Any = None
    ) -> Any:
        """The remote function for attempts with ``grant``.

        Args:
            grant: Of a gang, what its first bundle holds.
            name: For Ray's dashboard.
            avoid: Nodes that it must not run on.
            near: A node on which it should run if there is room just now, and no node is to be avoided; None for any.
            gang: What ``begin_gang`` returned; None for an ordinary attempt.

        Raises:
            ValueError: Ray has no such grant (one and a half GPUs).
        """
        key = (grant, name, avoid, near)
        kind = self._kept.get(key) if gang is None else None
        if kind is None:
            function = self._on_gpus if grant.gpu > 0 else self._on_cpus
            kind = function.options(**_options(grant, name), **_where(avoid, near, gang))
            if gang is None:
                if len(self._kept) >= _MOST_KEPT:
                    self._kept.clear()
                self._kept[key] = kind
        return kind


def _options(grant: Resources, name: str) -> dict[str, Any]:
    options: dict[str, Any] = {
        "num_cpus": grant.cpu,
        "num_gpus": grant.gpu or None,
        "memory": int(grant.memory_mib * _MIB) or None,
        "max_retries": 0,
        "name": name,
    }
    if grant.gpu > 0:
        options["runtime_env"] = _GPU_WORKERS
    return options


def _where(avoid: tuple[str, ...], near: str | None, gang: Any) -> dict[str, Any]:
    from ray.util import scheduling_strategies as strategies

    if gang is not None:
        inside = strategies.PlacementGroupSchedulingStrategy(
            gang, placement_group_bundle_index=0, placement_group_capture_child_tasks=True
        )
        return {"scheduling_strategy": inside}
    if avoid:
        return {"label_selector": _elsewhere(avoid)}
    if near is not None:
        # Ray has no public way to prefer a node: without the last one an attempt would wait there while others are free.
        return {
            "scheduling_strategy": strategies.NodeAffinitySchedulingStrategy(near, True, _spill_on_unavailable=True)
        }
    return {}


def _elsewhere(avoid: Sequence[str]) -> dict[str, str]:
    return {"ray.io/node-id": f"!in({','.join(avoid)})"}


def begin_gang(parts: Sequence[Resources], avoid: Sequence[str]) -> Any:
    """Ask for all parts at once, on as few nodes as can be; the attempt waits until they are there."""
    from ray.util import placement_group

    selector = [_elsewhere(avoid)] * len(parts) if avoid else None
    return placement_group([_bundle(part) for part in parts], strategy="PACK", bundle_label_selector=selector)


def end_gang(gang: Any) -> None:
    """Free what a gang holds, also of one that never came to be; whatever still runs in it ends. None for nothing."""
    from ray.util import remove_placement_group

    if gang is not None:
        remove_placement_group(gang)


def _bundle(part: Resources) -> dict[str, float]:
    amounts = {"CPU": part.cpu, "GPU": part.gpu, "memory": float(int(part.memory_mib * _MIB))}
    return {name: amount for name, amount in amounts.items() if amount > 0}
