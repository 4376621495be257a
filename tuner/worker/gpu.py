"""GPU memory and utilisation of an attempt, through NVML where nvidia-ml-py and a driver are there."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from typing import Any

__all__ = ["GpuMeter"]

_MIB = 1 << 20


class GpuMeter:
    """Samples the GPUs that this process may see.

    Memory is that of this process and its descendants; utilisation too where the driver tells it of each process, so that
    attempts which share a GPU are told apart. Where NVML does not name our processes (containers have process numbers of
    their own), memory is what the GPUs hold above what they held at the first sample, and utilisation is the GPU's.
    """

    def __init__(self) -> None:
        self._nvml: Any = _nvml()
        self._handles = _visible(self._nvml) if self._nvml else []
        self._base = [self._used(handle) for handle in self._handles]
        self._seen_us = [0] * len(self._handles)  # up to when its processes' utilisation was read
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

    @property
    def memory_mib(self) -> float | None:
        """All memory of the smallest of the GPUs; None when it could not be read."""
        totals = []
        for handle in self._handles:
            try:
                totals.append(int(self._nvml.nvmlDeviceGetMemoryInfo(handle).total))
            except self._nvml.NVMLError:
                return None
        return min(totals) / _MIB if totals else None

    def sample(self, pids: Sequence[int]) -> None:
        """Look once; ``pids`` are the attempt's processes besides this one."""
        if not self._handles:
            return
        ours = {os.getpid(), *pids}
        memory = 0.0
        utilisation = 0.0
        try:
            for index, (handle, base) in enumerate(zip(self._handles, self._base, strict=True)):
                processes = self._processes(handle)
                held = [p.usedGpuMemory for p in processes if p.pid in ours]
                named = [amount for amount in held if amount is not None]
                memory += sum(named) if named else max(0, self._used(handle) - base)
                share = self._share(index, ours) if held else None
                if share is None:
                    share = self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
                utilisation += share
        except self._nvml.NVMLError:
            return
        self._sum += utilisation / len(self._handles)
        self._n_samples += 1
        self._peak = max(self._peak or 0.0, memory)

    def _share(self, index: int, ours: Collection[int]) -> float | None:
        """Our processes' share of a GPU's time since the last look; None where the driver does not tell."""
        try:
            rows = self._nvml.nvmlDeviceGetProcessUtilization(self._handles[index], self._seen_us[index])
        except (self._nvml.NVMLError, AttributeError):
            return None
        times = [int(row.timeStamp) for row in rows]
        if not times:
            return None
        self._seen_us[index] = max(times)
        of_each: dict[int, list[float]] = {}
        for row in rows:
            if row.pid in ours:
                of_each.setdefault(int(row.pid), []).append(float(row.smUtil))
        return min(1.0, sum(sum(values) / len(values) for values in of_each.values()) / 100)

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
