"""What ``pbt`` adds to the suite: a population, copies of the best in the places of the worst, and the schedule once more."""

from typing import Any

import pytest

from tuner import plugins
from tuner.core.ports import Problem, Suggestion
from tuner.errors import SearchSpaceError, SweepError
from tuner.space import Categorical, Float, Int, SearchSpace
from tuner.study import Metric, PluginSpec
from tuner.testing.samplers import CONDITIONAL, LOSS
from tuner.trial import Failed, FailureKind, Params, Trial, TrialState

SPACE = SearchSpace(
    {
        "lr": Float(1e-4, 1.0, log=True),
        "momentum": Float(0.0, 0.9),
        "batch": Int(16, 256, step=16),
        "act": Categorical(["relu", "tanh"]),
        "width": Int(1, 100),
    }
)


def build(
    space: SearchSpace = SPACE, metrics: tuple[Metric, ...] = LOSS, trials: int | None = None, **options: Any
) -> Any:
    return plugins.build("sampler", PluginSpec("pbt", {"population": 4, **options}), Problem(space, metrics, 3, trials))


def populated(losses: tuple[float, ...] = (0.4, 0.3, 0.2, 0.1), **options: Any) -> tuple[Any, list[Params]]:
    """A sampler whose four members have reported; and their parameters."""
    sampler = build(**options)
    params = [s.params for s in sampler.ask(0, 4)]
    for number, loss in enumerate(losses):
        sampler.report(number, 10, {"loss": loss})
    return sampler, params


def stop(sampler: Any, number: int, params: Params, state: TrialState = TrialState.PRUNED, **more: Any) -> None:
    sampler.tell([Trial(number, state, params, {}, **more)])


def test_the_population_comes_at_once_and_then_it_waits():
    sampler = build()
    assert len(sampler.ask(0, 9)) == 4
    assert sampler.waits
    assert not sampler.ask(4, 1)


def test_a_copy_of_the_best_takes_the_place_of_a_stopped_trial():
    sampler, params = populated()
    stop(sampler, 0, params[0])
    (copy,) = sampler.ask(4, 3)
    assert copy.parent == 3
    assert "in place of trial 0 it continues trial 3" in copy.note
    assert "0.1 at step 10" in copy.note
    assert copy.params != params[3]
    SPACE.check(copy.params)


def test_larger_is_better_where_it_is_to_be_maximized():
    sampler, params = populated(metrics=(Metric("loss", "maximize"),))
    stop(sampler, 3, params[3])
    (copy,) = sampler.ask(4, 1)
    assert copy.parent == 0


def test_numbers_are_multiplied_or_moved_and_choices_kept():
    sampler, params = populated(resample_probability=0.0)
    stop(sampler, 0, params[0])
    (copy,) = sampler.ask(4, 1)
    best: Any = params[3]
    assert copy.params["act"] == best["act"]
    assert copy.params["lr"] in (pytest.approx(best["lr"] * 0.8), pytest.approx(min(best["lr"] * 1.2, 1.0)))
    moves = [min(max(best["momentum"] + share * 0.9, 0.0), 0.9) for share in (-0.2, 0.2)]
    assert any(copy.params["momentum"] == pytest.approx(move) for move in moves)
    assert copy.params["batch"] % 16 == 0
    assert copy.params["batch"] != best["batch"]


def test_only_what_is_to_be_explored_changes():
    sampler, params = populated(explore=["lr"], resample_probability=1.0)
    stop(sampler, 0, params[0])
    (copy,) = sampler.ask(4, 1)
    assert copy.params["lr"] != params[3]["lr"]
    assert {k: v for k, v in copy.params.items() if k != "lr"} == {k: v for k, v in params[3].items() if k != "lr"}


def test_parents_are_drawn_from_the_best_share_of_those_that_train():
    parents = set()
    for seed in range(30):
        sampler = plugins.build(
            "sampler", PluginSpec("pbt", {"population": 8, "quantile": 0.5}), Problem(SPACE, LOSS, seed)
        )
        params = [s.params for s in sampler.ask(0, 8)]
        for number in range(8):
            sampler.report(number, 5, {"loss": number / 10})
        stop(sampler, 0, params[0], TrialState.COMPLETE)  # the best has ended: nothing is left to continue
        stop(sampler, 7, params[7])
        parents.add(sampler.ask(8, 1)[0].parent)
    assert parents == {1, 2, 3}


def test_it_ends_when_all_members_have_completed():
    sampler, params = populated()
    for number in range(4):
        stop(sampler, number, params[number], TrialState.COMPLETE)
    assert not sampler.waits
    assert not sampler.ask(4, 1)


def test_failed_members_are_replaced_but_not_for_ever():
    sampler, params = populated()
    failure = Failed(FailureKind.RAISED, "ValueError")
    replaced = 0
    stop(sampler, 0, params[0], TrialState.FAIL, failure=failure)
    while asked := sampler.ask(4 + replaced, 1):
        assert asked[0].parent in (1, 2, 3)
        stop(sampler, 4 + replaced, asked[0].params, TrialState.FAIL, failure=failure)
        replaced += 1
    assert replaced == 4


