"""What ``auto`` adds to the suite: who suggests, that both know everything, and that it finds what its members find."""

import math
from dataclasses import replace
from typing import Any

import pytest

from tuner.core.ports import Problem, Suggestion
from tuner.samplers import auto
from tuner.samplers.auto import AutoSampler
from tuner.samplers.gp import GPSampler
from tuner.samplers.random import RandomSampler
from tuner.samplers.tpe import TPESampler
from tuner.space import Categorical, Float, Int, SearchSpace
from tuner.study import Metric
from tuner.testing.samplers import MIXED, finished
from tuner.trial import Failed, FailureKind, Trial, TrialState

LOSS = (Metric("loss"),)
BOWL = SearchSpace({"lr": Float(1e-5, 1.0, log=True), "depth": Int(1, 20), "kind": Categorical(["a", "b", "c"])})


def bowl(params: Any) -> float:
    return float((math.log10(params["lr"]) + 2.5) ** 2 + (params["depth"] - 7) ** 2 / 10 + (params["kind"] != "b"))


def told(*samplers, n=30, space=MIXED):
    """The same ``n`` finished trials, chosen by none of them."""
    for number, suggestion in enumerate(RandomSampler(Problem(space, LOSS, 3)).ask(0, n)):
        for sampler in samplers:
            sampler.replay(number, suggestion)
            sampler.tell([finished(number, suggestion.params)])


def three():
    problem = Problem(MIXED, LOSS, 5)
    return AutoSampler(problem), GPSampler(problem), TPESampler(problem)


def test_gp_suggests_while_trials_are_few():
    sampler, gp, tpe = three()
    told(sampler, gp, tpe)
    assert sampler.ask(30, 3) == gp.ask(30, 3) != tpe.ask(30, 3)


def test_tpe_has_every_fifth_suggestion_all_the_same():
    sampler, gp, tpe = three()
    told(sampler, gp, tpe)
    for number in range(33, 36):
        (suggestion,) = sampler.ask(number, 1)
        chosen, other = (tpe, gp) if number == 34 else (gp, tpe)
        assert chosen.ask(number, 1) == [suggestion]
        other.replay(number, Suggestion(suggestion.params))


@pytest.mark.parametrize(("wall_s", "hurried"), [(0.04, True), (0.5, False), (0.0, False)])
def test_tpe_suggests_alone_where_trials_end_too_fast_to_wait_for_gp(wall_s, hurried):
    sampler, gp, tpe = three()
    for number, suggestion in enumerate(RandomSampler(Problem(MIXED, LOSS, 3)).ask(0, 30)):
        for each in (sampler, gp, tpe):
            each.replay(number, suggestion)
            each.tell([replace(finished(number, suggestion.params), wall_s=wall_s)])
    assert sampler.ask(30, 1) == (tpe if hurried else gp).ask(30, 1)


def test_the_two_take_turns_where_many_run(monkeypatch):
    monkeypatch.setattr(auto, "CROWD", 0)
    sampler, gp, tpe = three()
    told(sampler, gp, tpe)
    for number in range(30, 36):
        (suggestion,) = sampler.ask(number, 1)
        chosen, other = (tpe, gp) if number % 2 else (gp, tpe)
        assert chosen.ask(number, 1) == [suggestion]
        other.replay(number, Suggestion(suggestion.params))


def test_gp_has_every_fourth_suggestion_in_a_long_study(monkeypatch):
    monkeypatch.setattr(auto, "LONG", 20)
    sampler, gp, tpe = three()
    told(sampler, gp, tpe, n=32)
    for number in range(32, 40):
        (suggestion,) = sampler.ask(number, 1)
        chosen, other = (tpe, gp) if number % 4 else (gp, tpe)
        assert chosen.ask(number, 1) == [suggestion]
        other.replay(number, Suggestion(suggestion.params))


def test_failed_trials_do_not_make_a_study_long(monkeypatch):
    monkeypatch.setattr(auto, "LONG", 20)
    sampler, gp, _ = three()
    for number, suggestion in enumerate(RandomSampler(Problem(MIXED, LOSS, 3)).ask(0, 30)):
        failure = Failed(FailureKind.NODE_LOST, "gone")
        for each in (sampler, gp):
            each.replay(number, suggestion)
            each.tell([Trial(number, TrialState.FAIL, suggestion.params, {}, failure=failure)])
    assert sampler.ask(30, 1) == gp.ask(30, 1)


def test_reports_and_earlier_studies_reach_both():
    """A trial stopped at the first step and two earlier ones change what each of them suggests, as they change it alone."""
    problem = Problem(MIXED, LOSS, 5, by_step=True)
    for limit, member in (("no limit", GPSampler(problem)), ("LONG", TPESampler(problem))):
        sampler = AutoSampler(problem)
        with pytest.MonkeyPatch.context() as patch:
            if limit == "LONG":
                patch.setattr(auto, "LONG", 0)
            for each in (sampler, member):
                drawn = RandomSampler(Problem(MIXED, LOSS, 8)).ask(0, 12)
                trials = [finished(k, s.params) for k, s in enumerate(drawn) if k % 5 < 3]
                each.inform([Trial(-1 - t.number, t.state, t.params, t.values) for t in trials])
                for number, suggestion in enumerate(RandomSampler(Problem(MIXED, LOSS, 3)).ask(0, 25)):
                    each.replay(number, suggestion)
                    each.report(number, 1, {"loss": number / 25})
                    if number < 22:
                        each.tell([finished(number, suggestion.params)])
            assert sampler.ask(25, 1) == member.ask(25, 1)


def test_finds_the_bottom_of_a_bowl_however_many_run():
    for workers in (1, 6):
        sampler = AutoSampler(Problem(BOWL, LOSS, 1))
        best = math.inf
        for first in range(0, 36, workers):
            asked = sampler.ask(first, workers)
            trials = [
                Trial(first + k, TrialState.COMPLETE, s.params, {"loss": bowl(s.params)}) for k, s in enumerate(asked)
            ]
            best = min(best, *(t.values["loss"] for t in trials))
            sampler.tell(trials)
        assert best < 0.05
