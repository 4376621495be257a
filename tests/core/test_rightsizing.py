"""Grants: what is asked for, what was measured, what is left to do."""

from __future__ import annotations

import random

import pytest

from tuner.core import events as ev
from tuner.core.actions import Close, Start, WakeAt
from tuner.core.gpus import GpuShare
from tuner.core.rightsizing import Sizing, on_grid
from tuner.core.threads import Threads
from tuner.formula import Formula
from tuner.resources import Node, NodeType, Resources, Usage
from tuner.space import Int, SearchSpace
from tuner.study import ResourceRequest
from tuner.trial import Completed, Failed, FailureKind, TrialState

DEPTH = SearchSpace({"depth": Int(1, 64, log=True)})


def grants(s):
    return [start.grant for start in s.said(Start)]


def run(s, trial, usage, attempt=1, outcome=None):
    s.begin(trial, attempt)
    return s.do(ev.Finished(s.at_s, trial, attempt, outcome or Completed({"loss": 1.0}), usage))


# -- memory ---------------------------------------------------------------------------------------------------------


def test_first_attempts_get_a_fair_share_of_the_node(story):
    s = story(trials=9)
    s.node(cpu=4, memory_mib=4000.0)
    s.suggest()
    assert [g.memory_mib for g in grants(s)] == [1000.0] * 4


def test_grants_follow_what_was_measured(story):
    """A node of 4000 MiB that holds four by the first guess holds many more once they are known to need 100 each."""
    s = story(trials=60, space=DEPTH)
    s.node(cpu=16, memory_mib=16_000.0)
    for number in range(40):
        s.do(ev.Suggested(0.0, number, {"depth": 1 + number % 8}))
        run(s, number, Usage(peak_memory_mib=100.0, base_memory_mib=50.0, cpu_s=1.0, wall_s=1.0))
    assert grants(s)[0].memory_mib == 1000.0
    assert 150.0 <= grants(s)[-1].memory_mib <= 200.0
    assert s.said(Start)[-1].forecast.n >= 10


def test_memory_that_grows_with_a_parameter_is_granted_by_it(story):
    s = story(trials=200, space=DEPTH)
    s.node(cpu=64, memory_mib=640_000.0)
    chance = random.Random(1)
    for number in range(100):
        depth = chance.randint(1, 64)
        s.do(ev.Suggested(0.0, number, {"depth": depth}))
        run(s, number, Usage(peak_memory_mib=60.0 * depth, cpu_s=1.0, wall_s=1.0))
    small = next(s.said(Start)[-1].grant.memory_mib for _ in s.do(ev.Suggested(0.0, 100, {"depth": 2})))
    large = next(s.said(Start)[-1].grant.memory_mib for _ in s.do(ev.Suggested(0.0, 101, {"depth": 60})))
    assert 120.0 <= small <= 400.0
    assert 3600.0 <= large <= 5000.0


def test_an_attempt_that_ran_out_gets_more_and_the_next_ones_are_not_pulled_down_by_it(story):
    s = story(trials=4, resources=ResourceRequest(cpu=1.0), space=DEPTH)
    s.node(cpu=4, memory_mib=4000.0)
    s.do(ev.Suggested(0.0, 0, {"depth": 4}))
    run(s, 0, Usage(peak_memory_mib=1100.0, wall_s=1.0), outcome=Failed(FailureKind.OUT_OF_MEMORY, "guard"))
    assert s.starts() == [(0, 1), (0, 2)]
    assert grants(s)[-1].memory_mib == on_grid(1500.0)


def test_an_attempt_that_needs_a_larger_place_waits_for_it_and_is_not_starved(story):
    s = story(trials=99, resources=ResourceRequest(cpu=1.0, memory_mib=Formula("100MiB * depth")), space=DEPTH)
    s.node(cpu=4, memory_mib=1000.0)
    for number, depth in enumerate([3, 3, 3, 9]):
        s.do(ev.Suggested(0.0, number, {"depth": depth}))
    assert s.starts() == [(0, 1), (1, 1), (2, 1)]
    number, running = 4, [0, 1, 2]
    while (3, 1) not in s.starts() and number < 40:
        if s.core.may_suggest and len(s.starts()) == number - 1:
            s.do(ev.Suggested(0.0, number, {"depth": 1}))
            number += 1
        done = running.pop(0) if running else s.starts()[-1][0]
        if s.core._trials.runs(done, 1):
            run(s, done, Usage(wall_s=1.0))
        running += [t for t, _ in s.starts() if s.core._trials.runs(t, 1) and t not in running]
    assert (3, 1) in s.starts()
    assert number < 20


