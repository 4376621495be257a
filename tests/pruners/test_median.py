"""What ``median`` adds to the suite."""

import tracemalloc

import pytest

from tuner import plugins
from tuner.core.ports import Verdict
from tuner.errors import SweepError
from tuner.pruners.median import MedianPruner
from tuner.study import Metric, PluginSpec
from tuner.trial import Trial, TrialState

LOSS = Metric("loss")


def complete(pruner: MedianPruner, number: int, curve: dict[int, float]) -> None:
    for step, value in curve.items():
        assert pruner.judge(number, step, value) is None
    pruner.finish(Trial(number, TrialState.COMPLETE, {}, {"loss": 0.0}))


def test_the_verdict_tells_the_numbers():
    pruner = MedianPruner(LOSS, n_startup_trials=3)
    for number, value in enumerate((1.0, 2.0, 3.0)):
        complete(pruner, number, {1: value})
    assert pruner.judge(3, 1, 2.0) is None
    assert pruner.judge(4, 1, 2.5) == Verdict(
        "stop",
        "its best value so far, 2.5, is worse than 2, the median of 3 finished trials at step 1",
        step=1,
        rank=3,
        of=4,
        threshold=2.0,
    )


def test_the_verdict_tells_values_as_reported_when_maximizing():
    pruner = MedianPruner(Metric("auc", "maximize"), n_startup_trials=1)
    complete(pruner, 0, {1: 0.9})
    verdict = pruner.judge(1, 1, 0.25)
    assert verdict is not None
    assert "0.25, is worse than 0.9" in verdict.reason


def test_a_good_start_protects_a_trial():
    pruner = MedianPruner(LOSS, n_startup_trials=1)
    complete(pruner, 0, {1: 1.0, 2: 1.0})
    assert pruner.judge(1, 1, 0.5) is None
    assert pruner.judge(1, 2, 9.0) is None


def test_pruned_and_failed_trials_are_no_standard():
    pruner = MedianPruner(LOSS, n_startup_trials=1)
    for number, state in enumerate((TrialState.PRUNED, TrialState.FAIL)):
        pruner.judge(number, 1, 0.1)
        pruner.finish(Trial(number, state, {}, {}))
    assert pruner.judge(2, 1, 5.0) is None
    complete(pruner, 3, {1: 9.0})
    assert pruner.judge(4, 1, 5.0) is None


def test_finished_trials_take_some_eight_bytes_a_report():
    pruner = MedianPruner(LOSS, n_startup_trials=10**9)
    tracemalloc.start()
    try:
        for number in range(1000):
            complete(pruner, number, {step: number * 0.1 + step for step in range(1, 101)})
        grown = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert grown / 100_000 < 12


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("n_startup_trials", -1),
        ("n_warmup_steps", -1),
        ("interval_steps", 0),
        ("n_min_trials", 0),
        ("n_min_trials", 1.5),
        ("n_startup_trials", True),
        ("n_startup_trails", 3),
        ("percentile", 25),
    ],
)
def test_wrong_options_name_themselves(option, value):
    with pytest.raises(SweepError) as caught:
        plugins.build("pruner", PluginSpec("median", {option: value}), LOSS)
    assert caught.value.path == f"pruner.{option}"


def test_wrong_options_are_refused_without_the_plugins_too():
    with pytest.raises(SweepError, match="interval_steps must be a whole number of at least 1"):
        MedianPruner(LOSS, interval_steps=0)
