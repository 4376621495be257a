"""How a Ray of our own divides this machine's memory: among attempts, shared objects, and what keeps the machine alive."""

from __future__ import annotations

import os
from typing import NamedTuple

from tuner.errors import ExecutorError

__all__ = ["Division", "divide_memory", "division_of"]

_MIB = 2**20
OBJECTS_SHARE = 0.1
LEAST_OBJECTS_MIB, MOST_OBJECTS_MIB = 256.0, 32_768.0
RESERVE_SHARE = 0.07
RAY_MIB = 640.0
_SHARED = "/dev/shm"


class Division(NamedTuple):
    """Bytes for attempts and for the store of shared objects."""

    attempts_bytes: int
    objects_bytes: int


def divide_memory(attempts_mib: float | None) -> Division:
    """As ``division_of``, for this machine as it is now.

    Raises:
        ExecutorError: More is to be offered than the machine has.
    """
    total, available = _total_and_available()
    shared = None
    if os.path.isdir(_SHARED):
        row = os.statvfs(_SHARED)
        shared = row.f_bavail * row.f_frsize / _MIB
    return division_of(attempts_mib, total_mib=total / _MIB, available_mib=available / _MIB, shared_mib=shared)


def _total_and_available() -> tuple[float, float]:
    """Bytes, as Ray sees them: within the limits of a container."""
    try:
        from ray._private.utils import estimate_available_memory, get_system_memory
    except ImportError:  # no public way to ask, so this one may go
        import psutil

        memory = psutil.virtual_memory()
        return float(memory.total), float(memory.available)
    return float(get_system_memory()), float(estimate_available_memory())


def division_of(
    attempts_mib: float | None, *, total_mib: float, available_mib: float, shared_mib: float | None
) -> Division:
    """Who gets how much.

    Ray by itself gives 30 % to shared objects, and grants attempts all the rest. A sweep's data are smaller, and what does
    not fit goes to the disk: they get 10 %. From the rest go Ray's own processes, and a reserve of 7 % of the machine,
    below which the guard of attempts that outgrew their grants acts (``tuner.worker.guard``).

    Args:
        attempts_mib: What is to be offered to attempts; None for what is left.
        total_mib: The machine's, or the container's.
        available_mib: What is not in use now.
        shared_mib: What may be shared memory; None where that has no limit of its own.

    Raises:
        ExecutorError: It is more than there is, or nothing.
    """
    if attempts_mib is not None and not 0 < attempts_mib <= total_mib:
        raise ExecutorError(
            f"executor.memory_mib: {attempts_mib:g} MiB cannot be offered, this machine has {total_mib:.0f} MiB",
            hint="leave it out to offer what is left",
        )
    objects = min(max(OBJECTS_SHARE * available_mib, LEAST_OBJECTS_MIB), MOST_OBJECTS_MIB)
    if shared_mib is not None:
        objects = min(objects, max(0.9 * shared_mib, LEAST_OBJECTS_MIB))
    left = available_mib - objects - RAY_MIB - RESERVE_SHARE * total_mib
    attempts = attempts_mib if attempts_mib is not None else max(left, available_mib / 4)
    return Division(int(attempts * _MIB), int(objects * _MIB))
