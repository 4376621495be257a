"""Who judges reports."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

from tuner.trial import Trial

__all__ = [
    "Promotion",
    "Pruner",
    "Verdict",
]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a pruner says of a report.

    Attributes:
        decision: ``go`` on, ``stop`` for good, or ``pause`` until the pruner promotes the trial.
        reason: Why, in one sentence for a person.
        rung: Position of the rung at which the trial was compared, from 0; None without rungs.
        step: The step at which it was compared.
        rank: Its place there, from 1 for the best; None when it was not ranked.
        of: Among how many, itself included.
        threshold: Value from which on trials go on, in the metric's own sense; None when there is none.
    """

    decision: Literal["go", "stop", "pause"]
    reason: str
    rung: int | None = None
    step: float | None = None
    rank: int | None = None
    of: int | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Promotion:
    """A paused trial that is to go on, and why."""

    trial: int
    reason: str


class Pruner(ABC):
    """Judges reports. ``__init__(self, metric: Metric, **options)``.

    Called inside the pure core: no clock, no chance, no I/O, no library; the same calls give the same verdicts. Work and
    memory per report do not grow with the number of trials faster than its logarithm. (``optuna``, which hands reports to a
    pruner of Optuna's, keeps to the first sentence only as far as that does, and not to the second.)

    Attributes:
        promotes: Whether it pauses trials and has some of them go on later.
        brackets: Among how many brackets it deals trials out; 1 for none.
        explains: Whether ``judge`` shall give reasons also where a trial goes on. Off but for ``tuner explain``.
    """

    promotes: bool = False
    brackets: int = 1
    explains: bool = False

    def admit(self, trial: int) -> None:  # noqa: B027 -- most pruners learn of a trial by its first report
        """A trial was suggested. Called in the order of numbers, before its first report."""

    def bracket(self, trial: int) -> int:
        """In which of its ``brackets`` trial ``trial`` is; depends on nothing but the number."""
        return 0

    @abstractmethod
    def judge(self, trial: int, step: int, value: float) -> Verdict | None:
        """What is to become of the trial after this report; None to go on.

        Steps of one trial rise from call to call; values are finite. A trial that was told to stop is not judged again, one
        that was told to pause not before it is promoted. What it reported in between, as a pause takes a moment to reach
        it, is judged right then, in order: it may be paused again or stopped by it before it goes on.
        """

    def promote(self) -> Promotion | None:
        """The paused trial that should go on first, now that a worker is free; None for none.

        The core asks before it asks the sampler for a new trial. What is returned is no longer paused.
        """
        return None

    def rescue(self) -> Promotion | None:
        """The paused trial that runs to its end, judged no more, as nothing else is left to run and none is COMPLETE."""
        return None

    def finish(self, trial: Trial) -> None:  # noqa: B027 -- most pruners do not care how a trial ended
        """The trial ended: forget it, or learn from it."""
