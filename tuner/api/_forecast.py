"""A study run in virtual time on nodes that might be used for it: how long, how much, how full, what would be cut."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from tuner import plugins
from tuner.api._courses import Drawn, Learned, Replayed
from tuner.core.events import Event, StudyOpened
from tuner.core.ports import Pruner, StudyLog
from tuner.core.scheduler import Scheduler
from tuner.engine import Engine
from tuner.executors.simulated import Simulated
from tuner.resources import NodeType
from tuner.study import PluginSpec, StudySpec, trial_seed
from tuner.trial import Attempt, Failed, FailureKind, Trial

__all__ = ["Forecast", "Option", "Range", "Site", "forecast"]

MOST_TRIALS = 20_000  # simulated where nothing but time ends a study
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


@dataclass(frozen=True, slots=True)
class Range:
    """What several simulations gave: the middle one, and between which bounds nine of ten lie."""

    low: float
    mid: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """The range of some values; with fewer than ten, all of them lie within."""
        ordered = sorted(values)
        cut = math.floor(0.05 * len(ordered))
        return cls(ordered[cut], statistics.median(ordered), ordered[len(ordered) - 1 - cut])


@dataclass(frozen=True, slots=True)
class Option:
    """What to expect of one site.

    Attributes:
        site: Its name.
        max_nodes: How many nodes it may have.
        cpus: CPUs of all of them.
        time_s: From the first trial's request to the end.
        cost: Money; None where no price is known.
        trials: Trials that ended as they should.
        trials_h: The same an hour.
        memory_slack: Share of the memory granted that is not used; None where memory is not granted.
        cpu_slack: The same of CPU time.
        utilisation: Share of the nodes' CPU time that attempts hold.
        lost: Attempts lost to memory or with their nodes.
        ends: Why it ends, by reason: in how many of the simulations.
        needs_s: Where a limit of time or money cuts it off: how long all trials would take; None otherwise.
        needs_cost: Likewise the money.
    """

    site: str
    max_nodes: int
    cpus: float
    time_s: Range
    cost: Range | None
    trials: Range
    trials_h: Range
    memory_slack: float | None
    cpu_slack: float | None
    utilisation: float
    lost: float
    ends: Mapping[str, int] = field(default_factory=dict)
    needs_s: Range | None = None
    needs_cost: Range | None = None

    @property
    def cut(self) -> str | None:
        """The limit that cuts it off in most simulations: ``time`` or ``cost``; None when neither does."""
        n = sum(self.ends.values())
        return next((reason for reason in ("cost", "time") if 2 * self.ends.get(reason, 0) > n), None)

    @property
    def is_safe(self) -> bool:
        """Whether no simulation was cut off by time or money."""
        return not self.ends.get("time") and not self.ends.get("cost")


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a plan says.

    Attributes:
        study: The study that is planned.
        source: The study whose trials were learned from.
        n_courses: How many of them.
        n_seeds: Simulations of each option.
        trials: Its limit of trials; None for none.
        time_limit_s: Its limit of time; None for none.
        cost_limit: Its limit of money; None for none.
        options: By site.
        best: Name of the cheapest site that finishes all trials within the limits; None where none does.
        notes: What limits how far the forecast can be trusted.
    """

    study: str
    source: str
    n_courses: int
    n_seeds: int
    trials: int | None
    time_limit_s: float | None
    cost_limit: float | None
    options: tuple[Option, ...]
    best: str | None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data that JSON can hold; ``from_dict`` reads it back, equal."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """A forecast from what ``to_dict`` made."""
        options = tuple(_option(row) for row in document["options"])
        return cls(**{**document, "options": options, "notes": tuple(document["notes"])})


def _option(row: Mapping[str, Any]) -> Option:
    ranges = ("time_s", "cost", "trials", "trials_h", "needs_s", "needs_cost")
    return Option(**{**row, **{name: Range(**row[name]) if row[name] is not None else None for name in ranges}})


def forecast(spec: StudySpec, learned: Learned, sites: Sequence[Site], *, source: str, n_seeds: int) -> Forecast:
    """Simulate a study on every site.

    The engine, the core with its sizing, autoscaling and limits, and the study's pruner are those that will run it; trials take
    the courses of others, drawn with replacement, so that what a better sampler finds later is not foreseen.

    Args:
        spec: The study.
        learned: What is drawn from.
        sites: To be compared.
        source: The study that it was learned from.
        n_seeds: Simulations of each site, at least 1.
    """
    notes = []
    limits = spec.limits
    if limits.trials is None:
        limits = replace(limits, trials=MOST_TRIALS)
        notes.append(f"without limits.trials each simulation ends at {MOST_TRIALS:,} trials")
    if len(learned.courses) < 20:
        notes.append(f"learned from {len(learned.courses)} trials only: what rare ones cost is not known")
    plain = replace(spec, limits=limits, first=(), prior=(), sampler=PluginSpec("random"))
    if spec.pruner.type in ("pbt", "pbt_replay"):
        plain = replace(plain, pruner=PluginSpec("none"))
        notes.append("population based training is simulated without pauses")
    options = tuple(_simulated(plain, learned, site, n_seeds) for site in sites)
    return Forecast(
        study=spec.name,
        source=source,
        n_courses=len(learned.courses),
        n_seeds=n_seeds,
        trials=spec.limits.trials,
        time_limit_s=spec.limits.time_s,
        cost_limit=spec.limits.cost,
        options=options,
        best=_best(options),
        notes=tuple(notes),
    )


def _best(options: Sequence[Option]) -> str | None:
    """The cheapest that no limit cuts off; of those that cost alike, or where no price is known, the smallest, then fastest."""
    safe = [option for option in options if option.is_safe and option.trials.mid > 0]
    if not safe:
        return None
    return min(safe, key=lambda o: (o.cost.mid if o.cost else 0.0, o.cpus, o.time_s.mid)).site


@dataclass(slots=True)
class _Run:
    """One simulation."""

    time_s: float
    cost: float | None
    trials: int
    memory: tuple[float, float]
    cpu: tuple[float, float]
    utilisation: float
    lost: int
    reason: str


class _Tally(StudyLog):
    """Keeps sums, no events."""

    def __init__(self) -> None:
        self.trials = self.lost = 0
        self.granted_mib = self.used_mib = self.granted_cpu_s = self.used_cpu_s = 0.0

    def read(self) -> Sequence[Event]:
        """Nothing is kept."""
        return ()

    def append(self, events: Sequence[Event], entries: Sequence[Trial | Attempt]) -> None:
        """Add up what ended."""
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

    def received(self) -> Sequence[tuple[str, Mapping[str, Any]]]:
        """Nobody sends commands."""
        return ()

    def renew(self) -> None:
        """There is no lease."""

    def set_model(self, path: str) -> None:
        """No model is made."""

    def close(self, state: str, reason: str | None = None) -> None:
        """Nothing is held."""


def _simulated(spec: StudySpec, learned: Learned, site: Site, n_seeds: int) -> Option:
    seeds = [trial_seed(spec.seed, number) for number in range(n_seeds)]
    runs = [_run(spec, learned, site, seed) for seed in seeds]
    ends: dict[str, int] = {}
    for run in runs:
        ends[run.reason] = ends.get(run.reason, 0) + 1
    needs_s = needs_cost = None
    if ends.keys() & {"time", "cost"} and spec.limits.trials != MOST_TRIALS:
        free = replace(spec, limits=replace(spec.limits, time_s=None, cost=None))
        whole = [_run(free, learned, site, seed) for seed in seeds]
        needs_s, needs_cost = Range.of([run.time_s for run in whole]), _cost(whole)
    granted, used = (sum(run.memory[i] for run in runs) for i in (0, 1))
    granted_s, used_s = (sum(run.cpu[i] for run in runs) for i in (0, 1))
    return Option(
        site=site.name,
        max_nodes=site.max_nodes,
        cpus=_cpus(site),
        time_s=Range.of([run.time_s for run in runs]),
        cost=_cost(runs),
        trials=Range.of([run.trials for run in runs]),
        trials_h=Range.of([run.trials / max(run.time_s, 1e-9) * 3600.0 for run in runs]),
        memory_slack=1.0 - used / granted if granted > 0 else None,
        cpu_slack=1.0 - used_s / granted_s if granted_s > 0 else None,
        utilisation=statistics.fmean(run.utilisation for run in runs),
        lost=statistics.fmean(run.lost for run in runs),
        ends=ends,
        needs_s=needs_s,
        needs_cost=needs_cost,
    )


def _cpus(site: Site) -> float:
    """CPUs of all nodes, when there are as many as may be, of the largest kinds."""
    left, cpus = site.max_nodes, 0.0
    for kind in sorted(site.types, key=lambda kind: -kind.resources.cpu):
        n = min(left, kind.max_nodes)
        left, cpus = left - n, cpus + n * kind.resources.cpu
    return cpus


def _cost(runs: Sequence[_Run]) -> Range | None:
    costs = [run.cost for run in runs if run.cost is not None]
    return Range.of(costs) if costs else None


def _run(spec: StudySpec, learned: Learned, site: Site, seed: int) -> _Run:
    spec = replace(spec, seed=seed)
    pruner: Pruner = plugins.build("pruner", spec.pruner, spec.metric)
    core, log = Scheduler(spec, pruner), _Tally()
    cluster = Simulated(
        node_types=site.types,
        max_nodes=site.max_nodes,
        seed=seed,
        start_delay_s=learned.start_s,
        base_memory_mib=statistics.median(course.base_mib for course in learned.courses),
    )
    cluster.open(spec, Replayed(learned.courses), Path())
    closed = Engine(core, Drawn(learned.courses, seed), cluster, log).run([StudyOpened(0.0, spec)])
    book = cluster.accounts
    cost: float | None = None
    if all(kind.price_h is not None for kind in site.types):
        cost = book.spent
    elif spec.prices is not None:
        cost = core.progress.cost
    return _Run(
        time_s=cluster.now_s(),
        cost=cost,
        trials=log.trials,
        memory=(log.granted_mib, log.used_mib),
        cpu=(log.granted_cpu_s, log.used_cpu_s),
        utilisation=book.utilisation,
        lost=log.lost,
        reason=closed.reason if closed is not None else "",
    )
