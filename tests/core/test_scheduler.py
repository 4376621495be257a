"""Events in, actions out."""

from __future__ import annotations

import pytest

from tuner.core import events as ev
from tuner.core.actions import Close, Scale, Start, Suggest, WakeAt
from tuner.core.outcomes import MAX_LOSSES
from tuner.core.rightsizing import on_grid
from tuner.errors import InvalidTransition
from tuner.resources import Resources
from tuner.study import Limits, ResourceRequest, Retry
from tuner.trial import Failed, FailureKind, Pruned, TrialState


def test_asks_for_as_many_trials_as_the_nodes_hold(story):
    s = story(trials=10)
    s.node(cpu=2)
    s.node("n1", cpu=3)
    assert s.asked() == [(0, 2), (2, 3)]


def test_asks_for_no_more_trials_than_the_limit(story):
    s = story(trials=3)
    s.node(cpu=8)
    assert s.asked() == [(0, 3)]


def test_parallel_limits_what_is_in_flight(story):
    s = story(trials=10, parallel=2)
    s.node(cpu=8)
    s.suggest()
    assert s.starts() == [(0, 1), (1, 1)]
    assert len({start.lane for start in s.said(Start)}) == 2


def test_a_grant_larger_than_a_cpu_takes_its_room(story):
    s = story(trials=10, resources=ResourceRequest(cpu=2.0))
    s.node(cpu=5)
    assert s.asked() == [(0, 2)]


def test_no_node_fits_is_told_with_the_largest_node(story):
    s = story(trials=1, resources=ResourceRequest(cpu=16.0))
    s.node(cpu=2)
    asked, largest = s.core.no_node_fits
    assert (asked.cpu, largest.cpu) == (16.0, 2.0)
    assert "can hold" in s.core.waiting_for


def test_a_finished_trial_makes_room_for_the_next(story):
    s = story(trials=3)
    s.node(cpu=1)
    s.suggest()
    s.begin(0)
    s.finish(0)
    assert s.asked() == [(0, 1), (1, 1)]


def test_the_study_closes_when_all_trials_are_done(story):
    s = story(trials=1)
    s.node()
    s.suggest()
    s.finish(0, 0.25)
    assert s.core.closed == Close("trials", "all 1 trials are done")
    assert s.trial(0).state is TrialState.COMPLETE
    assert s.trial(0).values == {"loss": 0.25}


def test_the_study_closes_when_the_space_is_exhausted(story):
    s = story(trials=10)
    s.node(cpu=4)
    s.suggest(1)
    s.do(ev.SpaceExhausted(0.0))
    assert not s.said(Close)
    s.finish(0)
    assert s.said(Close)[-1].reason == "exhausted"


def test_nothing_is_said_after_the_close(story):
    s = story(trials=1)
    s.node()
    s.suggest()
    s.finish(0)
    assert s.finish(0) == []
    assert s.node("late") == []


@pytest.mark.parametrize("late", ["attempt", "trial"])
def test_a_second_end_of_the_same_attempt_is_dropped(story, late):
    s = story(trials=2)
    s.node(cpu=1)
    s.suggest()
    s.fail(0, FailureKind.WORKER_LOST) if late == "attempt" else s.finish(0)
    before = s.finals(0)
    s.finish(0, attempt=1)
    assert s.finals(0) == before


def test_lost_node_costs_an_attempt_not_a_trial(story):
    s = story(trials=1, retry=Retry(max=0))
    s.node()
    s.suggest()
    s.fail(0, FailureKind.NODE_LOST)
    assert s.starts() == [(0, 1), (0, 2)]
    s.finish(0, attempt=2)
    assert s.trial(0).state is TrialState.COMPLETE


def test_lost_nodes_do_not_go_on_for_ever(story):
    s = story(trials=1)
    s.node()
    s.suggest()
    for attempt in range(1, MAX_LOSSES + 2):
        s.fail(0, FailureKind.NODE_LOST, attempt)
    assert s.trial(0).state is TrialState.FAIL