# -- formulas -------------------------------------------------------------------------------------------------------


def test_where_only_two_run_a_small_trial_passes_one_that_waits_for_a_larger_place(story):
    s = story(trials=9, resources=ResourceRequest(cpu=1.0, memory_mib=Formula("100MiB * depth")), space=DEPTH)
    s.node(cpu=2, memory_mib=1000.0)
    for number, depth in enumerate([5, 7, 3]):
        s.do(ev.Suggested(0.0, number, {"depth": depth}))
    assert [start.trial for start in s.said(Start)] == [0, 2]
    run(s, 0, Usage(wall_s=1.0))
    assert [start.trial for start in s.said(Start)] == [0, 2, 1]


def test_a_formula_is_evaluated_for_each_trial(story):
    s = story(trials=9, resources=ResourceRequest(memory_mib=Formula("50MiB + 10MiB * depth")), space=DEPTH)
    s.node(cpu=2, memory_mib=4000.0)
    s.do(ev.Suggested(0.0, 0, {"depth": 5}))
    s.do(ev.Suggested(0.0, 1, {"depth": 20}))
    assert [g.memory_mib for g in grants(s)] == [100.0, 250.0]


def test_a_formula_without_a_value_fails_the_trial_as_invalid(story):
    s = story(trials=9, resources=ResourceRequest(memory_mib=Formula("50MiB / (depth - 5)")), space=DEPTH)
    s.node(cpu=2, memory_mib=4000.0)
    s.do(ev.Suggested(0.0, 0, {"depth": 5}))
    assert s.trial(0).failure.kind is FailureKind.INVALID_PARAMS
    assert s.starts() == []


def test_a_formula_that_asks_for_more_than_any_node_has_fails_its_trial_not_the_sweep(story):
    s = story(trials=2, resources=ResourceRequest(memory_mib=Formula("1GiB * depth")), space=DEPTH)
    s.node(cpu=2, memory_mib=4000.0)
    s.do(ev.Suggested(0.0, 0, {"depth": 50}))
    s.do(ev.Suggested(0.0, 1, {"depth": 1}))
    run(s, 1, Usage(wall_s=1.0))
    assert s.trial(0).state is TrialState.FAIL
    assert "no node that large" in s.trial(0).failure.message
    assert s.core.closed.reason == "trials"


# -- threads --------------------------------------------------------------------------------------------------------


def test_with_more_trials_than_cpus_each_has_one_thread(story):
    s = story(trials=100)
    s.node(cpu=8, memory_mib=8000.0)
    s.suggest()
    assert {g.cpu for g in grants(s)} == {1.0}
    assert len(s.starts()) == 8


def test_the_tail_gets_the_idle_cpus(story):
    s = story(trials=2)
    s.node(cpu=8, memory_mib=8000.0)
    s.suggest()
    assert [g.cpu for g in grants(s)] == [4.0, 4.0]


def test_where_memory_binds_the_idle_cpus_are_granted(story):
    s = story(trials=100, resources=ResourceRequest(memory_mib=4000.0))
    s.node(cpu=8, memory_mib=8000.0)
    s.suggest()
    assert [g.cpu for g in grants(s)] == [4.0, 4.0]


def test_threads_that_do_nothing_are_not_granted_again(story):
    s = story(trials=100, resources=ResourceRequest(memory_mib=4000.0))
    s.node(cpu=8, memory_mib=8000.0)
    s.suggest()
    for trial in (0, 1):
        run(s, trial, Usage(cpu_s=1.0, wall_s=1.0))
    s.suggest()
    assert [g.cpu for g in grants(s)][2:] == [1.0, 1.0]


def test_as_many_threads_as_were_busy_are_worth_it():
    threads = Threads()
    for _ in range(3):
        threads.observe(Resources(8.0), Usage(cpu_s=3.1, wall_s=1.0))
    assert (threads.worth(8), threads.worth(2)) == (3, 2)


# -- GPUs -----------------------------------------------------------------------------------------------------------


def gpu_usage(memory, busy, total=16_000.0):
    return Usage(wall_s=1.0, cpu_s=1.0, gpu_util=busy, peak_gpu_memory_mib=memory, gpu_memory_mib=total)


def test_without_gpus_none_is_granted(story):
    s = story(trials=9, resources=ResourceRequest(gpu=None))
    s.node()
    s.suggest()
    assert {g.gpu for g in grants(s)} == {0.0}


