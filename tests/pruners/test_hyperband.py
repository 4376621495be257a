"""What ``hyperband`` adds to the suite."""

from collections import Counter

import pytest

from tuner import plugins
from tuner.errors import SweepError
from tuner.pruners.hyperband import HyperbandPruner
from tuner.study import Metric, PluginSpec

LOSS = Metric("loss")


def test_brackets_follow_from_min_max_and_eta():
    assert [HyperbandPruner(LOSS, max=high).brackets for high in (1, 2, 3, 8, 9, 26, 27, 81, 243)] == [
        1, 1, 2, 2, 3, 3, 4, 5, 6,
    ]  # fmt: skip
    assert HyperbandPruner(LOSS, min=5, max=100, eta=2).brackets == 5


def test_each_bracket_gets_its_share_of_every_round():
    pruner = HyperbandPruner(LOSS, max=81)
    shares = [81, 34, 15, 8, 5]  # the paper's table 1 for R = 81, eta = 3
    assert Counter(map(pruner.bracket, range(143))) == dict(enumerate(shares))
    assert Counter(map(pruner.bracket, range(143, 286))) == dict(enumerate(shares))


def test_after_any_number_of_trials_no_bracket_is_off_its_share_by_more_than_two():
    pruner = HyperbandPruner(LOSS, max=81)
    dealt: Counter[int] = Counter()
    for number in range(300):
        dealt[pruner.bracket(number)] += 1
        for bracket, share in enumerate((81, 34, 15, 8, 5)):
            assert abs(dealt[bracket] - (number + 1) * share / 143) < 2


def members(pruner, bracket, count):
    return [number for number in range(1000) if pruner.bracket(number) == bracket][:count]


def test_trials_compete_within_their_bracket_only():
    pruner = HyperbandPruner(LOSS, max=27)
    good, bad = members(pruner, 0, 2)
    (other,) = members(pruner, 1, 1)
    assert pruner.judge(good, 1, 0.1) is None
    assert pruner.judge(other, 1, 0.9) is None
    assert pruner.judge(other, 3, 0.9) is None, "the first at its own rung"
    verdict = pruner.judge(bad, 1, 0.5)
    assert verdict is not None
    assert verdict.reason == (
        "bracket 0, rung 0 (step 1): its value 0.5 ranks 2 of 2, and only the best goes on, from 0.1"
    )


def test_the_last_bracket_stops_nothing_when_max_is_a_power_of_eta():
    pruner = HyperbandPruner(LOSS, max=27)
    for number in members(pruner, 3, 5):
        assert all(pruner.judge(number, step, float(number)) is None for step in range(1, 28))


def test_the_highest_rung_of_all_brackets_is_promoted_first():
    pruner = HyperbandPruner(LOSS, max=27, promote=True)
    assert pruner.promotes
    low, high = members(pruner, 0, 3), members(pruner, 2, 3)
    for rank, number in enumerate(low):
        pruner.judge(number, 1, float(rank))
    for rank, number in enumerate(high):
        pruner.judge(number, 9, float(rank))
    promotions = [pruner.promote(), pruner.promote(), pruner.promote()]
    assert [promotion and promotion.trial for promotion in promotions] == [high[0], low[0], None]
    assert promotions[0] is not None
    assert promotions[0].reason.startswith("bracket 2, rung 0 (step 9): its value 0 ranks 1 of 3 now")


def test_where_none_ran_to_its_end_the_best_of_the_highest_rung_of_all_brackets_does():
    pruner = HyperbandPruner(LOSS, max=27, promote=True)
    assert pruner.rescue() is None
    low, high = members(pruner, 0, 2), members(pruner, 2, 2)
    for rank, number in enumerate(low):
        pruner.judge(number, 1, float(rank))
    for rank, number in enumerate(high):
        pruner.judge(number, 9, 5.0 - rank)
    promotions = [pruner.rescue() for _ in range(5)]
    assert [promotion and promotion.trial for promotion in promotions] == [high[1], high[0], low[0], low[1], None]


def test_without_max_it_says_what_is_missing():
    with pytest.raises(SweepError, match="hyperband needs max"):
        plugins.build("pruner", PluginSpec("hyperband"), LOSS)


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({}, "pruner.max"),
        ({"max": 9, "min": 10}, "pruner.max"),
        ({"max": 9, "min": 0}, "pruner.min"),
        ({"max": 9, "eta": 1.5}, "pruner.eta"),
        ({"max": 9, "reduction_factor": 1}, "pruner.reduction_factor"),
        ({"max": 9, "promote": 1}, "pruner.promote"),
        ({"max_resource": 9}, "pruner.max_resource"),
    ],
)
def test_wrong_options_name_themselves(options, path):
    with pytest.raises(SweepError) as caught:
        plugins.build("pruner", PluginSpec("hyperband", options), LOSS)
    assert caught.value.path == path
