"""``tuner.checkpoint`` and ``tuner.save_checkpoint``: how a program that knows nothing of its trial goes on and saves."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tuner.core.ports import SavedCheckpoint
from tuner.worker.reporting import running, send

__all__ = ["FOLDER_VARIABLE", "FROM_VARIABLE", "STEP_VARIABLE", "checkpoint", "save_checkpoint"]

FROM_VARIABLE = "TUNER_CHECKPOINT"
STEP_VARIABLE = "TUNER_CHECKPOINT_STEP"
FOLDER_VARIABLE = "TUNER_CHECKPOINT_DIR"


def checkpoint() -> SavedCheckpoint | None:
    """What a program that a ``command`` objective started goes on from; None to start from nothing, as when it is run by hand.

    Inside a ``function`` objective this is ``context.checkpoint``.
    """
    context = running.get()
    if context is not None:
        return context.checkpoint
    path = os.environ.get(FROM_VARIABLE)
    return SavedCheckpoint(Path(path), int(os.environ[STEP_VARIABLE])) if path else None


@contextmanager
def save_checkpoint(step: int) -> Iterator[Path]:
    """An empty folder to write into, which is a checkpoint when the ``with`` block has ended well; before that step's report.

    Inside a ``function`` objective this is ``context.save_checkpoint``. In a program run by hand the folder is a temporary one
    and goes at the end of the block.

    Args:
        step: A whole number above that of the last checkpoint.

    Raises:
        TypeError: The step is no whole number.
    """
    context = running.get()
    if context is not None:
        with context.save_checkpoint(step) as folder:
            yield folder
        return
    if isinstance(step, bool) or not hasattr(type(step), "__index__"):
        raise TypeError(f"tuner.save_checkpoint: the step must be a whole number, got {step!r:.80}")
    parent = os.environ.get(FOLDER_VARIABLE)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=parent or None))
    try:
        yield draft
        if parent:
            draft.rename(Path(parent) / str(step.__index__()))
            send(json.dumps({"checkpoint": step.__index__()}) + "\n")
    finally:
        shutil.rmtree(draft, ignore_errors=True)
