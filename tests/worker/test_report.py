"""``context.report`` and ``tuner.report``: what is sent, what is refused and with which words."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tuner.trial import Completed, Failed, FailureKind
from tuner.worker.reporting import report


def test_values_come_as_a_mapping_as_keywords_or_both(bench):
    def train(params, context):
        context.report(1, {"loss": 0.5})
        context.report(2, loss=0.25)
        context.report(np.int64(7), {"loss": np.float32(0.125)}, accuracy=1)
        return 0.0

    bench.run(train)
    assert bench.link.reports == [(1, {"loss": 0.5}), (2, {"loss": 0.25}), (7, {"loss": 0.125, "accuracy": 1.0})]
    assert type(bench.link.reports[-1][0]) is int


def test_a_metric_may_be_called_step_or_values(bench):
    bench.run(lambda params, context: context.report(1, loss=0.5, step=2, values=3))
    assert bench.link.reports == [(1, {"loss": 0.5, "step": 2.0, "values": 3.0})]


@pytest.mark.parametrize(
    ("step", "values", "said"),
    [
        (1.5, {"loss": 1}, "the step must be a whole number, got 1.5 (float)"),
        ("1", {"loss": 1}, "the step must be a whole number, got '1' (str)"),
        (True, {"loss": 1}, "the step must be a whole number, got True (bool)"),
        (
            {"loss": 1},
            None,
            "the step must be a whole number, got {'loss': 1} (dict); write context.report(step, loss=...)",
        ),
        (2**63, {"loss": 1}, "the step must be a whole number"),
        (4, {"loss": 1}, "step 4 is not above the last one, 4; steps must rise"),
        (3, {"loss": 1}, "step 3 is not above the last one, 4"),
        (5, {"loss": float("nan")}, "at step 5: loss is nan, expected a finite number"),
        (5, {"loss": "low"}, "at step 5: loss is 'low' (str), expected a number"),
        (5, {"loss": 1, "f1": None}, "at step 5: f1 is None (NoneType), expected a number"),
        (5, {"Loss": 1}, "at step 5: the metric 'loss' is missing: got Loss; is 'Loss' meant to be 'loss'?"),
        (5, {}, "at step 5: the metric 'loss' is missing: got no values"),
    ],
)
def test_a_report_that_cannot_be_used_fails_the_attempt(bench, step, values, said):
    def train(params, context):
        context.report(4, loss=1.0)
        context.report(step, values)
        return 0.5

    outcome = bench.run(train).outcome
    assert isinstance(outcome, Failed)
    assert outcome.kind is FailureKind.BAD_REPORT
    assert said in outcome.message
    assert "in train" in outcome.message  # where in the user's code
    assert bench.link.reports == [(4, {"loss": 1.0})]


def test_a_refused_report_fails_the_attempt_even_when_the_objective_swallows_the_error(bench):
    def train(params, context):
        try:
            context.report(1, loss=float("nan"))
        except ValueError:
            return 0.5

    outcome = bench.run(train).outcome
    assert isinstance(outcome, Failed)
    assert outcome.kind is FailureKind.BAD_REPORT


def test_other_metrics_that_are_not_finite_are_left_out_with_one_note(bench):
    def train(params, context):
        for step in range(3):
            context.report(step, loss=0.5, auc=float("nan"))
        return 0.5

    result = bench.run(train)
    assert result.outcome == Completed({"loss": 0.5})
    assert bench.link.reports[0] == (0, {"loss": 0.5})
    assert result.log.count(b"auc is nan") == 1


def test_a_program_reports_into_the_file_that_it_was_given(tmp_path, monkeypatch, capsys):
    path = tmp_path / "report.jsonl"
    monkeypatch.setenv("TUNER_REPORT_FILE", str(path))

    report(1, loss=float(np.float32(0.5)))
    report(2, {"loss": 0.25}, auc=1)
    report(loss=0.125)

    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25, "auc": 1.0}, {"loss": 0.125}]
    assert capsys.readouterr().out == ""


def test_a_program_that_runs_by_hand_prints_its_reports(monkeypatch, capsys):
    monkeypatch.delenv("TUNER_REPORT_FILE", raising=False)
    report(3, loss=0.5)
    assert json.loads(capsys.readouterr().out) == {"step": 3, "loss": 0.5}


def test_inside_a_function_it_is_the_contexts_report(bench):
    def train(params, context):
        report(1, loss=0.5)
        with pytest.raises(TypeError, match="return them instead"):
            report(loss=0.5)
        return 0.25

    assert bench.run(train).outcome == Completed({"loss": 0.25})
    assert bench.link.reports == [(1, {"loss": 0.5})]


@pytest.mark.parametrize(("step", "values"), [(1, {}), ("1", {"loss": 1}), (1, {"loss": "low"}), (1.5, {"loss": 1})])
def test_a_report_of_a_program_that_makes_no_sense_raises(step, values, capsys):
    with pytest.raises((TypeError, ValueError)):
        report(step, values)
    assert capsys.readouterr().out == ""
