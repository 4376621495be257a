"""The words for what happens to one set of parameters: trial, attempt, report, outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from tuner.resources import Resources, Usage

__all__ = [
    "Attempt",
    "Checkpoint",
    "Completed",
    "Failed",
    "FailureKind",
    "Outcome",
    "ParamValue",
    "Params",
    "Pruned",
    "Report",
    "Trial",
    "TrialState",
]

ParamValue = str | int | float | bool | None
Params = Mapping[str, ParamValue]


class TrialState(StrEnum):
    """Optuna's five states."""

    WAITING = "WAITING"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAIL = "FAIL"

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to a trial in this state."""
        return self in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


class FailureKind(StrEnum):
    """Why an attempt failed."""

    RAISED = "raised"
    INVALID_PARAMS = "invalid_params"
    BAD_REPORT = "bad_report"
    OUT_OF_MEMORY = "out_of_memory"
    TIMEOUT = "timeout"
    HUNG = "hung"
    WORKER_LOST = "worker_lost"
    NODE_LOST = "node_lost"
    PREEMPTED = "preempted"
    COMMAND_EXIT = "command_exit"
    STOPPED = "stopped"

    @property
    def blames_params(self) -> bool:
        """Whether a trial that failed so would fail anywhere: its parameters cannot work, or no node has memory enough."""
        return self in (FailureKind.INVALID_PARAMS, FailureKind.OUT_OF_MEMORY)


@dataclass(frozen=True, slots=True)
class Completed:
    """The attempt ran to its end.

    Attributes:
        values: Every final metric by name, finite; holds at least the study's metrics. Empty when the attempt went on from a
            checkpoint and had nothing left to do: the trial's last report is its result.
    """

    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Pruned:
    """The attempt ended early because it was asked to, or because it chose to (``TrialPruned``).

    Attributes:
        step: Last step that it reported; None when it reported nothing.
    """

    step: int | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt ended without a result.

    Attributes:
        kind: Why.
        message: For a person: the exception with its traceback, the exit code, the limit that was passed.
    """

    kind: FailureKind
    message: str = ""


Outcome = Completed | Pruned | Failed


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What an attempt saved, so that another one can go on from there.

    Attributes:
        step: The step after which it was saved.
        place: Where it lies: a path or URL that any worker of the study can load.
        size_mib: How large it is.
    """

    step: int
    place: str
    size_mib: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """Intermediate values of one attempt.

    Attributes:
        at_s: When the driver received it, seconds since the epoch (virtual seconds in a simulation).
        trial: Trial number.
        attempt: Attempt number within the trial, from 1.
        step: Position, rising within an attempt: boosting round, epoch, fold, ...
        values: Metric name -> value.
    """

    at_s: float
    trial: int
    attempt: int
    step: int
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One execution of a trial, as it stands.

    Attributes:
        trial: Trial number.
        number: From 1 within the trial.
        grant: The resources that it was given.
        node_id: Where it runs or ran; None until that is known.
        started_at: When it began to run; None when that was never learned.
        finished_at: When it ended; None while it runs.
        outcome: How it ended; None while it runs.
        usage: What it was measured to use; None while it runs or when it could not be measured.
        stop_reason: Why the engine asked it to stop; None when it did not.
    """

    trial: int
    number: int
    grant: Resources
    node_id: str | None = None
    started_at: float | None = None
    finished_at: float | None = None
    outcome: Outcome | None = None
    usage: Usage | None = None
    stop_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """One set of parameters, as it stands.

    Attributes:
        number: From 0, in the order of suggestion.
        state: One of Optuna's five.
        params: The parameters that are active, by name.
        values: Final metrics by name; of a PRUNED trial the last values reported; empty otherwise.
        attempts: How many attempts were begun.
        steps: How many different steps were reported.
        last_step: Last step that was reported; None when none was.
        started_at: When its first attempt began to run; None when none did.
        finished_at: When it ended; None before.
        wall_s: Seconds that its attempts ran, all together.
        failure: How its last attempt failed; None unless the state is FAIL.
        violation: By how much the study's constraints are violated, each relative to its bound, all together; 0.0 when it
            is feasible, and for trials that are not COMPLETE.
    """

    number: int
    state: TrialState
    params: Params
    values: Mapping[str, float]
    attempts: int = 0
    steps: int = 0
    last_step: int | None = None
    started_at: float | None = None
    finished_at: float | None = None
    wall_s: float = 0.0
    failure: Failed | None = None
    violation: float = 0.0
