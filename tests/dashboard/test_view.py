"""The view: what displays show is what happened, at a fixed cost per event."""

import sys
import time
from dataclasses import replace

import pytest

from tuner.core import events as ev
from tuner.dashboard._meters import Curve, Rate
from tuner.dashboard.snapshot import headline
from tuner.dashboard.view import View
from tuner.resources import Resources
from tuner.study import Constraint, Limits, Metric
from tuner.trial import Attempt, Completed, Failed, FailureKind, Pruned, Trial, TrialState

T0 = 1_700_000_000.0
ONE = Resources(1.0, 0.0, 512.0)


def test_a_view_of_nothing_shows_nothing_and_does_not_fail():
    snapshot = View().snapshot(T0)
    assert snapshot.name is None
    assert snapshot.counts.finished == 0
    assert (snapshot.progress, snapshot.best, snapshot.history, snapshot.left_s) == (None, None, (), None)


def test_counts_follow_trials_from_suggestion_to_end(opened):
    study = opened(trials=10)
    study.fold([ev.Suggested(T0, n, {}) for n in (0, 1)], [Trial(n, TrialState.WAITING, {}, {}) for n in (0, 1)])
    assert (study.snapshot().counts.waiting, study.snapshot().counts.running) == (2, 0)
    study.start(0, T0 + 1)
    assert (study.snapshot().counts.waiting, study.snapshot().counts.running) == (1, 1)
    study.finish(0, T0 + 2, Completed({"auc": 0.9}))
    study.start(1, T0 + 2)
    study.finish(1, T0 + 3, Pruned(4))
    study.start(2, T0 + 3)
    study.finish(2, T0 + 4, Failed(FailureKind.RAISED, "ValueError: no"))
    counts = study.snapshot(4).counts
    assert (counts.waiting, counts.running, counts.complete, counts.pruned, counts.failed) == (0, 0, 1, 1, 1)
    assert study.snapshot(4).failures == {"raised": 1}


def test_a_retried_attempt_is_no_failed_trial(opened):
    study = opened()
    study.start(0, T0)
    study.finish(0, T0 + 1, Failed(FailureKind.NODE_LOST, "gone"), state=TrialState.WAITING)
    snapshot = study.snapshot(1)
    assert (snapshot.counts.failed, snapshot.counts.waiting) == (0, 1)
    assert (snapshot.failure.kind, snapshot.failure.final) == ("node_lost", False)
    study.start(0, T0 + 2, attempt=2)
    assert study.snapshot(2).counts.retried == 1
    study.finish(0, T0 + 3, Completed({"auc": 0.5}), attempt=2)
    assert (study.snapshot(3).counts.retried, study.snapshot(3).counts.complete) == (1, 1)


def test_the_failure_that_ends_a_trial_is_no_retry(opened):
    study = opened()
    for number in (0, 1):
        study.start(number, T0)
    failed = Failed(FailureKind.RAISED, "ValueError: no")
    study.fold([], [Attempt(n, 1, ONE, "n", T0, T0 + 1, failed) for n in (0, 1)])
    study.fold([], [Trial(n, TrialState.FAIL, {}, {}, 1, finished_at=T0 + 1, failure=failed) for n in (0, 1)])
    assert (study.snapshot(1).counts.retried, study.snapshot(1).counts.failed) == (0, 2)


def test_resources_in_use_are_the_grants_of_running_attempts(opened):
    study = opened()
    study.start(0, T0)
    study.start(1, T0)
    assert study.snapshot().used == Resources(2.0, 0.0, 1024.0)
    assert study.snapshot().total == Resources(2.0, 0.0, 4096.0)
    study.finish(0, T0 + 1, Completed({"auc": 0.5}))
    assert study.snapshot().used == ONE
    study.fold([ev.NodeLost(T0 + 2, "n")], [])
    assert study.snapshot(2).n_nodes == 0


def test_the_best_keeps_to_the_goal_and_counts_what_finished_since(opened):
    study = opened()
    for number, value in enumerate((0.5, 0.9, 0.7, 0.9)):
        study.trial(number, T0 + number, value)
    best = study.snapshot(5).best
    assert (best.trial, best.value, best.finished_since) == (1, 0.9, 2)
    assert study.snapshot(5).history[0] == 0.5
    assert study.snapshot(5).history[-1] == 0.9


def test_a_running_trial_shows_its_last_report_and_no_stale_one(opened):
    study = opened()
    study.start(3, T0, attempt=2)
    study.fold([ev.Reported(T0 + 1, 3, 2, 10, {"loss": 1.0, "auc": 0.8})], [])
    study.fold([ev.Reported(T0 + 2, 3, 1, 99, {"auc": 0.1}), ev.Reported(T0 + 2, 3, 2, 9, {"auc": 0.2})], [])
    (row,) = study.snapshot(4).running
    assert (row.trial, row.attempt, row.step, row.value, row.for_s) == (3, 2, 10, 0.8, 4.0)


