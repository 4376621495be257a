"""One planned study on one site, simulated: the engine, the core, the pruner and the limits are those that will run it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import NormalDist
from typing import Any

from tuner import plugins
from tuner.api._courses import Learned
from tuner.api._replayed import Listed, Replayed, as_it_went, suggested
from tuner.core.events import Event, Finished, NodeJoined, NodeLost, StudyOpened
from tuner.core.ports import Pruner, StudyLog
from tuner.core.scheduler import Scheduler
from tuner.engine import Engine
from tuner.errors import NoNodeFits
from tuner.executors.simulated import Faults, Simulated
from tuner.resources import NodeType
from tuner.study import StudySpec, trial_seed
from tuner.trial import Attempt, Failed, FailureKind, Trial

__all__ = ["STUCK", "Ask", "Outcome", "Planned", "Site", "simulate"]

NOTICE_S = 30.0  # before a spot node goes: what GCP and Azure give; AWS gives 120 s
STUCK = "stuck"  # why a study ends that waits for nodes which cannot come
IDLE_TURNS = 2000  # of the engine in which nothing runs, ends or comes; a node that boots for an hour takes 720
LOST = frozenset({FailureKind.OUT_OF_MEMORY, FailureKind.NODE_LOST, FailureKind.WORKER_LOST, FailureKind.PREEMPTED})


@dataclass(frozen=True, slots=True)
class Site:
    """Nodes that a study might run on.

    Attributes:
        name: For people.
        types: Kinds of nodes, with how many there may be; those that are always there have ``min_nodes`` as many.
        max_nodes: How many there may be of all kinds together.
    """

    name: str
    types: tuple[NodeType, ...]
    max_nodes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """How a forecast is made.

    Attributes:
        source: The study that was learned from.
        n_seeds: Simulations of each site, at least 1.
        spot_loss_day: Share of spot nodes taken away a day, 0 up to 1; None for what their types say, else a default.
    """

    source: str
    n_seeds: int = 5
    spot_loss_day: float | None = None


class Planned:
    """What is the same on all sites: how trials go, and in which order they are suggested."""

    def __init__(self, spec: StudySpec, learned: Learned, ask: Ask) -> None:
        self.spec, self.learned, self.ask = spec, learned, ask
        objective = Replayed(spec, learned)
        self.base_mib = statistics.median(course.base_mib for course in learned.courses)
        seeds = [trial_seed(spec.seed, number) for number in range(ask.n_seeds)]
        drawn = [as_it_went(spec, learned, seed) for seed in seeds]
        self.as_it_went = drawn[0] is not None
        self.listed: dict[int, Listed] = {
            seed: listed or suggested(spec, objective, seed) for seed, listed in zip(seeds, drawn, strict=True)
        }
        # Each simulation at its quantile of what the pace may be, so that the middle one has the likeliest.
        places = zip(seeds, _quantiles(ask.n_seeds), strict=True)
        self.objectives = {seed: objective.paced(NormalDist().inv_cdf(place)) for seed, place in places}

    def lives_s(self, types: Sequence[NodeType]) -> dict[str, float]:
        """Mean life of nodes, by type."""
        return {kind.name: self.learned.losses.node_life_s(kind, self.ask.spot_loss_day) for kind in types}


def _quantiles(n: int) -> list[float]:
    """Evenly placed ones. Where all of them are within a ``Range``, because they are few, these hold nine of ten."""
    if n == 1 or n >= 20:
        return [(number + 0.5) / n for number in range(n)]
    return [0.05 + 0.9 * number / (n - 1) for number in range(n)]


@dataclass(slots=True)
class Outcome:
    """What one simulation came to."""

    time_s: float
    cost: float | None
    trials: int
    memory: tuple[float, float]
    cpu: tuple[float, float]
    utilisation: float
    lost: int
    peak_cpus: float
    wall_s: float
    reason: str


class _StuckError(Exception):
    """Nothing runs, and nothing will."""


class _Tally(StudyLog):
    """Keeps sums, no events.

    Args:
        n_running: Says how many attempts hold a place.
    """

    def __init__(self, n_running: Callable[[], int]) -> None:
        self._n_running, self._idle = n_running, 0
        self.trials = self.lost = 0
        self.granted_mib = self.used_mib = self.granted_cpu_s = self.used_cpu_s = 0.0
        self.peak_cpus = self.wall_s = 0.0
        self._cpus: dict[str, float] = {}

    def read(self) -> Sequence[Event]:
        """Nothing is kept."""
        return ()

    def append(self, events: Sequence[Event], entries: Sequence[Trial | Attempt]) -> None:
        """Add up what ended, and which nodes there are."""
        self._watch(any(isinstance(event, Finished | NodeJoined | NodeLost) for event in events))
        for event in events:
            if isinstance(event, NodeJoined):
                self._cpus[event.node.node_id] = event.node.resources.cpu
                self.peak_cpus = max(self.peak_cpus, sum(self._cpus.values()))
            elif isinstance(event, NodeLost):
                self._cpus.pop(event.node_id, None)
        for entry in entries:
            if isinstance(entry, Trial):
                self.trials += entry.state.finished and entry.failure is None
            elif isinstance(entry.outcome, Failed):
                self.lost += entry.outcome.kind in LOST
            elif entry.outcome is not None and entry.usage is not None:
                self.granted_mib += entry.grant.memory_mib
                self.used_mib += entry.usage.whole_memory_mib if entry.grant.memory_mib > 0 else 0.0
                self.granted_cpu_s += entry.grant.cpu * entry.usage.wall_s
                self.used_cpu_s += entry.usage.cpu_s
                self.wall_s += entry.usage.wall_s

    def received(self) -> Sequence[tuple[str, Mapping[str, Any]]]:
        """Nobody sends commands."""
        return ()

    def _watch(self, goes_on: bool) -> None:
        """In virtual time nobody grows tired of waiting for a node that no request can bring."""
        self._idle = 0 if goes_on or self._n_running() else self._idle + 1
        if self._idle > IDLE_TURNS:
            raise _StuckError

    def renew(self) -> None:
        """There is no lease."""
        self._watch(goes_on=False)

    def set_model(self, path: str) -> None:
        """No model is made."""

    def close(self, state: str, reason: str | None = None) -> None:
        """Nothing is held."""


def simulate(study: Planned, spec: StudySpec, site: Site, seed: int) -> Outcome:
    spec, learned = replace(spec, seed=seed), study.learned
    pruner: Pruner = plugins.build("pruner", spec.pruner, spec.metric)
    core = Scheduler(spec, pruner)
    there = sum(kind.min_nodes for kind in site.types)
    ready_s = learned.ready_s if there else 0.0  # the boot of nodes that come later has it in it
    cluster = Simulated(
        node_types=site.types,
        max_nodes=site.max_nodes,
        seed=seed,
        start_s=ready_s,
        start_delay_s=learned.start_s,
        base_memory_mib=study.base_mib,
        lives_s=study.lives_s(site.types),
        notice_s=NOTICE_S,
        faults=Faults(worker_life_s=learned.losses.worker_life_s),
    )
    cluster.open(spec, study.objectives[seed], Path())
    log = _Tally(lambda: cluster.n_running)
    try:
        closed = Engine(core, study.listed[seed], cluster, log).run([StudyOpened(0.0, spec)])
        reason = closed.reason if closed is not None else ""
    except (_StuckError, NoNodeFits):
        reason = STUCK
    book = cluster.accounts
    for kind in site.types:
        book.was_up(kind.resources, kind.min_nodes * ready_s)
        book.pay(kind, kind.min_nodes * ready_s)
    cost: float | None = None
    if all(kind.price_h is not None for kind in site.types):
        cost = book.spent
    elif spec.prices is not None:
        cost = core.progress.cost
    return Outcome(
        time_s=cluster.now_s(),
        cost=cost,
        trials=log.trials,
        memory=(log.granted_mib, log.used_mib),
        cpu=(log.granted_cpu_s, log.used_cpu_s),
        utilisation=book.utilisation,
        lost=log.lost,
        peak_cpus=log.peak_cpus,
        wall_s=log.wall_s,
        reason=reason,
    )
