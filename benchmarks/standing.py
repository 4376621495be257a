"""From runs to standings: ranks, regrets, time to a target and utilisation, each with what chance leaves open."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks.ledger import Record

__all__ = ["Standing", "standings"]

POINTS = 48  # of a curve
FIRST = 0.02  # of the time axis, as a share of the reference's time
BOOTSTRAPS = 1000
Pair = tuple[str, int]  # task, seed


@dataclass(frozen=True, slots=True)
class Standing:
    """One method at one level. Intervals are 95 % bootstrap intervals over the runs; None where there is nothing to say.

    Attributes:
        who: The method.
        runs: How many runs of it count.
        compared: Over how many problems and seeds ``rank`` goes, and over how many ``rank_few``.
        rank: Mean rank by final regret among the methods that are not dear and have every problem, 1 the best; ties
            share.
        rank_few: The same among all methods of which no run was cut off, over the fewer runs that every one has.
        rank_in_time: As ``rank``, by the regret at the time at which random search ended on the problem (mean of its runs).
        regret: Mean final regret, each divided by random search's mean on the problem: 1 is as good as random.
        ert: Expected time to Optuna TPE's median final regret, in terms of Optuna TPE's own (geometric mean over problems).
        utilisation: Mean.
        ask_ms: CPU milliseconds of the driver for each trial, mean.
        cut: How many runs were cut off for the driver's CPU time.
        curve: Mean relative regret over time, as shares of random search's.
    """

    who: str
    runs: int
    compared: tuple[int, int]
    rank: tuple[float, float, float] | None
    rank_few: tuple[float, float, float] | None
    rank_in_time: tuple[float, float, float] | None
    regret: tuple[float, float, float] | None
    ert: float | None
    utilisation: float
    ask_ms: float
    cut: int
    curve: list[tuple[float, float]]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, rounded to what it means."""
        return {name: _rounded(value) for name, value in asdict(self).items()}


def standings(records: Iterable[Record], dear: Collection[str], *, reference: str, target: str) -> list[Standing]:
    """The standings of one level.

    Args:
        records: Every run of it.
        dear: Methods of which there are fewer runs by intention; they are ranked in ``rank_few`` only.
        reference: The method whose mean regret and time on a problem are the units: random search.
        target: The method whose median final regret is the target of ``ert``.
    """
    runs: dict[str, dict[Pair, Record]] = defaultdict(dict)
    records = list(records)
    measured = {record.task for record in records if record.method == reference}
    for record in records:
        if record.task in measured:
            runs[record.method][record.task, record.seed] = record
    if not measured:
        return []
    floors = _floors(runs)
    unit = _Unit(runs[reference], floors)
    many = [who for who, of in runs.items() if who not in dear and {task for task, _ in of} == measured]
    whole = [who for who, of in runs.items() if not any(record.run.cut for record in of.values())]
    whole = [who for who in whole if who in many or who in dear]
    last = _ranks(runs, many, lambda record: _final(record))
    few = _ranks(runs, whole, lambda record: _final(record))
    in_time = _ranks(runs, many, lambda record: record.best_at(unit.end_s[record.task]))
    made = []
    for who, of in runs.items():
        known = list(of.values())
        trials = sum(record.run.n_trials for record in known)
        made.append(
            Standing(
                who=who,
                runs=len(known),
                compared=(len(_shared(runs, many)), len(_shared(runs, whole))),
                rank=last.get(who),
                rank_few=few.get(who),
                rank_in_time=in_time.get(who),
                regret=_interval([unit.relative(record, _final(record)) for record in known]),
                ert=_ert(runs, who, target),
                utilisation=statistics.fmean(record.run.utilisation for record in known),
                ask_ms=1000 * sum(record.run.driver_s for record in known) / max(1, trials),
                cut=sum(record.run.cut for record in known),
                curve=_curve(known, unit),
            )
        )
    return sorted(made, key=lambda s: (s.rank is None, s.rank[0] if s.rank else s.rank_few[0] if s.rank_few else 0))