def test_retries_are_counted(story):
    s = story(trials=1, retry=Retry(max=2))
    s.node()
    s.suggest()
    for attempt in (1, 2, 3):
        s.fail(0, FailureKind.WORKER_LOST, attempt)
    assert s.starts() == [(0, 1), (0, 2), (0, 3)]
    assert s.trial(0).failure.kind is FailureKind.WORKER_LOST


@pytest.mark.parametrize("kind", [FailureKind.RAISED, FailureKind.INVALID_PARAMS, FailureKind.BAD_REPORT])
def test_a_failure_that_would_happen_again_is_not_retried(story, kind):
    s = story(trials=1)
    s.node()
    s.suggest()
    s.fail(0, kind)
    assert s.trial(0).state is TrialState.FAIL
    assert s.starts() == [(0, 1)]


def test_the_sweep_says_which_kinds_are_retried(story):
    s = story(trials=1, retry=Retry(1, frozenset({FailureKind.RAISED})))
    s.node()
    s.suggest()
    s.fail(0, FailureKind.RAISED)
    assert s.starts() == [(0, 1), (0, 2)]


def test_a_retry_goes_before_new_trials(story):
    s = story(trials=5)
    s.node(cpu=1)
    s.suggest()
    s.fail(0, FailureKind.WORKER_LOST)
    assert s.starts()[-1] == (0, 2)


def test_out_of_memory_gets_more_memory(story):
    s = story(trials=1, resources=ResourceRequest(memory_mib=100.0))
    s.node(memory_mib=1000.0)
    s.suggest()
    s.fail(0, FailureKind.OUT_OF_MEMORY, peak=200.0)
    assert s.said(Start)[-1].grant.memory_mib == on_grid(240.0)


def test_out_of_memory_on_the_largest_node_fails_the_trial(story):
    s = story(trials=1, resources=ResourceRequest(memory_mib=1000.0))
    s.node(memory_mib=1000.0)
    s.suggest()
    s.fail(0, FailureKind.OUT_OF_MEMORY, peak=900.0)
    assert s.trial(0).failure.kind is FailureKind.OUT_OF_MEMORY


def test_out_of_memory_on_the_largest_node_is_tried_once_more_when_others_may_have_used_it(story):
    s = story(trials=1, resources=ResourceRequest(memory_mib=1000.0))
    s.node(memory_mib=1000.0)
    s.suggest()
    s.fail(0, FailureKind.OUT_OF_MEMORY, peak=100.0)
    assert s.starts() == [(0, 1), (0, 2)]
    s.fail(0, FailureKind.OUT_OF_MEMORY, attempt=2, peak=100.0)
    assert s.trial(0).failure.kind is FailureKind.OUT_OF_MEMORY


def test_a_report_that_the_pruner_condemns_stops_the_attempt(story):
    s = story(trials=1)
    s.node()
    s.suggest()
    s.report(0, 1, 5.0)
    s.report(0, 2, 11.0)
    assert [(stop.trial, stop.attempt, stop.prune) for stop in s.stops()] == [(0, 1, True)]
    s.finish(0, Pruned(2))
    assert s.trial(0).state is TrialState.PRUNED
    assert (s.trial(0).values, s.trial(0).last_step, s.trial(0).steps) == ({"loss": 11.0}, 2, 2)


def test_an_attempt_that_was_told_to_stop_is_not_judged_again(story):
    s = story(trials=1)
    s.node()
    s.suggest()
    s.report(0, 1, 11.0)
    s.report(0, 2, 12.0)
    assert len(s.stops()) == 1
    assert len(s.pruner.judged) == 1


def test_a_stop_that_came_too_late_leaves_the_trial_complete(story):
    s = story(trials=1)
    s.node()
    s.suggest()
    s.report(0, 1, 11.0)
    s.finish(0, 3.0)
    assert s.trial(0).state is TrialState.COMPLETE


def test_an_attempt_that_dies_while_it_is_stopped_was_pruned(story):
    s = story(trials=1)
    s.node()
    s.suggest()
    s.report(0, 1, 11.0)
    s.fail(0, FailureKind.WORKER_LOST)
    assert s.trial(0).state is TrialState.PRUNED


