"""What ``pbt`` adds to the suite: turns, the worst of them, and who waits for whom."""

from __future__ import annotations

from typing import Any

import pytest

from tuner import plugins
from tuner.errors import SweepError
from tuner.pruners.pbt import PbtPruner
from tuner.pruners.pbt_replay import PbtReplayPruner
from tuner.study import Metric, PluginSpec
from tuner.trial import Trial, TrialState

LOSS = Metric("loss")


def populated(n: int = 4, **options: Any) -> PbtPruner:
    pruner = PbtPruner(LOSS, population=n, **{"interval": 10, **options})
    for number in range(n):
        pruner.admit(number)
    return pruner


def decision(verdict: Any) -> str:
    return "go" if verdict is None else str(verdict.decision)


def test_the_worst_is_stopped_at_its_turn_and_not_before():
    pruner = populated()
    for number, loss in enumerate((0.1, 0.2, 0.3)):
        assert pruner.judge(number, 10, loss) is None
    assert pruner.judge(3, 9, 0.9) is None
    verdict = pruner.judge(3, 10, 0.9)
    assert verdict is not None
    assert (verdict.decision, verdict.rank, verdict.of, verdict.threshold) == ("stop", 4, 4, 0.3)


def test_larger_is_better_where_it_is_to_be_maximized():
    pruner = PbtPruner(Metric("auc", "maximize"), population=2, interval=1)
    pruner.admit(0)
    pruner.admit(1)
    assert pruner.judge(0, 1, 0.9) is None
    assert decision(pruner.judge(1, 1, 0.5)) == "stop"


def test_a_member_is_not_held_against_values_of_later_turns():
    pruner = populated()
    for number, loss in enumerate((0.5, 0.6, 0.7)):
        for turn in (1, 2, 3):
            pruner.judge(number, 10 * turn, loss / turn)
    assert pruner.judge(3, 10, 0.65) is None, "third of four at turn 1, though last by what they have now"


def test_few_values_stop_nobody():
    pruner = populated(8)
    for number in range(3):
        assert pruner.judge(number, 10, number / 10) is None


def test_a_copy_has_its_first_turn_after_its_parents_last():
    pruner = populated()
    for number, loss in enumerate((0.1, 0.2, 0.3)):
        pruner.judge(number, 10, loss)
        pruner.judge(number, 20, loss / 2)
    pruner.judge(3, 10, 0.9)
    pruner.finish(Trial(3, TrialState.PRUNED, {}, {}))
    pruner.admit(4)
    assert pruner.judge(4, 11, 0.99) is None
    assert decision(pruner.judge(4, 20, 0.99)) == "stop"


def test_members_that_are_ahead_wait_until_all_have_begun_and_the_best_go_on_first():
    pruner = PbtPruner(LOSS, population=3, interval=1)
    for number, loss in enumerate((0.3, 0.1)):
        pruner.admit(number)
        assert decision(pruner.judge(number, 1, loss)) == "pause"
        assert pruner.promote() is None
    pruner.admit(2)
    assert decision(pruner.judge(2, 1, 0.2)) == "pause"
    promoted = [promotion.trial for _ in range(3) if (promotion := pruner.promote()) is not None]
    assert promoted == [1, 2, 0]
    assert pruner.promote() is None


def test_nobody_goes_on_before_one_that_was_suggested_and_still_waits_for_a_worker():
    pruner = PbtPruner(LOSS, population=3, interval=1)
    for number, loss in enumerate((0.3, 0.1)):
        pruner.admit(number)
        pruner.judge(number, 1, loss)
    pruner.admit(2)
    assert pruner.promote() is None
    pruner.finish(Trial(2, TrialState.FAIL, {}, {}))
    pruner.admit(3)
    assert pruner.promote() is None
    assert pruner.promote() is None, "nor when it is asked again"
    assert decision(pruner.judge(3, 1, 0.2)) == "pause"
    promotion = pruner.promote()
    assert promotion is not None
    assert promotion.trial == 1


def test_nobody_waits_where_all_train_at_once():
    pruner = populated(3)
    for turn in range(1, 9):
        for number in range(3):
            verdict = pruner.judge(number, 10 * turn, (1 + number) / turn)
            assert decision(verdict) in ("go", "stop")


def test_a_copy_is_asked_for_before_others_go_on():
    pruner = PbtPruner(LOSS, population=2, interval=1)
    pruner.admit(0)
    pruner.judge(0, 1, 0.1)
    pruner.admit(1)
    assert decision(pruner.judge(1, 1, 0.9)) == "stop"
    pruner.finish(Trial(1, TrialState.PRUNED, {}, {}))
    assert pruner.promote() is None
    promotion = pruner.promote()
    assert promotion is not None, "but only once: nobody need come"
    assert promotion.trial == 0


def test_from_the_last_step_on_nobody_is_stopped():
    pruner = populated(max=20)
    for number, loss in enumerate((0.1, 0.2, 0.3)):
        pruner.judge(number, 10, loss)
    pruner.judge(3, 10, 0.25)
    assert pruner.judge(3, 20, 99.0) is None


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"population": 1}, "population"),
        ({"interval": 0}, "interval"),
        ({"quantile": 0.7}, "quantile"),
        ({"max": 0}, "max"),
    ],
)
def test_wrong_options_name_themselves(options, path):
    with pytest.raises(SweepError) as caught:
        plugins.build("pruner", PluginSpec("pbt", options), LOSS)
    assert caught.value.path == f"pruner.{path}"


def test_segments_of_a_schedule_end_where_the_next_goes_on():
    pruner = PbtReplayPruner(LOSS, schedule=[{"to": 5}, {"to": 9}, {"to": 12}])
    assert pruner.judge(0, 4, 1.0) is None
    assert decision(pruner.judge(0, 5, 1.0)) == "stop"
    assert decision(pruner.judge(1, 9, 1.0)) == "stop"
    assert pruner.judge(2, 50, 1.0) is None


@pytest.mark.parametrize("ends", [[5, 5], [0], ["5"], [5, None]])
def test_the_steps_of_a_schedule_rise(ends):
    with pytest.raises(SweepError, match="above the one before"):
        PbtReplayPruner(LOSS, schedule=[{"to": end} for end in ends])
