"""A study run in virtual time on nodes that might be used for it: how long, how much, how full, what would be cut."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from tuner.api._assumptions import assumptions
from tuner.api._courses import Learned
from tuner.api._simulating import STUCK, Ask, Outcome, Planned, Site, simulate
from tuner.study import PluginSpec, StudySpec

__all__ = ["Ask", "Forecast", "Option", "Range", "Site", "forecast"]

MOST_TRIALS = 20_000  # simulated where nothing but time ends a study
FEW = 20  # trials below which a note says that rare ones are missing


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
        busy: CPUs that an attempt keeps busy, on average; None when it is not known.
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
    busy: float | None = None
    ends: Mapping[str, int] = field(default_factory=dict)
    needs_s: Range | None = None
    needs_cost: Range | None = None

    @property
    def cut(self) -> str | None:
        """The limit that cuts it off in most simulations: ``time`` or ``cost``; None when neither does."""
        n = sum(self.ends.values())
        return next((reason for reason in ("cost", "time") if 2 * self.ends.get(reason, 0) > n), None)

    @property
    def is_stuck(self) -> bool:
        """Whether it waits in vain for nodes that can hold a trial, until a limit of time ends it or for ever."""
        return self.utilisation <= 0.0 and self.trials.high <= 0 and self.cut != "cost"

    @property
    def is_safe(self) -> bool:
        """Whether no simulation was cut off by time or money, or waits for nodes that cannot come."""
        return not any(self.ends.get(reason) for reason in ("time", "cost", STUCK))


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
    study = Planned(plain, learned, ask)
    sites = [_with_boots(site, learned.boots_s) for site in sites]
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
        assumed=assumptions(study, sites),
        notes=tuple(notes),
    )


def _with_boots(site: Site, boots_s: Mapping[str, float]) -> Site:
    """The site with nodes that boot as they were seen to."""
    return replace(site, types=tuple(replace(k, boot_s=boots_s.get(k.name, k.boot_s)) for k in site.types))


def _best(options: Sequence[Option]) -> str | None:
    """The cheapest that no limit cuts off; of those that cost alike, or where no price is known, the smallest, then fastest."""
    safe = [option for option in options if option.is_safe and option.trials.mid > 0]
    if not safe:
        return None
    return min(safe, key=lambda o: (o.cost.mid if o.cost else 0.0, o.cpus, o.time_s.mid)).site


def _simulated(study: Planned, site: Site) -> Option:
    spec, seeds = study.spec, tuple(study.listed)
    runs = [simulate(study, spec, site, seed) for seed in seeds]
    ends: dict[str, int] = {}
    for run in runs:
        ends[run.reason] = ends.get(run.reason, 0) + 1
    needs_s = needs_cost = None
    if ends.keys() & {"time", "cost"} and spec.limits.trials != MOST_TRIALS:
        free = replace(spec, limits=replace(spec.limits, time_s=None, cost=None))
        whole = [simulate(study, free, site, seed) for seed in seeds]
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
        busy=used_s / wall_s if (wall_s := sum(run.wall_s for run in runs)) > 0 else None,
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


def _cost(runs: Sequence[Outcome]) -> Range | None:
    costs = [run.cost for run in runs if run.cost is not None]
    return Range.of(costs) if costs else None