def test_a_program_that_leaves_its_gpu_alone_gets_none(story):
    s = story(trials=9, resources=ResourceRequest(gpu=None, cpu=1.0))
    s.do(ev.NodeJoined(0.0, Node("n0", Resources(4.0, 2.0, 8000.0))))
    s.suggest(2)
    assert [g.gpu for g in grants(s)] == [1.0, 1.0]
    for trial in (0, 1):
        run(s, trial, gpu_usage(0.0, 0.0))
    s.suggest()
    assert {g.gpu for g in grants(s)[2:]} == {0.0}
    assert len(grants(s)) == 6


def test_a_gpu_is_shared_by_as_many_as_fit():
    share = GpuShare()
    share.see(True)
    share.observe(Resources(1.0, 1.0), gpu_usage(3000.0, 0.2))
    assert share.grant == pytest.approx(1 / 4)
    share.observe(Resources(1.0, 0.25), gpu_usage(6000.0, 0.5))
    assert share.grant == pytest.approx(1 / 2)


def test_a_busy_gpu_is_not_shared_however_little_memory_is_used():
    share = GpuShare()
    share.see(True)
    share.observe(Resources(1.0, 1.0), gpu_usage(500.0, 0.9))
    assert share.grant == 1.0


def test_out_of_gpu_memory_doubles_the_share(story):
    s = story(trials=9, resources=ResourceRequest(gpu=0.25, cpu=1.0))
    s.do(ev.NodeJoined(0.0, Node("n0", Resources(4.0, 1.0, 8000.0))))
    s.suggest(1)
    s.do(ev.Finished(0.0, 0, 1, Failed(FailureKind.OUT_OF_MEMORY, "torch: CUDA out of memory"), Usage(wall_s=1.0)))
    assert grants(s)[-1].gpu == 0.5


def test_more_gpus_than_a_node_has_are_taken_from_several(story):
    s = story(trials=9, resources=ResourceRequest(cpu=2.0, gpu=4.0, memory_mib=0.0))
    for name in ("n0", "n1", "n2", "n3"):
        s.do(ev.NodeJoined(0.0, Node(name, Resources(4.0, 2.0, 8000.0))))
    s.suggest()
    s.suggest()
    assert s.starts() == [(0, 1), (1, 1)]
    assert s.core.no_node_fits is None
    run(s, 0, Usage(wall_s=1.0))
    s.suggest()
    assert s.starts()[2:] == [(2, 1)]


def test_more_gpus_than_all_nodes_have_fit_nowhere(story):
    s = story(trials=9, resources=ResourceRequest(cpu=2.0, gpu=8.0, memory_mib=0.0))
    s.do(ev.NodeJoined(0.0, Node("n0", Resources(4.0, 2.0, 8000.0))))
    assert s.core.no_node_fits is not None


# -- the cluster ----------------------------------------------------------------------------------------------------


def test_a_share_of_the_cluster_bounds_what_runs(story):
    s = story(trials=99)
    s.do(ev.ShareChanged(0.0, 0.5))
    s.node(cpu=8, memory_mib=8000.0)
    s.suggest()
    assert len(s.starts()) == 4
    s.do(ev.ShareChanged(0.0, 1.0))
    s.suggest()
    assert len(s.starts()) == 8


def test_node_types_count_before_their_nodes_are_there(story):
    s = story(trials=99)
    s.do(ev.NodeTypesSeen(0.0, (NodeType("large", Resources(16.0, 0.0, 64_000.0), 4),)))
    s.node(cpu=2, memory_mib=1000.0)
    s.suggest()
    run(s, 0, Usage(peak_memory_mib=700.0, wall_s=1.0), outcome=Failed(FailureKind.OUT_OF_MEMORY, "guard"))
    assert s.core._trials.live[0].floor.memory_mib > 700.0
    assert s.trial(0).state is TrialState.WAITING


def test_a_node_where_different_trials_fail_is_quarantined_and_can_be_released(story):
    s = story(trials=200, resources=ResourceRequest(cpu=1.0, memory_mib=0.0))
    for name in ("n0", "n1", "n2"):
        s.node(name, cpu=1)
    for number in range(60):
        s.suggest()
        running = [t for t in s.core._trials.live.values() if t.lane is not None]
        for live in running:
            node = s.core._room.lanes.of(live.lane).node_id
            s.do(ev.Started(0.0, live.number, 1, node))
            bad = node == "n1"
            outcome = Failed(FailureKind.RAISED, "disk full") if bad else Completed({"loss": float(number)})
            s.do(ev.Finished(0.0, live.number, 1, outcome, Usage(wall_s=1.0)))
        if s.core._room.avoid:
            break
    assert s.core._room.avoid == ("n1",)
    s.suggest()
    assert s.said(Start)[-1].avoid == ("n1",)
    standing = {n.node.node_id: n for n in s.core.nodes}
    assert "failed" in standing["n1"].quarantined
    assert standing["n0"].quarantined is None
    s.do(ev.CommandReceived(0.0, "release", {"node": "n1"}))
    assert s.core._room.avoid == ()


