"""The ``wilcoxon`` pruner over the estimator's folds: what it is told fits what is reported, and else that is said."""

import pytest

from tuner.errors import SweepError
from tuner.pruners.wilcoxon import WilcoxonPruner
from tuner.study import Metric, PluginSpec
from tuner.trial import Trial, TrialState

TREE = "sklearn.tree.DecisionTreeClassifier"
CANCER = {"sklearn": "breast_cancer"}
RACE = PluginSpec("wilcoxon", {"values": "mean"})


@pytest.mark.parametrize(
    ("estimator", "params", "pruner", "path"),
    [
        (TREE, {"max_depth": 2}, PluginSpec("wilcoxon"), "pruner.values"),
        (TREE, {"max_depth": 2}, PluginSpec("wilcoxon", {"values": "single"}), "pruner.values"),
        ("sklearn.neural_network.MLPClassifier", {"hidden_layer_sizes": 4}, RACE, "pruner"),
    ],
)
def test_reports_that_wilcoxon_would_misread_are_told_before_the_start(bench, estimator, params, pruner, path):
    options = {"estimator": estimator, "data": CANCER, "validation": {"kind": "cv", "folds": 5}}
    with pytest.raises(SweepError) as caught:
        bench(params, spec={"pruner": pruner}, **options).prepare()
    assert caught.value.path == path


def test_a_worse_tree_is_stopped_before_its_last_fold(bench):
    goal = Metric("accuracy", "maximize")
    pruner = WilcoxonPruner(goal, values="mean")
    stopped = {}
    for number, depth in enumerate((4, 1)):
        options = {
            "estimator": TREE,
            "data": CANCER,
            "validation": {"kind": "cv", "folds": 10},
            "spec": {"pruner": RACE},
        }
        values, recorder = bench({"max_depth": depth, "random_state": 0}, **options).prepare().run()
        for step, reported in zip(recorder.steps, recorder.values, strict=True):
            verdict = pruner.judge(number, step, reported["accuracy"])
            if verdict is not None:
                stopped[number] = step
                break
        pruner.finish(Trial(number, TrialState.COMPLETE, {}, values))
    assert list(stopped) == [1]
    assert stopped[1] < 10
