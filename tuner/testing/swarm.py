"""The swarm: random clusters, limits and faults from one seed, and the laws that must hold in all of them.

    outcome = run_scenario(17)      # raises BrokenLawError with the seed and the law

A failing seed is a bug report: ``Scenario.from_seed(seed)`` prints every knob.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tuner.core.actions import Action, Discard, Scale, Start
from tuner.core.codec import encode
from tuner.core.events import Event, Finished, NodeTypesSeen, StudyOpened, StudyResumed, Suggested
from tuner.core.outcomes import MAX_LOSSES
from tuner.core.ports import Suggestion
from tuner.engine import Engine
from tuner.executors.simulated import Faults, Simulated
from tuner.resources import NodeType, Resources
from tuner.samplers.random import RandomSampler
from tuner.space import Categorical, Float, Int, SearchSpace
from tuner.study import (
    CheckpointPolicy,
    Constraint,
    Limits,
    Metric,
    PluginSpec,
    Prices,
    ResourceRequest,
    Retry,
    StudySpec,
    trial_seed,
)
from tuner.testing.simulation import ListLog, ModelObjective, driver_parts, resume, simulate
from tuner.testing.simulation import Simulated as Left
from tuner.trial import Trial

GRACE_S = 5.0
COST = 1200.0  # of 12 nodes with 8 CPUs each one grace costs 480, less than half of it
LINEAGE = "tuner.testing.swarm:Lineage"
POPULATION = 4
PBT = {"population": POPULATION, "interval": 2}
PRUNERS = [
    PluginSpec("none"),
    PluginSpec("median"),
    PluginSpec("asha"),
    PluginSpec("asha", {"promote": True, "eta": 2}),
    PluginSpec("asha", {"promote": True, "eta": 3}),
]
CONSTRAINTS: list[tuple[Constraint, ...]] = [
    *[()] * 6,
    *[(Constraint("wall_s", high=5.0), Constraint("peak_memory_mib", low=200.0))] * 3,
    (Constraint("never_returned", high=1.0),),
]

__all__ = ["BrokenLawError", "Lineage", "Scenario", "digest", "run_scenario"]


class BrokenLawError(AssertionError):
    """A law of the engine did not hold: the seed, the law and what was seen."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One random world.

    Attributes:
        seed: Everything follows from it.
        spec: The study.
        nodes: How many nodes.
        cpu: CPUs of each.
        memory_mib: Memory of each.
        faults: What goes wrong.
        steps: Reports of a full attempt.
        p_raise: Share of trials that raise.
        checkpoints: Whether attempts save before every report.
        dies_after: Positions in the log at which the driver is killed; another one resumes.
        types: Nodes that an autoscaler may start; empty for ``nodes`` that are there.
        life_s: Mean life of nodes of the first type, which are taken away.
        notice_s: How long before they are told.
        grows_mib: How attempts' memory grows with their parameters.
    """

    seed: int
    spec: StudySpec
    nodes: int
    cpu: float
    memory_mib: float
    faults: Faults
    steps: int
    p_raise: float
    checkpoints: bool
    dies_after: tuple[int, ...]
    types: tuple[NodeType, ...] = ()
    life_s: float = float("inf")
    notice_s: float = 0.0
    grows_mib: float = 0.0

    @classmethod
    def from_seed(cls, seed: int) -> Scenario:
        """The world of a seed."""
        chance = random.Random(seed)
        trials = chance.randint(1, 80)
        deaths = sorted(chance.randint(1, 40 * trials) for _ in range(chance.choice([0, 0, 1, 3])))
        world = cls(
            seed=seed,
            spec=_spec(chance, seed, trials),
            nodes=chance.randint(1, 12),
            cpu=float(chance.choice([1, 2, 4, 8])),
            memory_mib=float(chance.choice([1024, 4096, 16384])),
            faults=_faults(chance),
            steps=chance.choice([0, 1, 5, 27]),
            p_raise=chance.choice([0.0, 0.0, 0.2, 1.0]),
            checkpoints=chance.random() < 0.6,
            dies_after=tuple(deaths),
        )
        return world._varied(chance)

    def _varied(self, chance: random.Random) -> Scenario:
        """Every third world has an autoscaler; in every third, memory depends on parameters."""
        world = self
        if chance.random() < 0.35:
            limits = replace(self.spec.limits, nodes=chance.choice([None, None, 1, 4]))
            types = tuple(_node_type(chance, name, self.cpu) for name in ("a", "b")[: chance.randint(1, 2)])
            world = replace(
                world,
                spec=self.spec.with_limits(limits),
                types=types,
                life_s=chance.choice([float("inf"), 60.0, 15.0]),
                notice_s=chance.choice([0.0, 10.0]),
            )
        return replace(world, grows_mib=chance.choice([0.0, 0.0, 50.0, 300.0]))

    @property
    def cpus(self) -> float:
        """CPUs of all nodes that there may be."""
        if not self.types:
            return self.nodes * self.cpu
        return sum(kind.max_nodes * kind.resources.cpu for kind in self.types)

    def executor(self, start_s: float = 0.0) -> Simulated:
        """A fresh cluster of this world."""
        return Simulated(
            nodes=self.nodes,
            cpu=self.cpu,
            memory_mib=self.memory_mib,
            faults=self.faults,
            seed=self.seed,
            start_s=start_s,
            start_delay_s=0.01,
            node_types=self.types,
            idle_s=10.0,
            lives_s={"a": self.life_s},
            notice_s=self.notice_s,
        )

    def objective(self) -> ModelObjective:
        """The objective of this world."""
        return ModelObjective(
            steps=self.steps, p_raise=self.p_raise, checkpoints=self.checkpoints, grows_mib=self.grows_mib
        )


class Lineage(RandomSampler):
    """Random parameters; every other trial descends from one before it, be it running, paused or finished."""

    def ask(self, first: int, count: int) -> Sequence[Suggestion]:
        """Suggestions with parents that depend on the number alone."""
        drawn = super().ask(first, count)
        return [replace(one, parent=self._parent(number)) for number, one in enumerate(drawn, first)]

    @staticmethod
    def _parent(number: int) -> int | None:
        back = trial_seed(7, number) % 6
        return number - back if number % 2 and 0 < back <= number else None


def _node_type(chance: random.Random, name: str, cpu: float) -> NodeType:
    offered = Resources(cpu * chance.choice([1, 2]), 0.0, chance.choice([1024.0, 4096.0, 16384.0]))
    price_h = chance.choice([None, 3600.0 * offered.cpu])  # one a second and CPU
    boot_s = chance.choice([0.0, 2.0, 20.0])
    return NodeType(name, offered, chance.randint(1, 6), 0, price_h, name == "a", boot_s)


def _spec(chance: random.Random, seed: int, trials: int) -> StudySpec:
    limits = Limits(
        trials=chance.choice([trials, trials, None]),
        parallel=chance.choice([None, None, 1, 3, 20]),
        time_s=chance.choice([None, 30.0, 300.0]),
        trial_time_s=chance.choice([None, None, 4.0]),
        failures=chance.choice([None, 0, 5]),
        failures_share=chance.choice([None, 0.3]),
        patience=chance.choice([None, None, 10]),
        steps=chance.choice([None, None, None, 100]),
        cost=chance.choice([None, None, None, COST]),
    )
    if limits.trials is None and limits.time_s is None:
        limits = replace(limits, time_s=60.0)
    if limits.trials is not None and limits.trials >= POPULATION and chance.random() < 0.1:
        sampler, pruner = PluginSpec("pbt", PBT), PluginSpec("pbt", PBT)
    elif limits.trials is not None:
        sampler, pruner = PluginSpec(chance.choice(["random", LINEAGE, "grid"])), chance.choice(PRUNERS)
    else:
        sampler, pruner = PluginSpec(LINEAGE), chance.choice(PRUNERS)
    space = SearchSpace({"x": Float(0.0, 1.0), "n": Int(1, 8), "kind": Categorical(["a", "b"])})
    return StudySpec(
        name=f"swarm-{seed}",
        metrics=(Metric("loss", "minimize", chance.choice([None, None, 0.2])),),
        space=space,
        objective=PluginSpec("model"),
        sampler=sampler,
        pruner=pruner,
        limits=limits,
        resources=ResourceRequest(cpu=chance.choice([None, 0.5, 1.0]), memory_mib=chance.choice([None, 512.0])),
        retry=Retry(max=chance.randint(0, 4)),
        seed=seed,
        stop_grace_s=GRACE_S,
        constraints=chance.choice(CONSTRAINTS),
        prices=Prices(cpu_h=3600.0),  # one a second and CPU
        keep=CheckpointPolicy(best=chance.choice([0, 1, 3])),
    )


def _faults(chance: random.Random) -> Faults:
    def some(rate: float) -> float:
        return chance.choice([0.0, 0.0, rate * chance.random()])

    return Faults(
        crash=some(0.3),
        out_of_memory=some(0.3),
        hang=some(0.2),
        lose=some(0.3),
        lose_finished=some(0.2),
        duplicate=some(0.5),
        delay_s=some(5.0),
        node_life_s=chance.choice([float("inf"), float("inf"), 40.0, 8.0]),
        node_back_s=chance.choice([1.0, 20.0]),
        lease_s=30.0,
    )


def run_scenario(seed: int) -> Left:
    """Run the world of a seed, its driver killed and resumed as it says, and hold the laws.

    Raises:
        BrokenLawError: One did not hold.
    """
    scenario = Scenario.from_seed(seed)
    watch = _Watch(scenario)
    left = _live(scenario, watch)
    _hold(scenario, left)
    _hold_budget(scenario, left)
    _hold_replay(scenario, left)
    return left


def _live(scenario: Scenario, watch: _Watch) -> Left:
    scenario_spec = _with_float_grid(scenario.spec)
    log = ListLog(dies_after=scenario.dies_after[0] if scenario.dies_after else None)
    left = simulate(scenario_spec, watch.executor(0.0), scenario.objective(), log=log, watch=watch)
    for death in (*scenario.dies_after[1:], None):
        if left.closed is not None:
            break
        at_s = max((event.at_s for event in log.events), default=0.0)
        if not log.events:  # it died before anything was durable: there is nothing to resume
            log = ListLog()
            left = simulate(scenario_spec, watch.executor(0.0), scenario.objective(), log=log, watch=watch)
            continue
        log.dies_after = None if death is None else len(log.events) + death
        left = resume(log, watch.executor(at_s + 1.0), scenario.objective(), watch=watch)
    return left


def _with_float_grid(spec: StudySpec) -> StudySpec:
    if spec.sampler.type != "grid":
        return spec
    space = SearchSpace({**spec.space, "x": Float(0.0, 1.0, step=0.25)})
    return replace(spec, space=space)


class _Watch:
    """Looks over the engine's shoulder, turn by turn."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._executor: Simulated | None = None

    def executor(self, start_s: float) -> Simulated:
        self._executor = self._scenario.executor(start_s)
        return self._executor

    def __call__(self, engine: Engine) -> None:
        executor = self._executor
        assert executor is not None
        start = executor.start

        def watched(starts: Sequence[Start]) -> None:
            start(starts)
            seed = self._scenario.seed
            running_trials = [trial for trial, _ in executor._where]
            if len(set(running_trials)) < len(running_trials):
                raise BrokenLawError(f"seed {seed}: a trial has two attempts at once: {sorted(executor._where)}")
            limit = self._scenario.spec.limits.parallel
            running = executor.n_running
            if limit is not None and running > limit:
                raise BrokenLawError(f"seed {seed}: {running} attempts run at once, limits.parallel is {limit}")
            asked = self._scenario.spec.resources.cpu or 1.0
            assert isinstance(asked, float)
            capacity = self._scenario.cpus / asked
            if running > capacity + 1e-9:
                raise BrokenLawError(f"seed {seed}: {running} attempts run on room for {capacity:g}")

        executor.start = watched  # type: ignore[method-assign]