def test_a_stop_that_was_asked_for_shows_on_the_running_trial(opened):
    study = opened()
    study.start(0, T0)
    study.fold([], [Attempt(0, 1, ONE, "n", T0, stop_reason="not worth finishing")])
    assert study.snapshot().running[0].stopping


def test_rows_are_the_trials_that_run_longest_and_no_more_than_asked(opened):
    study = opened()
    for number in range(20):
        study.start(number, T0 + number)
    snapshot = study.snapshot(20, rows=3)
    assert [row.trial for row in snapshot.running] == [0, 1, 2]
    assert snapshot.counts.running == 20


def test_time_left_follows_the_limit_that_is_reached_first(opened):
    study = opened(trials=100, time_s=1000.0)
    for number in range(20):
        study.trial(number, T0 + number, 0.5)
    snapshot = study.snapshot(20)
    assert snapshot.per_minute == pytest.approx(60.0, rel=0.01)
    assert snapshot.left_s == pytest.approx(80.0, rel=0.01)
    assert (snapshot.progress.unit, snapshot.progress.share) == ("trials", 0.2)
    late = study.snapshot(990)
    assert late.progress.unit == "s"
    assert late.left_s == pytest.approx(10.0)


def test_nothing_is_said_of_the_time_left_while_the_best_model_is_fitted(opened):
    study = opened(trials=20)
    for number in range(20):
        study.trial(number, T0 + number, 0.5)
    assert study.snapshot(60).left_s is None


def test_a_resumed_study_counts_the_time_of_its_drivers_only_and_takes_the_new_limits(opened):
    study = opened(trials=10)
    study.start(0, T0)
    study.finish(0, T0 + 60, Completed({"auc": 0.5}))
    study.fold([ev.CommandReceived(T0 + 60, "drain")], [])
    study.fold([ev.StudyResumed(T0 + 10_000, Limits(trials=20))], [])
    snapshot = study.snapshot(10_005)
    assert snapshot.elapsed_s == pytest.approx(65.0)
    assert (snapshot.limits.trials, snapshot.n_nodes, snapshot.draining) == (20, 0, None)
    assert (snapshot.counts.complete, snapshot.per_minute) == (1, None)


def test_trials_of_earlier_drivers_count_but_do_not_speed_this_one_up(opened):
    study = opened(trials=10)
    study.fold([], [Trial(n, TrialState.COMPLETE, {}, {"auc": 0.5}, 1, finished_at=T0 - 100) for n in range(5)])
    assert (study.snapshot(1).counts.complete, study.snapshot(1).per_minute) == (5, None)


def test_a_simulated_study_shows_its_own_time(opened):
    study = opened(time_s=100.0)
    study.trial(0, T0 + 49, 0.5)
    assert study.view.snapshot(None).elapsed_s == pytest.approx(50.0)


def test_a_drain_shows(opened):
    study = opened()
    study.fold([ev.CommandReceived(T0 + 1, "drain")], [])
    assert study.snapshot(1).draining == "drain"


def test_a_closed_study_has_nothing_left(opened):
    study = opened(trials=10)
    study.view.closed("COMPLETE", "10 trials were run")
    snapshot = study.snapshot(1)
    assert (snapshot.ended, snapshot.phase, snapshot.left_s) == ("COMPLETE", "10 trials were run", None)


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("Traceback (most recent call last):\n  File 'x'\nValueError: no such thing\n", "ValueError: no such thing"),
        ("\n exit code 3\nmore", "exit code 3"),
        ("", ""),
    ],
)
def test_the_headline_of_a_failure(message, line):
    assert headline(message) == line


def test_memory_does_not_grow_with_finished_trials(opened):
    study = opened(trials=10_000)

    def run(first, last):
        for number in range(first, last):
            study.trial(number, T0 + number, number / 10_000)
        view = study.view
        return sum(sys.getsizeof(part) for part in (view._live, view._curve._points, view._clock.rate._counts))

    small = run(0, 500)
    assert run(500, 5_000) <= 2 * small


def test_an_event_costs_microseconds(opened):
    study = opened()
    events = [ev.Reported(T0, 0, 1, step, {"auc": 0.5}) for step in range(20_000)]
    study.start(0, T0)
    began = time.perf_counter()
    study.fold(events, [])
    assert (time.perf_counter() - began) / len(events) < 20e-6


def test_a_curve_keeps_the_last_value_whatever_it_dropped():
    curve = Curve(0.0, capacity=8)
    for at_s in range(1000):
        curve.add(float(at_s), float(at_s))
        assert curve.points(5)[-1] == at_s
        assert len(curve.points(100)) <= 8
    points = curve.points(8)
    assert list(points) == sorted(points)


def test_a_curve_survives_a_jump_of_years():
    curve = Curve(0.0, capacity=8)
    curve.add(0.0, 1.0)
    curve.add(1e9, 2.0)
    assert curve.points(8)[-1] == 2.0
    assert len(curve.points(8)) <= 8


