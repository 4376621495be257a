"""Checkpoints of a program: what it is told to go on from, and what it says that it has saved."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuner.core.ports import Context
from tuner.trial import FailureKind
from tuner.worker import AttemptFailed
from tuner.worker.saving import FOLDER_VARIABLE, FROM_VARIABLE, STEP_VARIABLE

__all__ = ["Saves", "checkpoint_variables"]


def checkpoint_variables(context: Context) -> dict[str, str]:
    """What tells a program where to save, and what to go on from."""
    folder = context.directory / "saved"
    folder.mkdir(exist_ok=True)
    variables = {FOLDER_VARIABLE: str(folder), FROM_VARIABLE: "", STEP_VARIABLE: ""}
    if context.checkpoint is not None:
        variables |= {FROM_VARIABLE: str(context.checkpoint.path), STEP_VARIABLE: str(context.checkpoint.step)}
    return variables


class Saves:
    """Takes what a program says that it has saved: a line ``{"checkpoint": 3}`` for what it has written into ``<folder>/3``.

    Args:
        context: Of the attempt.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def take(self, document: Mapping[str, Any]) -> bool:
        """Look at one line; False when it is about something else.

        Raises:
            AttemptFailed: It names no step, or what was saved is not there.
            BadReport: The step is not above the last one.
        """
        if set(document) != {"checkpoint"}:
            return False
        step = document["checkpoint"]
        if isinstance(step, float) and step.is_integer():
            step = int(step)  # awk and JavaScript know no whole numbers
        saved = self._context.directory / "saved" / str(step)
        if isinstance(step, int) and not isinstance(step, bool) and not saved.is_dir():
            where = f"there is no folder ${FOLDER_VARIABLE}/{step}"
            raise AttemptFailed(
                FailureKind.BAD_REPORT, f"the program says that it saved checkpoint {step}, but {where}"
            )
        with self._context.save_checkpoint(step) as folder:
            _move(saved, folder)
        return True


def _move(saved: Path, folder: Path) -> None:
    for path in list(saved.iterdir()):
        shutil.move(path, folder / path.name)
    saved.rmdir()