def test_a_study_that_fails_everywhere_quarantines_nothing(story):
    s = story(trials=200, failures=1000, resources=ResourceRequest(cpu=1.0, memory_mib=0.0))
    for name in ("n0", "n1", "n2"):
        s.node(name, cpu=1)
    for _ in range(20):
        s.suggest()
        for live in [t for t in s.core._trials.live.values() if t.lane is not None]:
            node = s.core._room.lanes.of(live.lane).node_id
            s.do(ev.Started(0.0, live.number, 1, node))
            s.do(ev.Finished(0.0, live.number, 1, Failed(FailureKind.RAISED, "bug"), Usage(wall_s=1.0)))
    assert s.core._room.avoid == ()


def test_a_budget_that_pays_for_no_node_ends_the_study_and_says_so(story):
    s = story(trials=9, cost=1.0)
    s.do(ev.NodeTypesSeen(0.0, (NodeType("dear", Resources(2.0, 0.0, 1000.0), 4, price_h=3600.0),)))
    assert s.said(Close) == []
    s.do(ev.TimerFired(s.said(WakeAt)[-1].at_s))
    (close,) = s.said(Close)
    assert close.reason == "cost"
    assert "pays for no node" in close.message


def test_a_trial_that_waits_for_a_large_place_does_not_hold_up_the_other_nodes(story):
    s = story(trials=999, resources=ResourceRequest(cpu=1.0, memory_mib=Formula("100MiB * depth")), space=DEPTH)
    for n in range(4):
        s.node(f"n{n}", cpu=4, memory_mib=1000.0)
    depths = [2] * 16 + [10] + [2] * 60
    number, running = 0, []
    while (16, 1) not in s.starts() and number < len(depths):
        while s.core._outstanding and number < len(depths):
            s.do(ev.Suggested(0.0, number, {"depth": depths[number]}))
            number += 1
        running = sorted(t for t, live in s.core._trials.live.items() if live.lane is not None)
        assert len(running) >= 12
        run(s, running[0], Usage(wall_s=1.0))
    assert (16, 1) in s.starts()


def test_nodes_with_prices_are_paid_for_while_they_are_up(story):
    s = story(trials=9, cost=10000.0)
    s.do(ev.NodeTypesSeen(0.0, (NodeType("spot", Resources(2.0, 0.0, 1000.0), 4, price_h=3600.0),)))
    s.do(ev.NodeJoined(0.0, Node("a", Resources(2.0, 0.0, 1000.0), type="spot")))
    s.do(ev.NodeLost(4.0, "a"))
    assert s.core.progress.cost == pytest.approx(4.0)


def test_gpu_nodes_are_not_started_to_find_out_whether_a_program_wants_one(story):
    s = story(trials=9, resources=ResourceRequest(gpu=None))
    s.do(ev.NodeTypesSeen(0.0, (NodeType("gpu", Resources(4.0, 1.0, 8000.0), 4),)))
    s.node()
    s.suggest()
    assert {g.gpu for g in grants(s)} == {0.0}


def test_attempts_of_milliseconds_get_the_same_until_one_needs_more():
    sizing = Sizing(ResourceRequest(), SearchSpace({"x": Int(0, 9)}))
    sizing.see([Resources(2.0, 0.0, 4096.0)], gpus=False)

    def observe(whole_mib):
        usage = Usage(wall_s=0.001, base_memory_mib=whole_mib)
        sizing.observe({"x": 1}, Resources(1.0, 0.0, 2048.0), None, Completed({"loss": 0.0}), usage)

    def memory_mib():
        return sizing.grant({"x": 1}, Resources(), None).resources.memory_mib

    for _ in range(30):
        observe(100.0)
    before = sizing.grant({"x": 1}, Resources(), None)
    assert sizing.grant({"x": 2}, Resources(), None) is before
    assert before.resources == Resources(1.0, 0.0, on_grid(125.0))
    observe(101.0)  # of the same step
    assert memory_mib() == on_grid(125.0)
    observe(400.0)
    assert memory_mib() == on_grid(500.0)
    for _ in range(2 * 64):
        observe(100.0)
    assert memory_mib() == on_grid(125.0)  # it was long ago
