"""What goes on from which checkpoint, and which are discarded when."""

from __future__ import annotations

import pytest

from tuner.core import events as ev
from tuner.core.actions import Discard, Start
from tuner.study import CheckpointPolicy, Metric
from tuner.trial import Checkpoint, FailureKind


def save(s, trial, step, attempt=1, size_mib=1.0):
    place = f"{trial}/{attempt}-{step}"
    s.do(ev.Checkpointed(s.at_s, trial, attempt, Checkpoint(step, place, size_mib)))
    return place


def child(s, trial, parent):
    s.do(ev.Suggested(s.at_s, trial, {"x": 0.5}, None, parent))


def discarded(s):
    return [checkpoint.place for action in s.said(Discard) for checkpoint in action.checkpoints]


def origins(s):
    return {(a.trial, a.attempt): a.checkpoint.place if a.checkpoint else None for a in s.said(Start)}


@pytest.fixture
def running(story):
    """A study of many trials on two CPUs, two of which run."""

    def begin(**changes):
        s = story(**{"trials": 99, **changes})
        s.node(cpu=2, memory_mib=4000.0)
        s.suggest()
        return s

    return begin


@pytest.mark.parametrize("kind", [FailureKind.WORKER_LOST, FailureKind.PREEMPTED, FailureKind.OUT_OF_MEMORY])
def test_an_attempt_after_a_loss_goes_on_from_the_latest_checkpoint(running, kind):
    s = running(parallel=1)
    save(s, 0, 1)
    latest = save(s, 0, 2)
    s.fail(0, kind)
    assert origins(s)[0, 2] == latest


def test_an_attempt_lost_with_the_driver_goes_on_from_its_checkpoint(running):
    s = running()
    place = save(s, 0, 1)
    s.do(ev.StudyResumed(9.0))
    s.node()
    assert origins(s)[0, 2] == place
    assert place not in discarded(s)


def test_only_the_latest_checkpoint_of_a_running_trial_is_kept(running):
    s = running()
    places = [save(s, 0, step) for step in (1, 2, 3)]
    assert discarded(s) == places[:2]


def test_the_one_that_a_running_attempt_started_from_is_kept_until_it_ends(running):
    s = running()
    first = save(s, 0, 1)
    s.fail(0, FailureKind.WORKER_LOST)
    second = save(s, 0, 2, attempt=2)
    assert discarded(s) == []
    s.fail(0, FailureKind.WORKER_LOST, attempt=2)
    assert discarded(s) == [first]
    assert origins(s)[0, 3] == second


def test_a_checkpoint_that_comes_late_from_an_old_attempt_is_discarded(running):
    s = running()
    s.fail(0, FailureKind.WORKER_LOST)
    late = save(s, 0, 7, attempt=1)
    assert discarded(s) == [late]


def test_a_checkpoint_that_comes_twice_is_not_discarded_while_it_is_needed(running):
    s = running()
    place = save(s, 0, 1)
    save(s, 0, 1)
    s.fail(0, FailureKind.WORKER_LOST)
    save(s, 0, 1, attempt=1)
    assert discarded(s) == []
    assert origins(s)[0, 2] == place


def test_a_child_starts_from_its_parents_latest_checkpoint(running):
    s = running()
    place = save(s, 0, 4)
    child(s, 2, parent=0)
    s.finish(1)
    assert origins(s)[2, 1] == place


def test_what_a_child_may_need_is_kept_until_it_has_a_checkpoint_of_its_own(running):
    s = running()
    place = save(s, 0, 4)
    child(s, 2, parent=0)
    later = save(s, 0, 5)
    s.finish(1)
    s.fail(2, FailureKind.WORKER_LOST)
    assert origins(s)[2, 2] == place
    assert discarded(s) == []
    save(s, 2, 1, attempt=2)
    s.fail(2, FailureKind.WORKER_LOST, attempt=2)
    assert discarded(s) == [place]
    assert later not in discarded(s)


def test_the_childs_own_steps_may_begin_anew(running):
    s = running()
    save(s, 0, 40)
    child(s, 2, parent=0)
    s.finish(1)
    own = save(s, 2, 1)
    s.fail(2, FailureKind.WORKER_LOST)
    assert origins(s)[2, 2] == own


def test_a_grandchild_of_a_trial_without_a_checkpoint_goes_on_from_the_grandparents(running):
    s = running()
    place = save(s, 0, 4)
    child(s, 2, parent=0)
    child(s, 3, parent=2)
    s.finish(1)
    s.finish(2)
    assert origins(s)[3, 1] == place


def test_a_child_of_a_parent_without_a_checkpoint_starts_from_nothing(running):
    s = running()
    child(s, 2, parent=0)
    s.finish(1)
    assert origins(s)[2, 1] is None


def test_of_finished_trials_the_best_ones_checkpoint_is_kept(running):
    s = running()
    for trial in (0, 1):
        save(s, trial, 1)
    s.finish(0, 2.0)
    s.finish(1, 1.0)
    s.suggest()
    assert discarded(s) == ["0/1-1"]
    assert s.core.checkpoint_of(1) == Checkpoint(1, "1/1-1", 1.0)
    assert s.core.checkpoint_of(0) is None


def test_better_is_what_the_metric_says(story):
    s = story(trials=2, metrics=(Metric("loss", "maximize"),))
    s.node(cpu=2)
    s.suggest()
    for trial in (0, 1):
        save(s, trial, 1)
        s.finish(trial, float(trial))
    assert s.core.checkpoints == {"1/1-1"}


def test_how_many_are_kept_is_the_policys(running):
    s = running(keep=CheckpointPolicy(best=0))
    save(s, 0, 1)
    s.finish(0)
    s.suggest()
    assert discarded(s) == ["0/1-1"]


def test_beyond_the_size_the_worst_finished_trials_go_first(running):
    s = running(keep=CheckpointPolicy(best=5, size_mib=25.0), trials=4)
    for number, loss in enumerate([3.0, 1.0]):
        save(s, number, 1, size_mib=10.0)
        s.finish(number, loss)
        s.suggest()
    save(s, 2, 1, size_mib=10.0)
    assert discarded(s) == ["0/1-1"]
    save(s, 3, 1, size_mib=100.0)
    assert discarded(s) == ["0/1-1", "1/1-1"]


def test_a_finished_trial_may_be_a_parent_of_what_was_under_way_when_it_finished(running):
    s = running(keep=CheckpointPolicy(best=0))
    place = save(s, 0, 3)
    s.finish(0)
    assert s.core._outstanding == 1
    child(s, 2, parent=0)
    assert origins(s)[2, 1] == place
    assert discarded(s) == []
    s.finish(2)
    s.suggest()
    assert discarded(s) == [place]


def test_a_closed_study_keeps_what_the_policy_says_and_nothing_else(story):
    s = story(trials=2)
    s.node(cpu=2)
    s.suggest()
    for trial in (0, 1):
        save(s, trial, 1)
        save(s, trial, 2)
        s.finish(trial, float(trial))
    assert s.core.closed is not None
    assert s.core.checkpoints == {"0/1-2"}
    assert sorted(discarded(s)) == ["0/1-1", "1/1-1", "1/1-2"]