def _law(scenario: Scenario, holds: bool, text: str) -> None:
    if not holds:
        raise BrokenLawError(f"seed {scenario.seed}: {text}\n{scenario}")


def _hold(scenario: Scenario, left: Left) -> None:
    """No trial finished twice, none lost, limits kept, retries bounded, the study ended."""
    trials = left.log.trials
    suggested = [event.trial for event in left.log.events if isinstance(event, Suggested)]
    _law(scenario, left.closed is not None, "the study did not end")
    _law(scenario, [t.number for t in trials] == list(range(len(trials))), "trial numbers have gaps")
    _law(scenario, len(trials) == len(set(suggested)), "a suggested trial is missing")
    _law(scenario, all(t.state.finished for t in trials), f"unfinished: {[t for t in trials if not t.state.finished]}")
    twice = [number for number, n in left.log.n_final.items() if n != 1]
    _law(scenario, not twice, f"finished more than once: {twice}")
    limit = scenario.spec.limits.trials
    _law(scenario, limit is None or len(trials) <= limit, f"{len(trials)} trials, limit {limit}")
    most = 1 + scenario.spec.retry.max + MAX_LOSSES + len(scenario.dies_after)
    _law(scenario, all(t.attempts <= most for t in trials), f"more than {most} attempts")
    _law(scenario, all(_well_formed(t) for t in trials), f"ill-formed: {[t for t in trials if not _well_formed(t)]}")


