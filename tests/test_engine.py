"""The loop: durable before acted on, nobody kept waiting, left in order."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tuner.core.actions import Start, Stop
from tuner.core.asking import SLICE_S
from tuner.core.events import CommandReceived, Event, Finished, NodeJoined, Started, StudyOpened, Suggested
from tuner.core.ports import Executor, Sampler, Suggestion
from tuner.engine import Engine
from tuner.errors import NoNodeFits
from tuner.executors.simulated import Simulated
from tuner.resources import Node, Resources, Usage
from tuner.space import Float, SearchSpace
from tuner.study import Limits, Metric, PluginSpec, ResourceRequest, StudySpec
from tuner.testing.simulation import ListLog, ModelObjective, driver_parts, simulate
from tuner.trial import Completed


def spec(**changes) -> StudySpec:
    fields: dict[str, Any] = {
        "limits": Limits(trials=6),
        "sampler": PluginSpec("random"),
        "pruner": PluginSpec("none"),
    } | changes
    return StudySpec("s", (Metric("loss"),), SearchSpace({"x": Float(0, 1)}), PluginSpec("model"), **fields)


class Instant(Executor):
    """Every attempt ends in the next poll; the clock moves only as told."""

    def __init__(self, cpu: float = 2.0) -> None:
        self.clock_s = 0.0
        self.journal: list[tuple[str, object]] = []
        self._events: list[Event] = [NodeJoined(0.0, Node("n", Resources(cpu)))]

    def open(self, spec, objective, directory, checkpoints=None):
        pass

    def now_s(self) -> float:
        return self.clock_s

    def start(self, starts: Sequence[Start]) -> None:
        for start in starts:
            self.journal.append(("start", start.trial))
            self._events.append(Started(self.clock_s, start.trial, start.attempt))
            self._events.append(
                Finished(self.clock_s, start.trial, start.attempt, Completed({"loss": 0.0}), Usage(wall_s=1.0))
            )

    def stop(self, stops: Sequence[Stop]) -> None:
        self.journal.append(("stop", len(stops)))

    def poll(self, until_s: float | None) -> Sequence[Event]:
        self.journal.append(("poll", until_s))
        events, self._events = self._events, []
        if not events and until_s is not None:
            self.clock_s = max(self.clock_s, until_s)
        return events

    def close(self):
        pass


class Journaling(ListLog):
    def __init__(self, journal):
        super().__init__()
        self._journal = journal

    def append(self, events, entries):
        super().append(events, entries)
        self._journal += [("durable", event.trial) for event in events if isinstance(event, Suggested)]


def test_a_suggestion_is_durable_before_it_is_started():
    executor = Instant()
    core, sampler = driver_parts(spec())
    Engine(core, sampler, executor, Journaling(executor.journal)).run([StudyOpened(0.0, spec())])
    for number in range(6):
        assert executor.journal.index(("durable", number)) < executor.journal.index(("start", number))


def test_an_append_that_fails_starts_nothing():
    executor = Instant()
    core, sampler = driver_parts(spec())
    with pytest.raises(ListLog.Killed):
        Engine(core, sampler, executor, ListLog(dies_after=2)).run([StudyOpened(0.0, spec())])
    assert not [entry for entry in executor.journal if entry[0] == "start"]


class Slow(Sampler):
    """Takes a tenth of a second of the executor's clock for every suggestion."""

    def __init__(self, executor: Instant) -> None:
        self._executor = executor

    def ask(self, first: int, count: int) -> Sequence[Suggestion]:
        self._executor.clock_s += 0.1 * count
        self._executor.journal.append(("ask", count))
        return [Suggestion({"x": 0.5})] * count


def test_a_slow_sampler_is_asked_for_one_at_a_time_between_polls():
    executor = Instant(cpu=4.0)
    core, _ = driver_parts(spec())
    Engine(core, Slow(executor), executor, ListLog()).run([StudyOpened(0.0, spec())])
    kinds = [entry for entry in executor.journal if entry[0] in ("ask", "poll")]
    assert [count for kind, count in kinds if kind == "ask"] == [1] * 6
    assert all(following[0] == "poll" for entry, following in pairwise(kinds) if entry[0] == "ask")
    assert SLICE_S < 0.1


