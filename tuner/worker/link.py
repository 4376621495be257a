"""The border between one attempt and whoever runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from tuner.core.actions import Stop
from tuner.resources import Usage
from tuner.trial import Checkpoint, Failed, FailureKind, Outcome
from tuner.worker.checkpoints import Keeper

__all__ = ["AttemptFailed", "AttemptResult", "Link"]


class Link(Protocol):
    """What one attempt has of its driver; each executor implements it. Used from the thread that runs the attempt."""

    def report(self, step: int, values: Mapping[str, float]) -> None:
        """Send intermediate values, which were checked: steps rise, values are finite. Returns at once."""

    def saved(self, checkpoint: Checkpoint) -> None:
        """Tell of a checkpoint that is durable, in order with the reports. Returns at once."""

    @property
    def keeper(self) -> Keeper:
        """Where checkpoints are kept. Asked for when the attempt has one to go on from, or saves one."""

    @property
    def stop(self) -> Stop | None:
        """The engine's request to stop; None while there is none. Read at each report, so it must be cheap."""

    @property
    def received_mib(self) -> float:
        """What came to this process for the attempt before it began (the objective, to a process's first one), in MiB."""

    @property
    def end_process(self) -> Callable[[Failed, Usage], None] | None:
        """Tells the driver how the attempt ended, waits a moment for it to know, and ends this process; used from any thread.

        None where the process is the user's own.
        """

    def log(self, text: str) -> None:
        """Text of the attempt's log that did not go through this process's output, for live display.

        Called only where no log source is installed (``Capture``, ``Tee``); the text is in ``AttemptResult.log`` anyway.
        """


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """How one attempt ended.

    Attributes:
        trial: Trial number.
        attempt: Attempt number, from 1.
        outcome: How it ended.
        usage: What it was measured to use.
        log: What it printed, at most ``LOG_LIMIT_BYTES``: head and tail kept, the cut marked. Empty without a log source
            (``Capture.install``, ``Tee.install``), but for what was given to ``context.log``.
    """

    trial: int
    attempt: int
    outcome: Outcome
    usage: Usage
    log: bytes


class AttemptFailed(Exception):  # noqa: N818 -- it carries a failure of the attempt, it is not an error of the program
    """Raised by an objective of ours to end the attempt as ``Failed(kind, message)``.

    Args:
        kind: The kind of failure.
        message: For a person, complete: no traceback is added.
        killed: Whether something killed a program of the attempt's outright (signal 9): above its grant of memory it
            ended for want of memory then.
    """

    def __init__(self, kind: FailureKind, message: str, *, killed: bool = False) -> None:
        super().__init__(message)
        self.kind, self.message, self.killed = kind, message, killed
