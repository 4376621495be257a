"""One moment of a study, as values that any thread and any display may read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tuner.resources import Resources
from tuner.study import Limits, Metric

__all__ = ["Best", "Counts", "FailureNote", "Progress", "RunningTrial", "Snapshot", "headline"]


def headline(message: str) -> str:
    """The line of a failure's message that says most: a traceback's exception, else the first line with anything.

    What would move a terminal's cursor is taken out, and no more than 300 characters are kept.
    """
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if not lines:
        return ""
    line = lines[-1] if lines[0].startswith("Traceback (") else lines[0]
    return "".join(char if char.isprintable() else " " for char in line[:300])


@dataclass(frozen=True, slots=True)
class Counts:
    """Trials by how they stand, the attempts that failed and were tried again, and how often a paused trial went on.

    ``cut`` trials ended without a result because the sweep did.
    """

    waiting: int = 0
    running: int = 0
    complete: int = 0
    pruned: int = 0
    failed: int = 0
    retried: int = 0
    paused: int = 0
    promoted: int = 0
    cut: int = 0

    @property
    def finished(self) -> int:
        """Trials to which nothing more happens."""
        return self.complete + self.pruned + self.failed + self.cut


@dataclass(frozen=True, slots=True)
class Best:
    """The best complete trial so far; ``finished_since`` counts the trials that finished after it.

    ``feasible`` is False while no trial keeps to the constraints: it is the one that violates them least then.
    """

    trial: int
    value: float
    finished_since: int
    feasible: bool = True


@dataclass(frozen=True, slots=True)
class RunningTrial:
    """A trial that runs now. ``step`` and ``value`` are its last report's, None before the first."""

    trial: int
    attempt: int
    step: int | None
    value: float | None
    for_s: float
    stopping: bool


@dataclass(frozen=True, slots=True)
class FailureNote:
    """A failed attempt in one line; ``final`` when its trial failed with it."""

    trial: int
    attempt: int
    kind: str
    text: str
    final: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the limit is that will be reached first. ``unit`` is ``trials`` or ``s``."""

    done: float
    limit: float
    unit: str

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return min(self.done / self.limit, 1.0) if self.limit > 0 else 1.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a display shows at one moment; safe to hand to another thread.

    Attributes:
        name: The study's; None before it was opened.
        metric: The first metric; None likewise.
        phase: What the driver is about before and after the trials, for a person; empty while they run.
        details: ``store``, ``executor``, ``dashboard``, ``logs``, as far as they are there.
        ended: The study's state once it was closed; None before.
        draining: ``drain`` or ``stop`` once a person asked for it.
        counts: Trials by how they stand.
        failures: Failed trials by kind.
        limits: When the study ends.
        elapsed_s: How long its drivers have run, all together.
        session_s: How long this driver has.
        cpu_s: CPU seconds that this driver's ended attempts used.
        per_minute: Trials that finish in a minute; None before the first.
        left_s: When it will end at this pace; None when that cannot be said.
        progress: How far it is; None without a limit that can be shown.
        best: None before the first complete trial.
        history: Best value over time, evenly spaced.
        feasible: How many complete trials keep to the constraints; None without constraints.
        front: How many different trials no other one beats; None with one metric.
        used: What running attempts were granted.
        total: What the nodes have.
        n_nodes: How many there are.
        running: The trials that have run longest, a few.
        failure: The last failed attempt.
    """

    name: str | None
    metric: Metric | None
    phase: str
    details: Mapping[str, str]
    ended: str | None
    draining: str | None
    counts: Counts
    failures: Mapping[str, int]
    limits: Limits
    elapsed_s: float
    session_s: float
    cpu_s: float
    per_minute: float | None
    left_s: float | None
    progress: Progress | None
    best: Best | None
    history: tuple[float, ...]
    used: Resources
    total: Resources
    n_nodes: int
    running: tuple[RunningTrial, ...]
    failure: FailureNote | None
    feasible: int | None = None
    front: int | None = None
