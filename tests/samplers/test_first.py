"""First trials: wished configurations take the first numbers, whole and once, and the sampler knows of them."""

from typing import Any

import pytest

from tuner import plugins
from tuner.core.ports import Problem, Suggestion
from tuner.errors import SearchSpaceError
from tuner.samplers._first import First
from tuner.space import Float, Int, SearchSpace
from tuner.study import FirstTrial, Metric, PluginSpec
from tuner.testing.samplers import CONDITIONAL, FINITE, LOSS, SamplerTestCase, finished
from tuner.trial import Trial, TrialState

PAIR = SearchSpace({"lr": Float(1e-5, 1.0, log=True), "depth": Int(1, 8)})


def first(space: SearchSpace, *wishes: dict[str, Any], sampler: str = "random", noisy: bool = False) -> First:
    problem = Problem(space, LOSS, 5, noisy=noisy)
    built = plugins.build("sampler", PluginSpec(sampler), problem)
    return First(built, problem, [FirstTrial(wish, "wished") for wish in wishes])


class TestASamplerBehindFirstTrials(SamplerTestCase):
    """Everything that is asked of samplers holds with first trials before them."""

    spec = PluginSpec("nsga2", {"population_size": 4})

    def make(self, space: SearchSpace, seed: int = 17, metrics: tuple[Metric, ...] = LOSS, **problem: Any) -> Any:
        given = Problem(space, metrics, seed, trials=100, **problem)
        wishes = [FirstTrial({}, "drawn"), FirstTrial({}, "drawn, too")]
        return First(plugins.build("sampler", self.spec, given), given, wishes)

    def test_what_others_chose_is_not_repeated(self) -> None:
        """Wishes come first, so no other number is the first that others choose."""


def test_wishes_take_the_first_numbers_whole_and_with_their_note():
    sampler = first(PAIR, {"lr": 0.1}, {"lr": 0.01, "depth": 3})
    one, two, three = sampler.ask(0, 3)
    assert one.params["lr"] == 0.1
    assert two.params == {"lr": 0.01, "depth": 3}
    assert (one.note, two.note, three.note) == ("wished", "wished", None)
    for suggestion in (one, two, three):
        PAIR.check(suggestion.params)


def test_completions_follow_the_seed_and_conditions():
    wish = {"rate_drop": 0.25}
    (suggestion,) = first(CONDITIONAL, wish).ask(0, 1)
    CONDITIONAL.check(suggestion.params)
    assert suggestion.params["booster"] == "dart"
    assert first(CONDITIONAL, wish).ask(0, 1)[0] == suggestion


def test_values_get_the_parameters_type():
    (suggestion,) = first(PAIR, {"lr": 1, "depth": 2.0}).ask(0, 1)
    assert [type(value) for value in suggestion.params.values()] == [float, int]


def test_equal_wishes_are_tried_once_unless_it_is_noisy():
    wish = {"a": 1, "b": "x"}
    assert [s.note for s in first(FINITE, wish, wish).ask(0, 3)] == ["wished", None, None]
    assert [s.note for s in first(FINITE, wish, wish, noisy=True).ask(0, 3)] == ["wished", "wished", None]


def test_a_wish_is_not_tried_again_by_the_sampler():
    wish: dict[str, Any] = {"a": 1, "b": "x"}
    for sampler in ("grid", "random", "qmc"):
        found = [s.params for s in first(FINITE, wish, sampler=sampler).ask(0, 100)]
        assert len(found) == 15
        assert found.count(wish) == 1


def test_batches_that_reach_beyond_the_wishes_equal_single_asks():
    wishes = [{"depth": k} for k in range(1, 4)]
    batch, singles = first(PAIR, *wishes), first(PAIR, *wishes)
    assert list(batch.ask(0, 6)) == [singles.ask(number, 1)[0] for number in range(6)]


def test_a_resume_between_two_wishes_goes_on_with_the_next():
    wishes = [{"depth": k} for k in range(1, 4)]
    whole, resumed = first(PAIR, *wishes), first(PAIR, *wishes)
    asked = whole.ask(0, 5)
    resumed.replay(0, asked[0])
    resumed.tell([finished(0, asked[0].params)])
    assert list(resumed.ask(1, 4)) == list(asked[1:])


def test_the_sampler_hears_of_wishes_as_chosen_by_others():
    heard: list[tuple[int, Suggestion]] = []

    problem = Problem(PAIR, LOSS, 5)
    inner = plugins.build("sampler", PluginSpec("random"), problem)
    inner.replay = lambda number, suggestion: heard.append((number, suggestion))
    sampler = First(inner, problem, [FirstTrial({"lr": 0.1, "depth": 3})])
    sampler.ask(0, 2)
    sampler.tell([Trial(0, TrialState.COMPLETE, {"lr": 0.1, "depth": 3}, {"loss": 1.0})])
    assert heard == [(0, Suggestion({"lr": 0.1, "depth": 3}))]


@pytest.mark.parametrize(
    ("space", "wish", "path", "says"),
    [
        (PAIR, {"Lr": 0.1}, "Lr", "unknown"),
        (PAIR, {"depth": 9}, "depth", "out of range"),
        (CONDITIONAL, {"model": "linear", "depth": 3}, "depth", "not active"),
        (CONDITIONAL, {"penalty": "l1", "solver": "lbfgs"}, None, "forbidden"),
        (CONDITIONAL, {"c": 1.0, "depth": 3}, None, "exclude each other"),
    ],
    ids=str,
)
def test_a_wish_that_is_not_of_the_space_is_refused(space, wish, path, says):
    with pytest.raises(SearchSpaceError, match=says) as caught:
        first(space, wish)
    assert caught.value.path == path
