"""The books of the Ray executor in a few words: ``books.add(start(0))``, ``books.do("returned", ...)``, ``books.sent``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuner.cluster.nodes import Sighting
from tuner.cluster.wire import LogPart, News, Result
from tuner.core.actions import Start, Stop
from tuner.core.codec import encode_outcome
from tuner.core.events import Finished
from tuner.executors._ray_board import Board, Lease, Task
from tuner.resources import Node, Resources
from tuner.trial import Checkpoint, Completed, Failed, FailureKind

CRASH = Failed(FailureKind.WORKER_LOST, "crashed")
ONE_CPU = Resources(cpu=1.0)


def start(trial: int, lane: int = 0, grant: Resources = ONE_CPU, avoid: tuple[str, ...] = ()) -> Start:
    return Start(trial, 1, {}, grant, lane, 0, avoid=avoid)


def result(trial: int, first: int = 0, steps: Sequence[int] = (), wall_s: float = 0.01) -> Result:
    reports = (first, [(step, {"loss": 0.0}) for step in steps])
    return Result((trial, 1), encode_outcome(Completed({"loss": 1.0})), [1.0, 0.0, wall_s, None, None], b"log", reports)


def news(
    task: Task,
    running: int | None,
    steps: Sequence[int] = (),
    first: int = 0,
    results: Sequence[Result] = (),
    age_s=0.5,
) -> News:
    reports = (first, [(step, {"loss": 0.0}) for step in steps])
    return News(task.number, "n", (running, 1) if running is not None else None, age_s, reports, results, None)


def sighting(*living: str, leaving: dict[str, str] | None = None, dead: dict[str, str] | None = None) -> Sighting:
    return Sighting(tuple(Node(node_id, ONE_CPU) for node_id in living), leaving or {}, dead or {})


class Books:
    """A board with all that it has wanted done."""

    def __init__(self, silence_s: float = 100.0, on_disk: Sequence[Checkpoint] = ()) -> None:
        self.board = Board(Lease(silence_s, stop_grace_s=10.0), lambda key: on_disk)
        self.board.see_nodes(Sighting((Node("n", Resources(8, 0, 1000)),)), 0.0)
        self.events: list[Any] = []
        self.sent: list[Task] = []
        self.cancelled: list[Task] = []
        self.asked: list[Stop] = []
        self.logs: dict[tuple[int, int], bytes | None] = {}
        self.settle()

    def settle(self) -> None:
        todo = self.board.take()
        self.events += todo.events
        self.sent += [task for task, _ in todo.submit]
        self.cancelled += todo.cancel
        self.asked += todo.ask
        self.logs.update(entry for entry in todo.logs if not isinstance(entry, LogPart))

    def do(self, method: str, *arguments, now_s: float) -> None:
        getattr(self.board, method)(*arguments, now_s)
        self.settle()

    def add(self, *starts: Start, now_s: float = 1.0) -> Task:
        self.do("add", starts, now_s=now_s)
        return self.sent[-1]

    def of(self, trial: int) -> list[Any]:
        return [event for event in self.events if getattr(event, "trial", None) == trial]

    def end(self, trial: int):
        [finished] = [event for event in self.of(trial) if isinstance(event, Finished)]
        return finished.outcome

    def open(self, trial: int) -> bool:
        return not any(isinstance(event, Finished) for event in self.of(trial))