def test_conditions_and_forbidden_combinations_hold_after_a_change():
    for seed in range(20):
        sampler = plugins.build(
            "sampler",
            PluginSpec("pbt", {"population": 2, "resample_probability": 0.6}),
            Problem(CONDITIONAL, LOSS, seed),
        )
        params = [s.params for s in sampler.ask(0, 2)]
        sampler.report(1, 1, {"loss": 0.5})
        stop(sampler, 0, params[0])
        (copy,) = sampler.ask(2, 1)
        CONDITIONAL.check(copy.params)


def test_a_resume_amid_copies_goes_on_exactly():
    log: list[tuple[str, Any]] = []
    sampler = build()
    for step in range(1, 40):
        for suggestion in sampler.ask(_n(log), 2):
            log.append(("suggested", (_n(log), suggestion)))
        number = (step * 7) % _n(log)
        if step % 5 == 0:
            trial = Trial(number, TrialState.PRUNED, {}, {})
            sampler.tell([trial])
            log.append(("told", trial))
        else:
            sampler.report(number, step, {"loss": (step * 31 % 17) / 17})
            log.append(("said", (number, step, {"loss": (step * 31 % 17) / 17})))
    for cut in (3, 11, 23, len(log)):
        again = build()
        for k, (kind, what) in enumerate(log):
            if kind == "told":
                again.tell([what])
            elif kind == "said":
                again.report(*what)
            elif k < cut:
                again.replay(*what)
            else:
                assert again.ask(what[0], 1) == [what[1]]


def _n(log: list[tuple[str, Any]]) -> int:
    return sum(kind == "suggested" for kind, _ in log)


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"population": 1}, "sampler.population"),
        ({"interval": 0}, "sampler.interval"),
        ({"quantile": 0.0}, "sampler.quantile"),
        ({"quantile": 0.6}, "sampler.quantile"),
        ({"resample_probability": 1.5}, "sampler.resample_probability"),
        ({"factors": []}, "sampler.factors"),
        ({"factors": [0.8, -1]}, "sampler.factors"),
        ({"factors": "0.8"}, "sampler.factors"),
        ({"explore": ["lrr"]}, "sampler.explore"),
        ({"explore": "lr"}, "sampler.explore"),
        ({"max": 0}, "sampler.max"),
        ({"trials": 3}, "sampler.population"),
    ],
    ids=str,
)
def test_wrong_options_name_themselves(options, path):
    with pytest.raises(SweepError) as caught:
        build(**options)
    assert caught.value.path == path


def schedule(*ends: int) -> list[dict[str, Any]]:
    return [{"to": end, "params": {"lr": end / 100}} for end in ends]


LINE = SearchSpace({"lr": Float(0.0, 1.0)})


def replayer(rows: Any) -> Any:
    return plugins.build("sampler", PluginSpec("pbt_replay", {"schedule": rows}), Problem(LINE, LOSS, 1))


def test_a_schedule_is_trained_segment_by_segment():
    sampler = replayer(schedule(10, 20, 30))
    chain = []
    for number in range(3):
        (suggestion,) = sampler.ask(number, 2)
        chain.append((suggestion.params["lr"], suggestion.parent))
        assert sampler.waits
        assert not sampler.ask(number + 1, 1)
        stop(sampler, number, suggestion.params, TrialState.PRUNED if number < 2 else TrialState.COMPLETE)
    assert chain == [(0.1, None), (0.2, 0), (0.3, 1)]
    assert not sampler.waits
    assert not sampler.ask(3, 1)


def test_a_segment_that_fails_ends_the_schedule():
    sampler = replayer(schedule(10, 20))
    (suggestion,) = sampler.ask(0, 1)
    stop(sampler, 0, suggestion.params, TrialState.FAIL)
    assert not sampler.waits
    assert not sampler.ask(1, 1)


def test_a_schedule_goes_on_after_a_resume():
    sampler, resumed = replayer(schedule(10, 20, 30)), replayer(schedule(10, 20, 30))
    (one,) = sampler.ask(0, 1)
    stop(sampler, 0, one.params)
    (two,) = sampler.ask(1, 1)
    resumed.replay(0, one)
    stop(resumed, 0, one.params)
    assert list(resumed.ask(1, 1)) == [two]
    assert isinstance(two, Suggestion)


@pytest.mark.parametrize(
    ("rows", "path"),
    [
        ([], "sampler.schedule"),
        ("file.yaml", "sampler.schedule"),
        ([{"to": 3}], "sampler.schedule"),
        ([{"to": 3, "params": {"lr": 2.0}}], "sampler.schedule[0].params.lr"),
        ([{"to": 3, "params": {"x": 2.0}}], "sampler.schedule[0].params.x"),
    ],
    ids=str,
)
def test_a_wrong_schedule_names_its_place(rows, path):
    with pytest.raises((SweepError, SearchSpaceError)) as caught:
        replayer(rows)
    assert caught.value.path == path
