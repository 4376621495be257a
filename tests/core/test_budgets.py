"""Budgets of steps and of money, and an end that was found outside of the core."""

from __future__ import annotations

import pytest

from tuner.core import events as ev
from tuner.core.actions import WakeAt
from tuner.resources import Usage
from tuner.study import Prices, ResourceRequest
from tuner.trial import Completed, Failed, FailureKind, TrialState

HOURLY = Prices(cpu_h=3600.0)  # one a second and CPU


def test_the_sweep_ends_when_its_steps_are_used_up(story):
    s = story(trials=9, steps=3)
    s.node(cpu=2)
    s.suggest()
    s.report(0, 1, 1.0)
    s.report(0, 1, 1.0)
    s.report(1, 1, 1.0)
    assert s.stops() == []
    s.report(0, 2, 1.0)
    assert [(stop.trial, stop.prune) for stop in s.stops()] == [(0, False), (1, False)]
    for trial in (0, 1):
        s.finish(trial, Failed(FailureKind.STOPPED, ""))
    assert s.core.closed.reason == "steps"
    assert s.trial(0).state is TrialState.PRUNED


def test_what_runs_is_stopped_in_time_for_the_budget(story):
    s = story(trials=9, cost=100.0, prices=HOURLY, stop_grace_s=5.0)
    s.node(cpu=2)
    s.suggest()
    s.begin(0, at_s=10.0)
    assert s.said(WakeAt)[-1].at_s == pytest.approx(105.0)
    s.begin(1, at_s=20.0)
    # 10 are spent; 90 last two CPUs for 45 s, of which 5 are spare.
    assert s.said(WakeAt)[-1].at_s == pytest.approx(60.0)
    s.do(ev.TimerFired(s.said(WakeAt)[-1].at_s))
    assert len(s.stops()) == 2
    for trial in (0, 1):
        s.finish(trial, Failed(FailureKind.STOPPED, ""))
    assert s.core.closed.reason == "cost"


def test_ended_attempts_cost_what_they_were_measured_to_take(story):
    s = story(trials=9, cost=100.0, prices=HOURLY, resources=ResourceRequest(cpu=2.0))
    s.node(cpu=2)
    s.suggest()
    s.begin(0, at_s=10.0)
    s.do(ev.Finished(20.0, 0, 1, Completed({"loss": 1.0}), Usage(wall_s=8.0)))
    assert s.core.progress.cost == pytest.approx(16.0)


def test_the_budget_counts_over_all_drivers(story):
    s = story(trials=9, cost=100.0, prices=HOURLY, stop_grace_s=0.0)
    s.node(cpu=1)
    s.suggest()
    s.begin(0, at_s=0.0)
    s.do(ev.NodeJoined(30.0, s.core._room.living["n0"]))
    s.do(ev.StudyResumed(1000.0))
    s.node(cpu=1)
    s.begin(0, attempt=2, at_s=1000.0)
    assert s.said(WakeAt)[-1].at_s == pytest.approx(1070.0)


def test_a_budget_smaller_than_the_grace_is_still_used(story):
    s = story(trials=9, cost=10.0, prices=HOURLY, stop_grace_s=30.0)
    s.node(cpu=1)
    s.suggest()
    s.begin(0, at_s=0.0)
    assert s.said(WakeAt)[-1].at_s == pytest.approx(5.0)


def test_a_reason_found_elsewhere_ends_the_sweep(story):
    s = story(trials=9)
    s.node(cpu=1)
    s.suggest()
    s.do(ev.CommandReceived(1.0, "end", {"reason": "regret", "message": "at most 0.001 can be gained"}))
    s.finish(0, Failed(FailureKind.STOPPED, ""))
    assert (s.core.closed.reason, s.core.closed.message) == ("regret", "at most 0.001 can be gained")
