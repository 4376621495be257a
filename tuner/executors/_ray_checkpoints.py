"""Checkpoints of workers that do not share the driver's file system: they travel through the study's mailbox."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import Any

from tuner.cluster.objects import fetch
from tuner.cluster.wire import Setup
from tuner.errors import ExecutorError
from tuner.worker.checkpoints import Keeper, NotKept, pack, size_mib, unpack

__all__ = ["MOST_TRAVEL_MIB", "keeper_here"]

MOST_TRAVEL_MIB = 512.0  # one piece, held in memory by the worker, by Ray and by the mailbox


def keeper_here(setup: Setup, mailbox: Any) -> Keeper:
    """Where this process keeps checkpoints: on the driver's file system if it is here, else by way of the driver."""
    here: Keeper = setup.keeper
    return here if setup.mark is None or setup.keeper.sees(setup.mark) else _Travelling(mailbox)


class _Travelling:
    """``tuner.worker.checkpoints.Keeper`` that sends and fetches.

    Args:
        mailbox: Its handle; it has the driver's file system, and what it kept is durable when it says so.
    """

    def __init__(self, mailbox: Any) -> None:
        self._mailbox = mailbox

    def draft(self, name: str, scratch: Path) -> Path:
        folder = scratch / uuid.uuid4().hex
        folder.mkdir(parents=True)
        return folder

    def keep(self, draft: Path, name: str) -> tuple[str, float]:
        size = size_mib(draft)
        if size > MOST_TRAVEL_MIB:
            raise ExecutorError(
                f"the checkpoint {name} has {size:.0f} MiB; from a machine that does not share the driver's file system"
                f" at most {MOST_TRAVEL_MIB:.0f} MiB can travel",
                hint="set `checkpoints:` of the executor to a folder that all machines share, or to a URL",
            )
        data = pack(draft)
        shutil.rmtree(draft, ignore_errors=True)
        try:
            place, kept_mib = fetch(self._mailbox.keep.remote(name, data), "the driver to keep a checkpoint")
        except Exception as error:  # the mailbox is gone, or its disk is full; Ray wraps what it raised
            raise NotKept(f"the driver could not keep it: {error}") from error
        return place, kept_mib

    def fetch(self, place: str, scratch: Path) -> Path:
        data = fetch(self._mailbox.bring.remote(place), "a checkpoint from the driver")
        folder = self.draft(place, scratch)
        unpack(data, folder)
        return folder
