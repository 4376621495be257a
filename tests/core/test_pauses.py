"""Trials that are paused and promoted."""

from __future__ import annotations

import pytest

from tuner.core import events as ev
from tuner.core.actions import Start
from tuner.core.ports import Promotion, Pruner, Verdict
from tuner.core.scheduler import Scheduler
from tuner.errors import InvalidTransition
from tuner.resources import Node, Resources
from tuner.study import Limits, Retry
from tuner.trial import Checkpoint, Completed, Failed, FailureKind, Pruned, TrialState


class Puppet(Pruner):
    """Pauses every report at step 1; promotes what it is told to."""

    promotes = True

    def __init__(self) -> None:
        self.queue: list[int] = []
        self.saved: list[int] = []
        self.admitted: list[int] = []
        self.ended: list[tuple[int, str]] = []
        self.asked = 0

    def admit(self, trial):
        self.admitted.append(trial)

    def judge(self, trial, step, value):
        return Verdict("pause", "only at step 1") if step == 1 else None

    def promote(self):
        self.asked += 1
        return Promotion(self.queue.pop(0), "it was told to") if self.queue else None

    def rescue(self):
        return Promotion(self.saved.pop(0), "nobody else") if self.saved else None

    def finish(self, trial):
        self.ended.append((trial.number, trial.state.value))


@pytest.fixture
def play(story):
    def begin(**changes):
        s = story(**changes)
        s.pruner = Puppet()
        s.core = Scheduler(s.spec, s.pruner)
        s.do(ev.StudyOpened(0.0, s.spec))
        return s

    return begin


def paused(s, trial, attempt=1, outcome=None):
    s.report(trial, 1, 5.0, attempt)
    s.finish(trial, outcome or Pruned(1), attempt)


def test_a_paused_trial_waits_and_gives_its_lane_to_a_new_one(play):
    s = play(trials=5)
    s.node(cpu=1)
    s.suggest()
    paused(s, 0)
    assert [(stop.prune, stop.pause) for stop in s.stops()] == [(True, True)]
    assert s.trial(0).state is TrialState.WAITING
    assert s.asked() == [(0, 1), (1, 1)]


def test_a_paused_trial_goes_on_before_a_new_one_is_asked_for(play):
    s = play(trials=5)
    s.node(cpu=1)
    s.suggest()
    s.pruner.queue.append(0)
    paused(s, 0)
    assert s.starts() == [(0, 1), (0, 2)]
    assert s.asked() == [(0, 1)]
    s.finish(0, attempt=2)
    assert s.trial(0).state is TrialState.COMPLETE


def test_nobody_asks_for_a_promotion_while_no_lane_is_free(play):
    s = play(trials=5)
    s.node(cpu=1)
    s.suggest()
    asked = s.pruner.asked
    s.report(0, 1, 5.0)
    assert s.pruner.asked == asked


def test_a_promotion_found_after_a_suggestion_was_asked_for_takes_the_next_lane(play):
    s = play(trials=5)
    s.node(cpu=2)
    s.suggest()
    paused(s, 0)
    assert s.core._outstanding == 1
    s.pruner.queue.append(0)
    s.report(1, 2, 5.0)
    assert s.starts() == [(0, 1), (1, 1), (0, 2)]
    s.suggest()
    assert s.core.in_flight == 2
    s.finish(1)
    assert s.starts()[-1] == (2, 1)


def test_what_is_promoted_while_its_attempt_is_still_stopping_waits_for_its_end(play):
    s = play(trials=5)
    s.node(cpu=2)
    s.suggest(1)
    s.pruner.queue.append(0)
    s.report(0, 1, 5.0)
    assert s.starts() == [(0, 1)]
    s.finish(0, Pruned(1))
    assert s.starts() == [(0, 1), (0, 2)]


def test_an_attempt_that_ends_well_although_it_was_told_to_pause_is_complete(play):
    s = play(trials=1)
    s.node(cpu=1)
    s.suggest()
    s.report(0, 1, 5.0)
    s.finish(0, 0.5)
    assert s.trial(0).state is TrialState.COMPLETE
    assert s.pruner.ended == [(0, "COMPLETE")]
    assert s.core.closed.reason == "trials"


@pytest.mark.parametrize("kind", [FailureKind.WORKER_LOST, FailureKind.NODE_LOST, FailureKind.HUNG])
def test_an_attempt_that_dies_while_it_is_paused_costs_nothing(play, kind):
    s = play(trials=5, retry=Retry(max=0))
    s.node(cpu=1)
    s.suggest()
    paused(s, 0, outcome=Failed(kind, ""))
    assert s.trial(0).state is TrialState.WAITING


def test_an_attempt_that_raises_while_it_is_paused_fails(play):
    s = play(trials=5)
    s.node(cpu=1)
    s.suggest()
    paused(s, 0, outcome=Failed(FailureKind.RAISED, ""))
    assert s.trial(0).state is TrialState.FAIL


def test_a_failure_that_is_tried_again_does_not_end_a_pause(play):
    s = play(trials=5, retry=Retry(1, frozenset({FailureKind.RAISED})))
    s.node(cpu=1)
    s.suggest()
    paused(s, 0, outcome=Failed(FailureKind.RAISED, ""))
    assert s.trial(0).state is TrialState.WAITING
    assert s.starts() == [(0, 1)]


def test_a_promoted_attempt_that_is_lost_is_started_again(play):
    s = play(trials=5)
    s.node(cpu=1)
    s.suggest()
    s.pruner.queue.append(0)
    paused(s, 0)
    s.fail(0, FailureKind.NODE_LOST, 2)
    assert s.starts() == [(0, 1), (0, 2), (0, 3)]


