"""A trial's story, folded from its study's log."""

from __future__ import annotations

import pytest

from tuner.core import events as ev
from tuner.core.actions import Stop
from tuner.core.scheduler import Scheduler
from tuner.core.story import Began, Ended, tell_study, tell_trial
from tuner.core.witness import Judged, Promoted, Rival
from tuner.pruners.asha import AshaPruner
from tuner.pruners.median import MedianPruner
from tuner.resources import Node, Resources, Usage
from tuner.space import Float, SearchSpace
from tuner.study import Limits, Metric, PluginSpec, Retry, StudySpec
from tuner.trial import Checkpoint, Completed, Failed, FailureKind, Pruned, TrialState


def untyped(moment):
    """A moment whose kind is known from what was asserted before."""
    return moment


def spec(**more):
    space = SearchSpace({"x": Float(0, 1)})
    base = {
        "limits": Limits(trials=10),
        "retry": Retry(2, frozenset({FailureKind.OUT_OF_MEMORY, FailureKind.NODE_LOST})),
    }
    return StudySpec("s", (Metric("loss"),), space, PluginSpec("m"), **{**base, **more})


def state(story):
    assert story.trial is not None
    return story.trial.state


class Log:
    """A log as an engine writes it: the core is asked, so that only what may happen is in it."""

    def __init__(self, study, pruner):
        self.spec, self.core, self.events, self.at_s = study, Scheduler(study, pruner), [], 0.0
        self.add(ev.StudyOpened, study)
        self.add(ev.NodeJoined, Node("n0", Resources(1.0, 0.0, 1000.0)))

    def add(self, kind, *fields):
        self.at_s += 1.0
        event = kind(self.at_s, *fields)
        self.events.append(event)
        return self.core.handle(event)

    def suggest(self, number, x=0.5, **more):
        self.add(lambda at_s: ev.Suggested(at_s, number, {"x": x}, **more))

    def report(self, trial, step, loss, attempt=1):
        self.add(ev.Reported, trial, attempt, step, {"loss": loss})

    def end(self, trial, outcome, attempt=1):
        self.add(ev.Finished, trial, attempt, outcome, Usage(wall_s=1.0))

    def run(self, trial, losses):
        """Suggest a trial and let it report; it ends as the pruner wishes, or completes."""
        self.suggest(trial)
        for step, loss in enumerate(losses, 1):
            made = self.add(ev.Reported, trial, 1, step, {"loss": loss})
            if any(isinstance(action, Stop) for action in made):
                self.end(trial, Pruned(step))
                return
        self.end(trial, Completed({"loss": losses[-1]}))


def kinds(story):
    return [type(moment).__name__ for moment in story.moments]


def judged(story):
    return [moment for moment in story.moments if isinstance(moment, Judged)]


def test_a_stopped_trial_knows_its_rung_rank_threshold_and_rivals():
    log = Log(spec(), AshaPruner(Metric("loss"), min=2, eta=2))
    for trial, loss in enumerate([3.0, 1.0, 2.0, 4.0]):
        log.run(trial, [9.0, loss])
    story = tell_trial(log.spec, AshaPruner(Metric("loss"), min=2, eta=2), log.events, 3)
    assert kinds(story) == ["Suggested", "Began", "Judged", "Ended"]
    (said,) = judged(story)
    assert (said.verdict.decision, said.verdict.rung, said.verdict.step, said.value) == ("stop", 0, 2, 4.0)
    assert (said.verdict.rank, said.verdict.of, said.verdict.threshold) == (4, 4, 2.0)
    assert said.rivals == (Rival(1, 1.0), Rival(2, 2.0), Rival(0, 3.0))
    assert state(story) is TrialState.PRUNED
    assert untyped(story.moments[-1]).then == "done"


def test_rivals_are_those_of_that_time_not_of_later():
    log = Log(spec(), AshaPruner(Metric("loss"), min=1, eta=2))
    for trial, loss in enumerate([3.0, 4.0, 1.0]):
        log.run(trial, [loss])
    story = tell_trial(log.spec, AshaPruner(Metric("loss"), min=1, eta=2), log.events, 1)
    assert judged(story)[0].rivals == (Rival(0, 3.0),)


def test_a_trial_that_went_on_is_told_why_though_the_pruner_was_silent_then():
    log = Log(spec(), AshaPruner(Metric("loss"), min=1, eta=2))
    log.run(0, [3.0])
    story = tell_trial(log.spec, AshaPruner(Metric("loss"), min=1, eta=2), log.events, 0)
    assert [said.verdict.decision for said in judged(story)] == ["go"]


def test_a_paused_trial_is_promoted_and_goes_on_from_its_checkpoint():
    def pruner():
        return AshaPruner(Metric("loss"), min=1, eta=2, promote=True)

    log = Log(spec(), pruner())
    log.suggest(0)
    log.add(ev.Checkpointed, 0, 1, Checkpoint(1, "place"))
    log.report(0, 1, 2.0)
    log.end(0, Pruned(1))
    log.suggest(1)
    paused = tell_trial(log.spec, pruner(), log.events, 0)
    assert (state(paused), paused.standing) == (TrialState.WAITING, (1, 1))
    log.report(1, 1, 3.0)
    log.end(1, Pruned(1))
    story = tell_trial(log.spec, pruner(), log.events, 0)
    expected = ["Suggested", "Began", "Checkpointed", "Judged", "Ended", "Promoted", "Began"]
    assert kinds(story) == expected
    ended, promoted, again = map(untyped, story.moments[-3:])
    assert (ended.then, promoted.reason.startswith("rung 0"), again.checkpoint) == (
        "paused",
        True,
        Checkpoint(1, "place"),
    )
    assert story.standing is None
    later = tell_trial(log.spec, pruner(), log.events, 1)
    assert later.standing == (2, 2)


