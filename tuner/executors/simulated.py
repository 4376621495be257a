"""A cluster in virtual time: ten thousand workers on a laptop, with failures, and the same log for the same seed.

``poll`` jumps to the next event instead of waiting. An objective takes part by having ``simulate`` (see ``Simulates``).
Checkpoints are virtual: of an objective with ``checkpoints = True`` every report is preceded by one.
"""

from __future__ import annotations

import heapq
import inspect
import math
import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

from tuner.core.actions import Start, Stop
from tuner.core.events import Checkpointed, Event, Finished, NodeJoined, NodeLost, Reported, Started
from tuner.core.ports import Executor, Objective
from tuner.errors import ExecutorError
from tuner.resources import Node, Resources, Usage
from tuner.study import StudySpec, trial_seed
from tuner.trial import Checkpoint, Failed, FailureKind, Outcome, Params, Pruned

__all__ = ["Faults", "Simulated", "Simulates", "Simulation"]


@dataclass(frozen=True, slots=True)
class Simulation:
    """How one attempt would go if nothing disturbed it.

    Attributes:
        reports: (seconds since the report before, or since the start; step; values), in order. Read lazily, so a stopped
            attempt costs nothing for what it would have reported.
        tail_s: Seconds from the last report to the end.
        outcome: How it ends.
        peak_memory_mib: What its usage says.
    """

    reports: Iterator[tuple[float, int, Mapping[str, float]]]
    tail_s: float
    outcome: Outcome
    peak_memory_mib: float = 0.0


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


@dataclass(slots=True)
class _Run:
    """An attempt on its node."""

    start: Start
    node_id: str
    began_s: float
    course: Simulation
    chance: random.Random | None
    doom: tuple[float, Outcome | None] | None  # when it dies, and of what; an outcome of None is silence
    last_step: int | None = None
    stop: Stop | None = None
    silent: bool = False


