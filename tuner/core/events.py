"""What happened: the only input of the core, and the study's log.

``at_s`` is when the driver learned of it: seconds since the epoch, virtual seconds in a simulation. It never falls within
one driver's life. Delivery is at least once and in any order between attempts; the core drops what is stale (an old
attempt, a step not above the last one, a finished trial) by rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tuner.resources import Node, NodeType, Usage
from tuner.study import Limits, StudySpec
from tuner.trial import Checkpoint, Outcome, Params, Trial

__all__ = [
    "Checkpointed",
    "CommandReceived",
    "Event",
    "Finished",
    "Informed",
    "NodeJoined",
    "NodeLost",
    "NodeTypesSeen",
    "Reported",
    "ShareChanged",
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
class Informed:
    """The sampler was told of finished trials of earlier studies, once, before it chose anything.

    Attributes:
        study: Where they come from, for people.
        trials: COMPLETE or PRUNED, numbered -1, -2, ...; parameters and metrics of the new study only.
    """

    at_s: float
    study: str
    trials: tuple[Trial, ...]


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
class NodeTypesSeen:
    """What the cluster can grow to; replaces what was known. Before the first ``NodeJoined`` of a driver, where it is known."""

    at_s: float
    types: tuple[NodeType, ...]


@dataclass(frozen=True, slots=True)
class ShareChanged:
    """Other studies use the cluster too: from now on this one may hold so much of it.

    Attributes:
        share: Of the CPUs, GPUs and memory of all nodes, above 0; 1 for all of it.
    """

    at_s: float
    share: float


@dataclass(frozen=True, slots=True)
class Suggested:
    """The sampler chose the parameters of a new trial.

    Attributes:
        trial: Its number, the next one in order.
        params: The active parameters.
        sampler_state: What the sampler must have back to go on exactly, in its own words; None for nothing.
        parent: The trial from whose latest checkpoint its first attempt starts; None to start from nothing.
        note: Why these parameters, in one sentence; None when there is nothing to say.
    """

    at_s: float
    trial: int
    params: Params
    sampler_state: str | None = None
    parent: int | None = None
    note: str | None = None


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
class Checkpointed:
    """An attempt saved a checkpoint, and it is durable. Sent before the report of the same step."""

    at_s: float
    trial: int
    attempt: int
    checkpoint: Checkpoint


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
    """Somebody wants something.

    Attributes:
        command: ``drain`` (start nothing more, end when the running attempts have ended), ``stop`` (end the running attempts
            too), ``end`` (as ``stop``, for a reason that was found outside of the core), or ``release`` (a node that was
            quarantined may be used again).
        arguments: Of ``end``: ``reason``, one of those of ``Close``, ``message``, the same for a person, and ``lets_end``, true
            where the running attempts end by themselves, as with ``drain``; of ``release``: ``node``, its id, or ``all``.
    """

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
    | Informed
    | NodeJoined
    | NodeLost
    | NodeTypesSeen
    | ShareChanged
    | Suggested
    | SpaceExhausted
    | Started
    | Reported
    | Checkpointed
    | Finished
    | CommandReceived
    | TimerFired
)
