"""A study run in virtual time on nodes that might be used for it: how long, how much, how full, what would be cut."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from tuner import plugins
from tuner.api._courses import Learned
from tuner.api._losses import share_of
from tuner.api._replayed import Listed, Replayed, as_it_went, suggested
from tuner.core.events import Event, NodeJoined, NodeLost, StudyOpened
from tuner.core.ports import Pruner, StudyLog
from tuner.core.scheduler import Scheduler
from tuner.engine import Engine
from tuner.executors._sim_nodes import BOOT_S
from tuner.executors.simulated import Faults, Simulated
from tuner.resources import NodeType
from tuner.study import PluginSpec, StudySpec, trial_seed
from tuner.trial import Attempt, Failed, FailureKind, Trial

__all__ = ["Ask", "Forecast", "Option", "Range", "Site", "forecast"]

MOST_TRIALS = 20_000  # simulated where nothing but time ends a study
FEW = 20  # trials below which a note says that rare ones are missing
NOTICE_S = 30.0  # before a spot node goes: what GCP and Azure give; AWS gives 120 s
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
        peak_cpus: CPUs that it has at most at once, as simulated.
        types: Kinds of nodes that it may have.
        time_s: From the study's opening to its last trial's end, so with the time in which workers start.
        cost: Money; None where no price is known.
        trials: Trials that ended as they should.
        trials_h: The same an hour.
        memory_slack: Share of the memory granted that is not used; None where memory is not granted.
        cpu_slack: The same of CPU time.
        utilisation: Share of the nodes' CPU time that attempts hold.
        lost: Attempts lost to memory, or with their worker or node.
        ends: Why it ends, by reason: in how many of the simulations.
        needs_s: Where a limit of time or money cuts it off: how long all trials would take; None otherwise.
        needs_cost: Likewise the money.
    """

    site: str
    max_nodes: int
    cpus: float
    peak_cpus: float
    types: tuple[str, ...]
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
        assumed: What was assumed, in words, by what it is about: ``start``, ``boot``, ``spot``, ``failures``, ...
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
    assumed: Mapping[str, str] = field(default_factory=dict)
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
    read = {name: Range(**row[name]) if row[name] is not None else None for name in ranges}
    return Option(**{**row, **read, "types": tuple(row["types"])})


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


def forecast(spec: StudySpec, learned: Learned, sites: Sequence[Site], ask: Ask) -> Forecast:
    """Simulate a study on every site.

    The engine, the core with its sizing, autoscaling and limits, and the study's pruner are those that will run it; trials take
    the courses of others (``_replayed``), workers and nodes are lost as they were.

    Args:
        spec: The study.
        learned: What is drawn from.
        sites: To be compared.
        ask: How.
    """
    notes = []
    limits = spec.limits
    if limits.trials is None:
        limits = replace(limits, trials=MOST_TRIALS)
        notes.append(f"without limits.trials each simulation ends at {MOST_TRIALS:,} trials")
    if len(learned.courses) < FEW:
        notes.append(f"learned from {len(learned.courses)} trials only: what rare ones cost is not known")
    plain = replace(spec, limits=limits, prior=())
    if spec.pruner.type in ("pbt", "pbt_replay"):
        plain = replace(plain, pruner=PluginSpec("none"))
        notes.append("population based training is simulated without pauses")
    study = _Study(plain, learned, ask)
    options = tuple(_simulated(study, site) for site in sites)
    return Forecast(
        study=spec.name,
        source=ask.source,
        n_courses=len(learned.courses),
        n_seeds=ask.n_seeds,
        trials=spec.limits.trials,
        time_limit_s=spec.limits.time_s,
        cost_limit=spec.limits.cost,
        options=options,
        best=_best(options),
        assumed=_assumed(study, sites),
        notes=tuple(notes),
    )


class _Study:
    """What is the same on all sites: how trials go, and in which order they are suggested."""

    def __init__(self, spec: StudySpec, learned: Learned, ask: Ask) -> None:
        self.spec, self.learned, self.ask = spec, learned, ask
        self.objective = Replayed(spec, learned)
        self.base_mib = statistics.median(course.base_mib for course in learned.courses)
        seeds = [trial_seed(spec.seed, number) for number in range(ask.n_seeds)]
        drawn = [as_it_went(spec, learned, seed) for seed in seeds]
        self.as_it_went = drawn[0] is not None
        self.listed: dict[int, Listed] = {
            seed: listed or suggested(spec, self.objective, seed) for seed, listed in zip(seeds, drawn, strict=True)
        }

    def lives_s(self, types: Sequence[NodeType]) -> dict[str, float]:
        """Mean life of nodes, by type."""
        return {kind.name: self.learned.losses.node_life_s(kind, self.ask.spot_loss_day) for kind in types}


