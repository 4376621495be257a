"""What ``wilcoxon`` adds to the suite."""

import pytest

from tuner import plugins
from tuner.core.ports import Verdict
from tuner.errors import SweepError
from tuner.pruners.wilcoxon import WilcoxonPruner
from tuner.study import Metric, PluginSpec
from tuner.trial import Trial, TrialState

LOSS = Metric("loss")
FOLDS = (0.30, 0.25, 0.41, 0.33, 0.28, 0.39)


def complete(pruner, number, values, state=TrialState.COMPLETE, first=1):
    for step, value in enumerate(values, first):
        pruner.judge(number, step, value)
    pruner.finish(Trial(number, state, {}, {"loss": sum(values) / len(values)}, last_step=len(values)))


def first_stop(pruner, number, values, first=1):
    for step, value in enumerate(values, first):
        verdict = pruner.judge(number, step, value)
        if verdict is not None:
            return verdict
    return None


def means(values):
    return [sum(values[: n + 1]) / (n + 1) for n in range(len(values))]


def test_worse_on_every_fold_stops_as_soon_as_that_is_no_chance():
    pruner = WilcoxonPruner(LOSS)
    complete(pruner, 3, FOLDS)
    assert first_stop(pruner, 4, [value + 0.01 * n for n, value in enumerate(FOLDS, 1)]) == Verdict(
        "stop",
        "compared with trial 3, the best finished one, on 4 common steps, it is worse "
        "(signed-rank test: p = 0.0625, below 0.1)",
        step=4,
    )


@pytest.mark.parametrize("first", [0, 1])
def test_running_means_are_taken_apart(first):
    single, mean = WilcoxonPruner(LOSS), WilcoxonPruner(LOSS, values="mean")
    others = [value + shift for value, shift in zip(FOLDS, (0.03, -0.01, 0.02, 0.05, 0.04, 0.06), strict=True)]
    complete(single, 0, FOLDS, first=first)
    complete(mean, 0, means(FOLDS), first=first)
    one, other = first_stop(single, 1, others, first), first_stop(mean, 1, means(others), first)
    assert one is not None
    assert one == other


def test_equal_folds_stay_equal_when_means_are_taken_apart():
    pruner = WilcoxonPruner(LOSS, values="mean", p_threshold=1.0)
    pruner.explains = True
    complete(pruner, 0, means(FOLDS))
    verdicts = [pruner.judge(1, step, value) for step, value in enumerate(means(FOLDS), 1)]
    assert all("p = 1," in verdict.reason for verdict in verdicts if verdict is not None)
    assert verdicts[-1] is not None


def test_a_mean_that_cannot_be_taken_apart_is_left_out():
    pruner = WilcoxonPruner(LOSS, values="mean", p_threshold=0.3)
    complete(pruner, 0, means(FOLDS))
    worse = means([value + 0.1 for value in FOLDS])
    assert [pruner.judge(1, step, worse[step - 1]) for step in (2, 4, 6)] == [None] * 3


def test_only_complete_trials_are_a_standard_and_the_best_of_them():
    pruner = WilcoxonPruner(LOSS)
    complete(pruner, 0, [value - 0.2 for value in FOLDS], TrialState.PRUNED)
    assert first_stop(pruner, 1, FOLDS) is None
    complete(pruner, 2, FOLDS)
    complete(pruner, 3, [value + 0.2 for value in FOLDS])
    verdict = first_stop(pruner, 4, [value + 0.01 * n for n, value in enumerate(FOLDS, 1)])
    assert verdict is not None
    assert verdict.reason.startswith("compared with trial 2")


@pytest.mark.parametrize(
    ("option", "value"),
    [("p_threshold", 1.1), ("p_threshold", -1), ("n_startup_steps", -1), ("values", "both"), ("p", 0.1)],
)
def test_wrong_options_name_themselves(option, value):
    with pytest.raises(SweepError) as caught:
        plugins.build("pruner", PluginSpec("wilcoxon", {option: value}), LOSS)
    assert caught.value.path == f"pruner.{option}"