@dataclass(slots=True)
class _Host:
    node: Node
    free: Resources
    runs: dict[tuple[int, int], _Run] = field(default_factory=dict)


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
    """

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
    ) -> None:
        self._node = Resources(cpu, gpu, memory_mib)
        self._n_nodes = nodes
        self._now_s = start_s
        self._faults = faults if isinstance(faults, Faults) else Faults(**(faults or {}))
        self._faulty = self._faults != Faults()
        self._seed = seed
        self._start_delay_s = start_delay_s
        self._chance = random.Random(trial_seed(seed, -1))
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._n_scheduled = 0
        self._outbox: list[Event] = []
        self._hosts: dict[str, _Host] = {}
        self._roomy: list[
            str
        ] = []  # hosts that may have room; a stack, so the last one to free a place is filled first
        self._lanes: dict[int, deque[Start]] = {}
        self._unplaced: deque[Start] = deque()
        self._where: dict[tuple[int, int], str] = {}
        self._origin = f"simulated://{start_s:g}/"
        self._saved: set[str] = set()  # checkpoints of this cluster's life; those of an earlier one are there as well
        self._spec: StudySpec | None = None
        self.busy_cpu_s = 0.0

    @property
    def n_running(self) -> int:
        """Attempts that hold a place on a node now."""
        return len(self._where)

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
        for index in range(self._n_nodes):
            self._join(f"n{index}")

    def now_s(self) -> float:  # noqa: D102 -- see the port
        return self._now_s

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
                self._at(self._spec.stop_grace_s, partial(self._kill, run))
            else:
                self._drop_queued(stop)

    def poll(self, until_s: float | None) -> Sequence[Event]:  # noqa: D102 -- see the port
        while not self._outbox:
            if not self._agenda or (until_s is not None and self._agenda[0][0] > until_s):
                if until_s is not None:
                    self._now_s = max(self._now_s, until_s)
                break
            # Everything that happens at one instant makes one batch.
            self._now_s = max(self._now_s, self._agenda[0][0])
            while self._agenda and self._agenda[0][0] <= self._now_s:
                heapq.heappop(self._agenda)[2]()
        events, self._outbox = self._outbox, []
        return events

    def discard(self, checkpoints: Sequence[Checkpoint]) -> None:  # noqa: D102 -- see the port
        self._saved.difference_update(checkpoint.place for checkpoint in checkpoints)

    def close(self) -> None:  # noqa: D102 -- see the port
        self._agenda.clear()
        self._hosts.clear()

    def _at(self, delay_s: float, act: Callable[[], None]) -> None:
        self._n_scheduled += 1  # ties go in the order of scheduling, so runs repeat
        heapq.heappush(self._agenda, (self._now_s + delay_s, self._n_scheduled, act))

    def _join(self, node_id: str) -> None:
        node = Node(node_id, self._node)
        self._hosts[node_id] = _Host(node, self._node)
        self._roomy.append(node_id)
        self._outbox.append(NodeJoined(self._now_s, node))
        if self._faults.node_life_s < math.inf:
            self._at(self._chance.expovariate(1 / self._faults.node_life_s), lambda: self._lose_node(node_id))
        self._place_waiting()

    def _lose_node(self, node_id: str) -> None:
        host = self._hosts.pop(node_id)
        self._outbox.append(NodeLost(self._now_s, node_id, "simulated"))
        for run in list(host.runs.values()):
            self._conclude(run, Failed(FailureKind.NODE_LOST, f"node {node_id} was lost"), certain=True)
        self._at(self._faults.node_back_s, lambda: self._join(node_id))

    def _place(self, start: Start) -> None:
        host = self._room_for(start.grant)
        if host is None:
            self._unplaced.append(start)
            return
        host.free = Resources(
            host.free.cpu - start.grant.cpu,
            host.free.gpu - start.grant.gpu,
            host.free.memory_mib - start.grant.memory_mib,
        )
        course = self._course(start)
        began_s = self._now_s + self._start_delay_s
        chance = random.Random(trial_seed(self._seed + start.attempt * 7919, start.trial)) if self._faulty else None
        run = _Run(start, host.node.node_id, began_s, course, chance, self._doom(chance))
        key = (start.trial, start.attempt)
        host.runs[key] = run
        self._where[key] = run.node_id
        self._at(self._start_delay_s, lambda: self._begin(run))

    def _course(self, start: Start) -> Simulation:
        saved = start.checkpoint
        if not self._resumes:
            return self._objective.simulate(start.params, start.seed, start.grant)
        gone = saved is None or (saved.place.startswith(self._origin) and saved.place not in self._saved)
        step = None if saved is None or gone else saved.step
        return self._objective.simulate(start.params, start.seed, start.grant, step)  # type: ignore[call-arg]

    def _room_for(self, grant: Resources) -> _Host | None:
        while self._roomy:
            host = self._hosts.get(self._roomy[-1])
            if host is not None and grant.fits_into(host.free):
                return host
            self._roomy.pop()
        # Grants of different sizes: a host that was too full for one may take another.
        for host in self._hosts.values():
            if grant.fits_into(host.free):
                self._roomy.append(host.node.node_id)
                return host
        return None

    def _place_waiting(self) -> None:
        for _ in range(len(self._unplaced)):
            self._place(self._unplaced.popleft())

    def _doom(self, chance: random.Random | None) -> tuple[float, Outcome | None] | None:
        if chance is None:
            return None
        draw, faults = chance.random(), self._faults
        when_s = self._now_s + chance.expovariate(1 / 10.0)
        if draw < faults.crash:
            return when_s, Failed(FailureKind.WORKER_LOST, "simulated crash")
        if draw < faults.crash + faults.out_of_memory:
            return when_s, Failed(FailureKind.OUT_OF_MEMORY, "simulated")
        if draw < faults.crash + faults.out_of_memory + faults.hang:
            return when_s, None
        return None

    def _run(self, trial: int, attempt: int) -> _Run | None:
        host = self._hosts.get(self._where.get((trial, attempt), ""))
        return host.runs.get((trial, attempt)) if host else None

    def _alive(self, run: _Run) -> bool:
        return self._run(run.start.trial, run.start.attempt) is run and not run.silent

    def _begin(self, run: _Run) -> None:
        if not self._alive(run):
            return
        self._send(Started(self._now_s, run.start.trial, run.start.attempt, run.node_id), run)
        self._go_on(run)

    def _go_on(self, run: _Run) -> None:
        """Schedule what the attempt does next: report, end, or die on the way."""
        following = next(run.course.reports, None)
        delay_s = run.course.tail_s if following is None else following[0]
        if run.doom is not None and self._now_s + delay_s >= run.doom[0]:
            outcome = run.doom[1]
            delay_s = max(0.0, run.doom[0] - self._now_s)
            act = (lambda: self._hang(run)) if outcome is None else (lambda: self._conclude(run, outcome))
            self._at(delay_s, act)
        elif following is None:
            self._at(delay_s, lambda: self._conclude(run, run.course.outcome))
        else:
            self._at(delay_s, lambda: self._report(run, following[1], following[2]))

    def _report(self, run: _Run, step: int, values: Mapping[str, float]) -> None:
        if not self._alive(run):
            return
        if self._saves:
            place = f"{self._origin}{run.start.trial}/{run.start.attempt}-{step}"
            self._saved.add(place)
            self._send(Checkpointed(self._now_s, run.start.trial, run.start.attempt, Checkpoint(step, place)), run)
        run.last_step = step
        self._send(Reported(self._now_s, run.start.trial, run.start.attempt, step, values), run)
        if run.stop is not None:
            self._conclude(run, self._stopped(run, run.stop))
        else:
            self._go_on(run)

    def _stopped(self, run: _Run, stop: Stop, how: str = "") -> Outcome:
        if stop.prune:
            return Pruned(run.last_step)
        return Failed(FailureKind.TIMEOUT if stop.timeout else FailureKind.STOPPED, stop.reason + how)

    def _hang(self, run: _Run) -> None:
        if self._alive(run):
            run.silent = True
            failure = Failed(FailureKind.HUNG, f"silent for {self._faults.lease_s:g} s")
            self._at(self._faults.lease_s, lambda: self._conclude(run, failure, certain=True))

    def _kill(self, run: _Run) -> None:
        if run.stop is not None and self._spec is not None:
            how = f"; it did not stop within {self._spec.stop_grace_s:g} s and was killed"
            self._conclude(run, self._stopped(run, run.stop, how), certain=True)

    def _conclude(self, run: _Run, outcome: Outcome, *, certain: bool = False) -> None:
        """The attempt ends; ``certain`` when the executor itself says so, and no message can get lost."""
        key = (run.start.trial, run.start.attempt)
        if self._where.get(key) != run.node_id or (run.silent and not certain):
            return
        if not certain and run.chance is not None and run.chance.random() < self._faults.lose_finished:
            self._hang(run)
            return
        self._release(run, key)
        wall_s = max(0.0, self._now_s - run.began_s)
        self.busy_cpu_s += wall_s * run.start.grant.cpu
        usage = Usage(peak_memory_mib=run.course.peak_memory_mib, cpu_s=wall_s * run.start.grant.cpu, wall_s=wall_s)
        self._send(Finished(self._now_s, *key, outcome, usage), run, certain=True)
        lane = self._lanes[run.start.lane]
        lane.popleft()
        if lane:
            self._place(lane[0])
        self._place_waiting()

    def _release(self, run: _Run, key: tuple[int, int]) -> None:
        del self._where[key]
        host = self._hosts.get(run.node_id)
        if host is not None and host.runs.pop(key, None) is run:
            grant = run.start.grant
            free = host.free
            host.free = Resources(free.cpu + grant.cpu, free.gpu + grant.gpu, free.memory_mib + grant.memory_mib)
            self._roomy.append(run.node_id)

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
                    self._outbox.append(Finished(self._now_s, stop.trial, stop.attempt, failed, Usage()))
                    if first and lane:
                        self._place(lane[0])
                    return

    def _send(self, event: Event, run: _Run, *, certain: bool = False) -> None:
        if run.chance is None:
            self._outbox.append(event)
            return
        if not certain and run.chance.random() < self._faults.lose:
            return
        for _ in range(2 if run.chance.random() < self._faults.duplicate else 1):
            self._at(run.chance.random() * self._faults.delay_s, lambda: self._deliver(event))

    def _deliver(self, event: Event) -> None:
        # Events carry the time at which the driver learned of them.
        fields = {name: getattr(event, name) for name in event.__dataclass_fields__ if name != "at_s"}
        self._outbox.append(type(event)(at_s=self._now_s, **fields))
