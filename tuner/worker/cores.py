"""Holds this process to as many cores of the machine as it was granted, so that no library can take more.

Thread pools are bound too (``tuner.worker.bounds``), but there are libraries that have not heard of it, and programs in other
languages. What a process may run on holds for all of its threads and for all that it starts.

Who gets which core is settled by a lock file for each core of the machine, for all worker processes of a user on it, whatever
cluster or study they belong to: two attempts never share a core while another one is free. The lock is held while attempts
run and goes with the process. Where it cannot be settled, the choice is left to the kernel, as before: for grants that are
no whole number, when all other cores are taken (the cluster was told of more CPUs than there are), in a container
whose CPU time is limited by a quota (it does not know which cores its neighbours use), and where Linux is not.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["Cores", "hold_cores", "release_cores"]

_CPUS = Path("/sys/devices/system/cpu")
_CGROUPS = Path("/sys/fs/cgroup")


class Cores:
    """The cores of the machine, as far as this process may use them.

    Args:
        folder: Where the lock files are; the same for all that share the machine.

    Raises:
        OSError: The folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.all = frozenset(os.sched_getaffinity(0))
        self._order = sorted(self.all, key=lambda core: (_place_on_its_core(core), core))
        self._folder = folder
        self._locks: dict[int, int] = {}  # core -> its open file
        self._last: tuple[int, ...] = ()
        self.held: tuple[int, ...] = ()
        self._bound_to = self.all
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def hold(self, cpu: float) -> None:
        """Take ``cpu`` cores and run on them alone; on all of them where that cannot be."""
        n = int(cpu)
        self.held = self._taken(n) if n == cpu and 0 < n < len(self.all) else ()
        self._bind(frozenset(self.held) or self.all)

    def release(self) -> None:
        """Let others have them. This process stays where it is until it gets others: it does next to nothing meanwhile."""
        for core in self.held:
            _unlock(self._locks[core])
        self._last, self.held = self.held or self._last, ()

    def _taken(self, n: int) -> tuple[int, ...]:
        """The cores of the last time if they are free, so that nothing changes; else any that are."""
        taken: list[int] = []
        for core in dict.fromkeys([*self._last, *self._order]):
            if len(taken) == n:
                break
            if self._lock(core):
                taken.append(core)
        if len(taken) == n:
            return tuple(taken)
        for core in taken:
            _unlock(self._locks[core])
        return ()

    def _lock(self, core: int) -> bool:
        import fcntl

        if core not in self._locks:
            self._locks[core] = os.open(self._folder / str(core), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._locks[core], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _bind(self, cores: frozenset[int]) -> None:
        """Every thread there is, and with them those that they start."""
        if cores == self._bound_to:
            return
        for thread in os.listdir("/proc/self/task"):
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread), cores)
        self._bound_to = cores


def _unlock(file: int) -> None:
    import fcntl

    fcntl.flock(file, fcntl.LOCK_UN)


def _place_on_its_core(cpu: int) -> int:
    """0 for the first hardware thread of a physical core, 1 for the second: whole cores are given before halves of them."""
    try:
        text = (_CPUS / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text()
    except OSError:
        return 0
    siblings: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        siblings += range(int(first), int(last or first) + 1)
    return siblings.index(cpu) if cpu in siblings else 0


def _has_quota(cgroups: Path = _CGROUPS) -> bool:
    """Whether CPU time is limited by a quota, as that of containers mostly is."""
    with contextlib.suppress(OSError):
        return not (cgroups / "cpu.max").read_text().startswith("max")
    with contextlib.suppress(OSError, ValueError):
        return int((cgroups / "cpu" / "cpu.cfs_quota_us").read_text()) > 0
    return False


def _folder() -> Path:
    return Path(tempfile.gettempdir()) / f"tuner-cores-{os.getuid()}"


_here: list[tuple[int, Cores | None]] = []  # of which process, and its cores; None where there is nothing to hold


def _cores() -> Cores | None:
    if not _here or _here[0][0] != os.getpid():
        cores: Any = None
        if hasattr(os, "sched_setaffinity") and os.path.isdir("/proc/self/task") and not _has_quota():
            with contextlib.suppress(OSError):
                cores = Cores(_folder())
        _here[:] = [(os.getpid(), cores)]
    return _here[0][1]


def hold_cores(cpu: float) -> None:
    """Hold this process to ``cpu`` cores of its machine, until ``release_cores``."""
    cores = _cores()
    if cores is not None:
        with contextlib.suppress(OSError):  # no such file any more, or the kernel refuses: the bound on threads stands
            cores.hold(cpu)


def release_cores() -> None:
    """Others may have the cores that this process held."""
    cores = _cores()
    if cores is not None:
        cores.release()
