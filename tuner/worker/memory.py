"""Memory of this process: what it holds, its peak, its base, and how what was freed goes back to the system."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
from functools import cache
from typing import Any, NamedTuple

__all__ = ["Held", "OwnMemory", "give_back", "own_memory", "process_base", "take_base"]

GIVE_BACK_ABOVE = 32 << 20
"""Bytes held above what the last giving back had left, below which it is not worth the time."""

_KIB = 1024


class Held(NamedTuple):
    """Memory at one moment, in bytes, without the pages of shared memory (Ray's object store): those are the node's.

    Attributes:
        now: Resident and swapped out.
        peak: The highest since ``OwnMemory.reset_peak``; ``now`` where the kernel does not say.
    """

    now: int
    peak: int


class OwnMemory:
    """Reads this process's memory: about 20 microseconds on Linux, where it is exact."""

    def __init__(self) -> None:
        self._status = _open("/proc/self/status", os.O_RDONLY)
        self._clear = _open("/proc/self/clear_refs", os.O_WRONLY)
        self._process: Any = None
        self._shared = 0  # the most of it since the peak was reset
        if self._status is None:
            import psutil

            self._process = psutil.Process()

    def read(self) -> Held:
        """Look.

        The kernel's peak includes shared pages, and does not say how many there were then. They only become more while an
        attempt reads its data, so the most that was seen is taken off: a private peak before the data were touched is
        exact to the size of what was touched later.
        """
        if self._status is None:
            held = int(self._process.memory_info().rss)
            return Held(held, held)
        text = os.pread(self._status, 8192, 0)
        shared = _field(text, b"\nRssShmem:")
        self._shared = max(self._shared, shared)
        swapped = _field(text, b"\nVmSwap:")
        now = _field(text, b"\nVmRSS:") - shared + swapped
        peak = _field(text, b"\nVmHWM:") - self._shared + swapped if self._clear is not None else 0
        return Held(now, max(now, peak))

    def reset_peak(self) -> None:
        """From now on ``peak`` is that of what follows, where the kernel can do it."""
        self._shared = 0
        if self._clear is not None:
            try:
                os.write(self._clear, b"5")
            except OSError:
                self._clear = None


def _field(text: bytes, name: bytes) -> int:
    at = text.find(name)
    if at < 0:
        return 0
    at += len(name)
    return int(text[at : at + 32].split(maxsplit=1)[0]) * _KIB


def _open(path: str, flags: int) -> int | None:
    try:
        return os.open(path, flags | os.O_CLOEXEC)
    except OSError:
        return None


class _Process:
    """What is known of this process's memory."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.memory = OwnMemory()
        self.base: int | None = None
        self.floor = 0  # what it held after the last giving back


_known: _Process | None = None


def _process() -> _Process:
    """A forked child has a memory of its own."""
    global _known
    if _known is None or _known.pid != os.getpid():
        _known = _Process()
    return _known


def own_memory() -> OwnMemory:
    """This process's, with its files open."""
    return _process().memory


def take_base() -> int:
    """What this process holds now is its base: called when the objective has been loaded and nothing has run yet."""
    process = _process()
    process.base = process.floor = process.memory.read().now
    return process.base


def process_base() -> int:
    """The base in bytes; taken now if it never was."""
    base = _process().base
    return take_base() if base is None else base


def give_back(held: int) -> bool:
    """Return to the system what was freed and is kept by the allocator; whether anything was tried.

    A process between attempts has no grant: what it keeps is in everybody's way. Garbage is collected only where trimming
    alone leaves much, because a large heap takes a tenth of a second for it; and what stays after that, a cache of prepared
    data for instance, is not tried again.

    Args:
        held: What the process holds now, in bytes, as ``OwnMemory.read`` says; little costs nothing.
    """
    process = _process()
    process_base()
    process.floor = min(process.floor, held)
    if held - process.floor <= GIVE_BACK_ABOVE:
        return False
    trim = _malloc_trim()
    trim(0)
    if process.memory.read().now - process.floor > GIVE_BACK_ABOVE:
        gc.collect()
        trim(0)
    process.floor = process.memory.read().now
    return True


@cache
def _malloc_trim() -> Any:
    with contextlib.suppress(OSError, AttributeError):
        return ctypes.CDLL(None).malloc_trim
    return lambda pad: 0  # no glibc: its allocator has ways of its own
