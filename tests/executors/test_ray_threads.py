"""What the Ray executor's threads do when something goes wrong; without a Ray."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue

import pytest
import ray

from tuner.executors import ray as under_test
from tuner.executors._ray_board import Task, Todo
from tuner.executors.ray import RayExecutor
from tuner.resources import Resources


@pytest.fixture
def executor() -> RayExecutor:
    """One that was not opened."""
    return RayExecutor()


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The gangs that were ended."""
    gangs: list[object] = []
    monkeypatch.setattr(under_test, "end_gang", gangs.append)
    return gangs


def do_all(queue: SimpleQueue[Callable[[], None]]) -> None:
    while not queue.empty():
        queue.get_nowait()()


def test_what_a_thread_of_the_executor_raises_reaches_the_engine(executor):
    """With the clerk gone nothing would ever come out of ``poll`` again."""

    def clerk() -> None:
        raise ZeroDivisionError("a bug")

    executor._run(clerk)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        executor.poll(None)


def test_a_gang_that_was_given_up_frees_its_gpus_though_its_task_stays_silent(executor, ended):
    """The reference of a task whose node was cut off may never answer."""
    executor._gangs[7] = "gang"
    executor._carry_out(Todo(cancel=[Task(7, 0, ((0, 1),), Resources(gpu=4.0), (), True, None, 0.0, 0.0)]))
    do_all(executor._removals)
    assert ended == ["gang"]


def test_a_gang_that_cannot_be_ended_keeps_nothing_from_being_closed(executor, monkeypatch):
    class Connection:
        closed = False

        def close(self) -> None:
            self.closed = True

    def refuses(gang: object) -> None:
        raise ConnectionError("the head does not answer")

    monkeypatch.setattr(under_test, "end_gang", refuses)
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    executor._cluster, executor._gangs[7] = Connection(), "gang"
    executor.close()
    assert executor._cluster.closed
