"""What ``asha`` adds to the suite."""

import pytest

from tuner import plugins
from tuner.core.ports import Verdict
from tuner.errors import SweepError
from tuner.pruners.asha import AshaPruner
from tuner.study import Metric, PluginSpec
from tuner.trial import Trial, TrialState

LOSS = Metric("loss")


def reason(verdict: Verdict | None) -> str:
    """Why a trial is stopped; empty when it is not."""
    return verdict.reason if verdict is not None and verdict.decision == "stop" else ""


def test_only_the_best_so_far_goes_on_while_few_have_been_there():
    pruner = AshaPruner(LOSS, eta=3)
    assert pruner.judge(0, 1, 5.0) is None
    assert pruner.judge(1, 1, 6.0) is not None
    assert pruner.judge(2, 1, 4.0) is None


def test_the_best_third_goes_on_ties_included():
    pruner = AshaPruner(LOSS, eta=3)
    for number in range(8):
        pruner.judge(number, 1, float(number))
    assert pruner.judge(8, 1, 2.0) is None  # ties with trial 2 for the last of 9 // 3 places
    assert pruner.judge(9, 1, 2.5) is not None


def test_the_verdict_tells_rung_rank_threshold_and_competitors():
    pruner = AshaPruner(Metric("auc", "maximize"), min=4, eta=2)
    for number, value in enumerate((0.9, 0.8, 0.7)):
        pruner.judge(number, 4, value)
    assert pruner.judge(3, 5, 0.6) == Verdict(
        "stop",
        "rung 0 (step 4): its value 0.6 ranks 4 of 4, and only the best 2 go on, from 0.8",
        rung=0,
        step=4,
        rank=4,
        of=4,
        threshold=0.8,
    )
    assert pruner.judge(0, 8, 0.95) is None
    assert reason(pruner.judge(4, 8, 0.85)) == (
        "rung 1 (step 8): its value 0.85 ranks 2 of 2, and only the best goes on, from 0.95"
    )


def test_a_report_past_a_rung_counts_for_it():
    pruner = AshaPruner(LOSS, min=4, eta=2)
    assert pruner.judge(0, 3, 9.0) is None
    assert pruner.judge(0, 6, 1.0) is None
    assert pruner.judge(1, 4, 2.0) is not None, "trial 0 has been at rung 0"


def test_one_report_may_pass_several_rungs():
    pruner = AshaPruner(LOSS, eta=2)
    assert pruner.judge(0, 8, 1.0) is None
    stopped_at = {number: pruner.judge(number, step, 2.0) for number, step in ((1, 1), (2, 8))}
    assert all(reason(verdict).startswith("rung 0") for verdict in stopped_at.values())
    assert pruner.judge(3, 1, 0.9) is None
    assert reason(pruner.judge(3, 9, 1.5)).startswith("rung 1 (step 2): its value 1.5 ranks 2 of 2"), (
        "trial 0 has been at rungs 0 to 3"
    )


def test_no_rung_lies_at_max_or_beyond():
    bounded, free = AshaPruner(LOSS, eta=2, max=4), AshaPruner(LOSS, eta=2)
    for pruner in (bounded, free):
        assert pruner.judge(0, 2, 1.0) is None
        assert pruner.judge(0, 4, 1.0) is None
        assert pruner.judge(1, 2, 0.5) is None
    assert bounded.judge(1, 4, 3.0) is None
    assert "rung 2" in reason(free.judge(1, 4, 3.0))


def test_nothing_stops_before_the_first_rung():
    pruner = AshaPruner(LOSS, min=2, eta=3, early_stopping_rate=1)
    pruner.judge(0, 6, 0.0)
    for step in range(1, 6):
        assert pruner.judge(1, step, 99.0) is None
    assert pruner.judge(1, 6, 99.0) is not None


def test_what_finished_trials_reached_still_counts():
    pruner = AshaPruner(LOSS, eta=2)
    pruner.judge(0, 1, 1.0)
    pruner.finish(Trial(0, TrialState.FAIL, {}, {}))
    assert pruner.judge(1, 1, 2.0) is not None


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"eta": 1}, "pruner.eta"),
        ({"eta": 1.9}, "pruner.eta"),
        ({"reduction_factor": 1}, "pruner.reduction_factor"),
        ({"eta": 2, "reduction_factor": 2}, "pruner.reduction_factor"),
        ({"eta": "three"}, "pruner.eta"),
        ({"min": 0}, "pruner.min"),
        ({"min": -3}, "pruner.min"),
        ({"min": 10, "max": 9}, "pruner.max"),
        ({"max": 0}, "pruner.max"),
        ({"early_stopping_rate": -1}, "pruner.early_stopping_rate"),
        ({"min_resource": 3}, "pruner.min_resource"),
    ],
)
def test_wrong_options_name_themselves(options, path):
    with pytest.raises(SweepError) as caught:
        plugins.build("pruner", PluginSpec("asha", options), LOSS)
    assert caught.value.path == path