def test_a_rate_forgets_what_is_older_than_its_window():
    rate = Rate(bucket_s=5.0, n_buckets=12)
    for second in range(60):
        rate.add(float(second))
    assert rate.recent(60.0, 0.0)[0] == 60
    assert rate.recent(300.0, 0.0)[0] == 0


def test_a_paused_trial_waits_for_the_pruner_and_its_promotion_is_no_retry(opened):
    study = opened()
    study.start(0, T0)
    study.finish(0, T0 + 1, Pruned(3), state=TrialState.WAITING)
    counts = study.snapshot(1).counts
    assert (counts.paused, counts.waiting, counts.promoted) == (1, 0, 0)
    study.start(0, T0 + 2, attempt=2)
    counts = study.snapshot(2).counts
    assert (counts.paused, counts.running, counts.promoted, counts.retried) == (0, 1, 1, 0)
    study.finish(0, T0 + 3, Completed({"auc": 0.5}), attempt=2)
    counts = study.snapshot(3).counts
    assert (counts.complete, counts.paused, counts.promoted, counts.retried) == (1, 0, 1, 0)


def test_a_trial_that_is_paused_when_the_sweep_ends_is_stopped_early(opened):
    study = opened()
    study.start(0, T0)
    study.finish(0, T0 + 1, Pruned(3), state=TrialState.WAITING)
    study.fold([], [Trial(0, TrialState.PRUNED, {"x": 0.5}, {"auc": 0.1}, 1, finished_at=T0 + 2)])
    counts = study.snapshot(2).counts
    assert (counts.paused, counts.pruned, counts.waiting) == (0, 1, 0)


def test_what_earlier_drivers_paused_promoted_and_retried_is_known(spec):
    view = View()
    rows = [
        Attempt(0, 1, ONE, "n", T0, T0 + 1, Pruned(1)),
        Attempt(0, 2, ONE, "n", T0, T0 + 1, Completed({"auc": 0.5})),
        Attempt(1, 1, ONE, "n", T0, T0 + 1, Failed(FailureKind.NODE_LOST)),
        Attempt(1, 2, ONE, "n", T0, T0 + 1, Completed({"auc": 0.5})),
        Attempt(2, 1, ONE, "n", T0, T0 + 1, Pruned(1)),
    ]
    states = (TrialState.COMPLETE, TrialState.COMPLETE, TrialState.WAITING)
    trials = [
        Trial(n, state, {}, {"auc": 0.5} if n < 2 else {}, 2 - n // 2, finished_at=T0 + 1)
        for n, state in enumerate(states)
    ]
    view.restore(spec(), trials, rows)
    counts = view.snapshot().counts
    assert (counts.promoted, counts.retried, counts.paused, counts.waiting) == (1, 1, 1, 0)


def test_what_the_end_cut_off_did_not_fail(opened):
    study = opened()
    study.start(0, T0)
    study.finish(0, T0 + 1, Failed(FailureKind.STOPPED, "its time is over"))
    counts = study.snapshot(1).counts
    assert (counts.failed, counts.cut, counts.finished) == (0, 1, 1)
    assert study.snapshot(1).failure is None


def _constrained(spec):
    return replace(spec(), constraints=(Constraint("ms", high=10.0),))


def test_the_best_is_a_feasible_one_as_soon_as_there_is_one(spec):
    view = View()
    view.opened(_constrained(spec), {})
    for number, (auc, violation) in enumerate(
        [(0.9, 2.0), (0.8, 0.5), (0.95, 0.5), (0.3, 0.0), (0.99, 0.1), (0.4, 0.0)]
    ):
        trial = Trial(number, TrialState.COMPLETE, {}, {"auc": auc}, 1, finished_at=T0 + number, violation=violation)
        view.fold([], [trial])
        if number == 2:
            best = view.snapshot().best
            assert best is not None
            assert (best.trial, best.feasible, view.snapshot().feasible) == (2, False, 0)
    snapshot = view.snapshot()
    assert snapshot.best is not None
    assert (snapshot.best.trial, snapshot.best.feasible, snapshot.feasible) == (5, True, 2)
    assert set(snapshot.history) <= {0.3, 0.4}
    assert snapshot.front is None


def test_with_several_metrics_the_front_is_counted(spec):
    view = View()
    view.opened(replace(spec(), metrics=(Metric("auc", "maximize"), Metric("ms"))), {})
    for number, (auc, ms) in enumerate([(0.9, 9.0), (0.5, 1.0), (0.4, 2.0), (0.95, 8.0)]):
        view.fold([], [Trial(number, TrialState.COMPLETE, {}, {"auc": auc, "ms": ms}, 1, finished_at=T0)])
    assert (view.snapshot().front, view.snapshot().feasible) == (2, None)


def test_the_end_by_the_regret_bound_is_no_wish_of_a_person(opened):
    study = opened()
    study.fold([ev.CommandReceived(T0, "end", {"reason": "regret", "message": "enough"})], [])
    assert study.view.draining is None
