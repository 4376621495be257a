"""When a sweep ends: time, patience, target, failures."""

from __future__ import annotations

from tuner.core import events as ev
from tuner.core.actions import Close, WakeAt
from tuner.trial import Failed, FailureKind, TrialState


def test_the_time_limit_stops_what_runs_and_closes(story):
    s = story(trials=5, time_s=60.0)
    s.node(cpu=2)
    s.suggest()
    s.report(0, 1, 2.0)
    s.do(ev.TimerFired(60.0))
    assert {stop.trial for stop in s.stops()} == {0, 1}
    s.finish(0, Failed(FailureKind.STOPPED, ""))
    s.finish(1, Failed(FailureKind.STOPPED, ""))
    assert s.core.closed.reason == "time"
    assert (s.trial(0).state, s.trial(1).state) == (TrialState.PRUNED, TrialState.FAIL)


def test_time_counts_only_while_a_driver_lives(story):
    s = story(trials=5, time_s=60.0)
    s.node(cpu=1)
    s.suggest()
    s.begin(0, at_s=20.0)
    s.do(ev.StudyResumed(1000.0))
    assert s.said(WakeAt)[-1].at_s == 1040.0


def test_patience_ends_the_sweep(story):
    s = story(trials=100, patience=2)
    s.node(cpu=1)
    for number, loss in enumerate([1.0, 2.0, 1.0]):
        s.suggest()
        s.finish(number, loss)
    assert s.core.closed.reason == "patience"


def test_the_target_ends_the_sweep_and_stops_the_others(story):
    s = story(trials=100, target=0.5)
    s.node(cpu=2)
    s.suggest()
    s.finish(0, 0.5)
    assert [stop.trial for stop in s.stops()] == [1]
    s.finish(1, Failed(FailureKind.STOPPED, ""))
    assert s.core.closed.reason == "target"


def test_failures_beyond_the_limit_end_the_sweep(story):
    s = story(trials=100, failures=1)
    s.node(cpu=1)
    for number in range(2):
        s.suggest()
        s.fail(number, FailureKind.RAISED)
    assert s.core.closed.reason == "failures"
    assert "because" in s.core.closed.message


def test_who_resumes_a_study_that_failures_ended_has_mended_their_cause(story):
    s = story(trials=100, failures=1)
    s.node(cpu=1)
    for number in range(2):
        s.suggest()
        s.fail(number, FailureKind.RAISED)
    s.do(ev.StudyResumed(9.0))
    s.node(cpu=1)
    s.suggest()
    s.fail(2, FailureKind.RAISED)
    assert len(s.said(Close)) == 1
    s.suggest()
    s.fail(3, FailureKind.RAISED)
    assert [close.reason for close in s.said(Close)] == ["failures", "failures"]


def test_failures_of_an_interrupted_study_still_count(story):
    s = story(trials=100, failures=1)
    s.node(cpu=1)
    s.suggest()
    s.fail(0, FailureKind.RAISED)
    s.do(ev.StudyResumed(9.0))
    s.node(cpu=1)
    s.suggest()
    s.fail(1, FailureKind.RAISED)
    assert s.core.closed.reason == "failures"


def test_a_share_of_failures_is_looked_at_from_ten_trials_on(story):
    s = story(trials=100, failures_share=0.2)
    s.node(cpu=1)
    for number in range(10):
        s.suggest()
        s.fail(number, FailureKind.RAISED) if number < 3 else s.finish(number)
    assert s.core.closed.reason == "failures"


def test_ten_failures_and_nothing_else_end_any_sweep(story):
    s = story(trials=100)
    s.node(cpu=1)
    for number in range(10):
        s.suggest()
        s.fail(number, FailureKind.RAISED)
    assert s.core.closed.reason == "failures"
