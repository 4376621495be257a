"""How a simulated attempt goes: its course if nothing disturbs it, what may, and where it stands."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from tuner.core.actions import Start, Stop
from tuner.resources import Resources
from tuner.trial import Outcome, Params

__all__ = ["Faults", "Run", "Simulates", "Simulation"]


@dataclass(frozen=True, slots=True)
class Simulation:
    """How one attempt would go if nothing disturbed it.

    Attributes:
        reports: (seconds since the report before, or since the start; step; values), in order. Read lazily, so a stopped
            attempt costs nothing for what it would have reported.
        tail_s: Seconds from the last report to the end.
        outcome: How it ends.
        peak_memory_mib: Memory that it needs, above the worker's own.
        cpus: CPUs that it keeps busy, on average; None for all that it was granted.
    """

    reports: Iterator[tuple[float, int, Mapping[str, float]]]
    tail_s: float
    outcome: Outcome
    peak_memory_mib: float = 0.0
    cpus: float | None = None


@runtime_checkable
class Simulates(Protocol):
    """An objective that can say how an attempt would go, without doing it.

    Its ``simulate`` may take a fourth argument ``resume_step``, the step of the checkpoint that the attempt goes on from, None
    for none; without it every attempt starts from nothing. With an attribute ``checkpoints`` that is true its attempts save one
    before every report.
    """

    def simulate(self, params: Params, seed: int, grant: Resources) -> Simulation:
        """The course of an attempt; depends on nothing but its arguments."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong, as probabilities of an attempt or of a message, and times in seconds.

    Attributes:
        crash: The attempt's worker dies at some point.
        out_of_memory: The attempt is killed for its memory at some point.
        hang: The attempt falls silent at some point and neither ends nor heeds a stop.
        lose: A ``Started`` or ``Reported`` never arrives.
        lose_finished: A ``Finished`` never arrives; the attempt's lease runs out instead.
        duplicate: A message arrives twice, the second time later.
        delay_s: Each message takes up to this long, so messages overtake each other.
        node_life_s: Mean life of a node (exponential); infinite for ever.
        node_back_s: How long until a lost node is back.
        lease_s: Silence after which an attempt is taken for hung.
        worker_life_s: Mean seconds that a worker runs attempts before it dies (exponential); infinite for ever.
    """

    crash: float = 0.0
    out_of_memory: float = 0.0
    hang: float = 0.0
    lose: float = 0.0
    lose_finished: float = 0.0
    duplicate: float = 0.0
    delay_s: float = 0.0
    node_life_s: float = math.inf
    node_back_s: float = 60.0
    lease_s: float = 300.0
    worker_life_s: float = math.inf


@dataclass(slots=True)
class Run:
    """An attempt on its node."""

    start: Start
    node_id: str
    began_s: float
    course: Simulation
    chance: random.Random | None
    doom: tuple[float, Outcome | None] | None  # when it dies, and of what; an outcome of None is silence
    bursts_at: float | None = None  # how far into what it does first it needs more memory than there is, 0 to 1
    last_step: int | None = None
    stop: Stop | None = None
    silent: bool = False
    over: bool = False
