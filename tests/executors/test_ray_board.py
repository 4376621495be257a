"""The books of the Ray executor, without Ray: races that a real cluster shows once in a thousand runs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.executors.books import CRASH, Books, news, result, sighting, start
from tuner.cluster.wire import News, Result, Returned
from tuner.core.actions import Stop
from tuner.core.codec import encode_outcome, encode_usage
from tuner.core.events import Checkpointed, Finished, NodeJoined, NodeLost, Reported, Started
from tuner.core.gangs import parts_of_gang
from tuner.executors._ray_board import DOUBT_S, HELD_S, KILL_CONFIRM_S, LARGEST_BATCH, Task
from tuner.resources import Node, Resources, Usage
from tuner.trial import Checkpoint, Completed, Failed, FailureKind, Pruned


@pytest.fixture
def books() -> Books:
    return Books()


def test_a_lane_sends_one_task_at_a_time_and_what_waited_travels_together(books):
    first = books.add(start(0))
    books.add(*(start(i) for i in range(1, 40)))
    books.add(start(50, lane=1))
    assert [task.keys for task in books.sent] == [((0, 1),), ((50, 1),)]
    books.do("returned", first.number, Returned("n", [result(0)]), now_s=2.0)
    assert books.sent[-1].keys == tuple((i, 1) for i in range(1, 1 + LARGEST_BATCH))


def test_only_equal_grants_travel_together(books):
    books.add(start(0), start(1), start(2, grant=Resources(2.0)))
    assert books.sent[-1].keys == ((0, 1), (1, 1))


def test_only_those_that_may_run_on_the_same_nodes_travel_together(books):
    books.add(start(0), start(1), start(2, avoid=("n",)))
    assert books.sent[-1].keys == ((0, 1), (1, 1))
    assert books.sent[-1].avoid == ()


def test_an_attempt_that_must_avoid_every_node_does_not_wait_for_ever(books):
    task = books.add(start(0, avoid=("n",)))
    books.do("tick", now_s=102.0)
    assert books.cancelled == [task]


SIZED = Resources(cpu=1.0, memory_mib=1000.0)
NEIGHBOUR = Failed(FailureKind.OUT_OF_MEMORY, "Ray's memory monitor killed it")


def seen(task: Task, whole_mib: float, short: bool = False) -> News:
    usage = encode_usage(Usage(peak_memory_mib=whole_mib - 100, base_memory_mib=100, wall_s=0.5))
    return News(task.number, "n", (0, 1), 0.5, (0, []), (), None, (usage, short))


@pytest.mark.parametrize(
    ("failure", "whole_mib", "short", "kind"),
    [
        (NEIGHBOUR, 1200, False, FailureKind.OUT_OF_MEMORY),
        (NEIGHBOUR, 800, True, FailureKind.PREEMPTED),  # it paid for another one
        (CRASH, 1200, False, FailureKind.OUT_OF_MEMORY),
        (CRASH, 800, True, FailureKind.OUT_OF_MEMORY),  # the kernel, most likely
        (CRASH, 800, False, FailureKind.WORKER_LOST),
        (Failed(FailureKind.NODE_LOST), 1200, True, FailureKind.NODE_LOST),
    ],
)
def test_a_killed_worker_is_judged_by_what_it_held(books, failure, whole_mib, short, kind):
    task = books.add(start(0, grant=SIZED), now_s=1.0)
    books.do("hear", seen(task, whole_mib, short), now_s=2.0)
    books.do("failed", task.number, failure, now_s=4.0)
    [finished] = [event for event in books.of(0) if isinstance(event, Finished)]
    assert isinstance(finished.outcome, Failed)
    assert finished.usage is not None
    assert finished.outcome.kind is kind
    assert finished.usage.whole_memory_mib == whole_mib
    assert finished.usage.wall_s == 2.5  # to its end, and not to the last news


def test_without_a_grant_or_without_news_nobody_knows_better_than_ray(books):
    unheard, unlimited = books.add(start(1, grant=SIZED)), books.add(start(0, lane=1))
    books.do("hear", seen(unlimited, 5000), now_s=2.0)
    for task in (unheard, unlimited):
        books.do("failed", task.number, NEIGHBOUR, now_s=3.0)
    assert [books.end(0), books.end(1)] == [NEIGHBOUR, NEIGHBOUR]


def test_an_attempt_without_a_limit_whose_worker_vanishes_from_a_short_node_ran_out_of_memory(books):
    task = books.add(start(0))
    books.do("hear", seen(task, 5000, short=True), now_s=2.0)
    books.do("failed", task.number, CRASH, now_s=3.0)
    assert books.end(0).kind is FailureKind.OUT_OF_MEMORY
    assert "held 5000 MiB and had no limit, and its node was short" in books.end(0).message


def test_last_words_of_a_worker_count_and_not_the_crash_that_follows(books):
    task = books.add(start(0, grant=SIZED), start(1, grant=SIZED))
    words = Failed(FailureKind.OUT_OF_MEMORY, "it held too much")
    usage = encode_usage(Usage(peak_memory_mib=3000))
    last = Result((0, 1), encode_outcome(words), usage, b"", (0, []))
    books.do("hear", News(task.number, "n", None, 0.0, (0, []), [last], None), now_s=2.0)
    books.do("failed", task.number, CRASH, now_s=2.3)
    assert books.end(0) == words
    assert books.sent[-1].keys == ((1, 1),)  # what it had travelled with goes out again


@pytest.mark.parametrize(
    ("gpu", "node_gpus", "parts"),
    [
        (2, [4, 1], [2]),
        (0.5, [4], [0.5]),
        (4, [2, 2], [2, 2]),
        (5, [2, 2, 1], [2, 2, 1]),
        (3, [2, 2], [2, 1]),
        (4, [], [4]),  # nodes with GPUs may come
    ],
)
def test_more_gpus_than_a_node_has_are_asked_for_in_parts(gpu, node_gpus, parts):
    nodes = [Node(str(i), Resources(8, n, 4000)) for i, n in enumerate(node_gpus)]
    divided = parts_of_gang(Resources(4, gpu, 1000), nodes)
    assert [part.gpu for part in divided] == parts
    assert sum(part.cpu for part in divided) == pytest.approx(4)
    assert sum(part.memory_mib for part in divided) == pytest.approx(1000)


def test_times_come_from_durations_and_never_fall(books):
    task = books.add(start(0), start(1), now_s=10.0)
    books.do("returned", task.number, Returned("n", [result(0, wall_s=2.0), result(1, wall_s=1.0)]), now_s=20.0)
    told = [(type(event), event.trial, event.at_s) for event in books.events if not isinstance(event, NodeJoined)]
    assert told == [(Started, 0, 17.0), (Finished, 0, 19.0), (Started, 1, 19.0), (Finished, 1, 20.0)]


def test_an_attempt_that_is_said_to_be_older_than_its_task_is_no_older(books):
    task = books.add(start(0), now_s=10.0)
    books.do("returned", task.number, Returned("n", [result(0, wall_s=99.0)]), now_s=11.0)
    assert [event.at_s for event in books.of(0)] == [10.0, 11.0]


def test_a_report_that_comes_twice_is_told_once(books):
    task = books.add(start(0))
    books.do("hear", news(task, 0, steps=[0, 1]), now_s=2.0)
    books.do("hear", news(task, 0, steps=[0, 1, 2]), now_s=2.5)
    books.do("returned", task.number, Returned("n", [result(0, first=2, steps=[2, 3])]), now_s=3.0)
    assert [event.step for event in books.of(0) if isinstance(event, Reported)] == [0, 1, 2, 3]
    assert books.end(0) == Completed({"loss": 1.0})


def test_the_end_waits_for_reports_that_are_still_in_the_mailbox(books):
    task = books.add(start(0), start(1))
    books.do("returned", task.number, Returned("n", [result(0, first=2, steps=[2]), result(1)]), now_s=3.0)
    assert books.open(0)
    assert not books.open(1)
    books.do("hear", news(task, 0, steps=[0, 1]), now_s=3.1)
    assert [type(event) for event in books.of(0)] == [Started, Reported, Reported, Reported, Finished]


def test_an_end_whose_reports_never_come_is_told_all_the_same(books):
    task = books.add(start(0))
    books.do("returned", task.number, Returned("n", [result(0, first=2, steps=[2])]), now_s=3.0)
    books.do("tick", now_s=3.0 + HELD_S / 2)
    assert books.open(0)
    books.do("tick", now_s=3.1 + HELD_S)
    assert [event.step for event in books.of(0) if isinstance(event, Reported)] == [2]
    assert books.end(0) == Completed({"loss": 1.0})


def test_a_result_that_came_through_the_mailbox_is_not_told_again(books):
    task = books.add(start(0), start(1))
    books.do("hear", news(task, 1, results=[result(0)]), now_s=2.0)
    assert not books.open(0)
    books.do("returned", task.number, Returned("n", [result(0), result(1)]), now_s=3.0)
    assert [type(event) for event in books.of(0)] == [Started, Finished]


def test_what_was_handed_back_goes_out_again_before_what_waits(books):
    task = books.add(*(start(i) for i in range(4)))
    books.add(start(9))
    books.do("returned", task.number, Returned("n", [result(0), result(1)]), now_s=2.0)
    assert books.sent[-1].keys == ((2, 1), (3, 1), (9, 1))


def test_news_and_ends_of_a_task_that_is_over_are_not_believed(books):
    old = books.add(start(0), start(1))
    books.do("returned", old.number, Returned("n", [result(0)]), now_s=2.0)
    books.do("hear", news(old, 1, steps=[5], results=[result(1)]), now_s=2.1)
    books.do("returned", old.number, Returned("n", [result(1)]), now_s=2.2)
    books.do("failed", old.number, CRASH, now_s=2.3)
    assert books.of(1) == []


def test_a_crash_alone_is_the_attempts_own(books):
    task = books.add(start(0))
    books.do("failed", task.number, CRASH, now_s=2.0)
    assert books.end(0) == CRASH
    assert books.logs[0, 1] is None  # to be looked for where its process left it


def test_after_a_crash_those_of_which_nothing_is_known_go_one_by_one(books):
    task = books.add(*(start(i) for i in range(3)))
    books.do("hear", news(task, 1, results=[result(0)]), now_s=2.0)
    books.do("failed", task.number, CRASH, now_s=2.1)
    assert books.sent[-1].keys == ((1, 1),)
    assert books.sent[-1].announce
    books.do("failed", books.sent[-1].number, CRASH, now_s=3.0)
    assert books.end(1) == CRASH
    books.do("returned", books.sent[-1].number, Returned("n", [result(2)]), now_s=4.0)
    assert books.end(2) == Completed({"loss": 1.0})
    assert [type(event) for event in books.of(1)] == [Started, Finished]


def test_after_a_crash_one_that_had_reported_is_not_run_again(books):
    task = books.add(start(0), start(1))
    books.do("hear", news(task, 0, steps=[0]), now_s=2.0)
    books.do("failed", task.number, CRASH, now_s=2.1)
    assert books.end(0) == CRASH
    assert books.sent[-1].keys == ((1, 1),)


def test_a_stop_before_the_attempt_has_left_ends_it_at_once(books):
    books.add(start(0))
    books.add(start(1))
    books.do("stop", [Stop(1, 1, "enough", prune=True)], now_s=2.0)
    assert books.end(1) == Pruned(None)
    assert books.asked == []


def test_the_first_reason_to_stop_counts(books):
    task = books.add(start(0))
    books.do("stop", [Stop(0, 1, "slow", prune=True)], now_s=2.0)
    books.do("stop", [Stop(0, 1, "over", prune=False)], now_s=3.0)
    assert [stop.reason for stop in books.asked] == ["slow"]
    books.do("failed", task.number, CRASH, now_s=4.0)
    assert books.end(0) == Pruned(None)


def test_one_that_does_not_stop_is_killed_and_those_behind_it_go_out_again(books):
    task = books.add(*(start(i) for i in range(3)))
    books.do("hear", news(task, 0, steps=[0, 1]), now_s=2.0)
    books.do("stop", [Stop(0, 1, "over", prune=False, timeout=True)], now_s=3.0)
    books.do("tick", now_s=12.9)
    assert books.cancelled == []
    books.do("tick", now_s=13.1)
    assert books.cancelled == [task]
    books.do("failed", task.number, CRASH, now_s=13.5)
    assert books.end(0).kind is FailureKind.TIMEOUT
    assert "did not stop within 10 s" in books.end(0).message
    assert books.sent[-1].keys == ((1, 1),)


def test_a_kill_that_is_never_confirmed_ends_the_attempt_all_the_same(books):
    task = books.add(start(0))
    books.do("stop", [Stop(0, 1, "slow")], now_s=3.0)
    books.do("tick", now_s=13.1)
    books.do("tick", now_s=13.2 + KILL_CONFIRM_S)
    assert books.end(0) == Pruned(None)
    books.do("failed", task.number, CRASH, now_s=30.0)
    assert not books.open(0)


def test_silence_is_a_hang_only_of_a_task_that_was_heard_of(books):
    unheard, heard = books.add(start(0)), books.add(start(1, lane=1))
    books.do("hear", news(heard, 1), now_s=2.0)
    books.do("tick", now_s=101.0)
    assert books.cancelled == []
    books.do("tick", now_s=103.0)
    assert books.cancelled == [heard]
    books.do("failed", heard.number, CRASH, now_s=103.5)
    assert books.end(1).kind is FailureKind.HUNG
    assert unheard.verdict is None


def test_silence_means_nothing_when_the_mailbox_is_gone(books):
    task = books.add(start(0))
    books.do("hear", news(task, 0), now_s=2.0)
    books.board.mailbox_lost()
    books.do("tick", now_s=500.0)
    assert books.cancelled == []


def test_what_no_node_can_hold_does_not_wait_for_ever(books):
    task = books.add(start(0, grant=Resources(cpu=64.0)))
    books.do("tick", now_s=102.0)
    books.do("failed", task.number, CRASH, now_s=102.5)
    assert books.end(0).kind is FailureKind.NODE_LOST
    assert "no node that can hold" in books.end(0).message


def test_a_node_that_dies_takes_its_attempts_along(books):
    books.do("see_nodes", sighting("n", "m"), now_s=1.0)
    task = books.add(start(0), start(1))
    books.do("hear", news(task, 0, steps=[0]), now_s=2.0)
    books.do("see_nodes", sighting("m"), now_s=3.0)
    assert any(isinstance(event, NodeLost) and event.node_id == "n" for event in books.events)
    assert books.end(0).kind is FailureKind.NODE_LOST
    assert books.sent[-1].keys == ((1, 1),)
    assert books.cancelled == [task]


def test_a_node_that_worked_before_it_was_seen_is_not_dead(books):
    task = books.add(start(0))
    books.do("hear", News(task.number, "new", (0, 1), 0.5, (0, []), [], None), now_s=2.0)
    books.do("see_nodes", sighting("n"), now_s=2.1)
    assert books.open(0)


def test_a_task_of_which_nothing_is_known_when_a_node_dies_gets_time_to_prove_itself(books):
    books.do("see_nodes", sighting("n", "m"), now_s=1.0)
    silent, speaking = books.add(start(0)), books.add(start(1, lane=1))
    books.do("see_nodes", sighting("n"), now_s=3.0)
    books.do("hear", news(speaking, 1), now_s=4.0)
    books.do("tick", now_s=3.1 + DOUBT_S)
    assert books.end(0).kind is FailureKind.NODE_LOST
    assert books.open(1)
    assert books.cancelled == [silent]


def test_a_node_that_is_taken_away_takes_no_more_and_its_loss_is_a_preemption(books):
    task = books.add(start(0))
    books.do("hear", news(task, 0), now_s=2.0)
    books.do("see_nodes", sighting("n", leaving={"n": "preempted"}), now_s=3.0)
    lost = [event for event in books.events if isinstance(event, NodeLost)]
    assert [event.node_id for event in lost] == ["n"]
    assert books.open(0)
    books.do("see_nodes", sighting(), now_s=4.0)
    assert books.end(0) == Failed(FailureKind.PREEMPTED, "node n was taken away by the cluster")
    assert [event for event in books.events if isinstance(event, NodeLost)] == lost


def test_a_node_that_was_taken_away_between_two_looks_is_a_preemption_too(books):
    task = books.add(start(0))
    books.do("hear", news(task, 0), now_s=2.0)
    books.do("see_nodes", sighting(dead={"n": "preempted: spot capacity"}), now_s=3.0)
    assert [event.reason for event in books.events if isinstance(event, NodeLost)] == ["preempted: spot capacity"]
    assert books.end(0) == Failed(FailureKind.PREEMPTED, "node n was taken away by the cluster: spot capacity")


def test_the_end_of_an_attempt_names_the_node_it_was_lost_with(books):
    first = books.add(start(0))
    books.do("hear", news(first, 0), now_s=2.0)
    books.do("failed", first.number, Failed(FailureKind.NODE_LOST, "the node died\n\nNodeDiedError: x"), now_s=2.5)
    assert books.end(0).message == "node n died\n\nthe node died\n\nNodeDiedError: x"
    second = books.add(start(1))
    books.do("hear", news(second, 1), now_s=3.0)
    books.do("see_nodes", sighting(dead={"n": "died: health check failed"}), now_s=4.0)
    assert books.end(1).message == "node n died: health check failed"


def test_an_attempt_that_fell_silent_tells_which_nodes_died_then(books):
    books.do("see_nodes", sighting("n", "m"), now_s=1.0)
    books.add(start(0))
    books.do("see_nodes", sighting("n"), now_s=3.0)
    books.do("tick", now_s=3.1 + DOUBT_S)
    assert books.end(0).message == "nothing was heard of it since a node died (m)"


def test_only_attempts_that_may_be_long_are_announced(books):
    task = books.add(start(0))
    assert task.announce  # nothing is known yet
    for trial in range(1, 30):
        books.do("returned", books.sent[-1].number, Returned("n", [result(trial - 1, wall_s=0.001)]), now_s=2.0)
        books.add(start(trial))
    assert not books.sent[-1].announce


def saved(trial: int, first: int, *steps: int) -> Result:
    told: list[Any] = [(step, (f"{trial}/1-{step}", 1.0)) for step in steps]
    usage = [1.0, 0.0, 0.01, None, None]
    return Result((trial, 1), encode_outcome(Completed({"loss": 1.0})), usage, b"", (first, told))


def test_checkpoints_keep_their_place_among_the_reports():
    books = Books()
    task = books.add(start(0))
    told: list[Any] = [(1, ("a", 2.0)), (1, {"loss": 0.5}), (2, ("b", 2.0))]
    books.do("hear", News(task.number, "n", (0, 1), 0.5, (0, told), (), None), now_s=2.0)
    events = [event for event in books.of(0) if not isinstance(event, Started)]
    assert [type(event) for event in events] == [Checkpointed, Reported, Checkpointed]
    assert events[0].checkpoint == Checkpoint(1, "a", 2.0)


def test_checkpoints_that_come_twice_are_told_once():
    books = Books()
    task = books.add(start(0))
    told: list[Any] = [(1, ("0/1-1", 1.0))]
    books.do("hear", News(task.number, "n", (0, 1), 0.5, (0, told), (), None), now_s=2.0)
    books.do("returned", task.number, Returned("n", [saved(0, 0, 1, 2)]), now_s=3.0)
    steps = [event.checkpoint.step for event in books.of(0) if isinstance(event, Checkpointed)]
    assert steps == [1, 2]


def test_what_a_dead_worker_saved_and_could_not_tell_of_is_told_before_its_end():
    books = Books(on_disk=[Checkpoint(1, "a"), Checkpoint(2, "b")])
    task = books.add(start(0))
    told: list[Any] = [(1, ("a", 0.0)), (1, {"loss": 0.5})]
    books.do("hear", News(task.number, "n", (0, 1), 0.5, (0, told), (), None), now_s=2.0)
    books.do("failed", task.number, CRASH, now_s=3.0)
    assert [type(event) for event in books.of(0)] == [Started, Checkpointed, Reported, Checkpointed, Finished]
    assert books.of(0)[-2].checkpoint == Checkpoint(2, "b")
