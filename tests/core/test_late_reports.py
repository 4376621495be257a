"""Reports that come after the verdict to pause: a trial competes with what it had at the rung, however late it heard."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuner.cli._explained import Words, how_it_stands
from tuner.core import events as ev
from tuner.core.actions import Start, Stop
from tuner.core.ledger import MOST_LATE
from tuner.core.ports import Verdict
from tuner.core.scheduler import Scheduler
from tuner.core.story import Ended, tell_trial
from tuner.core.witness import Judged, Promoted
from tuner.pruners.asha import AshaPruner
from tuner.pruners.hyperband import HyperbandPruner
from tuner.pruners.pbt import PbtPruner
from tuner.study import Metric
from tuner.trial import Checkpoint, Failed, FailureKind, Pruned, TrialState

LOSS = Metric("loss")
PRUNERS = {
    "asha": lambda: AshaPruner(LOSS, min=1, eta=2, max=12, promote=True),
    "hyperband": lambda: HyperbandPruner(LOSS, min=1, eta=2, max=12, promote=True),
    "pbt": lambda: PbtPruner(LOSS, population=5, interval=2, max=12),
}


def watched(pruner):
    """The pruner, and every (trial, step, value) that it is asked about."""
    asked, judge = [], pruner.judge

    def noted(trial, step, value):
        asked.append((trial, step, value))
        return judge(trial, step, value)

    pruner.judge = noted
    return pruner, asked


def begun(story, pruner, **changes):
    s = story(**changes)
    s.pruner, s.asked_about = watched(pruner)
    s.core = Scheduler(s.spec, s.pruner)
    s.log = []
    handle = s.core.handle

    def handled(event):
        s.log.append(event)
        return handle(event)

    s.core.handle = handled
    s.do(ev.StudyOpened(0.0, s.spec))
    return s


@pytest.fixture
def asha(story):
    """Rungs at 1, 2, 4 and 8; of two one goes on; one worker."""

    def begin(trials=8, cpu=1, first=None):
        s = begun(story, AshaPruner(LOSS, min=1, eta=2, promote=True), trials=trials)
        s.node(cpu=cpu)
        s.suggest(first)
        return s

    return begin


def pause(s, trial, values, attempt=1):
    """The trial reports every value before it hears of its pause."""
    first = (s.trial(trial).last_step or 0) + 1
    for step, value in enumerate(values, first):
        s.report(trial, step, value, attempt)
    s.finish(trial, Pruned(first + len(values) - 1), attempt)
    s.suggest()


def test_the_value_at_the_rung_competes_though_others_came_after_it(asha):
    s = asha()
    pause(s, 0, [2.0, 1.5, 1.0])  # pauses at rung 0; step 2 is rung 1's
    pause(s, 1, [3.0])  # so trial 0 may go on
    assert (0, 2, 1.5) in s.asked_about
    rung = s.pruner._halving._rungs[1]
    assert [rung.values[0]] == [1.5]


def test_a_trial_that_lost_its_next_rung_already_is_paused_there_without_an_attempt(asha):
    s = asha()
    pause(s, 0, [2.0, 9.0, 1.0])
    pause(s, 1, [3.0])
    assert s.starts() == [(0, 1), (1, 1), (2, 1)]
    assert s.trial(0).state is TrialState.WAITING
    assert s.pruner._halving.highest == 2


def test_a_trial_that_passed_its_next_rung_goes_on_once_others_have_been_there(asha):
    s = asha()
    pause(s, 0, [2.0, 1.0, 0.5])
    pause(s, 1, [3.0])
    pause(s, 2, [2.5, 2.0])
    pause(s, 3, [4.0])  # two of four go on from rung 0: trial 2, and then of two at rung 1 trial 0
    assert s.starts()[-1] == (0, 2)
    assert s.asked_about[-1] == (0, 3, 0.5)


def test_what_comes_between_the_promotion_and_the_end_of_the_attempt_is_judged_at_once(asha):
    s = asha(cpu=3, first=2)
    s.report(0, 1, 2.0)
    s.report(1, 1, 3.0)  # trial 0 is promoted while its attempt is on its way out
    assert s.asked_about == [(0, 1, 2.0), (1, 1, 3.0)]
    s.report(0, 2, 9.0)
    assert s.asked_about[-1] == (0, 2, 9.0)
    s.finish(0, Pruned(2))
    assert (0, 2) not in s.starts()
    assert s.trial(0).state is TrialState.WAITING


def test_a_trial_that_a_late_report_condemns_ends_pruned_with_it(story):
    class Strict(AshaPruner):
        def judge(self, trial, step, value):
            return Verdict("stop", "above 5") if value > 5 else super().judge(trial, step, value)

    s = begun(story, Strict(LOSS, min=1, eta=2, promote=True), trials=3)
    s.node(cpu=1)
    s.suggest()
    pause(s, 0, [2.0, 9.0])
    pause(s, 1, [3.0])
    assert (s.trial(0).state, s.trial(0).values) == (TrialState.PRUNED, {"loss": 9.0})
    assert s.finals(0) == 1
    s.finish(2)
    assert s.core.closed.reason == "trials"


def test_a_study_closes_when_all_that_was_promoted_lost_by_late_reports(asha):
    s = asha(trials=2)
    pause(s, 0, [2.0, 9.0])
    pause(s, 1, [3.0, 8.0])
    assert s.starts()[-1][1] == 2  # nobody completed, so the best paused trial runs to its end
    s.finish(*[(trial, 1.0, attempt) for trial, attempt in s.starts()][-1])
    assert s.core.closed.reason == "trials"


def test_late_reports_are_bounded_and_the_newest_is_kept(asha):
    s = asha()
    pause(s, 0, [2.0] * (MOST_LATE + 50))
    late = s.core._trials.live[0].late
    assert (len(late), late[0][0], late[-1][0]) == (MOST_LATE, 2, MOST_LATE + 50)


def test_a_story_tells_that_a_late_report_decided(asha):
    s = asha()
    pause(s, 0, [2.0, 1.0, 0.5])
    pause(s, 1, [3.0])
    story = tell_trial(s.spec, AshaPruner(LOSS, min=1, eta=2, promote=True), s.log, 0)
    kinds = [type(moment) for moment in story.moments]
    assert kinds[-4:] == [Judged, Ended, Promoted, Judged]
    assert [moment.late for moment in story.moments if isinstance(moment, Judged)] == [False, True]
    assert story.standing == (1, 1)
    told = " ".join(Words(s.spec, story, 0.0).lines())
    assert "told to pause by its report of step 2, which had come after it was told to pause: rung 1 (step 2)" in told
    assert how_it_stands(s.spec, story, []).startswith("is paused and ranks 1 of 1 there now")


class Play:
    """A study in which every attempt hears of its pause so many reports late, and some are lost meanwhile."""

    def __init__(self, story, pruner, seed, *, most_late, saves, trials=14):
        self.rng = Random(seed)
        self.s = begun(story, pruner, trials=trials)
        self.curves = {n: [self.rng.randint(1, 99) / 10 for _ in range(12)] for n in range(trials)}
        self.most_late, self.saves = most_late, saves
        self.at: dict[tuple[int, int], int] = {}
        self.left: dict[tuple[int, int], int] = {}
        self.n_seen = 0
        self.s.node(cpu=3)

    def run(self):
        s = self.s
        while s.core.closed is None:
            s.suggest()
            for action in s.actions[self.n_seen :]:
                if isinstance(action, Start):
                    self.at[action.trial, action.attempt] = action.checkpoint.step if action.checkpoint else 0
                elif isinstance(action, Stop):
                    self.left[action.trial, action.attempt] = self.rng.randint(0, self.most_late)
            self.n_seen = len(s.actions)
            if s.core.closed is None:
                assert self.at, "nothing runs, and it is not the end"
                self.move(*self.rng.choice(sorted(self.at)))
        return s

    def move(self, trial, attempt):
        s, key = self.s, (trial, attempt)
        step = self.at[key]
        if key in self.left and self.left[key] == 0:
            del self.at[key]
            lost = self.rng.random() < 0.1
            s.finish(trial, Failed(FailureKind.NODE_LOST, "") if lost else Pruned(step), attempt)
        elif step == 12:
            del self.at[key]
            s.finish(trial, self.curves[trial][-1], attempt)
        elif self.rng.random() < 0.03:
            del self.at[key]
            s.fail(trial, FailureKind.NODE_LOST, attempt)
        else:
            self.at[key] = step = step + 1
            if key in self.left:
                self.left[key] -= 1
            if self.saves and step % 2 == 0:
                s.do(ev.Checkpointed(s.at_s, trial, attempt, Checkpoint(step, f"{trial}.{attempt}.{step}")))
            s.report(trial, step, self.curves[trial][step - 1], attempt)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10_000), most_late=st.integers(0, 7), saves=st.booleans(), name=st.sampled_from(sorted(PRUNERS))
)
def test_no_report_is_passed_over_however_late_trials_hear_of_their_pause(story, seed, most_late, saves, name):
    play = Play(story, PRUNERS[name](), seed, most_late=most_late, saves=saves)
    s = play.run()
    for trial, curve in play.curves.items():
        judged = [(step, value) for number, step, value in s.asked_about if number == trial]
        assert judged == [(step, curve[step - 1]) for step in range(1, len(judged) + 1)]
        assert s.finals(trial) == 1


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), most_late=st.integers(1, 7))
def test_a_rung_holds_the_values_of_its_own_step(story, seed, most_late):
    play = Play(story, PRUNERS["asha"](), seed, most_late=most_late, saves=True)
    s = play.run()
    for index, rung in enumerate(s.pruner._halving._rungs):
        values = [rung.values[place] for place in range(len(rung.values))]
        there = sorted(curve[min(int(rung.step), 12) - 1] for curve in play.curves.values())
        for value in values:
            assert value in there, f"rung {index} (step {rung.step})"
            there.remove(value)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), name=st.sampled_from(sorted(PRUNERS)))
def test_the_log_replays_to_the_same_decisions(story, seed, name):
    s = Play(story, PRUNERS[name](), seed, most_late=5, saves=True).run()
    again = Scheduler(s.spec, PRUNERS[name]())
    made = [action for event in s.log for action in again.handle(event)]
    assert made == s.actions[-len(made) :]


@pytest.mark.parametrize("name", sorted(PRUNERS))
def test_reports_that_come_late_are_told_among_the_moments_in_order(story, name):
    s = Play(story, PRUNERS[name](), 5, most_late=5, saves=True).run()
    for number in range(14):
        moments = tell_trial(s.spec, PRUNERS[name](), s.log, number).moments
        steps = [moment.step for moment in moments if isinstance(moment, Judged)]
        assert steps == sorted(set(steps))
        for before, moment in pairwise(moments):
            if isinstance(moment, Judged) and moment.late:
                assert isinstance(before, Promoted | Judged)
