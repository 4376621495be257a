"""GPU memory and utilisation of an attempt, through NVML where nvidia-ml-py and a driver are there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

__all__ = ["GpuMeter"]

_MIB = 1 << 20


class GpuMeter:
    """Samples the GPUs that this process may see.

    Memory is that of this process and its descendants. Where NVML does not name our processes (containers have process
    numbers of their own), it is what the GPUs hold above what they held at the first sample.
    """

    def __init__(self) -> None:
        self._nvml: Any = _nvml()
        self._handles = _visible(self._nvml) if self._nvml else []
        self._base = [self._used(handle) for handle in self._handles]
        self._n_samples = 0
        self._sum = 0.0
        self._peak: float | None = None

    @property
    def utilisation(self) -> float | None:
        """Mean over the samples, 0 to 1; None when nothing could be read."""
        return self._sum / self._n_samples if self._n_samples else None

    @property
    def peak_memory_mib(self) -> float | None:
        """Highest memory over the samples; None when nothing could be read."""
        return None if self._peak is None else self._peak / _MIB

    def sample(self, pids: Sequence[int]) -> None:
        """Look once; ``pids`` are the attempt's processes besides this one."""
        if not self._handles:
            return
        ours = {os.getpid(), *pids}
        memory = 0.0
        utilisation = 0.0
        try:
            for handle, base in zip(self._handles, self._base, strict=True):
                utilisation += self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
                held = [p.usedGpuMemory for p in self._processes(handle) if p.pid in ours]
                named = [amount for amount in held if amount is not None]
                memory += sum(named) if named else max(0, self._used(handle) - base)
        except self._nvml.NVMLError:
            return
        self._sum += utilisation / len(self._handles)
        self._n_samples += 1
        self._peak = max(self._peak or 0.0, memory)

    def _processes(self, handle: Any) -> Sequence[Any]:
        try:
            return list(self._nvml.nvmlDeviceGetComputeRunningProcesses(handle))
        except self._nvml.NVMLError:
            return ()

    def _used(self, handle: Any) -> int:
        try:
            return int(self._nvml.nvmlDeviceGetMemoryInfo(handle).used)
        except self._nvml.NVMLError:
            return 0


_loaded: list[Any] = []


def _nvml() -> Any:
    """The NVML module, initialised once in a process; None where there is none."""
    if not _loaded:
        try:
            import pynvml

            pynvml.nvmlInit()
            _loaded.append(pynvml)
        except Exception:  # no package, no driver, no library: all mean that there is nothing to read
            _loaded.append(None)
    return _loaded[0]


def _visible(nvml: Any) -> list[Any]:
    """Handles of the GPUs in CUDA_VISIBLE_DEVICES (numbers or UUIDs); of all where it is not set."""
    names = os.environ.get("CUDA_VISIBLE_DEVICES")
    handles = []
    try:
        wanted = (
            range(nvml.nvmlDeviceGetCount()) if names is None else [n.strip() for n in names.split(",") if n.strip()]
        )
        for name in wanted:
            by_number = isinstance(name, int) or name.isdigit()
            handles.append(
                nvml.nvmlDeviceGetHandleByIndex(int(name)) if by_number else nvml.nvmlDeviceGetHandleByUUID(name)
            )
    except nvml.NVMLError:
        return []
    return handles
