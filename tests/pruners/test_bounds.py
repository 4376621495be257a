"""What ``percentile`` and ``threshold`` add to the suite."""

import pytest

from tuner import plugins
from tuner.core.ports import Verdict
from tuner.errors import SweepError
from tuner.pruners.percentile import PercentilePruner
from tuner.pruners.threshold import ThresholdPruner
from tuner.study import Metric, PluginSpec
from tuner.trial import Trial, TrialState

LOSS = Metric("loss")


def test_percentile_tells_its_bound():
    pruner = PercentilePruner(LOSS, percentile=25, n_startup_trials=5)
    for number in range(5):
        assert pruner.judge(number, 1, float(number)) is None
        pruner.finish(Trial(number, TrialState.COMPLETE, {}, {"loss": 0.0}))
    assert pruner.judge(5, 1, 1.0) is None
    assert pruner.judge(6, 1, 1.5) == Verdict(
        "stop",
        "its best value so far, 1.5, is worse than 1, the bound of the best 25 % of 5 finished trials at step 1",
        step=1,
        rank=3,
        of=6,
        threshold=1.0,
    )


def test_threshold_tells_which_bound_was_passed():
    pruner = ThresholdPruner(LOSS, lower=0.0, upper=2.0, n_warmup_steps=2)
    assert pruner.judge(0, 1, 5.0) is None
    assert pruner.judge(0, 2, 2.0) is None
    assert pruner.judge(0, 3, 2.5) == Verdict("stop", "its value 2.5 is above 2", step=3, threshold=2.0)
    assert pruner.judge(1, 2, -0.5) == Verdict("stop", "its value -0.5 is below 0", step=2, threshold=0.0)


@pytest.mark.parametrize(
    ("name", "options", "path"),
    [
        ("percentile", {"percentile": 101}, "pruner.percentile"),
        ("percentile", {"percentile": -1}, "pruner.percentile"),
        ("percentile", {"percentile": "a quarter"}, "pruner.percentile"),
        ("percentile", {"n_min_trials": 0}, "pruner.n_min_trials"),
        ("threshold", {}, "pruner.upper"),
        ("threshold", {"lower": 2, "upper": 1}, "pruner.lower"),
        ("threshold", {"upper": float("nan")}, "pruner.upper"),
        ("threshold", {"upper": 1, "interval_steps": 0}, "pruner.interval_steps"),
    ],
)
def test_wrong_options_name_themselves(name, options, path):
    with pytest.raises(SweepError) as caught:
        plugins.build("pruner", PluginSpec(name, options), LOSS)
    assert caught.value.path == path