def test_the_promoted_attempt_goes_on_from_the_latest_checkpoint(play):
    s = play(trials=5)
    s.node(cpu=1)
    s.suggest()
    s.do(ev.Checkpointed(0.0, 0, 1, Checkpoint(1, "a")))
    s.pruner.queue.append(0)
    paused(s, 0)
    assert [start.checkpoint for start in s.said(Start)] == [None, Checkpoint(1, "a")]


def test_the_last_report_is_the_result_of_an_attempt_that_had_nothing_left_to_do(play):
    s = play(trials=5)
    s.node(cpu=1)
    s.suggest()
    s.pruner.queue.append(0)
    paused(s, 0)
    s.finish(0, Completed({}), attempt=2)
    assert (s.trial(0).state, s.trial(0).values) == (TrialState.COMPLETE, {"loss": 5.0})


def test_a_trial_that_is_run_again_from_nothing_is_not_judged_twice_at_the_same_step(play):
    s = play(trials=5)
    s.node(cpu=1)
    s.suggest()
    s.pruner.queue.append(0)
    paused(s, 0)
    s.report(0, 1, 5.0, attempt=2)
    assert len(s.stops()) == 1
    s.report(0, 2, 4.0, attempt=2)
    s.finish(0, 4.0, attempt=2)
    assert (s.trial(0).state, s.trial(0).steps) == (TrialState.COMPLETE, 2)


def test_paused_trials_are_pruned_with_their_last_values_when_the_study_ends(play):
    s = play(trials=2)
    s.node(cpu=2)
    s.suggest()
    paused(s, 0)
    s.finish(1)
    assert s.core.closed.reason == "trials"
    assert (s.trial(0).state, s.trial(0).values) == (TrialState.PRUNED, {"loss": 5.0})
    assert s.pruner.ended == [(1, "COMPLETE"), (0, "PRUNED")]


def test_the_study_does_not_close_while_a_paused_trial_can_be_promoted(play):
    s = play(trials=1)
    s.node("a", cpu=1)
    s.suggest()
    s.report(0, 1, 5.0)
    s.do(ev.NodeLost(1.0, "a"))
    s.pruner.queue.append(0)
    s.finish(0, Pruned(1))
    assert s.core.closed is None
    s.node("b", cpu=1)
    assert s.starts() == [(0, 1), (0, 2)]


def test_a_study_in_which_none_completed_lets_a_paused_trial_run_to_its_end(play):
    s = play(trials=2)
    s.pruner.saved = [1, 0]
    s.node(cpu=2)
    s.suggest()
    paused(s, 0)
    paused(s, 1)
    assert s.starts() == [(0, 1), (1, 1), (1, 2)]
    s.finish(1, 4.0, attempt=2)
    assert s.core.closed.reason == "trials"
    assert (s.trial(1).state, s.trial(0).state) == (TrialState.COMPLETE, TrialState.PRUNED)
    assert s.pruner.saved == [0]


def test_paused_trials_end_when_the_sweep_is_stopped(play):
    s = play(trials=9)
    s.node(cpu=2)
    s.suggest()
    paused(s, 0)
    s.do(ev.CommandReceived(1.0, "stop"))
    s.finish(1, Failed(FailureKind.STOPPED, ""))
    assert s.core.closed.reason == "stopped"
    assert s.trial(0).state is TrialState.PRUNED


def test_a_drained_study_keeps_its_paused_trials_for_later(play):
    s = play(trials=2)
    s.node(cpu=2)
    s.suggest()
    paused(s, 0)
    s.do(ev.CommandReceived(1.0, "drain"))
    s.finish(1)
    assert s.core.closed.reason == "drained"
    assert s.trial(0).state is TrialState.WAITING
    s.pruner.queue.append(0)
    s.do(ev.StudyResumed(2.0))
    s.node()
    assert s.starts()[-1] == (0, 2)


def test_a_decision_to_pause_survives_the_driver(play):
    s = play(trials=5)
    s.node(cpu=1)
    s.suggest()
    s.report(0, 1, 5.0)
    s.do(ev.StudyResumed(9.0))
    s.node(cpu=1)
    s.suggest()
    assert s.starts() == [(0, 1), (1, 1)]
    s.pruner.queue.append(0)
    s.finish(1)
    assert s.starts()[-1] == (0, 2)


def test_a_promotion_before_the_end_of_the_attempt_survives_the_driver(play):
    s = play(trials=5)
    s.node(cpu=2)
    s.suggest(1)
    s.pruner.queue.append(0)
    s.report(0, 1, 5.0)
    s.do(ev.StudyResumed(9.0))
    s.node(cpu=1)
    assert s.starts() == [(0, 1), (0, 2)]


def test_paused_trials_do_not_count_as_ends_without_progress(play):
    s = play(trials=4, patience=2)
    s.node(cpu=4)
    s.suggest()
    for trial in (0, 1, 2):
        paused(s, trial)
    s.finish(3)
    s.do(ev.StudyResumed(9.0, Limits(trials=6, patience=2)))
    assert s.core._ending is None


def test_pruners_learn_of_trials_in_the_order_of_numbers(play):
    s = play(trials=4)
    s.node(cpu=4)
    s.suggest()
    assert s.pruner.admitted == [0, 1, 2, 3]


def test_promoting_what_is_not_paused_is_a_bug_with_the_trials_story(play):
    s = play(trials=4)
    s.node(cpu=2)
    s.suggest(1)
    s.pruner.queue.append(0)
    with pytest.raises(InvalidTransition, match="not paused"):
        s.do(ev.NodeJoined(0.0, Node("late", Resources(1.0))))