@pytest.mark.parametrize("step", [1, 2])
def test_an_old_or_repeated_step_is_dropped(story, step):
    s = story(trials=1)
    s.node()
    s.suggest()
    s.report(0, 2, 1.0)
    s.report(0, step, 99.0)
    assert s.stops() == []
    assert s.core._trials.live[0].steps == 1


def test_a_second_attempt_is_judged_where_it_gets_further(story):
    s = story(trials=1)
    s.node()
    s.suggest()
    s.report(0, 1, 1.0)
    s.fail(0, FailureKind.WORKER_LOST)
    s.report(0, 1, 99.0, attempt=2)
    s.report(0, 2, 2.0, attempt=2)
    assert s.pruner.judged == [(0, 1, 1.0), (0, 2, 2.0)]


def test_a_report_of_an_old_attempt_is_dropped(story):
    s = story(trials=1)
    s.node()
    s.suggest()
    s.fail(0, FailureKind.WORKER_LOST)
    s.report(0, 1, 99.0, attempt=1)
    assert s.pruner.judged == []


def test_a_report_stands_for_a_start_that_was_lost(story):
    s = story(trials=1, trial_time_s=10.0)
    s.node()
    s.suggest()
    s.at_s = 5.0
    s.report(0, 1, 1.0)
    assert s.said(WakeAt)[-1].at_s == 15.0


def test_nan_is_not_judged(story):
    s = story(trials=1)
    s.node()
    s.suggest()
    s.report(0, 1, float("nan"))
    s.report(0, 2, float("inf"))
    assert s.pruner.judged == []


def test_the_pruner_learns_how_every_trial_ended(story):
    s = story(trials=2)
    s.node()
    s.suggest()
    s.finish(0)
    s.fail(1, FailureKind.RAISED)
    assert [(t.number, t.state.value) for t in s.pruner.ended] == [(0, "COMPLETE"), (1, "FAIL")]


def test_trial_time_stops_an_attempt_as_a_timeout(story):
    s = story(trials=2, trial_time_s=10.0)
    s.node(cpu=1)
    s.suggest()
    s.begin(0, at_s=3.0)
    assert s.said(WakeAt)[-1].at_s == 13.0
    s.do(ev.TimerFired(13.0))
    assert [(stop.timeout, stop.prune) for stop in s.stops()] == [(True, False)]
    s.finish(0, Failed(FailureKind.TIMEOUT, "x"))
    assert s.trial(0).failure.kind is FailureKind.TIMEOUT


def test_drain_lets_running_attempts_end_and_keeps_the_rest_for_later(story):
    s = story(trials=5)
    s.node(cpu=2)
    s.suggest(1)
    s.do(ev.CommandReceived(1.0, "drain"))
    assert s.asked()[-1] == (1, 0)
    assert s.stops() == []
    s.finish(0)
    assert s.core.closed.reason == "drained"
    s.do(ev.StudyResumed(2.0))
    s.node()
    assert s.asked()[-1] == (1, 2)


ENOUGH = {"reason": "enough", "message": "it has run long enough", "lets_end": True}


def test_an_end_that_lets_attempts_end_closes_for_its_reason_and_keeps_nothing_for_later(story):
    s = story(trials=5)
    s.node(cpu=1)
    s.suggest(2)
    s.do(ev.CommandReceived(1.0, "end", ENOUGH))
    assert s.stops() == []
    s.finish(0)
    assert s.core.closed == Close("enough", "it has run long enough")
    assert s.trial(1).failure.kind is FailureKind.STOPPED


@pytest.mark.parametrize("commands", [["drain", "end"], ["end", "drain"]])
def test_a_persons_drain_goes_before_an_end_that_lets_attempts_end(story, commands):
    s = story(trials=5)
    s.node(cpu=1)
    s.suggest(2)
    for command in commands:
        s.do(ev.CommandReceived(1.0, command, ENOUGH if command == "end" else {}))
    s.finish(0)
    assert s.core.closed.reason == "drained"


def test_stop_ends_running_attempts_too(story):
    s = story(trials=5)
    s.node(cpu=1)
    s.suggest()
    s.do(ev.CommandReceived(1.0, "stop"))
    s.finish(0, Failed(FailureKind.STOPPED, ""))
    assert s.core.closed.reason == "stopped"


