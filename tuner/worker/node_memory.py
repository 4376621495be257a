"""How much memory the machine, or the container that this process is in, has left."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["NodeMemory"]

_MIB = 1 << 20
_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class _Limit:
    """A control group that limits memory: how much, and where it says what is used."""

    limit: int
    used: Path
    stat: Path

    def free(self) -> int:
        """Bytes left; files that the kernel keeps in memory count as free, since it drops them first."""
        rows = dict(line.split() for line in self.stat.read_text().splitlines())
        kept = int(rows.get("total_inactive_file") or rows.get("inactive_file") or 0)  # version 1 tells sums apart
        return self.limit - max(0, int(self.used.read_text()) - kept)


class NodeMemory:
    """Memory of the machine, within the limits of the control groups (version 1 or 2) that this process is in.

    Args:
        proc: Where the kernel shows processes.
        cgroups: Where it shows control groups.

    Attributes:
        total_mib: The machine's, or the smallest limit's, in MiB; 0 where nothing says.
    """

    def __init__(self, proc: Path = Path("/proc"), cgroups: Path = _CGROUPS) -> None:
        self._meminfo = proc / "meminfo"
        total = self._machine(b"MemTotal:")
        self._limits = [limit for limit in _limits(proc, cgroups) if total is None or limit.limit < total]
        totals = [limit.limit for limit in self._limits] + ([] if total is None else [total])
        self.total_mib = min(totals, default=0) / _MIB

    def free_mib(self) -> float | None:
        """What is left, in MiB; None where nothing says."""
        found = [self._machine(b"MemAvailable:")]
        for limit in self._limits:
            with contextlib.suppress(OSError, ValueError):
                found.append(limit.free())
        known = [free for free in found if free is not None]
        return max(0, min(known)) / _MIB if known else None

    def _machine(self, name: bytes) -> int | None:
        try:
            text = self._meminfo.read_bytes()
            return int(text[text.index(name) + len(name) :].split(maxsplit=1)[0]) * 1024
        except (OSError, ValueError, IndexError):
            return _by_psutil(name)


def _by_psutil(name: bytes) -> int | None:
    import psutil

    with contextlib.suppress(Exception):  # a system that psutil does not know
        memory = psutil.virtual_memory()
        return int(memory.total if name == b"MemTotal:" else memory.available)
    return None


def _limits(proc: Path, cgroups: Path) -> list[_Limit]:
    """The limits of this process's control groups and of those around them.

    A container often sees its own group as the root, whatever path the kernel gives: so the root is looked at too.
    """
    try:
        lines = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return []
    found = []
    roots: tuple[Path, ...]
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            roots, names = (cgroups, cgroups / "unified"), ("memory.max", "memory.current")
        elif "memory" in controllers.split(","):
            roots, names = (cgroups / "memory",), ("memory.limit_in_bytes", "memory.usage_in_bytes")
        else:
            continue
        for root in roots:
            for folder in _upwards(path):
                with contextlib.suppress(OSError, ValueError):  # not there, or "max"
                    here = root / folder
                    limit = int((here / names[0]).read_text())
                    found.append(_Limit(limit, here / names[1], here / "memory.stat"))
    return found


def _upwards(path: str) -> list[str]:
    parts = [part for part in path.split(os.sep) if part]
    return [os.sep.join(parts[:n]) for n in range(len(parts), -1, -1)]
