"""What ``patient`` adds to the suite."""

import pytest

from tuner import plugins
from tuner.core.ports import Verdict
from tuner.errors import SweepError
from tuner.pruners.patient import PatientPruner
from tuner.pruners.threshold import ThresholdPruner
from tuner.study import Metric, PluginSpec

LOSS = Metric("loss")


def test_alone_it_stops_what_has_stalled():
    pruner = PatientPruner(LOSS, patience=2)
    for step, value in enumerate((3.0, 2.0, 1.0, 1.5, 1.25)):
        assert pruner.judge(0, step, value) is None
    assert pruner.judge(0, 5, 1.5) == Verdict(
        "stop", "the best of its last 3 reports, 1.25, is worse than 1 before", step=5
    )


def test_a_stop_is_withheld_while_the_trial_improves():
    pruner = PatientPruner(LOSS, patience=1, pruner=ThresholdPruner(LOSS, upper=0.0))
    assert [pruner.judge(0, step, value) for step, value in enumerate((3.0, 2.0, 1.0, 1.5))] == [None] * 4
    verdict = pruner.judge(0, 4, 1.25)
    assert verdict is not None
    assert verdict.reason == (
        "its value 1.25 is above 0; and the best of its last 2 reports, 1.25, is worse than 1 before"
    )


def test_what_was_withheld_is_told_when_asked_for():
    pruner = PatientPruner(LOSS, patience=0, pruner=ThresholdPruner(LOSS, upper=0.0))
    pruner.explains = True
    said = [pruner.judge(0, step, value) for step, value in enumerate((3.0, 2.0))]
    assert [verdict and (verdict.decision, verdict.reason) for verdict in said] == [
        ("go", "it may go on though its value 3 is above 0, as it has made no more than 1 reports"),
        (
            "go",
            "it may go on though its value 2 is above 0, as the best of its last 1 reports, 2, is not worse than 3 before",
        ),
    ]


def test_a_pruner_that_pauses_cannot_be_held_back():
    with pytest.raises(SweepError, match="cannot be held back") as caught:
        plugins.build(
            "pruner", PluginSpec("patient", {"patience": 1, "pruner": {"type": "asha", "promote": True}}), LOSS
        )
    assert caught.value.path == "pruner.pruner"


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({}, "pruner.patience"),
        ({"patience": -1}, "pruner.patience"),
        ({"patience": 1, "min_delta": -0.1}, "pruner.min_delta"),
        ({"patience": 1, "pruner": "nobody"}, "pruner.pruner"),
    ],
)
def test_wrong_options_name_themselves(options, path):
    with pytest.raises(SweepError) as caught:
        plugins.build("pruner", PluginSpec("patient", options), LOSS)
    assert caught.value.path == path
