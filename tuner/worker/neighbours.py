"""What the worker processes of one node tell each other of their memory: a small file each, in a folder of the node's.

A node may offer less memory to attempts than its machine has, and several attempts may outgrow their grants together while
none of them does by much. So each process says what it holds and what it was granted, and who is above its grant adds up.
"""

from __future__ import annotations

import contextlib
import os
import struct
from pathlib import Path
from typing import NamedTuple

__all__ = ["IDLE", "Neighbours", "Others"]

IDLE = -1.0

_ROW = struct.Struct("<dd")


class Others(NamedTuple):
    """All other worker processes of the node that run attempts together, in MiB.

    Those that run nothing are left out: no grant covers what an idle process holds, and what a node offers is for attempts.

    Attributes:
        held_mib: What they hold.
        promised_mib: What they were granted and do not hold yet.
    """

    held_mib: float
    promised_mib: float


class Neighbours:
    """This process among those of its node.

    Args:
        folder: The same for all of them and for no others; made when it is not there.
        budget_mib: What the node offers to attempts in all, in MiB.

    Raises:
        OSError: The folder cannot be written.
    """

    def __init__(self, folder: Path, budget_mib: float) -> None:
        self.budget_mib = budget_mib
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._name = str(os.getpid())
        self._file = os.open(folder / self._name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def tell(self, held_mib: float, grant_mib: float) -> None:
        """What this process holds, and what it was granted (0 for no limit); ``IDLE`` while it runs nothing."""
        os.pwrite(self._file, _ROW.pack(held_mib, grant_mib), 0)

    def others(self) -> Others:
        """Add up what the others have told; files of processes that are gone are removed."""
        held = promised = 0.0
        for name in os.listdir(self._folder):
            if name == self._name:
                continue
            with contextlib.suppress(OSError, struct.error, ValueError):
                if _lives(int(name)):
                    holds, granted = _ROW.unpack((self._folder / name).read_bytes())
                    if granted != IDLE:
                        held += holds
                        promised += max(0.0, granted - holds)
                else:
                    (self._folder / name).unlink()
        return Others(held, promised)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
