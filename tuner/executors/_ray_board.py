"""The books of the Ray executor: which attempt is where, and what follows from what happened. No Ray, no clock, no thread.

Every method takes the time now and changes the books; what must be done about it collects in ``submit``, ``cancel``, ``ask``,
``forget``, ``logs`` and ``events``, which the executor takes and carries out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tuner.cluster.nodes import Sighting
from tuner.cluster.wire import Chunk, Key, LogPart, News, Result, Returned
from tuner.core.actions import Start, Stop
from tuner.core.codec import decode_outcome, decode_usage
from tuner.core.events import Checkpointed, Event, Finished, NodeJoined, NodeLost, Reported, Started
from tuner.core.gangs import parts_of_gang
from tuner.core.nodes import DIED, PREEMPTED
from tuner.resources import Node, Resources, Usage
from tuner.trial import Checkpoint, Failed, FailureKind, Outcome
from tuner.worker.outcome import stopped

__all__ = ["Board", "Lease", "Task", "Todo"]

LARGEST_BATCH = 32
SHORT_S = 0.05
HELD_S = 5.0
KILL_CONFIRM_S = 5.0
DOUBT_S = 10.0
_OF_A_WORKER = frozenset({FailureKind.WORKER_LOST, FailureKind.OUT_OF_MEMORY})


@dataclass(frozen=True, slots=True)
class Lease:
    """How patient the executor is, in seconds.

    Attributes:
        silence_s: How long a task that was heard of may say nothing before its attempt is taken for hung.
        stop_grace_s: How long an attempt may go on after it was asked to stop.
        can_grow: Whether a node that can hold what none can now may still come.
    """

    silence_s: float
    stop_grace_s: float
    can_grow: bool = False


@dataclass(slots=True, eq=False)
class Task:
    """Attempts that were submitted together.

    Where others use the cluster too, a place that is free for a moment may be taken by their next attempt, and ours goes to
    the place that was theirs: where neither has a process, and starting one takes a second or more. The smaller part of a
    cluster a study has, the more often. So an attempt that lasts goes where the lane's last one ran, if there is room:
    ``near``.
    """

    number: int
    lane: int
    keys: tuple[Key, ...]
    grant: Resources
    avoid: tuple[str, ...]
    announce: bool
    near: str | None
    submitted_s: float
    heard_s: float
    node_id: str | None = None
    heard: bool = False
    deaf: bool = False  # its mailbox is gone: silence means nothing
    doubt_s: float | None = None  # until when it may prove that it did not run on a node that was lost
    doubt: str = ""  # which nodes were lost
    verdict: Outcome | None = None  # why it is being killed: how the attempt that caused it ends
    guilty: Key | None = None
    verdict_s: float = 0.0


@dataclass(slots=True, eq=False)
class _Entry:
    """One attempt from its ``Start`` to its ``Finished``."""

    start: Start
    task: Task | None = None
    alone: bool = False  # something crashed around it: it travels by itself, so that the culprit shows
    started: bool = False
    began_s: float = 0.0
    usage: Usage | None = None  # what it had used when its worker told of it last
    node_short: bool = False  # of memory, then
    n_reports: int = 0
    last_step: int | None = None
    saved_step: int | None = None
    stop: Stop | None = None
    stop_by_s: float | None = None
    held: Result | None = None
    held_by_s: float = 0.0


@dataclass(slots=True)
class _Lane:
    queue: deque[Start] = field(default_factory=deque)
    task: Task | None = None
    node_id: str | None = None  # where the last task returned from: its process is there still


@dataclass(slots=True)
class Todo:
    """What is to be done: tasks to submit and to cancel, stops to pass on, attempts to forget, logs, events."""

    submit: list[tuple[Task, list[Start]]] = field(default_factory=list)
    cancel: list[Task] = field(default_factory=list)
    ask: list[Stop] = field(default_factory=list)
    forget: list[Key] = field(default_factory=list)
    logs: list[LogPart | tuple[Key, bytes | None]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


class Board:
    """The books.

    Args:
        lease: How patient to be.
        inherit: What an attempt that has died had saved, as far as its files show.

    Attributes:
        is_shared: Whether others use the cluster too, so that the study may hold only a part of it.
    """

    def __init__(self, lease: Lease, inherit: Callable[[Key], Sequence[Checkpoint]] = lambda key: ()) -> None:
        self.is_shared = False
        self._lease, self._inherit = lease, inherit
        self._entries: dict[Key, _Entry] = {}
        self._tasks: dict[int, Task] = {}
        self._lanes: dict[int, _Lane] = {}
        self._nodes: dict[str, Node] = {}
        self._known: set[str] = set()
        self._leaving: dict[str, str] = {}  # nodes that were told to end, and why
        self._logged: set[Key] = set()  # attempts of whose logs a part has come
        self._n_tasks = 0
        self._last_s = 0.0
        self._typical_s: float | None = None
        self._todo = Todo()

    def take(self) -> Todo:
        """What has come together since the last time."""
        todo, self._todo = self._todo, Todo()
        return todo

    @property
    def tasks(self) -> Iterable[Task]:
        """Every task that is out."""
        return self._tasks.values()

    # -- what the engine wants --------------------------------------------------------------------------------------

    def add(self, starts: Sequence[Start], now_s: float) -> None:
        """Take attempts on."""
        for start in starts:
            self._entries[start.trial, start.attempt] = _Entry(start)
            self._lanes.setdefault(start.lane, _Lane()).queue.append(start)
        for number in dict.fromkeys(start.lane for start in starts):
            self._send_next(number, now_s)

    def stop(self, stops: Sequence[Stop], now_s: float) -> None:
        """Attempts are to stop. Those that have not left yet end at once; the first reason stays."""
        for stop in stops:
            entry = self._entries.get((stop.trial, stop.attempt))
            if entry is None or entry.stop is not None:
                continue
            entry.stop = stop
            if entry.task is None and entry.held is None:
                self._lanes[entry.start.lane].queue.remove(entry.start)
                self._finish(entry, stopped(stop, entry.last_step), None, b"", now_s)
            else:
                entry.stop_by_s = now_s + self._lease.stop_grace_s
                self._todo.ask.append(stop)

    # -- what the cluster tells -------------------------------------------------------------------------------------

    def hear(self, news: News, now_s: float) -> None:
        """A worker process tells of a running task."""
        task = self._tasks.get(news.task)
        if task is not None:
            task.heard, task.heard_s, task.node_id, task.doubt_s = True, now_s, news.node_id, None
        for result in news.results:
            self._result(result, news.task, now_s)
        entry = self._entry(news.running, news.task)
        if entry is None:
            return
        self._begin(entry, now_s - news.age_s)
        if news.usage is not None:
            entry.usage, entry.node_short = decode_usage(news.usage[0]), news.usage[1]
        self._reports(entry, news.reports, now_s)
        if news.log is not None and news.running is not None:
            self._logged.add(news.running)
            self._todo.logs.append(news.log)

    def _entry(self, key: Key | None, task: int) -> _Entry | None:
        """The attempt, if it is still open and it is that task, perhaps returned already, which brought it last."""
        entry = self._entries.get(key) if key is not None else None
        return entry if entry is not None and entry.task is not None and entry.task.number == task else None

    def returned(self, number: int, back: Returned, now_s: float) -> None:
        """A task has returned. What it says nothing of was handed back, and goes out again first."""
        task = self._tasks.pop(number, None)
        if task is None:
            return
        task.node_id, results = back
        self._lanes[task.lane].node_id = task.node_id
        ran_s = [result.usage[2] for result in results]
        at_s = max(task.submitted_s, now_s - sum(ran_s))  # from durations: workers' clocks are never compared with ours
        for result, wall_s in zip(results, ran_s, strict=True):
            entry = self._entry(result.key, number)
            if entry is not None:
                self._begin(entry, at_s)
            at_s = min(now_s, at_s + wall_s)
            self._result(result, number, at_s)
        self._send_again(task, now_s, alone=False)
        self._free(task, now_s)

    def failed(self, number: int, failure: Failed, now_s: float) -> None:
        """A task has ended without a result: its process or its node is gone, or we killed it.

        Which of several attempts brought the process down does not show, since those before it were over within
        milliseconds. So all of which nothing is known go out again, each by itself, and the culprit fails alone.
        """
        task = self._tasks.pop(number, None)
        if task is None:
            return
        self._lanes[task.lane].node_id = None
        named = task.node_id is not None and failure.message.startswith(f"node {_short(task.node_id)} ")
        if task.node_id is not None and failure.kind is FailureKind.NODE_LOST and not named:
            failure = self._lost(task.node_id, self._leaving.get(task.node_id, DIED), failure.message)
        if task.verdict is not None and task.guilty is not None:
            why = f"its worker was killed because of trial {task.guilty[0]}, which it had travelled with"
            failure = Failed(FailureKind.WORKER_LOST, why)
        for key, entry in self._open(task):
            if task.verdict is not None and key == task.guilty:
                self._die(entry, task.verdict, now_s)
            elif len(task.keys) == 1 or entry.n_reports or (entry.started and failure.kind not in _OF_A_WORKER):
                ended = _judged(entry, failure) if entry.stop is None else stopped(entry.stop, entry.last_step)
                self._die(entry, ended, now_s)
        self._send_again(task, now_s, alone=True)
        self._free(task, now_s)

    def see_nodes(self, seen: Sighting, now_s: float) -> None:
        """Which nodes live now. One that leaves takes no more attempts, though those that run there may go on."""
        living = {node.node_id: node for node in seen.living}
        for node_id, node in living.items():
            if node_id not in self._nodes and node_id not in seen.leaving:
                self._nodes[node_id] = node
                self._todo.events.append(NodeJoined(self._at(now_s), node))
        for node_id in seen.leaving.keys() & self._nodes.keys() & living.keys():
            self._leaving[node_id] = seen.leaving[node_id]
            self._lose(node_id, seen.leaving[node_id], now_s)
        for node_id in self._nodes.keys() - living.keys():
            self._lose(node_id, seen.dead.get(node_id, DIED), now_s)
        dead = {node_id: seen.dead.get(node_id, DIED) for node_id in self._known - living.keys()}
        self._known = set(living)
        if dead:
            self._bury(dead, now_s)

    def _lose(self, node_id: str, why: str, now_s: float) -> None:
        del self._nodes[node_id]
        self._todo.events.append(NodeLost(self._at(now_s), node_id, why))

    def _bury(self, dead: Mapping[str, str], now_s: float) -> None:
        """End what ran on nodes that died. The tasks' references may stay silent for ever."""
        for task in list(self._tasks.values()):
            if task.node_id is not None and task.node_id in dead:
                self._todo.cancel.append(task)
                self.failed(task.number, self._lost(task.node_id, dead[task.node_id]), now_s)
            elif task.node_id is None and task.doubt_s is None:
                task.doubt_s, task.doubt = now_s + DOUBT_S, ", ".join(sorted(map(_short, dead)))

    def _lost(self, node_id: str, why: str, said: str = "") -> Failed:
        """The end of an attempt with its node, which is named."""
        taken = node_id in self._leaving or why.startswith(PREEMPTED)
        kind = FailureKind.PREEMPTED if taken else FailureKind.NODE_LOST
        what = "was taken away by the cluster" if taken else "died"
        reason = why.partition(": ")[2]
        message = f"node {_short(node_id)} {what}" + (f": {reason}" if reason else "")
        return Failed(kind, f"{message}\n\n{said}" if said else message)

    def mailbox_lost(self) -> None:
        """Tasks that are out cannot be heard any more until they return."""
        for task in self._tasks.values():
            task.deaf = True

    def tick(self, now_s: float) -> None:
        """Time has passed: kill what was asked to stop and did not, or fell silent, and end what cannot be waited for."""
        for task in list(self._tasks.values()):
            if task.verdict is not None:
                if now_s > task.verdict_s + KILL_CONFIRM_S:
                    self.failed(task.number, Failed(FailureKind.WORKER_LOST, "it was killed"), now_s)
            elif task.doubt_s is not None and now_s > task.doubt_s:
                self._todo.cancel.append(task)
                why = f"nothing was heard of it since a node died ({task.doubt})"
                self.failed(task.number, Failed(FailureKind.NODE_LOST, why), now_s)
            else:
                self._judge(task, now_s)
        for entry in [e for e in self._entries.values() if e.held is not None and now_s > e.held_by_s]:
            assert entry.held is not None
            entry.n_reports = entry.held.reports[0]  # what was before them is lost with the mailbox
            self._settle(entry, entry.held, now_s)

    def _judge(self, task: Task, now_s: float) -> None:
        for key, entry in self._open(task):
            if entry.stop is not None and entry.stop_by_s is not None and now_s > entry.stop_by_s:
                waited = f"{entry.stop.reason}; it did not stop within {self._lease.stop_grace_s:g} s and was killed"
                self._condemn(task, key, stopped(replace(entry.stop, reason=waited), entry.last_step), now_s)
                return
        patience_s = self._lease.silence_s
        if task.deaf or now_s - task.heard_s <= patience_s:
            return
        if task.heard or not task.announce:  # short attempts are not announced: they are due from their submission on
            verdict = Failed(FailureKind.HUNG, f"nothing was heard of it for {patience_s:g} s, so it was killed")
        elif not self._lease.can_grow and not self._can_be_held(task):
            verdict = Failed(
                FailureKind.NODE_LOST, f"for {patience_s:g} s there was no node that can hold {task.grant}"
            )
        else:
            return  # others use the cluster too
        self._condemn(task, next((key for key, _ in self._open(task)), task.keys[0]), verdict, now_s)

    def _can_be_held(self, task: Task) -> bool:
        """Whether any node that it may run on can hold it, or for whole GPUs all of them together."""
        nodes = [node for node in self._nodes.values() if node.node_id not in task.avoid]
        return any(task.grant.fits_into(n.resources) for n in nodes) or len(parts_of_gang(task.grant, nodes)) > 1

    def parts(self, task: Task) -> tuple[Resources, ...]:
        """The grant as it is asked of nodes: in one part, or in several where no node has so many GPUs."""
        return parts_of_gang(task.grant, [node for node in self._nodes.values() if node.node_id not in task.avoid])

    def _condemn(self, task: Task, guilty: Key, verdict: Outcome, now_s: float) -> None:
        task.guilty, task.verdict, task.verdict_s = guilty, verdict, now_s
        self._todo.cancel.append(task)

    def _open(self, task: Task) -> list[tuple[Key, _Entry]]:
        """The task's attempts that it has not been heard to finish."""
        found = ((key, self._entry(key, task.number)) for key in task.keys)
        return [(key, entry) for key, entry in found if entry is not None and entry.held is None]

    # -- lanes ------------------------------------------------------------------------------------------------------

    def _send_next(self, number: int, now_s: float) -> None:
        lane = self._lanes[number]
        if lane.task is not None or not lane.queue:
            return
        first = lane.queue.popleft()
        batch = [first]
        alone = self._is_alone(first)
        while (
            not alone
            and lane.queue
            and len(batch) < LARGEST_BATCH
            and (lane.queue[0].grant, lane.queue[0].avoid) == (first.grant, first.avoid)
            and not self._is_alone(lane.queue[0])
        ):
            batch.append(lane.queue.popleft())
        self._n_tasks += 1
        may_be_long = len(batch) == 1 and (self._typical_s is None or self._typical_s >= SHORT_S)
        keys = tuple((start.trial, start.attempt) for start in batch)
        announce = alone or may_be_long
        near = lane.node_id if announce and self._is_drawn(first, lane.node_id) else None
        task = lane.task = Task(self._n_tasks, number, keys, first.grant, first.avoid, announce, near, now_s, now_s)
        self._tasks[task.number] = task
        for key in keys:
            self._entries[key].task = task
        self._todo.submit.append((task, batch))

    def _send_again(self, task: Task, now_s: float, *, alone: bool) -> None:
        """Put what has not run back to the front of its lane."""
        queue = self._lanes[task.lane].queue
        for _, entry in reversed(self._open(task)):
            entry.task, entry.alone = None, entry.alone or alone
            if entry.stop is not None:
                self._finish(entry, stopped(entry.stop, entry.last_step), None, b"", now_s)
            else:
                queue.appendleft(entry.start)

    def _free(self, task: Task, now_s: float) -> None:
        lane = self._lanes[task.lane]
        if lane.task is task:
            lane.task = None
        self._send_next(task.lane, now_s)

    def _is_drawn(self, start: Start, node_id: str | None) -> bool:
        """Whether an attempt gains by going there: processes without a GPU serve several attempts.

        A study alone has processes in all places, and there Ray may pack attempts so that nodes become idle.
        """
        chosen = self.is_shared and node_id in self._nodes and len(self._nodes) > 1
        return chosen and not start.avoid and start.grant.gpu <= 0

    def _is_alone(self, start: Start) -> bool:
        return self._entries[start.trial, start.attempt].alone

    # -- attempts ---------------------------------------------------------------------------------------------------

    def _at(self, at_s: float) -> float:
        self._last_s = max(self._last_s, at_s)
        return self._last_s

    def _begin(self, entry: _Entry, at_s: float) -> None:
        if not entry.started:
            entry.started, entry.began_s = True, at_s
            node_id = entry.task.node_id if entry.task else None
            self._todo.events.append(Started(self._at(at_s), entry.start.trial, entry.start.attempt, node_id))

    def _reports(self, entry: _Entry, chunk: Chunk, now_s: float) -> None:
        first, reports = chunk
        if first > entry.n_reports:
            return  # what lies between is still on its way: this comes again with the result
        at_s = self._at(now_s)
        trial, attempt = entry.start.trial, entry.start.attempt
        for step, told in reports[entry.n_reports - first :]:
            if isinstance(told, tuple):
                self._saved(entry, Checkpoint(step, *told), at_s)
            else:
                self._todo.events.append(Reported(at_s, trial, attempt, step, told))
                entry.last_step = step
            entry.n_reports += 1
        if entry.held is not None and entry.n_reports >= entry.held.reports[0]:
            self._settle(entry, entry.held, now_s)

    def _saved(self, entry: _Entry, checkpoint: Checkpoint, at_s: float) -> None:
        self._todo.events.append(Checkpointed(at_s, entry.start.trial, entry.start.attempt, checkpoint))
        entry.saved_step = checkpoint.step

    def _die(self, entry: _Entry, outcome: Outcome, now_s: float) -> None:
        """It ended without a word: what it saved and could not tell of any more counts."""
        for checkpoint in self._inherit((entry.start.trial, entry.start.attempt)):
            if entry.saved_step is None or checkpoint.step > entry.saved_step:
                self._saved(entry, checkpoint, self._at(now_s))
        usage = entry.usage
        if usage is not None:
            usage = replace(usage, wall_s=max(usage.wall_s, now_s - entry.began_s))
        self._finish(entry, outcome, usage, None, now_s)

    def _result(self, result: Result, task: int, now_s: float) -> None:
        entry = self._entry(result.key, task)
        if entry is None:
            return
        self._learn(result.usage[2])
        if result.reports[0] <= entry.n_reports:
            self._settle(entry, result, now_s)
        elif entry.held is None:
            # The reports before these are in the mailbox: they must come out of it before the attempt has ended.
            entry.held, entry.held_by_s = result, now_s + HELD_S

    def _settle(self, entry: _Entry, result: Result, now_s: float) -> None:
        entry.held = None
        self._begin(entry, now_s)
        self._reports(entry, result.reports, now_s)
        self._finish(entry, decode_outcome(result.outcome), decode_usage(result.usage), result.log, now_s)

    def _finish(self, entry: _Entry, outcome: Outcome, usage: Usage | None, log: bytes | None, now_s: float) -> None:
        key = (entry.start.trial, entry.start.attempt)
        del self._entries[key]
        if entry.stop is not None:
            self._todo.forget.append(key)
        if log != b"" or key in self._logged:
            self._logged.discard(key)
            self._todo.logs.append((key, log))
        self._todo.events.append(Finished(self._at(now_s), *key, outcome, usage))

    def _learn(self, wall_s: float) -> None:
        """How long attempts last, leaning on the latest: decides whether they are announced."""
        self._typical_s = wall_s if self._typical_s is None else 0.8 * self._typical_s + 0.2 * wall_s


def _short(node_id: str) -> str:
    """A node's id as people see it everywhere."""
    return node_id[:12]


def _judged(entry: _Entry, failure: Failed) -> Failed:
    """A failure in the light of what the attempt held when it was heard of last.

    Ray's memory monitor, and the kernel, may kill an attempt that kept to its grant because another one did not: that costs it
    nothing. And of one that the kernel kills nobody learns more than that its process is gone.
    """
    usage, grant_mib = entry.usage, entry.start.grant.memory_mib
    if usage is None:
        return failure
    granted = f"was granted {grant_mib:.0f} MiB" if grant_mib else "had no limit"
    held = f"when it was heard of last it held {usage.whole_memory_mib:.0f} MiB and {granted}"
    above = 0 < grant_mib < usage.whole_memory_mib
    if failure.kind is FailureKind.OUT_OF_MEMORY and grant_mib and not above:
        return Failed(FailureKind.PREEMPTED, f"{held}: it was not the cause\n\n{failure.message}")
    if failure.kind is FailureKind.WORKER_LOST and (above or entry.node_short):
        short = ", and its node was short of memory" if entry.node_short else ""
        return Failed(FailureKind.OUT_OF_MEMORY, f"{held}{short}\n\n{failure.message}")
    return failure