def test_a_fast_sampler_is_asked_for_many_at_once():
    plan = spec(limits=Limits(trials=500))
    executor = Instant(cpu=500.0)
    asked: list[int] = []
    core, sampler = driver_parts(plan)
    ask = sampler.ask

    def counted(first, count):
        asked.append(count)
        return ask(first, count)

    sampler.ask = counted  # type: ignore[method-assign]
    Engine(core, sampler, executor, ListLog()).run([StudyOpened(0.0, plan)])
    assert len(asked) < 20


def test_drain_lets_what_runs_end():
    left = simulate(spec(), Simulated(nodes=2), ModelObjective(), watch=lambda engine: engine.request("drain"))
    assert left.closed is not None
    assert left.closed.reason == "drained"
    assert all(trial.state.finished for trial in left.log.trials)


class Heard(ListLog):
    """Somebody sends ``drain`` while the study waits."""

    def __init__(self, executor: Instant) -> None:
        super().__init__()
        self.executor, self.asked_at = executor, list[float]()

    def received(self):
        self.asked_at.append(self.executor.clock_s)
        return [("drain", {})] if len(self.asked_at) == 4 else []


class Idle(Instant):
    """Nothing that starts ever ends, until it is told to stop."""

    def start(self, starts: Sequence[Start]) -> None:
        self.running = [(start.trial, start.attempt) for start in starts]

    def poll(self, until_s: float | None) -> Sequence[Event]:
        if self.clock_s >= 10.0:
            running, self.running = self.running, []
            return [Finished(self.clock_s, *key, Completed({"loss": 0.0}), Usage(wall_s=1.0)) for key in running]
        return super().poll(until_s)


def test_commands_sent_through_the_store_are_looked_for_once_a_second_and_heeded():
    executor = Idle()
    executor.running = []
    core, sampler = driver_parts(spec())
    log = Heard(executor)
    closed = Engine(core, sampler, executor, log).run([StudyOpened(0.0, spec())])
    assert closed is not None
    assert closed.reason == "drained"
    assert log.asked_at[:4] == [0.0, 1.0, 2.0, 3.0]
    assert [e.command for e in log.events if isinstance(e, CommandReceived)] == ["drain"]


def test_nobody_is_listened_to_in_virtual_time(monkeypatch):
    def received(log):
        raise AssertionError("asked")

    monkeypatch.setattr(ListLog, "received", received)
    assert simulate(spec(), Simulated(nodes=2), ModelObjective()).closed is not None


def test_kill_leaves_at_once():
    left = simulate(spec(), Simulated(nodes=2), ModelObjective(), watch=lambda engine: engine.request("kill"))
    assert left.closed is None


def test_an_attempt_that_fits_no_node_is_told_at_once():
    plan = spec(resources=ResourceRequest(cpu=8.0))
    with pytest.raises(NoNodeFits, match=r"8 CPU, the largest node has 1 CPU"):
        simulate(plan, Simulated(nodes=2, cpu=1.0, memory_mib=0.0), ModelObjective())


def test_a_cluster_that_can_grow_is_waited_for():
    plan = spec(resources=ResourceRequest(cpu=8.0), limits=Limits(trials=6, time_s=30.0))
    cluster = Simulated(nodes=2, cpu=1.0)
    cluster.can_grow = True
    closed = simulate(plan, cluster, ModelObjective()).closed
    assert closed is not None
    assert closed.reason == "time"


def test_who_watches_sees_every_event_after_it_is_durable():
    log, seen = ListLog(), []

    def watch(events, entries):
        assert log.events[-len(events) :] == list(events)
        seen.extend(events)

    core, sampler = driver_parts(spec())
    cluster = Simulated(nodes=2)
    cluster.open(spec(), ModelObjective(), Path())
    Engine(core, sampler, cluster, log, watch).run([StudyOpened(0.0, spec())])
    assert seen == log.events


@pytest.mark.parametrize(("in_process", "left_alone"), [(False, False), (True, True)])
def test_garbage_is_sought_seldom_only_where_no_objective_can_make_any(in_process, left_alone):
    before, during = gc.get_threshold(), []

    class Watching(Instant):
        def poll(self, until_s):
            during.append(gc.get_threshold())
            return super().poll(until_s)

    Watching.in_process = in_process
    plan = spec()
    core, sampler = driver_parts(plan)
    Engine(core, sampler, Watching(), ListLog()).run([StudyOpened(0.0, plan)])
    assert (set(during) == {before}) is left_alone
    assert gc.get_threshold() == before
