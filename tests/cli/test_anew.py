"""Promotion without checkpoints is told: before anything starts where it can be known, else at the end."""

from __future__ import annotations

import re
import sys

import pytest

WORK = """
def train(params, context):
    for step in range(1, 10):
        context.report(step, loss=(params["x"] - 0.3) ** 2 + 1 / step)
    return {"loss": (params["x"] - 0.3) ** 2}


def saves(params, context):
    begin = context.checkpoint.step if context.checkpoint else 0
    for step in range(begin + 1, 10):
        with context.save_checkpoint(step) as folder:
            (folder / "state").write_text(str(step))
        context.report(step, loss=(params["x"] - 0.3) ** 2 + 1 / step)
    return {"loss": (params["x"] - 0.3) ** 2}
"""
FUNCTION = """
name: s
objective: {function: "work:NAME"}
metric: {name: loss, goal: minimize}
parameters: {x: {low: 0.0, high: 1.0}}
sampler: random
pruner: {type: asha, min: 1, max: 9, eta: 3, promote: true}
limits: {trials: 12}
executor: inline
seed: 3
"""
FOLDS = """
name: s
objective:
  estimator: sklearn.tree.DecisionTreeClassifier
  data: {sklearn: iris}
  validation: {kind: cv, folds: 5}
metric: {name: accuracy, goal: maximize}
parameters: {max_depth: {low: 1, high: 8}}
sampler: random
pruner: {type: asha, min: 1, max: 5, eta: 2, promote: PROMOTE}
limits: {trials: 8}
executor: inline
"""


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    (tmp_path / "work.py").write_text(WORK)
    monkeypatch.delitem(sys.modules, "work", raising=False)

    def write(text):
        path = tmp_path / "sweep.yaml"
        path.write_text(text)
        return path

    yield write
    sys.modules.pop("work", None)


def test_it_is_told_before_it_starts_where_the_objective_is_known_to_save_none(tuner, sweep):
    said = "note: the pruner asha lets paused trials go on, but this objective saves no checkpoints"
    path = sweep(FOLDS.replace("PROMOTE", "true"))
    assert said in tuner("validate", path).stderr
    assert said.removeprefix("note: ") in tuner("validate", path, "-o", "json").json["notes"][0]
    ran = tuner("run", path)
    assert said in ran.stderr + ran.stdout
    assert said not in tuner("validate", sweep(FOLDS.replace("PROMOTE", "false"))).stderr


@pytest.mark.parametrize(("name", "anew"), [("train", True), ("saves", False)])
def test_the_summary_says_that_promoted_trials_began_anew(tuner, sweep, name, anew):
    path = sweep(FUNCTION.replace("NAME", name))
    assert "note" not in tuner("validate", path).stderr
    reason = tuner("run", path, "-q", "-o", "json").json["reason"]
    said = re.search(
        r"; each of the \d+ promotions began anew, as there was no checkpoint \(context.save_checkpoint\)$", reason
    )
    assert bool(said) == anew


def test_a_last_step_that_is_not_that_of_the_objective_is_told_before_it_starts(tuner, sweep):
    text = FOLDS.replace("PROMOTE", "false").replace("max: 5", "max: 81")
    said = "note: the pruner asha is told that trials end at step 81 (max), but the last step is 5"
    assert said in tuner("validate", sweep(text)).stderr


def test_what_an_earlier_study_gives_is_told_before_it_starts(tuner, sweep):
    path = sweep(FUNCTION.replace("NAME", "train"))
    tuner("run", path, "-q", "--name", "earlier")
    text = FUNCTION.replace("NAME", "train") + "prior: earlier\n"
    assert re.search(
        r"note: \d+ of the \d+ finished trials of study 'earlier' are re-used", tuner("validate", sweep(text)).stderr
    )
    other = sweep(text.replace("x: {low", "y: {low"))
    assert "prior: nothing of it can be used" in tuner("validate", other, exit_code=2).stderr


def test_validating_a_prior_makes_no_store(tuner, sweep, tmp_path):
    said = tuner("validate", sweep(FUNCTION.replace("NAME", "train") + "prior: earlier\n"), exit_code=2).stderr
    assert "prior[0]: there is no study called 'earlier'" in said
    assert not (tmp_path / ".tuner").exists()


FAILS = """
def train(params, context):
    context.report(1, loss=params["x"])
    context.report(1, loss=params["x"])
"""


def test_what_to_do_next_is_to_look_at_a_failure_before_at_the_pruner(tuner, sweep, tmp_path):
    path = sweep(FUNCTION.replace("NAME", "train").replace(", promote: true", ""))
    (tmp_path / "work.py").write_text(FAILS)
    told = tuner("run", path, "-q", exit_code=1).lines
    assert told[-2:] == ["  tuner trials s --state fail", "  tuner logs s 0"]
