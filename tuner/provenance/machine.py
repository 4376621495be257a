"""What machine this is: CPUs, memory, GPUs."""

from __future__ import annotations

import os
import platform
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["hardware"]

T = TypeVar("T")

_NVML_TIMEOUT_S = 2.0


def hardware(nvml_timeout_s: float = _NVML_TIMEOUT_S) -> dict[str, Any]:
    """CPU model and counts, memory in MiB, and the GPUs that NVML shows (none without its library or driver)."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": _cpu_model(),
        "n_cpus": os.cpu_count(),
        "n_cpus_usable": usable,
        "memory_mib": _memory_mib(),
        "gpus": _within(nvml_timeout_s, _gpus) or [],
    }


def _memory_mib() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (1 << 20)
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return None


def _cpu_model() -> str | None:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or None
    found = re.search(r"^(?:model name|Model|cpu model)\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine() or None


def _gpus() -> list[dict[str, Any]]:
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # no library, no driver, no permission: there are no GPUs to speak of
        return []
    try:
        driver = _text(pynvml.nvmlSystemGetDriverVersion())
        handles = [pynvml.nvmlDeviceGetHandleByIndex(n) for n in range(pynvml.nvmlDeviceGetCount())]
        return [
            {
                "name": _text(pynvml.nvmlDeviceGetName(handle)),
                "memory_mib": int(pynvml.nvmlDeviceGetMemoryInfo(handle).total) // (1 << 20),
                "driver": driver,
            }
            for handle in handles
        ]
    except Exception:  # a GPU that fell off the bus answers nothing
        return []
    finally:
        pynvml.nvmlShutdown()


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _within(timeout_s: float, ask: Callable[[], T]) -> T | None:
    """The answer, or None when it takes longer: a broken driver may never answer."""
    answers: list[T] = []
    thread = threading.Thread(target=lambda: answers.append(ask()), name="tuner-nvml", daemon=True)
    thread.start()
    thread.join(timeout_s)
    return answers[0] if answers else None