def test_a_resumed_study_gives_running_trials_a_new_attempt(story):
    s = story(trials=2)
    s.node(cpu=2)
    s.suggest()
    s.begin(0)
    s.finish(1)
    s.do(ev.StudyResumed(9.0))
    assert s.starts() == [(0, 1), (1, 1)]
    s.node("new")
    assert s.starts()[-1] == (0, 2)
    s.finish(0, attempt=1)
    assert not s.said(Close)
    s.finish(0, attempt=2)
    assert s.said(Close)[-1].reason == "trials"


def test_a_decision_to_prune_survives_the_driver(story):
    s = story(trials=1)
    s.node()
    s.suggest()
    s.report(0, 1, 11.0)
    s.do(ev.StudyResumed(9.0))
    assert s.trial(0).state is TrialState.PRUNED
    assert s.core.closed.reason == "trials"


def test_resuming_can_bring_other_limits(story):
    s = story(trials=1)
    s.node()
    s.suggest()
    s.finish(0)
    s.do(ev.StudyResumed(5.0, Limits(trials=3)))
    s.node()
    assert s.asked()[-1] == (1, 2)


def test_a_lost_node_closes_its_lanes(story):
    s = story(trials=9)
    s.node("a", cpu=1)
    s.node("b", cpu=1)
    s.do(ev.NodeLost(1.0, "b"))
    s.suggest()
    assert s.starts() == [(0, 1)]


def test_a_node_that_joins_again_counts_once(story):
    s = story(trials=9)
    s.node("a", cpu=2)
    s.node("a", cpu=2)
    assert s.asked() == [(0, 2)]


def test_a_repeated_suggestion_is_dropped(story):
    s = story(trials=3)
    s.node(cpu=1)
    s.suggest()
    assert s.do(ev.Suggested(0.0, 0, {"x": 0.1})) == []


def test_a_suggestion_that_skips_a_number_is_a_bug(story):
    s = story(trials=3)
    s.node(cpu=1)
    with pytest.raises(InvalidTransition, match="trial 2"):
        s.do(ev.Suggested(0.0, 2, {"x": 0.1}))


@pytest.mark.parametrize("attempt", [2])
def test_an_attempt_that_was_never_begun_is_a_bug_with_the_trials_story(story, attempt):
    s = story(trials=3)
    s.node(cpu=1)
    s.suggest()
    with pytest.raises(InvalidTransition, match="attempts begun: 1"):
        s.finish(0, attempt=attempt)


def test_the_autoscaler_hears_what_could_be_used_and_the_end(story):
    s = story(trials=3, parallel=2)
    s.node()
    s.suggest()
    s.finish(0)
    s.finish(1)
    s.suggest()
    s.finish(2)
    assert [len(scale.bundles) for scale in s.said(Scale)] == [2, 0]
    assert s.said(Scale)[0].bundles[0] == Resources(1.0, 0.0, 500.0)


def test_short_attempts_fill_their_lanes_ahead(story):
    s = story(trials=1000)
    s.node(cpu=1)
    for number in range(60):
        s.suggest()
        s.finish(number, wall_s=0.0001)
    s.suggest()
    assert s.core.in_flight == 16


def test_one_crash_makes_lanes_shallow_again(story):
    s = story(trials=1000)
    s.node(cpu=1)
    for number in range(60):
        s.suggest()
        s.finish(number, wall_s=0.0001)
    s.suggest()
    s.fail(60, FailureKind.WORKER_LOST)
    assert s.core._room.pace.depth == 1


def test_every_start_has_the_trials_own_seed(story):
    s = story(trials=2, seed=5)
    s.node(cpu=2)
    s.suggest()
    first, second = (start.seed for start in s.said(Start))
    assert first != second


def test_suggestions_are_taken_back_when_the_sweep_ends(story):
    s = story(trials=10, target=0.5)
    s.node(cpu=2)
    s.suggest(1)
    s.finish(0, 0.1)
    assert s.said(Suggest)[-1] == Suggest(1, 0)