def _well_formed(trial: Trial) -> bool:
    if trial.state == "COMPLETE":
        return "loss" in trial.values and trial.failure is None
    return (trial.failure is not None) == (trial.state == "FAIL")


def _hold_budget(scenario: Scenario, left: Left) -> None:
    """Where every message arrives at once the budget is never passed."""
    closed, progress = left.closed, left.core.progress
    steps, cost = scenario.spec.limits.steps, scenario.spec.limits.cost
    assert closed is not None
    _law(scenario, closed.reason != "steps" or progress.steps >= (steps or 0), f"ended after {progress.steps} steps")
    if cost is not None and scenario.faults == replace(Faults(), lease_s=scenario.faults.lease_s):
        _law(scenario, progress.cost <= cost, f"it cost {progress.cost:g}, {cost:g} were allowed")


def _hold_replay(scenario: Scenario, left: Left) -> None:
    """The log alone makes a fresh core say what the one before said, and every attempt and checkpoint keeps to its order."""
    events = left.log.events
    assert isinstance(events[0], StudyOpened)
    core, _ = driver_parts(events[0].spec)
    order = _Order(scenario)
    again: list[Action] = []
    for event in events:
        if isinstance(event, StudyOpened | StudyResumed):
            again.clear()
        order.happened(event)
        for action in core.handle(event):
            again.append(action)
            order.decided(action)
    _law(scenario, order.ended <= order.begun, f"ended but never begun: {order.ended - order.begun}")
    _law(scenario, core.closed is not None, "the replayed core did not close")
    _law(scenario, again == left.actions, "the replayed core decided otherwise")
    _law(scenario, not order.asked, f"nodes are asked for after the end: {order.asked[:3]}")
    kept, most = core.checkpoints, scenario.spec.keep.best
    _law(scenario, len(kept) <= most, f"{len(kept)} checkpoints are kept, the policy says {most}")


