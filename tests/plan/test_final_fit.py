"""What a plan says of the fit of the best model, which comes after the last trial."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.plan.courses import NODE, course
from tuner.api import load_study
from tuner.api._final_fit import final_fit
from tuner.api.options import RunOptions
from tuner.api.plan import PlanOptions, plan, sites_of_nodes
from tuner.study import Metric, PluginSpec
from tuner.sweep import parse
from tuner.trial import Completed

SWEEP = """
name: iris
objective: {estimator: sklearn.linear_model.LogisticRegression, data: {sklearn: iris}}
metric: accuracy
parameters: {C: {low: 0.1, high: 1.0}}
sampler: random
limits: {trials: 9}
"""
HOLDOUT = {"objective": {"rows": {"tuning": 100, "train": 80, "validation": 20}, "folds": 1}}
FOLDS = {"objective": {"rows": {"tuning": 100, "train": 80, "validation": 20}, "folds": 5}}


def valued(wall_s: float, loss: float):
    return replace(course(wall_s), outcome=Completed({"loss": loss}))


def told(facts, goal="minimize", courses=None):
    made = courses or [valued(100.0, 9.0), *(valued(10.0, 0.1 * k) for k in range(3))]
    return final_fit(made, Metric("loss", goal), facts, "earlier")


def test_it_takes_as_long_as_the_best_trials_on_more_rows():
    assert told(HOLDOUT) == "about 12.5 s after the last trial: the best trials of earlier, on 1.2 times their rows"


def test_of_a_metric_that_is_to_rise_the_largest_are_the_best():
    assert told(HOLDOUT, "maximize", [valued(10.0, 1.0), *(valued(20.0, 5.0) for _ in range(3))]).startswith(
        "about 25.0 s"
    )


def test_of_folds_it_is_one():
    assert told(FOLDS).startswith("about 2.5 s after the last trial: one of the 5 fits of the best trials")


@pytest.mark.parametrize("facts", [{}, {"objective": None}, {"objective": {"function": "work:train"}}])
def test_of_what_makes_no_model_nothing_is_said(facts):
    assert told(facts) is None


def test_where_no_trial_is_complete_nothing_is_said():
    assert told(HOLDOUT, courses=[course(done=False)]) is None


@pytest.fixture
def options(tmp_path):
    return PlanOptions(pilot=9, run=RunOptions(store=f"sqlite:///{tmp_path}/t.db", executor=PluginSpec("inline")))


def test_a_plan_says_what_is_to_be_expected(options):
    assumed = plan(parse(SWEEP), options, sites_of_nodes([1], NODE)).assumed
    assert "the best trials of iris-pilot" in assumed["final fit"]


def test_a_pilot_itself_fits_no_model(options):
    plan(parse(SWEEP), options, sites_of_nodes([1], NODE))
    study = load_study("iris-pilot", options.run.store)
    assert (study.state, study.model_path) == ("COMPLETE", None)
