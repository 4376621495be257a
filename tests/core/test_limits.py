"""When a sweep ends: time, patience, target, failures."""

from __future__ import annotations

import pytest

from tuner.core import events as ev
from tuner.core.actions import Close, WakeAt
from tuner.core.limits import Progress, cost_of
from tuner.resources import Resources
from tuner.study import Limits, Metric, Prices
from tuner.trial import Failed, FailureKind, Trial, TrialState


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


def _ended(number, state=TrialState.COMPLETE, violation=0.0, kind=None, **values):
    failure = None if kind is None else Failed(kind, "because")
    return Trial(number, state, {}, values, 1, finished_at=float(number), failure=failure, violation=violation)


LOSS = Metric("loss")


def _progress(*trials, metrics=(LOSS,)):
    progress = Progress(metrics)
    for trial in trials:
        progress.observe(trial)
    return progress


def test_invalid_parameters_are_no_failures(story):
    s = story(trials=100, failures=1)
    s.node(cpu=1)
    for number in range(20):
        s.suggest()
        s.fail(number, FailureKind.INVALID_PARAMS) if number else s.finish(0)
    assert s.core.closed is None


def test_invalid_parameters_and_nothing_else_end_the_sweep(story):
    s = story(trials=100)
    s.node(cpu=1)
    for number in range(30):
        assert s.core.closed is None
        s.suggest()
        s.fail(number, FailureKind.INVALID_PARAMS)
    assert s.core.closed.reason == "failures"
    assert s.core.closed.message.startswith("all of the first 30 trials had parameters that cannot work")


def test_an_infeasible_trial_is_not_the_best_and_reaches_no_target():
    progress = _progress(_ended(0, violation=0.5, loss=0.1), metrics=(Metric("loss", target=0.2),))
    assert (progress.best, progress.verdict(Limits())) == (None, None)
    progress.observe(_ended(1, loss=0.15))
    assert progress.verdict(Limits()) == ("target", "loss reached its target 0.2 with 0.15 (trial 1)")


def test_coming_closer_to_the_constraints_is_progress_until_one_keeps_to_them():
    progress = _progress(_ended(0, violation=0.5, loss=1.0), _ended(1, violation=0.2, loss=2.0))
    assert progress.since_best == 0
    progress.observe(_ended(2, violation=0.3, loss=0.1))
    assert progress.verdict(Limits(patience=1)) == (
        "patience",
        "one more trial brought none that comes closer to the constraints, and none keeps to them",
    )
    progress.observe(_ended(3, loss=9.0))
    progress.observe(_ended(4, violation=0.1, loss=0.0))
    assert progress.since_best == 1


def test_with_several_metrics_patience_is_about_the_front():
    metrics = (Metric("loss"), Metric("auc", "maximize"))
    progress = _progress(_ended(0, loss=1.0, auc=0.5), _ended(1, loss=2.0, auc=0.6), metrics=metrics)
    assert progress.since_best == 0
    progress.observe(_ended(2, loss=2.0, auc=0.6))
    progress.observe(_ended(3, loss=1.5, auc=0.4))
    assert progress.since_best == 2
    assert progress.verdict(Limits(patience=2))[0] == "patience"


def test_with_several_targets_one_trial_must_reach_them_all():
    metrics = (Metric("loss", target=1.0), Metric("auc", "maximize", 0.9))
    progress = _progress(_ended(0, loss=0.5, auc=0.5), _ended(1, loss=2.0, auc=0.95), metrics=metrics)
    assert progress.verdict(Limits()) is None
    progress.observe(_ended(2, loss=1.0, auc=0.9))
    assert progress.verdict(Limits())[0] == "target"


def test_steps_and_cost_are_budgets():
    progress = _progress()
    progress.reported()
    progress.charge(0.5)
    assert progress.verdict(Limits(steps=2, cost=0.6)) is None
    progress.reported()
    assert progress.verdict(Limits(steps=2, cost=0.6)) == ("steps", "its budget of 2 steps is used up")
    progress.charge(0.125)
    assert progress.verdict(Limits(cost=0.6)) == ("cost", "its budget of 0.6 is used up (spent: 0.62)")


def test_what_an_attempt_costs():
    prices = Prices(cpu_h=0.04, gpu_h=2.5, memory_gib_h=0.005)
    assert cost_of(Resources(2.0, 0.5, 4096.0), 1800.0, prices) == pytest.approx((0.08 + 1.25 + 0.02) / 2)
    assert cost_of(Resources(2.0), 1800.0, None) == 0.0


def test_a_trial_that_reports_nothing_is_a_step_so_that_a_budget_of_steps_always_ends(story):
    s = story(steps=2)
    s.node(cpu=1)
    for number in range(2):
        assert s.core.closed is None
        s.suggest()
        s.finish(number)
    assert s.core.closed.reason == "steps"