class _Order:
    """No attempt ends that had not begun, none begins before the one before it ended, no checkpoint goes that is in use,
    no node is asked for that cannot be had."""

    def __init__(self, scenario: Scenario) -> None:
        self.begun: set[tuple[int, int]] = set()
        self.ended: set[tuple[int, int]] = set()
        self._scenario = scenario
        self._using: dict[tuple[int, int], str] = {}
        self._gone: set[str] = set()
        self._knows_types = False
        self.asked: tuple[Resources, ...] = ()

    def happened(self, event: Event) -> None:
        if isinstance(event, Finished):
            self.ended.add((event.trial, event.attempt))
            self._using.pop((event.trial, event.attempt), None)
        elif isinstance(event, StudyResumed):
            self.ended |= self.begun  # lost with their driver
            self._using.clear()
            self._knows_types = False
        elif isinstance(event, NodeTypesSeen):
            self._knows_types = True

    def decided(self, action: Action) -> None:
        if isinstance(action, Start):
            key, before = (action.trial, action.attempt), (action.trial, action.attempt - 1)
            _law(self._scenario, key not in self.begun, f"attempt {key} began twice")
            first = action.attempt == 1
            _law(self._scenario, first or before in self.ended, f"attempt {key} began before {before} ended")
            self.begun.add(key)
            if action.checkpoint is not None:
                place = action.checkpoint.place
                _law(self._scenario, place not in self._gone, f"attempt {key} starts from {place}, which is discarded")
                self._using[key] = place
        elif isinstance(action, Discard):
            places = {checkpoint.place for checkpoint in action.checkpoints}
            used = places & set(self._using.values())
            _law(self._scenario, not used, f"discarded although attempts started from them: {used}")
            self._gone |= places
        elif isinstance(action, Scale):
            self.asked = action.bundles
            if self._knows_types:
                self._judge_request(action.bundles)

    def _judge_request(self, bundles: Sequence[Resources]) -> None:
        """What is asked of the autoscaler fits its types and the limit of nodes."""
        scenario, most = self._scenario, self._scenario.spec.limits.nodes
        offers = [kind.resources for kind in scenario.types]
        cpus = scenario.cpus if most is None else min(scenario.cpus, most * max(offer.cpu for offer in offers))
        strays = [bundle for bundle in bundles if not any(bundle.fits_into(offer) for offer in offers)]
        _law(scenario, not strays, f"asked for what no node type holds: {strays[:3]}")
        total = sum(bundle.cpu for bundle in bundles)
        _law(scenario, total <= cpus + 1e-6, f"asked for {total:g} CPUs, {cpus:g} may be had")


def digest(events: Sequence[Event]) -> str:
    """A fingerprint of a log: equal for equal logs, event by event."""
    rows = [[event.at_s, *encode(event)] for event in events]
    return hashlib.sha256(json.dumps(rows, default=dict, sort_keys=True).encode()).hexdigest()