class _Unit:
    """What regret and time are measured in, by problem: random search's."""

    def __init__(self, of: Mapping[Pair, Record], floors: Mapping[str, float]) -> None:
        by_task: dict[str, list[Record]] = defaultdict(list)
        for (task, _), record in of.items():
            by_task[task].append(record)
        self.floors = floors
        self.regret = {t: statistics.fmean(_final(r) for r in rs) - floors[t] for t, rs in by_task.items()}
        self.end_s = {t: statistics.fmean(r.run.end_s for r in rs) for t, rs in by_task.items()}

    def relative(self, record: Record, regret: float) -> float:
        return (regret - self.floors[record.task]) / self.regret[record.task]


def _final(record: Record) -> float:
    return record.run.curve[-1][1] if record.run.curve else math.inf


def _floors(runs: Mapping[str, Mapping[Pair, Record]]) -> dict[str, float]:
    """The best value known of each problem: 0, or less where a surrogate goes beyond its published extreme."""
    floors: dict[str, float] = defaultdict(float)
    for of in runs.values():
        for (task, _), record in of.items():
            floors[task] = min(floors[task], _final(record))
    return floors


def _ranks(
    runs: Mapping[str, Mapping[Pair, Record]], among: Sequence[str], value: Callable[[Record], float]
) -> dict[str, tuple[float, float, float]]:
    """Mean rank of each method over the pairs that all of them have."""
    pairs = _shared(runs, among)
    if not pairs or len(among) < 2:
        return {}
    table = np.array([[value(runs[who][pair]) for who in among] for pair in pairs])
    better = (table[:, None, :] < table[:, :, None]).sum(axis=2)
    same = (table[:, None, :] == table[:, :, None]).sum(axis=2)
    ranks = 1 + better + (same - 1) / 2
    found = (_interval(ranks[:, index].tolist()) for index in range(len(among)))
    return {who: interval for who, interval in zip(among, found, strict=True) if interval is not None}


def _shared(runs: Mapping[str, Mapping[Pair, Record]], among: Sequence[str]) -> list[Pair]:
    """The problems and seeds that all of these methods have."""
    return sorted(set.intersection(*(set(runs[who]) for who in among))) if among else []


def _interval(values: Sequence[float]) -> tuple[float, float, float] | None:
    """Mean with its 95 % bootstrap interval; None where a value is missing."""
    array = np.array(values, dtype=float)
    if not len(array) or not np.isfinite(array).all():
        return None
    rng = np.random.default_rng(0)
    means = array[rng.integers(0, len(array), (BOOTSTRAPS, len(array)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(array.mean()), float(low), float(high)


def _ert(runs: Mapping[str, Mapping[Pair, Record]], who: str, target: str) -> float | None:
    """Expected running time (time of all runs / runs that got there; Hansen et al. 2009), in terms of the target's own.

    Where no run got there twice the time of all runs stands for it, as if half a run had.
    """
    if target not in runs:
        return None
    ratios = []
    for task in {task for task, _ in runs[who]}:
        goals = [_final(record) for (name, _), record in runs[target].items() if name == task]
        if goals:
            seeds = {seed for name, seed in runs[who] if name == task and (name, seed) in runs[target]}
            ours, theirs = (_expected(runs[m], task, seeds, statistics.median(goals)) for m in (who, target))
            if not seeds:
                continue
            ratios.append(math.log(ours / theirs))
    return math.exp(statistics.fmean(ratios)) if ratios else None


def _expected(of: Mapping[Pair, Record], task: str, seeds: Collection[int], goal: float) -> float:
    records = [of[task, seed] for seed in sorted(seeds)]
    reached = [record.reached(goal) for record in records]
    spent = sum(min(at_s, record.run.end_s) for at_s, record in zip(reached, records, strict=True))
    return spent / max(0.5, sum(math.isfinite(at_s) for at_s in reached))


def _curve(records: Sequence[Record], unit: _Unit) -> list[tuple[float, float]]:
    """Mean relative regret at shares of the reference's time; begins where every run has a value."""
    curve = []
    for share in np.geomspace(FIRST, 1.0, POINTS):
        found = [unit.relative(r, r.best_at(float(share) * unit.end_s[r.task])) for r in records]
        if found and all(math.isfinite(value) for value in found):
            curve.append((float(share), statistics.fmean(found)))
    return curve


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, tuple | list):
        return [_rounded(part) for part in value]
    return value
