"""What the core remembers of a trial that is not finished. Finished trials are forgotten: the store has them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from tuner.core.actions import Stop
from tuner.core.memory import MemoryForecast
from tuner.core.rightsizing import Grant
from tuner.resources import Resources, Usage
from tuner.trial import Attempt, Checkpoint, Failed, Outcome, Params, Trial, TrialState

__all__ = ["LiveTrial"]

NOTHING = Resources(0.0, 0.0, 0.0)
MOST_LATE = 1000
"""Reports kept of a trial that was told to pause: who sends more does not mind; of those the newest stands for the rest."""
_NO_VALUES: Mapping[str, float] = {}


@dataclass(slots=True)
class LiveTrial:
    """One trial between its suggestion and its end, with its current attempt if it has one.

    Attributes:
        grant: What the current or, between attempts, the last attempt got.
        forecast: The prediction of memory behind it; None when there was none.
        floor: What the next attempt gets at least, since one ran out of it.
        passed: How many others were started while this one waited for a node with enough room.
        lane: Lane of the attempt in flight; None when none is.
        started_at: When the first attempt began to run.
        attempt_started_at: When the current one did; None until that is known.
        retries: Failed attempts that count against the retry budget.
        losses: Failed attempts that do not: lost with their node, to a preemption or with the driver.
        stop: What the current attempt was asked; None while it was asked nothing.
        paused: Whether it waits for the pruner to promote it; no attempt is in flight then.
        promoted: Whether it was promoted before the attempt that was told to pause had ended.
        goes_on: Whether its next attempt is the one that it was promoted to.
        late: (step, value) of what it reported after it had been told to pause, not judged yet.
        checkpoint: What the next attempt goes on from: the latest of its own, else its parent's; None for nothing.
        saved_step: Step of the latest checkpoint of its own; None when it has none.
        started_from: What the current attempt went on from.
        peak_memory_mib: Highest memory seen in any attempt.
        line_wall_s: Seconds that led to where it stands: of attempts that each went on from the one before.
        line_cpu_s: The same in CPU seconds.
    """

    number: int
    params: Params
    grant: Resources = NOTHING
    forecast: MemoryForecast | None = None
    floor: Resources = NOTHING
    passed: int = 0
    attempts: int = 0
    lane: int | None = None
    node_id: str | None = None
    started_at: float | None = None
    attempt_started_at: float | None = None
    retries: int = 0
    losses: int = 0
    wall_s: float = 0.0
    steps: int = 0
    last_step: int | None = None
    last_values: Mapping[str, float] = field(default_factory=dict)
    stop: Stop | None = None
    paused: bool = False
    promoted: bool = False
    goes_on: bool = False
    late: deque[tuple[int, float]] | None = None
    checkpoint: Checkpoint | None = None
    saved_step: int | None = None
    started_from: Checkpoint | None = None
    peak_memory_mib: float = 0.0
    line_wall_s: float = 0.0
    line_cpu_s: float = 0.0

    def begin_attempt(self, lane: int, grant: Grant) -> None:
        """A new attempt is handed to the executor."""
        self.attempts += 1
        self.grant, self.forecast, self.passed = grant.resources, grant.forecast, 0
        self.lane = lane
        self.started_from = self.checkpoint
        if self.saved_step is None:
            self.line_wall_s = self.line_cpu_s = 0.0
        self.node_id = self.attempt_started_at = self.stop = None

    def mark_started(self, at_s: float, node_id: str | None) -> None:
        """The current attempt began to run."""
        self.attempt_started_at, self.node_id = at_s, node_id
        if self.started_at is None:
            self.started_at = at_s

    def keep_late(self, step: int, value: float) -> None:
        """It reported although it had been told to pause: that is judged when it is promoted."""
        if self.late is None:
            self.late = deque()
        elif len(self.late) == MOST_LATE:
            self.late.pop()
        self.late.append((step, value))

    def end_attempt(self, at_s: float, usage: Usage | None) -> None:
        """The current attempt ended; its wall time is taken from its usage, else from the driver's clock."""
        self.lane = None
        if usage is not None:
            self.wall_s += usage.wall_s
            self.line_wall_s += usage.wall_s
            self.line_cpu_s += usage.cpu_s
            self.peak_memory_mib = max(self.peak_memory_mib, usage.peak_memory_mib)
        elif self.attempt_started_at is not None:
            self.wall_s += at_s - self.attempt_started_at

    @property
    def measured(self) -> Mapping[str, float]:
        """What constraints may be on besides what the objective returns."""
        return {"peak_memory_mib": self.peak_memory_mib, "wall_s": self.line_wall_s, "cpu_s": self.line_cpu_s}

    def attempt_row(
        self, outcome: Outcome | None = None, finished_at: float | None = None, usage: Usage | None = None
    ) -> Attempt:
        """The current attempt as it stands."""
        return Attempt(
            trial=self.number,
            number=self.attempts,
            grant=self.grant,
            node_id=self.node_id,
            started_at=self.attempt_started_at,
            finished_at=finished_at,
            outcome=outcome,
            usage=usage,
            stop_reason=self.stop.reason if self.stop else None,
        )

    def row(
        self,
        state: TrialState,
        *,
        values: Mapping[str, float] = _NO_VALUES,
        finished_at: float | None = None,
        failure: Failed | None = None,
        violation: float = 0.0,
    ) -> Trial:
        """The trial as it stands."""
        return Trial(
            number=self.number,
            state=state,
            params=self.params,
            values=values,
            attempts=self.attempts,
            steps=self.steps,
            last_step=self.last_step,
            started_at=self.started_at,
            finished_at=finished_at,
            wall_s=self.wall_s,
            failure=failure,
            violation=violation,
        )

    def story(self) -> list[str]:
        """What is known of the trial, for an ``InvalidTransition``."""
        return [
            f"params: {dict(self.params)}",
            f"attempts begun: {self.attempts}, counted retries: {self.retries}, losses: {self.losses}, lane: {self.lane}",
            f"steps reported: {self.steps}, last: {self.last_step} {dict(self.last_values)}",
            f"asked to stop: {self.stop.reason if self.stop else 'no'}, paused: {self.paused}, checkpoint: {self.checkpoint}",
        ]
