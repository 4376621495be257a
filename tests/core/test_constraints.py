"""Constraints on returned metrics and on measured usage."""

from __future__ import annotations

import pytest

from tuner.core import events as ev
from tuner.resources import Usage
from tuner.study import Constraint
from tuner.trial import Completed, FailureKind, TrialState


def one(story, *constraints, trials=1):
    s = story(trials=trials, constraints=constraints)
    s.node()
    s.suggest()
    return s


def test_a_returned_constraint_beyond_its_bound_is_a_violation_relative_to_it(story):
    s = one(story, Constraint("predict_ms", high=20.0), Constraint("recall", low=0.5))
    s.finish(0, Completed({"loss": 1.0, "predict_ms": 30.0, "recall": 0.4}))
    assert s.trial(0).violation == pytest.approx(0.5 + 0.2)
    assert s.trial(0).state is TrialState.COMPLETE


def test_a_trial_that_keeps_to_its_constraints_has_no_violation(story):
    s = one(story, Constraint("predict_ms", high=20.0))
    s.finish(0, Completed({"loss": 1.0, "predict_ms": 20.0}))
    assert s.trial(0).violation == 0.0


def test_measured_usage_becomes_a_value_of_the_trial(story):
    s = one(
        story, Constraint("peak_memory_mib", high=100.0), Constraint("wall_s", high=10.0), Constraint("cpu_s", high=2.0)
    )
    s.do(ev.Finished(0.0, 0, 1, Completed({"loss": 1.0}), Usage(peak_memory_mib=150.0, cpu_s=1.0, wall_s=5.0)))
    assert s.trial(0).values == {"loss": 1.0, "peak_memory_mib": 150.0, "wall_s": 5.0, "cpu_s": 1.0}
    assert s.trial(0).violation == pytest.approx(0.5)


def test_what_the_objective_returns_goes_before_what_was_measured(story):
    s = one(story, Constraint("wall_s", high=10.0))
    s.finish(0, Completed({"loss": 1.0, "wall_s": 20.0}), wall_s=1.0)
    assert s.trial(0).violation == pytest.approx(1.0)


def test_a_constraint_metric_that_is_missing_fails_the_trial_and_says_what_was_returned(story):
    s = one(story, Constraint("predict_ms", high=20.0))
    s.finish(0, Completed({"loss": 1.0, "size": 3.0}))
    failure = s.trial(0).failure
    assert failure.kind is FailureKind.BAD_REPORT
    assert (
        failure.message
        == "the constraint on predict_ms needs its value, which was not returned; returned were loss, size"
    )


def test_measured_time_is_that_of_all_attempts_that_went_on_from_each_other(story):
    from tuner.trial import Checkpoint

    s = one(story, Constraint("wall_s", high=10.0))
    s.do(ev.Checkpointed(0.0, 0, 1, Checkpoint(1, "a")))
    s.fail(0, FailureKind.WORKER_LOST, wall_s=4.0)
    s.finish(0, 1.0, attempt=2, wall_s=3.0)
    assert s.trial(0).values["wall_s"] == 7.0


def test_measured_time_leaves_out_attempts_of_which_nothing_is_left(story):
    s = one(story, Constraint("wall_s", high=10.0))
    s.fail(0, FailureKind.WORKER_LOST, wall_s=4.0)
    s.finish(0, 1.0, attempt=2, wall_s=3.0)
    assert s.trial(0).values["wall_s"] == 3.0


def test_a_pruned_trial_violates_nothing(story):
    s = one(story, Constraint("predict_ms", high=20.0))
    s.report(0, 1, 11.0)
    s.fail(0, FailureKind.WORKER_LOST)
    assert (s.trial(0).state, s.trial(0).violation) == (TrialState.PRUNED, 0.0)


@pytest.mark.parametrize(("name", "meant"), [("los", "loss"), ("peak_memory", "peak_memory_mib"), ("latency", None)])
def test_a_constraint_that_nobody_returns_a_value_for_says_what_may_be_meant(story, name, meant):
    s = one(story, Constraint(name, high=10.0))
    s.finish(0, 1.0)
    message = s.trial(0).failure.message
    assert message.endswith(f"; is {meant} meant?" if meant else "returned were loss")