def _assumed(study: _Study, sites: Sequence[Site]) -> dict[str, str]:
    """What the forecast rests on, in words."""
    learned, source = study.learned, study.ask.source
    kinds = {kind.name: kind for site in sites for kind in site.types}
    told = {"start": f"{learned.ready_s:.1f} s until the first trial begins, as in {source}"}
    grows = [kind for kind in kinds.values() if kind.min_nodes < kind.max_nodes]
    if grows:
        boots = ", ".join(f"{BOOT_S if k.boot_s is None else k.boot_s:g} s for {k.name}" for k in grows)
        unknown = [kind.name for kind in grows if kind.boot_s is None]
        told["boot"] = f"{boots} from the request to the first trial"
        told["boot"] += f" (without a label tuner.io/boot-s: {', '.join(unknown)})" if unknown else ""
    spots = [kind for kind in kinds.values() if kind.spot]
    if spots:
        shares = ", ".join(f"{share_of(kind, study.ask.spot_loss_day):.2g} of {kind.name}" for kind in spots)
        told["spot"] = f"taken away a day, as a share: {shares}"
    lost = sum(learned.losses.nodes.values())
    died = f"{learned.losses.workers} of {learned.losses.attempts} attempts lost their worker"
    told["failures"] = f"{died} and {lost} {'node was' if lost == 1 else 'nodes were'} lost in {source}: as often here"
    how = "as in it, in its order" if study.as_it_went else "foretold from it for what the sampler would try"
    told["trials"] = how
    return told


def _best(options: Sequence[Option]) -> str | None:
    """The cheapest that no limit cuts off; of those that cost alike, or where no price is known, the smallest, then fastest."""
    safe = [option for option in options if option.is_safe and option.trials.mid > 0]
    if not safe:
        return None
    return min(safe, key=lambda o: (o.cost.mid if o.cost else 0.0, o.cpus, o.time_s.mid)).site


@dataclass(slots=True)
class _Run:
    """What one simulation came to."""

    time_s: float
    cost: float | None
    trials: int
    memory: tuple[float, float]
    cpu: tuple[float, float]
    utilisation: float
    lost: int
    peak_cpus: float
    reason: str


class _Tally(StudyLog):
    """Keeps sums, no events."""

    def __init__(self) -> None:
        self.trials = self.lost = 0
        self.granted_mib = self.used_mib = self.granted_cpu_s = self.used_cpu_s = 0.0
        self.peak_cpus = 0.0
        self._cpus: dict[str, float] = {}

    def read(self) -> Sequence[Event]:
        """Nothing is kept."""
        return ()

    def append(self, events: Sequence[Event], entries: Sequence[Trial | Attempt]) -> None:
        """Add up what ended, and which nodes there are."""
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

    def received(self) -> Sequence[tuple[str, Mapping[str, Any]]]:
        """Nobody sends commands."""
        return ()

    def renew(self) -> None:
        """There is no lease."""

    def set_model(self, path: str) -> None:
        """No model is made."""

    def close(self, state: str, reason: str | None = None) -> None:
        """Nothing is held."""


def _simulated(study: _Study, site: Site) -> Option:
    spec, seeds = study.spec, tuple(study.listed)
    runs = [_run(study, spec, site, seed) for seed in seeds]
    ends: dict[str, int] = {}
    for run in runs:
        ends[run.reason] = ends.get(run.reason, 0) + 1
    needs_s = needs_cost = None
    if ends.keys() & {"time", "cost"} and spec.limits.trials != MOST_TRIALS:
        free = replace(spec, limits=replace(spec.limits, time_s=None, cost=None))
        whole = [_run(study, free, site, seed) for seed in seeds]
        needs_s, needs_cost = Range.of([run.time_s for run in whole]), _cost(whole)
    granted, used = (sum(run.memory[i] for run in runs) for i in (0, 1))
    granted_s, used_s = (sum(run.cpu[i] for run in runs) for i in (0, 1))
    return Option(
        site=site.name,
        max_nodes=site.max_nodes,
        cpus=_cpus(site),
        peak_cpus=statistics.median(run.peak_cpus for run in runs),
        types=tuple(kind.name for kind in site.types),
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


def _run(study: _Study, spec: StudySpec, site: Site, seed: int) -> _Run:
    spec, learned = replace(spec, seed=seed), study.learned
    pruner: Pruner = plugins.build("pruner", spec.pruner, spec.metric)
    core, log = Scheduler(spec, pruner), _Tally()
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
    cluster.open(spec, study.objective, Path())
    closed = Engine(core, study.listed[seed], cluster, log).run([StudyOpened(0.0, spec)])
    book = cluster.accounts
    for kind in site.types:
        book.was_up(kind.resources, kind.min_nodes * ready_s)
        book.pay(kind, kind.min_nodes * ready_s)
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
        peak_cpus=log.peak_cpus,
        reason=closed.reason if closed is not None else "",
    )
