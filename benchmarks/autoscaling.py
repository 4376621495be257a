"""What do sizing by measurement and a cluster that follows the work bring, on 200 simulated nodes that fail and vanish?

The core, the engine and the autoscaling policy are the real ones; nodes and attempts are simulated (``executors/simulated``).
The trials' memory and time follow ``problems/shapes``. Contestants differ in what an attempt asks for (``auto``, or what an
expert would write who knows the worst case or the median) and in whether the cluster may change.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.harness import Result, arguments, publish, result
from benchmarks.problems.shapes import BASE_MIB, SPACE, Shapes, memory_mib, wall_s
from tuner.core.events import Event, StudyOpened
from tuner.engine import Engine
from tuner.executors.simulated import Accounts, Faults, Simulated
from tuner.resources import NodeType, Resources
from tuner.study import Limits, Metric, PluginSpec, ResourceRequest, StudySpec
from tuner.testing.simulation import ListLog, driver_parts
from tuner.trial import Attempt, Failed, FailureKind, Trial, TrialState

NODE = Resources(8.0, 0.0, 16384.0)
STEADY = NodeType("steady", NODE, 200, price_h=0.34, boot_s=90.0)
SPOT = NodeType("spot", NODE, 200, price_h=0.12, spot=True, boot_s=90.0)
SPOT_LIFE_S = 6 * 3600.0
FAULTS = Faults(crash=0.005, hang=0.0005, lease_s=120.0)
LEARNED = 20  # finished trials from which on attempts are sized by knowledge, so that their slack counts


@dataclass(frozen=True)
class Case:
    """One run: who asks for what, on which nodes."""

    who: str
    request: ResourceRequest
    types: tuple[NodeType, ...]
    trials: int
    time_s: float | None = None
    seed: int = 17

    def spec(self) -> StudySpec:
        return StudySpec(
            name="fleet",
            metrics=(Metric("loss"),),
            space=SPACE,
            objective=PluginSpec("shapes"),
            sampler=PluginSpec("random"),
            limits=Limits(trials=self.trials, time_s=self.time_s),
            resources=self.request,
            seed=self.seed,
        )


@dataclass(frozen=True)
class Seen:
    """What a run showed."""

    finished: int
    lost_trials: int
    attempts: int
    lost_attempts: int
    hours: float
    slack: float
    book: Accounts

    @property
    def trials_h(self) -> float:
        return self.finished / self.hours


class SlackLog(ListLog):
    """Keeps the figures of attempts, no events."""

    def __init__(self) -> None:
        super().__init__()
        self.finished = self.lost_trials = self.attempts = self.lost_attempts = 0
        self.granted_mib = self.used_mib = 0.0
        self._informed: set[tuple[int, int]] = set()  # attempts that were sized when enough trials had finished

    def append(self, events: Sequence[Event], entries: Sequence[Trial | Attempt]) -> None:
        for entry in entries:
            if isinstance(entry, Trial):
                self.finished += entry.state in (TrialState.COMPLETE, TrialState.PRUNED)
                failure = entry.failure
                self.lost_trials += failure is not None and failure.kind is FailureKind.OUT_OF_MEMORY
            elif entry.outcome is not None:
                self._ended(entry)
            elif self.finished >= LEARNED:
                self._informed.add((entry.trial, entry.number))

    def _ended(self, attempt: Attempt) -> None:
        self.attempts += 1
        informed = (attempt.trial, attempt.number) in self._informed
        self._informed.discard((attempt.trial, attempt.number))
        outcome = attempt.outcome
        if isinstance(outcome, Failed):
            self.lost_attempts += outcome.kind is FailureKind.OUT_OF_MEMORY
        elif informed and attempt.usage is not None:
            self.granted_mib += attempt.grant.memory_mib
            self.used_mib += attempt.usage.whole_memory_mib


def run(case: Case) -> Seen:
    """Simulate one study to its end."""
    spec, log = case.spec(), SlackLog()
    lives_s = {kind.name: SPOT_LIFE_S for kind in case.types if kind.spot}
    cluster = Simulated(
        node_types=case.types,
        faults=FAULTS,
        lives_s=lives_s,
        notice_s=120.0,
        base_memory_mib=BASE_MIB,
        start_delay_s=0.5,
        seed=case.seed,
    )
    core, sampler = driver_parts(spec)
    cluster.open(spec, Shapes(), Path())
    Engine(core, sampler, cluster, log).run([StudyOpened(0.0, spec)])
    book = cluster.accounts
    slack = 1.0 - log.used_mib / log.granted_mib if log.granted_mib else 0.0
    return Seen(log.finished, log.lost_trials, log.attempts, log.lost_attempts, cluster.now_s() / 3600.0, slack, book)


def requests() -> dict[str, ResourceRequest]:
    """What each contestant asks for: the experts know the law of every trial, the worst and the median."""
    _, sampler = driver_parts(Case("", ResourceRequest(), (STEADY,), 1).spec())
    needs = sorted(BASE_MIB + memory_mib(one.params) for one in sampler.ask(0, 4000))
    spare = 1.2  # over the law, which trials scatter about
    return {
        "tuner, auto": ResourceRequest(),
        "fixed for the worst case": ResourceRequest(cpu=1.0, memory_mib=float(math.ceil(needs[-1] * spare))),
        "fixed for the median": ResourceRequest(cpu=1.0, memory_mib=float(math.ceil(statistics.median(needs) * spare))),
    }


def always(kind: NodeType, n: int) -> NodeType:
    """A part of a cluster that does not change."""
    return replace(kind, min_nodes=n, max_nodes=n)


def throughput(n_nodes: int, trials: int, seed: int) -> list[Result]:
    """Trials an hour, utilisation, slack and what was lost, on nodes that come for the work and go after it."""
    rows: list[Result] = []
    fleet = (replace(SPOT, max_nodes=n_nodes),)
    seen = {who: run(Case(who, ask, fleet, trials, seed=seed)) for who, ask in requests().items()}
    ours, worst = seen["tuner, auto"], seen["fixed for the worst case"]
    where = f"{n_nodes} nodes, {trials:,} trials"
    for who, one in seen.items():
        bars = {}
        if one is ours:
            bars = {"bar": "at least 2 x worst case", "met": ours.trials_h >= 2 * worst.trials_h}
        rows.append(result(f"finished trials an hour, {where}", who, [one.trials_h], "trials/h", **bars))
    for who, one in seen.items():
        share = one.book.utilisation
        bars = {"bar": "at least 95 %", "met": share >= 0.95} if one is ours else {}
        notes = {"hours": one.hours, "preempted_nodes": one.book.n_lost}
        rows.append(result(f"utilisation, {where}", who, [100 * share], "% of CPU time", notes=notes, **bars))
    for who, one in seen.items():
        bars = {"bar": "at most 20 %", "met": one.slack <= 0.20} if one is ours else {}
        rows.append(result(f"memory slack after {LEARNED} trials", who, [100 * one.slack], "% of grants", **bars))
    for who, one in seen.items():
        share = one.lost_attempts / one.attempts
        bars = {"bar": "at most 2 %", "met": share <= 0.02} if one is ours else {}
        rows.append(result("attempts lost to memory", who, [100 * share], "%", **bars))
        bars = {"bar": "none", "met": one.lost_trials == 0} if one is ours else {}
        rows.append(result("trials lost to memory", who, [one.lost_trials], "trials", **bars))
    return rows


def deadline(trials: int, time_s: float, seed: int) -> list[Result]:
    """Money for the same trials by the same time: static clusters as an expert would size them, and ours."""
    asks = requests()
    worst = asks["fixed for the worst case"]
    assert isinstance(worst.memory_mib, float)
    _, sampler = driver_parts(Case("", ResourceRequest(), (STEADY,), 1).spec())
    mean_s = statistics.fmean(wall_s(one.params) for one in sampler.ask(0, 4000))
    places = trials * mean_s / (0.85 * time_s)
    by_worst = math.ceil(places / math.floor(NODE.memory_mib / worst.memory_mib))
    by_cpu = math.ceil(places / NODE.cpu)
    cases = [
        Case("tuner, auto, autoscaled", ResourceRequest(), (STEADY,), trials, time_s, seed),
        Case("tuner, auto, autoscaled, spot", ResourceRequest(), (SPOT, STEADY), trials, time_s, seed),
        Case("static, fixed for the worst case", worst, (always(STEADY, by_worst),), trials, time_s, seed),
        Case(
            "static, auto, as few nodes as suffice", ResourceRequest(), (always(STEADY, by_cpu),), trials, time_s, seed
        ),
    ]
    rows: list[Result] = []
    seen = {case.who: run(case) for case in cases}
    static = seen["static, fixed for the worst case"].book.spent
    for who, one in seen.items():
        bars = {}
        if who == cases[0].who:
            met = one.book.spent <= 0.5 * static and one.finished >= 0.99 * trials
            bars = {"bar": "at most half of static, worst case; all trials done", "met": met}
        notes = {"finished": one.finished, "hours": one.hours, "node_hours": sum(one.book.node_s.values()) / 3600.0}
        question = f"money for {trials:,} trials within {time_s / 3600:g} h"
        rows.append(result(question, who, [one.book.spent], "money", notes=notes, **bars))
    return rows


def main() -> None:
    options = arguments(__doc__ or "")
    short, seed = options.short, options.seed
    n_nodes, trials = (10, 300) if short else (200, 48_000)
    rows = throughput(n_nodes, trials, seed)
    rows += deadline(*((200, 3600.0) if short else (4000, 4 * 3600.0)), seed)
    publish("autoscaling", rows, seed=seed, short=short)
    sys.exit(0 if short or all(row.met is not False for row in rows) else 1)


if __name__ == "__main__":
    main()
