"""One sampler for each bracket: who is told what, and when one serves all."""

from collections.abc import Sequence
from typing import Any

import pytest

from tuner.core.ports import Problem, Sampler, Suggestion
from tuner.pruners.none import NonePruner
from tuner.samplers._brackets import Bracketed, by_bracket
from tuner.samplers.grid import GridSampler
from tuner.samplers.random import RandomSampler
from tuner.space import Float, Int, SearchSpace
from tuner.study import Metric
from tuner.trial import Trial, TrialState

LINE = SearchSpace({"x": Float(0.0, 1.0)})
PROBLEM = Problem(LINE, (Metric("loss"),), 7, trials=100, parallel=8)


class Listening(Sampler):
    """Suggests its seed and its own number; notes what it hears."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.heard = problem, list[Any]()

    def ask(self, first: int, count: int) -> Sequence[Suggestion]:
        self.heard += [("asked", number) for number in range(first, first + count)]
        return [Suggestion({"x": 0.5}, f"{self.problem.seed}.{number}") for number in range(first, first + count)]

    def tell(self, trials: Sequence[Trial]) -> None:
        self.heard += [("told", trial.number, trial.params["x"]) for trial in trials]

    def inform(self, trials: Sequence[Trial]) -> None:
        self.heard += [("informed", len(trials))]

    def replay(self, number: int, suggestion: Suggestion) -> None:
        self.heard += [("replayed", number, suggestion.state)]


class Dealt(NonePruner):
    """Two brackets; every third trial is in the second."""

    brackets = 2

    def bracket(self, trial: int) -> int:
        return int(trial % 3 == 2)


def bracketed() -> tuple[Sampler, list[Listening]]:
    made: list[Listening] = []

    def build(problem: Problem) -> Sampler:
        made.append(Listening(problem))
        return made[-1]

    return by_bracket(build, PROBLEM, Dealt(Metric("loss"))), made[1:]


def test_each_bracket_has_its_own_numbers_its_own_seed_and_its_share_of_the_budget():
    sampler, (one, other) = bracketed()
    states = [suggestion.state for suggestion in sampler.ask(0, 6)]
    a, b = one.problem.seed, other.problem.seed
    assert len({a, b, PROBLEM.seed}) == 3
    assert states == [f"{a}.0", f"{a}.1", f"{b}.0", f"{a}.2", f"{a}.3", f"{b}.1"]
    assert one.problem.trials == other.problem.trials == 50
    assert one.problem.parallel == 4


def test_each_is_told_its_own_trials_only():
    sampler, (one, other) = bracketed()
    sampler.ask(0, 6)
    sampler.tell([Trial(n, TrialState.COMPLETE, {"x": n / 10}, {"loss": 1.0}) for n in (5, 4, 0)])
    assert [heard for heard in one.heard if heard[0] == "told"] == [("told", 3, 0.4), ("told", 0, 0.0)]
    assert [heard for heard in other.heard if heard[0] == "told"] == [("told", 1, 0.5)]


def test_a_replay_reaches_the_bracket_and_an_earlier_study_all_of_them():
    sampler, (one, other) = bracketed()
    sampler.inform([Trial(-1, TrialState.COMPLETE, {"x": 0.1}, {"loss": 1.0})])
    sampler.replay(0, Suggestion({"x": 0.1}, "s0"))
    sampler.replay(1, Suggestion({"x": 0.1}))
    sampler.replay(2, Suggestion({"x": 0.1}, "s2"))
    assert one.heard == [("informed", 1), ("replayed", 0, "s0"), ("replayed", 1, None)]
    assert other.heard == [("informed", 1), ("replayed", 0, "s2")]


class Waiting(Listening):
    """Has nothing to suggest for now."""

    waits = True

    def ask(self, first: int, count: int) -> Sequence[Suggestion]:
        return []


def test_a_bracket_that_waits_holds_up_those_after_it_and_none_is_lost():
    one, other = Listening(PROBLEM), Waiting(PROBLEM)
    sampler = Bracketed([one, other], lambda trial: int(trial == 2))
    assert len(sampler.ask(0, 5)) == 2
    assert sampler.waits
    assert one.heard == [("asked", 0), ("asked", 1)]


class Whole(Listening):
    """Minds itself how far trials came."""

    across_brackets = True


class Hearing(Listening):
    """Wants every report."""

    wants_reports = True


@pytest.mark.parametrize("kind", [Whole, Hearing, RandomSampler])
def test_one_serves_all_where_it_says_so(kind):
    assert isinstance(by_bracket(kind, PROBLEM, Dealt(Metric("loss"))), kind)


def test_one_serves_all_where_there_is_one_bracket_or_a_finite_space():
    finite = Problem(SearchSpace({"n": Int(0, 3)}), (Metric("loss"),), 7)
    assert isinstance(by_bracket(Listening, finite, Dealt(Metric("loss"))), Listening)
    assert isinstance(by_bracket(GridSampler, finite, Dealt(Metric("loss"))), GridSampler)
    assert isinstance(by_bracket(Listening, PROBLEM, NonePruner(Metric("loss"))), Listening)
