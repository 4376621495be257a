"""A cluster in virtual time: ten thousand workers on a laptop, with failures, and the same log for the same seed.

``poll`` jumps to the next event instead of waiting. An objective takes part by having ``simulate`` (see ``Simulates``).
Checkpoints are virtual: of an objective with ``checkpoints = True`` every report is preceded by one. With ``node_types`` nodes
come and go by an autoscaler like Ray's (``_sim_nodes``). Memory is true: an attempt that needs more than it was granted dies.
"""

from __future__ import annotations

import inspect
import math
import random
from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tuner.core.actions import Start, Stop
from tuner.core.events import Checkpointed, Event, Finished, NodeJoined, NodeLost, NodeTypesSeen, Reported, Started
from tuner.core.ports import Executor, Objective
from tuner.errors import ExecutorError
from tuner.executors._sim_accounts import Accounts
from tuner.executors._sim_agenda import Agenda
from tuner.executors._sim_attempt import Faults, Run, Simulates, Simulation
from tuner.executors._sim_nodes import Changes, Elastic, Host, Nodes
from tuner.resources import NodeType, Resources, Usage
from tuner.study import StudySpec, trial_seed
from tuner.trial import Checkpoint, Failed, FailureKind, Outcome, Pruned

OVERSHOOT = (
    1.02  # times its grant: what an attempt holds when it is found to need more, since it is looked at now and then
)

__all__ = ["Accounts", "Faults", "Simulated", "Simulates", "Simulation"]


