"""What happened: the only input of the core, and the study's log.

``at_s`` is when the driver learned of it: seconds since the epoch, virtual seconds in a simulation. It never falls within
one driver's life. Delivery is at least once and in any order between attempts; the core drops what is stale (an old
attempt, a step not above the last one, a finished trial) by rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tuner.resources import Node, Usage
from tuner.study import Limits, StudySpec
from tuner.trial import Outcome, Params

__all__ = [
    "CommandReceived",
    "Event",
    "Finished",
    "NodeJoined",
    "NodeLost",
    "Reported",
    "SpaceExhausted",
    "Started",
    "StudyOpened",
    "StudyResumed",
    "Suggested",
    "TimerFired",
]


@dataclass(frozen=True, slots=True)
class StudyOpened:
    """First event of every log: the study as it was asked for."""

    at_s: float
    spec: StudySpec


@dataclass(frozen=True, slots=True)
class StudyResumed:
    """A new driver took the study up: no node is known any more, and every attempt that was running is lost.

    Attributes:
        limits: The limits from now on; None to keep them.
    """

    at_s: float
    limits: Limits | None = None


@dataclass(frozen=True, slots=True)
class NodeJoined:
    """A node can take attempts. A second one for the same node replaces what was known of it."""

    at_s: float
    node: Node


@dataclass(frozen=True, slots=True)
class NodeLost:
    """A node takes no more attempts. Those that ran on it end by ``Finished`` events of their own."""

    at_s: float
    node_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Suggested:
    """The sampler chose the parameters of a new trial.

    Attributes:
        trial: Its number, the next one in order.
        params: The active parameters.
        sampler_state: What the sampler must have back to go on exactly, in its own words; None for nothing.
    """

    at_s: float
    trial: int
    params: Params
    sampler_state: str | None = None


@dataclass(frozen=True, slots=True)
class SpaceExhausted:
    """The sampler has nothing left to suggest."""

    at_s: float


@dataclass(frozen=True, slots=True)
class Started:
    """An attempt began to run."""

    at_s: float
    trial: int
    attempt: int
    node_id: str | None = None


@dataclass(frozen=True, slots=True)
class Reported:
    """An attempt reported intermediate values."""

    at_s: float
    trial: int
    attempt: int
    step: int
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Finished:
    """An attempt ended. The executor sends one for every ``Start``, sooner or later, however the attempt died."""

    at_s: float
    trial: int
    attempt: int
    outcome: Outcome
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class CommandReceived:
    """A person wants something: ``drain`` (start nothing more, end when the running attempts have ended) or ``stop``
    (end the running attempts too)."""

    at_s: float
    command: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TimerFired:
    """The time came that a ``WakeAt`` had asked for."""

    at_s: float


Event = (
    StudyOpened
    | StudyResumed
    | NodeJoined
    | NodeLost
    | Suggested
    | SpaceExhausted
    | Started
    | Reported
    | Finished
    | CommandReceived
    | TimerFired
)
