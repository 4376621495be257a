"""The processes of a Ray that we started: all of them are to be gone when it is closed, and no others."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import psutil

__all__ = ["end_processes", "started_processes"]

_KILL_WAIT_S = 0.3


def started_processes() -> list[psutil.Process]:
    """Those that Ray started for this process's cluster, and theirs: daemons, workers, what workers started."""
    import ray

    node = getattr(ray._private.worker, "_global_node", None)  # no public way to ask
    found: list[psutil.Process] = []
    for infos in getattr(node, "all_processes", {}).values():
        for info in infos:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(info.process.pid)
                found += [process, *process.children(recursive=True)]
    return found


def end_processes(processes: Sequence[psutil.Process], wait_s: float) -> None:
    """Wait for these to end by themselves, and kill those that have not after ``wait_s`` seconds.

    Some of Ray's look after their parent only now and then, and go on for seconds on a busy machine.
    """
    _, left = psutil.wait_procs(processes, timeout=wait_s)
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(left, timeout=_KILL_WAIT_S)