class Simulated(Executor):
    """The simulated cluster.

    Args:
        nodes: How many nodes there are.
        cpu: CPUs of each.
        gpu: GPUs of each.
        memory_mib: Memory of each.
        start_s: Virtual time at the beginning.
        faults: What goes wrong; None for nothing.
        seed: Of the faults.
        start_delay_s: From ``start`` to the attempt's beginning.
        node_types: What an autoscaler may start, instead of ``nodes`` that are there; as ``NodeType`` or its fields.
        idle_s: How long a node that holds no bundle idles before it is removed.
        lives_s: Mean life of a node by the name of its type (exponential); for ever where it is not named.
        notice_s: How long before its end a node that is taken away is told so.
        max_nodes: How many nodes there may be in all; None for as many as the types allow.
        base_memory_mib: What every worker process holds before an attempt.
    """

    virtual = True

    def __init__(  # noqa: PLR0913 -- the options of a plug-in are its keyword arguments
        self,
        *,
        nodes: int = 1,
        cpu: float = 1.0,
        gpu: float = 0.0,
        memory_mib: float = 4096.0,
        start_s: float = 0.0,
        faults: Faults | Mapping[str, float] | None = None,
        seed: int = 0,
        start_delay_s: float = 0.0,
        node_types: Sequence[NodeType | Mapping[str, Any]] = (),
        idle_s: float = 60.0,
        lives_s: Mapping[str, float] | None = None,
        notice_s: float = 0.0,
        max_nodes: int | None = None,
        base_memory_mib: float = 0.0,
    ) -> None:
        self._node = Resources(cpu, gpu, memory_mib)
        self._n_nodes = nodes
        self._faults = faults if isinstance(faults, Faults) else Faults(**(faults or {}))
        self._faulty = self._faults != Faults()
        self._seed = seed
        self._start_delay_s = start_delay_s
        self._chance = random.Random(trial_seed(seed, -1))
        self._agenda = Agenda(start_s)
        types = tuple(kind if isinstance(kind, NodeType) else _node_type(kind) for kind in node_types)
        self._elastic = Elastic(types, idle_s, lives_s or {}, notice_s, max_nodes)
        changes = Changes(self._joined, self._leaving, self._gone)
        self._nodes = Nodes(self._agenda, self._elastic, self._chance, changes)
        self._base_mib = base_memory_mib
        self.can_grow = bool(types)
        self._outbox: list[Event] = []
        self._lanes: dict[int, deque[Start]] = {}
        self._unplaced: deque[Start] = deque()
        self._where: dict[tuple[int, int], str] = {}
        self._origin = f"simulated://{start_s:g}/"
        self._saved: set[str] = set()  # checkpoints of this cluster's life; those of an earlier one are there as well
        self._spec: StudySpec | None = None

    @property
    def n_running(self) -> int:
        """Attempts that hold a place on a node now."""
        return len(self._where)

    @property
    def accounts(self) -> Accounts:
        """What the nodes did and cost until now."""
        return self._nodes.accounts

    def open(  # noqa: D102 -- see the port
        self, spec: StudySpec, objective: Objective, directory: Path, checkpoints: str | Path | None = None
    ) -> None:
        if not isinstance(objective, Simulates):
            raise ExecutorError(
                f"{type(objective).__name__} cannot be simulated", hint="give the objective a `simulate` method"
            )
        self._spec, self._objective = spec, objective
        self._resumes = "resume_step" in inspect.signature(objective.simulate).parameters
        self._saves = bool(getattr(objective, "checkpoints", False))
        if self._elastic.types:
            self._outbox.append(NodeTypesSeen(self._agenda.now_s, self._elastic.types))
            self._nodes.open()
        else:
            for index in range(self._n_nodes):
                self._nodes.join(f"n{index}", self._node)

    def now_s(self) -> float:  # noqa: D102 -- see the port
        return self._agenda.now_s

    def start(self, starts: Sequence[Start]) -> None:  # noqa: D102 -- see the port
        for start in starts:
            lane = self._lanes.setdefault(start.lane, deque())
            lane.append(start)
            if len(lane) == 1:
                self._place(start)

    def stop(self, stops: Sequence[Stop]) -> None:  # noqa: D102 -- see the port
        assert self._spec is not None
        for stop in stops:
            run = self._run(stop.trial, stop.attempt)
            if run is not None:
                run.stop = stop
                self._agenda.after(self._spec.stop_grace_s, partial(self._kill, run))
            else:
                self._drop_queued(stop)

    def poll(self, until_s: float | None) -> Sequence[Event]:  # noqa: D102 -- see the port
        while not self._outbox and self._agenda.jump(until_s):
            pass  # everything that happens at one instant makes one batch
        events, self._outbox = self._outbox, []
        return events

    def discard(self, checkpoints: Sequence[Checkpoint]) -> None:  # noqa: D102 -- see the port
        self._saved.difference_update(checkpoint.place for checkpoint in checkpoints)

    def scale(self, bundles: Sequence[Resources], types: Sequence[str] = ()) -> None:  # noqa: D102 -- see the port
        self._nodes.scale(bundles, types)

    def close(self) -> None:  # noqa: D102 -- see the port
        self._agenda.clear()

    def _joined(self, host: Host) -> None:
        self._outbox.append(NodeJoined(self._agenda.now_s, host.node))
        if self._faults.node_life_s < math.inf:
            life_s = self._chance.expovariate(1 / self._faults.node_life_s)
            self._agenda.after(life_s, lambda: self._nodes.remove(host, "simulated"))
        self._place_waiting()

    def _leaving(self, host: Host, reason: str) -> None:
        """A node takes no more attempts."""
        self._outbox.append(NodeLost(self._agenda.now_s, host.node.node_id, reason))

    def _gone(self, host: Host, reason: str) -> None:
        node_id = host.node.node_id
        kind = FailureKind.PREEMPTED if reason == "preempted" else FailureKind.NODE_LOST
        for run in list(host.runs.values()):
            self._conclude(run, Failed(kind, f"node {node_id} was lost"), certain=True)
        if host.kind is None:
            self._agenda.after(self._faults.node_back_s, partial(self._nodes.join, node_id, self._node))

    def _place(self, start: Start) -> bool:
        host = self._nodes.room_for(start.grant, start.avoid)
        if host is None:
            self._unplaced.append(start)
            return False
        self._nodes.take(host, start.grant)
        course = self._course(start)
        began_s = self._agenda.now_s + self._start_delay_s
        chance = random.Random(trial_seed(self._seed + start.attempt * 7919, start.trial)) if self._faulty else None
        run = Run(start, host.node.node_id, began_s, course, chance, self._doom(chance))
        key = (start.trial, start.attempt)
        host.runs[key] = run
        self._where[key] = run.node_id
        self._take_memory(host, run)
        self._agenda.after(self._start_delay_s, lambda: self._begin(run))
        return True

    def _needs_mib(self, run: Run) -> float:
        """Memory that it comes to hold, the worker's own included: what it needs, or its grant when it dies of that."""
        needs_mib, granted_mib = self._base_mib + run.course.peak_memory_mib, run.start.grant.memory_mib
        return min(needs_mib, granted_mib * OVERSHOOT) if granted_mib > 0 else needs_mib

    def _take_memory(self, host: Host, run: Run) -> None:
        """An attempt dies that needs more than its grant; one without a grant, when the node has no more."""
        granted_mib, offered_mib = run.start.grant.memory_mib, host.node.resources.memory_mib
        host.used_mib += self._needs_mib(run)
        if granted_mib > 0:
            bursts = self._base_mib + run.course.peak_memory_mib > granted_mib + 1e-6
        else:
            bursts = 0 < offered_mib < host.used_mib
        if bursts:
            run.bursts_at = random.Random(trial_seed(self._seed + run.start.attempt * 104729, run.start.trial)).random()

    def _course(self, start: Start) -> Simulation:
        saved = start.checkpoint
        if not self._resumes:
            return self._objective.simulate(start.params, start.seed, start.grant)
        gone = saved is None or (saved.place.startswith(self._origin) and saved.place not in self._saved)
        step = None if saved is None or gone else saved.step
        return self._objective.simulate(start.params, start.seed, start.grant, step)  # type: ignore[call-arg]

    def _place_waiting(self) -> None:
        failed: set[tuple[Resources, tuple[str, ...]]] = set()
        for _ in range(len(self._unplaced)):
            start = self._unplaced.popleft()
            if (start.grant, start.avoid) in failed:
                self._unplaced.append(start)
            elif not self._place(start):
                failed.add((start.grant, start.avoid))

    def _doom(self, chance: random.Random | None) -> tuple[float, Outcome | None] | None:
        if chance is None:
            return None
        draw, faults = chance.random(), self._faults
        if faults.worker_life_s < math.inf:
            died_s = self._agenda.now_s + chance.expovariate(1 / faults.worker_life_s)
            return died_s, Failed(FailureKind.WORKER_LOST, "simulated death of the worker")
        when_s = self._agenda.now_s + chance.expovariate(1 / 10.0)
        if draw < faults.crash:
            return when_s, Failed(FailureKind.WORKER_LOST, "simulated crash")
        if draw < faults.crash + faults.out_of_memory:
            return when_s, Failed(FailureKind.OUT_OF_MEMORY, "simulated")
        if draw < faults.crash + faults.out_of_memory + faults.hang:
            return when_s, None
        return None

    def _run(self, trial: int, attempt: int) -> Run | None:
        host = self._nodes.hosts.get(self._where.get((trial, attempt), ""))
        return host.runs.get((trial, attempt)) if host else None

    def _alive(self, run: Run) -> bool:
        return not (run.over or run.silent)

    def _begin(self, run: Run) -> None:
        if not self._alive(run):
            return
        self._send(Started(self._agenda.now_s, run.start.trial, run.start.attempt, run.node_id), run)
        self._go_on(run)

    def _go_on(self, run: Run) -> None:
        """Schedule what the attempt does next: report, end, or die on the way."""
        following = next(run.course.reports, None)
        delay_s = run.course.tail_s if following is None else following[0]
        if run.bursts_at is not None:
            dies_s = self._agenda.now_s + delay_s * run.bursts_at
            if run.doom is None or dies_s < run.doom[0]:
                run.doom = dies_s, Failed(FailureKind.OUT_OF_MEMORY, f"needed more than {self._needs_mib(run):.0f} MiB")
            run.bursts_at = None
        if run.doom is not None and self._agenda.now_s + delay_s >= run.doom[0]:
            outcome = run.doom[1]
            delay_s = max(0.0, run.doom[0] - self._agenda.now_s)
            act = (lambda: self._hang(run)) if outcome is None else (lambda: self._conclude(run, outcome))
            self._agenda.after(delay_s, act)
        elif following is None:
            self._agenda.after(delay_s, lambda: self._conclude(run, run.course.outcome))
        else:
            self._agenda.after(delay_s, lambda: self._report(run, following[1], following[2]))

    def _report(self, run: Run, step: int, values: Mapping[str, float]) -> None:
        if not self._alive(run):
            return
        if self._saves:
            place = f"{self._origin}{run.start.trial}/{run.start.attempt}-{step}"
            self._saved.add(place)
            self._send(
                Checkpointed(self._agenda.now_s, run.start.trial, run.start.attempt, Checkpoint(step, place)), run
            )
        run.last_step = step
        self._send(Reported(self._agenda.now_s, run.start.trial, run.start.attempt, step, values), run)
        if run.stop is not None:
            self._conclude(run, self._stopped(run, run.stop))
        else:
            self._go_on(run)

    def _stopped(self, run: Run, stop: Stop, how: str = "") -> Outcome:
        if stop.prune:
            return Pruned(run.last_step)
        return Failed(FailureKind.TIMEOUT if stop.timeout else FailureKind.STOPPED, stop.reason + how)

    def _hang(self, run: Run) -> None:
        if self._alive(run):
            run.silent = True
            failure = Failed(FailureKind.HUNG, f"silent for {self._faults.lease_s:g} s")
            self._agenda.after(self._faults.lease_s, lambda: self._conclude(run, failure, certain=True))

    def _kill(self, run: Run) -> None:
        if run.stop is not None and self._spec is not None:
            how = f"; it did not stop within {self._spec.stop_grace_s:g} s and was killed"
            self._conclude(run, self._stopped(run, run.stop, how), certain=True)

    def _conclude(self, run: Run, outcome: Outcome, *, certain: bool = False) -> None:
        """The attempt ends; ``certain`` when the executor itself says so, and no message can get lost."""
        key = (run.start.trial, run.start.attempt)
        if self._where.get(key) != run.node_id or (run.silent and not certain):
            return
        if not certain and run.chance is not None and run.chance.random() < self._faults.lose_finished:
            self._hang(run)
            return
        wall_s = max(0.0, self._agenda.now_s - run.began_s)
        usage = self._usage(run, wall_s)
        self._release(run, key, usage)
        self._send(Finished(self._agenda.now_s, *key, outcome, usage), run, certain=True)
        lane = self._lanes[run.start.lane]
        lane.popleft()
        if lane:
            self._place(lane[0])
        self._place_waiting()

    def _usage(self, run: Run, wall_s: float) -> Usage:
        cpus = run.start.grant.cpu if run.course.cpus is None else min(run.course.cpus, run.start.grant.cpu)
        peak_mib = max(0.0, self._needs_mib(run) - self._base_mib)
        return Usage(
            peak_memory_mib=peak_mib,
            cpu_s=wall_s * cpus,
            wall_s=wall_s,
            base_memory_mib=self._base_mib,
            mean_memory_mib=peak_mib,
            threads=max(1, math.ceil(cpus)),
        )

    def _release(self, run: Run, key: tuple[int, int], usage: Usage) -> None:
        del self._where[key]
        run.over = True
        host = self._nodes.hosts.get(run.node_id)
        if host is not None and host.runs.pop(key, None) is run:
            host.used_mib -= self._needs_mib(run)
            self._nodes.give(host, run.start.grant, run.began_s, usage.cpu_s)
        else:
            self._nodes.charge(run.start.grant, run.began_s, usage.cpu_s)

    def _drop_queued(self, stop: Stop) -> None:
        """An attempt that has not begun: it ends where it waits, in its lane or for a node."""
        for lane in self._lanes.values():
            for start in lane:
                if (start.trial, start.attempt) == (stop.trial, stop.attempt):
                    first = lane[0] is start
                    lane.remove(start)
                    if start in self._unplaced:
                        self._unplaced.remove(start)
                    failed: Outcome = Pruned(None) if stop.prune else Failed(FailureKind.STOPPED, stop.reason)
                    self._outbox.append(Finished(self._agenda.now_s, stop.trial, stop.attempt, failed, Usage()))
                    if first and lane:
                        self._place(lane[0])
                    return

    def _send(self, event: Event, run: Run, *, certain: bool = False) -> None:
        if run.chance is None:
            self._outbox.append(event)
            return
        if not certain and run.chance.random() < self._faults.lose:
            return
        for _ in range(2 if run.chance.random() < self._faults.duplicate else 1):
            self._agenda.after(run.chance.random() * self._faults.delay_s, lambda: self._deliver(event))

    def _deliver(self, event: Event) -> None:
        # Events carry the time at which the driver learned of them.
        fields = {name: getattr(event, name) for name in event.__dataclass_fields__ if name != "at_s"}
        self._outbox.append(type(event)(at_s=self._agenda.now_s, **fields))


def _node_type(fields: Mapping[str, Any]) -> NodeType:
    resources = fields["resources"]
    return NodeType(
        **{**fields, "resources": resources if isinstance(resources, Resources) else Resources(**resources)}
    )
