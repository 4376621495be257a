"""The processes of a node: those that carry its mark in their environment, and what descends from them. No others."""

from __future__ import annotations

import contextlib
import os
import time

import psutil

__all__ = ["MARK", "end_node", "node_processes"]

MARK = "TUNER_NODE_MARK"
_TERM_WAIT_S = 3.0
_KILL_WAIT_S = 2.0
_LOOK_EVERY_S = 0.05


def node_processes(mark: str) -> list[psutil.Process]:
    """Those of the node with this mark, without this process and those that it descends from.

    Ray's workers overwrite the memory in which the kernel keeps their environment (their title is there), so they show no
    mark and are found as children of the node's raylet.
    """
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == mark:
                found[process.pid] = process
                found.update((child.pid, child) for child in process.children(recursive=True))
    return [process for pid, process in found.items() if pid not in spared and not _other_mark(process, mark)]


def _other_mark(process: psutil.Process, mark: str) -> bool:
    """Whether it belongs to another node: the autoscaler on the head starts the workers, which descend from it at first."""
    with contextlib.suppress(psutil.Error):
        return process.environ().get(MARK, mark) != mark
    return False


def end_node(mark: str) -> None:
    """End the node's processes: politely, and by force those that are there after three seconds."""
    processes = node_processes(mark)
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    left = _those_left(processes, _TERM_WAIT_S)
    left += [process for process in node_processes(mark) if process not in left]  # started while we waited
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    _those_left(left, _KILL_WAIT_S)


def _those_left(processes: list[psutil.Process], wait_s: float) -> list[psutil.Process]:
    """Wait until these have ended, and return those that have not. A zombie has: whoever should bury it may never do so."""
    end_s = time.monotonic() + wait_s
    while (left := [process for process in processes if _lives(process)]) and time.monotonic() < end_s:
        time.sleep(_LOOK_EVERY_S)
    return left


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
