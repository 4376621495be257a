"""The conformance suite finds what it is for: each of these pruners breaks one rule, and one test of the suite fails."""

from __future__ import annotations

import pytest

from tuner.core.ports import Promotion, Pruner, Verdict
from tuner.study import Goal, Metric
from tuner.testing.pruners import PrunerTestCase
from tuner.trial import Trial


class Halver(Pruner):
    """Pauses every trial at step 2, and promotes those with an even number, the first first: it breaks no rule."""

    promotes = True

    def __init__(self, metric: Metric) -> None:
        self.paused: dict[int, float] = {}
        self.seen: set[int] = set()
        self.sign = 1.0 if metric.goal == "minimize" else -1.0

    def judge(self, trial: int, step: int, value: float) -> Verdict | None:
        if step >= 2 and trial not in self.seen:
            self.seen.add(trial)
            self.paused[trial] = self.sign * value
            return Verdict("pause", f"at step {step}", rung=0, step=step)
        return Verdict("go", f"at step {step}") if self.explains and step > 2 else None

    def promote(self) -> Promotion | None:
        for trial in self.paused:
            if trial % 2 == 0:
                return self.chosen(trial)
        return None

    def chosen(self, trial: int) -> Promotion:
        del self.paused[trial]
        return Promotion(trial, f"trial {trial} is even")

    def finish(self, trial: Trial) -> None:
        self.paused.pop(trial.number, None)
        self.seen.discard(trial.number)


class PausesSecretly(Halver):
    promotes = False


class PromotesTwice(Halver):
    def chosen(self, trial: int) -> Promotion:
        return Promotion(trial, f"trial {trial} is even")


class PausesTwiceAtARung(Halver):
    def chosen(self, trial: int) -> Promotion:
        self.seen.discard(trial)
        return super().chosen(trial)


class SpeaksInRiddles(Halver):
    def chosen(self, trial: int) -> Promotion:
        del self.paused[trial]
        return Promotion(trial, "because")


class ForgetsNobody(Halver):
    def finish(self, trial: Trial) -> None:
        self.paused.pop(trial.number, None)
        self.seen.update((trial.number, -trial.number - 10**6))


class ExplainsByStopping(Halver):
    def judge(self, trial: int, step: int, value: float) -> Verdict | None:
        if self.explains and step == 3:
            return Verdict("stop", f"at step {step}", step=step)
        return super().judge(trial, step, value)


class DealsAsItGoes(Halver):
    brackets = 2

    def bracket(self, trial: int) -> int:
        self.dealt = not getattr(self, "dealt", False)
        return int(self.dealt)


class RanksBeyondAll(Halver):
    def judge(self, trial: int, step: int, value: float) -> Verdict | None:
        verdict = super().judge(trial, step, value)
        return verdict and Verdict(verdict.decision, verdict.reason, rung=0, step=step, rank=3, of=2)


class StopsTheBest(Halver):
    def judge(self, trial: int, step: int, value: float) -> Verdict | None:
        return Verdict("stop", "at step 1") if step == 1 else super().judge(trial, step, value)


class JudgesWhatIsNoNumber(Halver):
    def judge(self, trial: int, step: int, value: float) -> Verdict | None:
        if value - value != 0.0:
            self.seen.add(trial)
            return None
        return super().judge(trial, step, value)


def case(pruner: type[Halver]) -> PrunerTestCase:
    class Case(PrunerTestCase):
        def make(self, goal: Goal = "minimize") -> Pruner:
            return pruner(Metric("loss", goal))

    return Case()


TESTS = [name for name in dir(PrunerTestCase) if name.startswith("test_") and "microseconds" not in name]


@pytest.mark.parametrize("test", TESTS)
def test_one_that_keeps_to_the_rules_passes(test):
    getattr(case(Halver), test)()


@pytest.mark.parametrize(
    ("pruner", "test"),
    [
        (PausesSecretly, "test_pauses_and_promotes_or_neither"),
        (PromotesTwice, "test_pauses_and_promotes_or_neither"),
        (PausesTwiceAtARung, "test_pauses_and_promotes_or_neither"),
        (SpeaksInRiddles, "test_pauses_and_promotes_or_neither"),
        (ForgetsNobody, "test_trials_that_end_are_forgotten"),
        (ExplainsByStopping, "test_explaining_changes_no_decision"),
        (DealsAsItGoes, "test_brackets_depend_on_the_number_alone"),
        (RanksBeyondAll, "test_stops_something_or_nothing"),
        (StopsTheBest, "test_the_best_so_far_is_never_stopped"),
        (JudgesWhatIsNoNumber, "test_what_is_no_number_is_not_judged"),
    ],
)
def test_one_that_breaks_a_rule_is_found(pruner, test):
    with pytest.raises(AssertionError):
        getattr(case(pruner), test)()