def test_without_rungs_the_rivals_are_what_others_reported_at_the_step():
    def pruner():
        return MedianPruner(Metric("loss"), n_startup_trials=2)

    log = Log(spec(), pruner())
    for trial, loss in enumerate([1.0, 2.0, 9.0]):
        log.run(trial, [5.0, loss])
    (stop,) = [
        said for said in judged(tell_trial(log.spec, pruner(), log.events, 2)) if said.verdict.decision == "stop"
    ]
    assert (stop.step, stop.rivals) == (2, (Rival(0, 1.0), Rival(1, 2.0)))


def test_retries_are_counted_and_lost_attempts_are_free():
    log = Log(spec(), AshaPruner(Metric("loss")))
    log.suggest(0)
    log.end(0, Failed(FailureKind.NODE_LOST, "gone"))
    log.end(0, Failed(FailureKind.OUT_OF_MEMORY, "too much"), attempt=2)
    log.end(0, Failed(FailureKind.RAISED, "no"), attempt=3)
    story = tell_trial(log.spec, AshaPruner(Metric("loss")), log.events, 0)
    ends = [moment for moment in story.moments if isinstance(moment, Ended)]
    assert [(end.attempt.number, end.then, end.retries) for end in ends] == [
        (1, "free", 0),
        (2, "larger", 0),
        (3, "given up", 0),
    ]


def test_an_attempt_that_died_with_its_driver_is_free():
    log = Log(spec(), AshaPruner(Metric("loss")))
    log.suggest(0)
    log.report(0, 1, 1.0)
    log.add(ev.StudyResumed)
    log.add(ev.NodeJoined, Node("n1", Resources(1.0, 0.0, 1000.0)))
    story = tell_trial(log.spec, AshaPruner(Metric("loss")), log.events, 0)
    assert kinds(story) == ["Suggested", "Began", "Judged", "Ended", "Began"]
    assert untyped(story.moments[3]).then == "free"
    assert [moment.attempt for moment in story.moments if isinstance(moment, Began)] == [1, 2]


def test_equal_parameters_are_noticed():
    log = Log(spec(), AshaPruner(Metric("loss")))
    for number, x in enumerate([0.25, 0.5, 0.25]):
        log.suggest(number, x)
        log.end(number, Completed({"loss": x}))
    found = [tell_trial(log.spec, AshaPruner(Metric("loss")), log.events, number).equal_to for number in range(3)]
    assert found == [None, None, 0]


@pytest.mark.parametrize("cut", range(1, 30, 4))
def test_any_beginning_of_a_log_can_be_told(cut):
    log = Log(spec(), AshaPruner(Metric("loss"), eta=2))
    for trial, loss in enumerate([3.0, 1.0, 2.0, 4.0]):
        log.run(trial, [loss, loss])
    for number in range(4):
        tell_trial(log.spec, AshaPruner(Metric("loss"), eta=2), log.events[:cut], number)


def test_of_a_study_is_told_what_ended_it_and_what_the_pruner_did():
    study = spec(limits=Limits(trials=4))
    log = Log(study, AshaPruner(Metric("loss"), min=2, eta=2))
    for trial, loss in enumerate([3.0, 1.0, 2.0, 4.0]):
        log.run(trial, [9.0, loss])
    story = tell_study(study, AshaPruner(Metric("loss"), min=2, eta=2), log.events)
    assert story.closed is not None
    assert story.closed.reason == "trials"
    assert (dict(story.stopped), story.judged, story.paused) == ({0: 2}, 8, 0)
    assert [trial.number for trial in story.bests] == [0, 1]
    assert story.elapsed_s == log.events[-1].at_s - log.events[0].at_s


def test_what_promotions_say_is_counted_for_the_study():
    def pruner():
        return AshaPruner(Metric("loss"), min=1, eta=2, promote=True)

    log = Log(spec(), pruner())
    for trial in range(2):
        log.suggest(trial)
        log.report(trial, 1, 2.0 + trial)
        log.end(trial, Pruned(1))
    story = tell_study(log.spec, pruner(), log.events)
    assert (story.paused, story.promoted, story.waiting_for) == (2, 1, None)
    assert Promoted not in map(type, story.bests)


def test_attempts_that_began_from_nothing_again_are_counted():
    log = Log(spec(), AshaPruner(Metric("loss")))
    log.suggest(0)
    log.end(0, Failed(FailureKind.NODE_LOST, "gone"))
    log.add(ev.Checkpointed, 0, 2, Checkpoint(1, "place"))
    log.end(0, Failed(FailureKind.NODE_LOST, "gone"), attempt=2)
    assert tell_study(log.spec, AshaPruner(Metric("loss")), log.events).started_over == 1
