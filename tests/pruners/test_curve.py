"""What ``curve`` adds to the suite: forecasts that are right for curves that follow its models, and caution for others."""

import math
from random import Random

import pytest

from tuner import plugins
from tuner.errors import SweepError
from tuner.pruners._learning import LearningCurve
from tuner.pruners.curve import CurvePruner
from tuner.study import Metric, PluginSpec
from tuner.trial import Trial, TrialState

LOSS = Metric("loss")


def curve_of(value, n):
    curve = LearningCurve()
    for t in range(1, n + 1):
        curve.add(float(t), value(t))
    return curve


@pytest.mark.parametrize("power", [0.25, 0.5, 1.0, 2.0])
def test_a_power_law_is_continued(power):
    def law(t):
        return 0.2 + 0.7 * t**-power

    assert curve_of(law, 12).forecast(100.0).mean == pytest.approx(law(100), abs=0.002)


def test_a_logarithm_is_continued():
    assert curve_of(lambda t: 1.0 - 0.1 * math.log(t), 12).forecast(100.0).mean == pytest.approx(0.54, abs=0.01)


def test_a_curve_that_gets_worse_is_taken_to_stay():
    assert 1.0 < curve_of(lambda t: 1.0 + 0.1 * t, 10).forecast(100.0).mean < 2.0


def test_a_constant_curve_is_known_for_sure():
    forecast = curve_of(lambda t: 0.3, 10).forecast(100.0)
    assert (forecast.mean, forecast.p_upto(0.3, 0.0), forecast.p_upto(0.29, 0.0)) == (0.3, 1.0, 0.0)


def test_long_curves_neither_overflow_nor_drown_in_rounding():
    forecast = curve_of(lambda t: 1e6 + 0.5 * t**-0.5, 20_000).forecast(40_000.0)
    assert forecast.mean - 1e6 == pytest.approx(0.5 * 40_000**-0.5, abs=1e-4)


def test_forecasts_scale_with_the_values():
    rng = Random(1)
    noise = [0.01 * rng.random() for _ in range(20)]
    small, large = (curve_of(lambda t, s=s: s * (0.3 + 0.5 / t + noise[t - 1]), 20).forecast(50.0) for s in (1e-9, 1e9))
    assert large.mean == pytest.approx(1e18 * small.mean, rel=1e-6)
    assert large.p_upto(0.31e9, 0.0) == pytest.approx(small.p_upto(0.31e-9, 0.0), rel=1e-6)


def told(pruner, number, floor, steps=20, gap=0.5):
    """A trial whose loss falls towards ``floor``; returns the verdict that stopped it."""
    for step in range(1, steps + 1):
        verdict = pruner.judge(number, step, floor + gap / step)
        if verdict is not None and verdict.decision == "stop":
            pruner.finish(Trial(number, TrialState.PRUNED, {}, {"loss": floor + gap / step}, last_step=step))
            return verdict
    pruner.finish(Trial(number, TrialState.COMPLETE, {}, {"loss": floor + gap / steps}, last_step=steps))
    return None


def test_a_hopeless_trial_is_stopped_early_and_told_why():
    pruner = CurvePruner(LOSS)
    for number in range(10):
        assert told(pruner, number, 0.1 + 0.01 * number) is None, "nothing is stopped before ten have finished"
    verdict = told(pruner, 10, 0.8)
    assert verdict is not None
    assert (verdict.step, verdict.threshold) == (4, pytest.approx(0.145))
    assert "at step 20: it ends as good as 0.145, number 3 of 10 finished trials" in verdict.reason


def test_a_late_starter_that_will_win_is_let_pass():
    pruner = CurvePruner(LOSS)
    for number in range(10):
        told(pruner, number, 0.3 + 0.01 * number, gap=0.05)
    assert told(pruner, 10, 0.05, gap=2.0) is None, "it is far behind at first, but its curve points lower"


def test_caution_grows_with_the_errors_that_were_made():
    careful, bold = CurvePruner(LOSS), CurvePruner(LOSS)
    for number in range(10):
        told(bold, number, 0.1 + 0.01 * number)
        for step in range(1, 20):  # curves that promise nothing and then drop
            assert careful.judge(number, step, 1.0 + 0.01 * number + 0.5 / step) is None
        assert careful.judge(number, 20, 0.1 + 0.01 * number) is None
        careful.finish(Trial(number, TrialState.COMPLETE, {}, {"loss": 0.1 + 0.01 * number}, last_step=20))
    assert told(bold, 10, 0.8) is not None
    assert told(careful, 10, 0.8) is None


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("max", 0),
        ("p_threshold", 1.5),
        ("p_threshold", -0.1),
        ("top", 0),
        ("n_startup_trials", -1),
        ("n_warmup_steps", -1),
        ("interval_steps", 0),
        ("n_min_reports", 2),
        ("eta", 3),
    ],
)
def test_wrong_options_name_themselves(option, value):
    with pytest.raises(SweepError) as caught:
        plugins.build("pruner", PluginSpec("curve", {option: value}), LOSS)
    assert caught.value.path == f"pruner.{option}"
