"""The simulated cluster: nodes that come and go, what they cost, and memory that is true."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import pytest

from tuner.core.actions import Start
from tuner.core.events import Event, Finished, NodeJoined, NodeLost, NodeTypesSeen, Started
from tuner.core.ports import Context, Objective
from tuner.executors.simulated import Simulated, Simulation
from tuner.resources import NodeType, Resources
from tuner.space import Float, SearchSpace
from tuner.study import Metric, PluginSpec, StudySpec
from tuner.trial import Completed, Failed, FailureKind, Params

ONE = Resources(1.0, 0.0, 1000.0)
SMALL = NodeType("small", Resources(2.0, 0.0, 4000.0), max_nodes=4, price_h=3.6, boot_s=30.0)
LARGE = NodeType("large", Resources(8.0, 0.0, 32000.0), max_nodes=2, price_h=7.2, boot_s=30.0)
SPEC = StudySpec("s", (Metric("loss"),), SearchSpace({"x": Float(0.0, 1.0)}), PluginSpec("model"))


@dataclass
class Job(Objective):
    """Attempts that report nothing: how long they take and how much memory they need are their parameters."""

    def run(self, params: Params, context: Context) -> float:
        return 0.0

    def simulate(self, params: Params, seed: int, grant: Resources) -> Simulation:
        wall_s, mib = params["wall_s"], params["mib"]
        assert isinstance(wall_s, float)
        assert isinstance(mib, float)
        return Simulation(iter(()), wall_s, Completed({"loss": 0.0}), mib, cpus=0.5)


Kind = TypeVar("Kind")


@dataclass
class Bench:
    """A cluster with its events."""

    cluster: Simulated
    events: list[Event] = field(default_factory=list)
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def start(self, wall_s: float, grant: Resources = ONE, mib: float = 0.0, avoid: tuple[str, ...] = ()) -> int:
        number = next(self.numbers)
        start = Start(number, 1, {"wall_s": wall_s, "mib": mib}, grant, number, 0, avoid=avoid)
        self.cluster.start([start])
        return number

    def go(self, until_s: float) -> Sequence[Event]:
        """What happens until then."""
        seen: list[Event] = []
        while self.cluster.now_s() < until_s:
            seen += self.cluster.poll(until_s)
        self.events += seen
        return seen

    def all(self, kind: type[Kind]) -> list[Kind]:
        return [event for event in self.events if isinstance(event, kind)]

    def finished(self, number: int) -> Finished:
        return next(event for event in self.all(Finished) if event.trial == number)


@pytest.fixture
def bench() -> Callable[..., Bench]:
    def make(**options) -> Bench:
        cluster = Simulated(**options)
        cluster.open(SPEC, Job(), Path())
        made = Bench(cluster)
        made.events += cluster.poll(0.0)
        return made

    return make


class TestNodesComeAndGo:
    def test_types_are_told_before_anything_else(self, bench):
        one = bench(node_types=[SMALL, LARGE])
        assert one.events == [NodeTypesSeen(0.0, (SMALL, LARGE))]
        assert one.cluster.can_grow

    def test_types_may_be_given_as_plain_data(self, bench):
        one = bench(node_types=[{"name": "a", "resources": {"cpu": 2.0}, "max_nodes": 1}])
        assert one.events == [NodeTypesSeen(0.0, (NodeType("a", Resources(2.0), 1),))]

    def test_the_least_number_is_there_from_the_beginning(self, bench):
        one = bench(node_types=[NodeType("a", ONE, 3, min_nodes=2)])
        assert [event.node.type for event in one.all(NodeJoined)] == ["a", "a"]

    def test_nodes_come_after_they_have_booted(self, bench):
        one = bench(node_types=[SMALL])
        one.cluster.scale([ONE] * 3)
        one.go(100.0)
        assert [event.at_s for event in one.all(NodeJoined)] == [30.0, 30.0]

    def test_what_waits_runs_when_its_node_comes(self, bench):
        one = bench(node_types=[SMALL])
        one.start(5.0)
        one.cluster.scale([ONE])
        one.go(100.0)
        assert one.all(Started)[0].at_s == 30.0

    def test_no_more_nodes_than_a_type_allows(self, bench):
        one = bench(node_types=[SMALL])
        one.cluster.scale([ONE] * 100)
        one.go(100.0)
        assert len(one.all(NodeJoined)) == 4

    def test_no_more_nodes_than_the_cluster_allows(self, bench):
        one = bench(node_types=[SMALL], max_nodes=3)
        one.cluster.scale([ONE] * 100)
        one.go(100.0)
        assert len(one.all(NodeJoined)) == 3

    def test_of_several_types_the_one_is_started_that_is_used_best(self, bench):
        one = bench(node_types=[SMALL, LARGE])
        one.cluster.scale([Resources(1.0, 0.0, 4000.0)] * 9)
        one.go(100.0)
        assert sorted(event.node.type for event in one.all(NodeJoined)) == ["large", "small"]

    def test_of_types_that_are_alike_the_one_is_started_that_was_named(self, bench):
        one = bench(node_types=[SMALL, replace(SMALL, name="twin")])
        one.cluster.scale([ONE] * 2, ["twin", "small"])
        one.go(100.0)
        assert sorted(event.node.type for event in one.all(NodeJoined)) == ["small", "twin"]

    def test_the_same_wish_again_starts_nothing(self, bench):
        one = bench(node_types=[SMALL])
        one.cluster.scale([ONE] * 2)
        one.cluster.scale([ONE] * 2)
        one.go(100.0)
        assert len(one.all(NodeJoined)) == 1

    def test_a_node_that_holds_no_bundle_goes_when_it_has_idled(self, bench):
        one = bench(node_types=[SMALL], idle_s=20.0)
        one.start(10.0)
        one.cluster.scale([ONE])
        one.go(35.0)
        one.cluster.scale([])
        one.go(100.0)
        assert [(event.at_s, event.reason) for event in one.all(NodeLost)] == [(60.0, "idle")]

    def test_a_node_that_holds_a_bundle_stays(self, bench):
        one = bench(node_types=[SMALL], idle_s=20.0)
        one.cluster.scale([ONE])
        one.go(1000.0)
        assert not one.all(NodeLost)

    def test_a_busy_node_is_not_removed(self, bench):
        one = bench(node_types=[SMALL], idle_s=20.0)
        one.start(200.0)
        one.cluster.scale([ONE])
        one.go(40.0)
        one.cluster.scale([])
        one.go(220.0)
        assert not one.all(NodeLost)

    def test_a_quarantined_node_is_avoided(self, bench):
        one = bench(node_types=[NodeType("a", Resources(4.0, 0.0, 9000.0), 2, min_nodes=2)])
        one.start(5.0, avoid=("a-1",))
        one.start(5.0, avoid=("a-2",))
        one.go(1.0)
        assert [event.node_id for event in one.all(Started)] == ["a-2", "a-1"]


class TestPreemption:
    def test_what_runs_on_a_node_that_is_taken_away_is_preempted(self, bench):
        one = bench(node_types=[SMALL], lives_s={"small": 50.0}, seed=3)
        number = one.start(100000.0)
        one.cluster.scale([ONE])
        one.go(2000.0)
        outcome = one.finished(number).outcome
        assert isinstance(outcome, Failed)
        assert outcome.kind is FailureKind.PREEMPTED

    def test_another_node_comes_for_it(self, bench):
        one = bench(node_types=[SMALL], lives_s={"small": 50.0}, seed=3)
        one.cluster.scale([ONE])
        one.go(1000.0)
        assert len(one.all(NodeJoined)) > 3

    def test_a_node_with_notice_takes_nothing_more_and_may_finish(self, bench):
        one = bench(node_types=[SMALL], lives_s={"small": 50.0}, notice_s=40.0, seed=3)
        one.cluster.scale([ONE])
        one.go(30.0)
        warned = None
        while warned is None:
            number = one.start(5.0)
            warned = next((e for e in one.go(one.cluster.now_s() + 1.0) if isinstance(e, NodeLost)), None)
        later = one.start(5.0)
        one.go(warned.at_s + 100.0)
        assert isinstance(one.finished(number).outcome, Completed)
        assert next(e for e in one.all(Started) if e.trial == later).node_id != warned.node_id


class TestMoney:
    def test_nodes_are_paid_for_from_the_request_to_the_removal(self, bench):
        one = bench(node_types=[SMALL], idle_s=20.0)
        one.start(10.0)
        one.cluster.scale([ONE])
        one.go(35.0)
        one.cluster.scale([])
        one.go(500.0)
        assert one.cluster.accounts.node_s == {"small": 60.0}
        assert one.cluster.accounts.spent == pytest.approx(60.0 * 3.6 / 3600)

    def test_nodes_that_are_up_are_paid_for_until_now(self, bench):
        one = bench(node_types=[SMALL])
        one.cluster.scale([ONE])
        one.go(130.0)
        assert one.cluster.accounts.node_s == {"small": 130.0}

    def test_utilisation_is_of_the_nodes_that_were_up(self, bench):
        one = bench(node_types=[SMALL])
        one.start(100.0)
        one.cluster.scale([ONE])
        one.go(130.0)
        book = one.cluster.accounts
        assert (book.up_cpu_s, book.granted_cpu_s, book.used_cpu_s) == (200.0, 100.0, 50.0)
        assert book.utilisation == 0.5


class TestMemory:
    def test_more_than_the_grant_is_death(self, bench):
        one = bench(nodes=1, cpu=4.0, memory_mib=8000.0)
        number = one.start(10.0, Resources(1.0, 0.0, 500.0), mib=600.0)
        one.go(20.0)
        end = one.finished(number)
        assert isinstance(end.outcome, Failed)
        assert end.outcome.kind is FailureKind.OUT_OF_MEMORY
        assert end.usage is not None
        assert 500.0 <= end.usage.whole_memory_mib <= 520.0
        assert end.at_s < 10.0

    def test_the_workers_own_memory_is_part_of_the_grant(self, bench):
        one = bench(nodes=1, cpu=4.0, memory_mib=8000.0, base_memory_mib=200.0)
        dies, lives = (one.start(10.0, Resources(1.0, 0.0, 500.0), mib=mib) for mib in (310.0, 290.0))
        one.go(20.0)
        assert isinstance(one.finished(dies).outcome, Failed)
        assert isinstance(one.finished(lives).outcome, Completed)
        usage = one.finished(lives).usage
        assert usage is not None
        assert (usage.base_memory_mib, usage.peak_memory_mib) == (200.0, 290.0)

    def test_without_a_grant_the_node_is_the_limit(self, bench):
        one = bench(nodes=1, cpu=4.0, memory_mib=1000.0)
        numbers = [one.start(10.0, Resources(1.0, 0.0, 0.0), mib=400.0) for _ in range(3)]
        one.go(20.0)
        ends = [type(one.finished(number).outcome) for number in numbers]
        assert ends == [Completed, Completed, Failed]

    def test_it_dies_at_the_same_time_again(self, bench):
        def death_s() -> float:
            one = bench(nodes=1, cpu=4.0, memory_mib=8000.0)
            number = one.start(10.0, Resources(1.0, 0.0, 500.0), mib=600.0)
            one.go(20.0)
            at_s: float = one.finished(number).at_s
            return at_s

        assert death_s() == death_s()
