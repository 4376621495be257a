"""``tuner explain``, word for word, of studies that really ran."""

from __future__ import annotations

import re
import sys

import pytest

WORK = """
import tuner

def curve(params, context):
    begin = context.checkpoint.step if context.checkpoint else 0
    for step in range(begin + 1, 10):
        loss = params["x"] + 1.0 / step
        with context.save_checkpoint(step) as folder:
            (folder / "state").write_text("x" * 2048)
        context.report(step, loss=loss)
    return {"loss": loss, "size": 100 * params["x"]}

def two(params, context):
    if params["x"] > 0.9:
        raise tuner.InvalidParams("x is too large")
    return {"loss": (1 - params["x"]) ** 2, "size": 100 * params["x"]}

def broken(params, context):
    raise ValueError("no")

def silent(params, context):
    return params["x"]
"""
BASE = "name: demo\nparameters: {x: {low: 0.0, high: 1.0}}\nsampler: random\nexecutor: inline\n"
CURVE = BASE + (
    "objective: {function: work:curve}\nmetric: {name: loss, goal: minimize}\nlimits: {trials: 9}\n"
    "constraints: [{name: size, max: 5}]\npruner: {type: asha, min: 1, eta: 3, max: 9, promote: true}\n"
)
TWO = BASE + (
    "objective: {function: work:two}\nmetric: [{name: loss, goal: minimize}, {name: size, goal: minimize}]\n"
    "limits: {trials: 20}\n"
)
SILENT = BASE + (
    "objective: {function: work:silent}\nmetric: {name: loss, goal: minimize}\nlimits: {trials: 3}\npruner: median\n"
)
BROKEN = BASE + "objective: {function: work:broken}\nmetric: loss\nlimits: {trials: 20, failures: 2}\n"


@pytest.fixture
def ran(tuner, tmp_path, monkeypatch):
    """Runs a sweep and hands over the program to look at it with."""
    monkeypatch.delitem(sys.modules, "work", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def run(text, exit_code=0):
        (tmp_path / "work.py").write_text(WORK, encoding="utf-8")
        (tmp_path / "sweep.yaml").write_text(text, encoding="utf-8")
        tuner("run", "sweep.yaml", "-q", exit_code=exit_code)
        return lambda *arguments, **more: tuner(*arguments, **more)

    return run


def words(answer):
    """The lines without times."""
    return [re.sub(r"^ +[\d.]+ s  ", "", re.sub(r" after \d+\.\d s", "", line.strip())) for line in answer.lines]


def test_a_promoted_trial_is_told_from_its_suggestion_to_its_end(ran):
    look = ran(CURVE)
    rows = look("trials", "demo", "-o", "json").json
    numbers = [row["number"] for row in rows if row["attempts"] > 1]
    lines = words(look("explain", "demo", numbers[0]))
    assert lines[0].startswith(f"demo  trial {numbers[0]}  ")
    assert "what happened" in lines
    story = lines[lines.index("what happened") + 1 :]
    assert re.sub(r"^[\d.]+ s  ", "", story[0]) == "suggested by the sampler random"
    told = "\n".join(story)
    assert "attempt 1 handed to a worker on inline: 1 CPU" in told
    assert re.search(r"told to pause at step 1: rung 0 \(step 1\): its value \S+ ranks \d of \d, and ", told)
    assert "saved a checkpoint after step 1 (2 KiB)" in told
    assert "the trial is paused: the pruner may let it go on later" in told
    assert "promoted, to go on before anything new is tried: rung 0 (step 1): " in told
    assert "it goes on from the checkpoint of step 1" in told


def test_a_trial_that_lost_is_told_what_it_would_have_needed_and_against_whom(ran):
    look = ran(CURVE)
    paused = [row["number"] for row in look("trials", "demo", "--state", "pruned", "-o", "json").json]
    told = "\n".join(words(look("explain", "demo", paused[-1])))
    assert "PRUNED: was paused and never promoted before the sweep ended; its last report: step " in told
    assert re.search(r"it would have needed at most \d\.\d+\n", told)
    assert re.search(rf"there by then: trial \d \S+, .*\[trial {paused[-1]} \S+\]", told)


def test_a_story_as_plain_data(ran):
    look = ran(CURVE)
    document = look("explain", "demo", 0, "-o", "json").json
    assert (document["study"], document["trial"]["number"]) == ("demo", 0)
    kinds = [moment["kind"] for moment in document["moments"]]
    assert kinds[:4] == ["suggested", "began", "checkpointed", "judged"]
    judged = document["moments"][3]
    assert judged["verdict"]["decision"] in ("go", "pause")
    assert judged["rivals"] == []


def test_a_study_is_told_why_it_ended_and_what_the_pruner_did(ran):
    look = ran(CURVE)
    told = "\n".join(words(look("explain", "demo")))
    assert "why it ended  all 9 trials are done" in told
    assert re.search(r"pruner asha +looked at \d+ reports; stopped 0 trials; paused \d+ times, let \d go on", told)
    assert re.search(r"constraints +\d of \d complete trials? keeps? to size <= 5", told)
    assert "trials 9 of 9" in told
    document = look("explain", "demo", "-o", "json").json
    assert (document["ended_by"], document["drivers"]) == ("trials", 1)
    assert document["pruner"]["paused"] >= document["pruner"]["promoted"] > 0


def test_parameters_that_cannot_work_are_told_as_such(ran):
    look = ran(TWO)
    failed = look("trials", "demo", "--state", "fail", "-o", "json").json[0]["number"]
    told = "\n".join(words(look("explain", "demo", failed)))
    assert "failed (invalid_params): InvalidParams: x is too large" in told
    assert "it is not tried again: parameters that cannot work never will" in told
    summary = look("explain", "demo").stdout
    assert "had parameters that cannot work; the sampler keeps away from such" in summary


def test_a_pruner_that_never_saw_a_report_is_told(ran):
    look = ran(SILENT)
    note = "note: the pruner median never saw a report: the objective reported no steps"
    assert note in look("status", "demo").stdout
    assert note in look("explain", "demo").stdout


def test_failures_that_ended_a_study_are_told(ran):
    look = ran(BROKEN, exit_code=1)
    told = look("explain", "demo").stdout
    assert "why it ended  3 trials failed, 2 are borne; the last: trial 2: raised: ValueError: no" in told
    assert "it is not tried again: `retry` does not name raised" in look("explain", "demo", 0).stdout


def test_a_trial_that_is_not_there(ran):
    look = ran(SILENT)
    assert "has no trial 99; it has trials 0 to 2" in look("explain", "demo", 99, exit_code=2).stderr


def test_the_front_is_a_table_or_a_list(ran):
    look = ran(TWO)
    head, *rows = look("best", "demo", "--pareto").lines
    assert head.split() == ["trial", "loss", "size", "time", "parameters"]
    front = look("best", "demo", "--pareto", "-o", "json").json
    assert [row.split()[0] for row in rows] == [str(trial["number"]) for trial in front]
    losses = [trial["values"]["loss"] for trial in front]
    sizes = [trial["values"]["size"] for trial in front]
    assert (losses, sizes) == (sorted(losses), sorted(sizes, reverse=True))
    assert "on the front: tuner best --pareto" in look("best", "demo").stdout
    status = look("status", "demo", "-o", "json").json
    assert status["pareto"] == [trial["number"] for trial in front]
    assert status["hypervolume"] > 0.0
    assert re.search(r"front +\d+ trials that no other one beats in every metric", look("status", "demo").stdout)


def test_feasibility_is_told_where_there_are_constraints(ran):
    look = ran(CURVE.replace("max: 5}", "max: 0.001}"))
    rows = look("trials", "demo", "-o", "json").json
    complete = [row for row in rows if row["state"] == "COMPLETE"]
    assert {row["feasible"] for row in complete} == {False}
    assert all(row["violation"] > 0 for row in complete)
    assert {row["feasible"] for row in rows if row["state"] != "COMPLETE"} == {None}
    assert "no trial keeps to the constraints; this one violates them least: size " in look("best", "demo").stdout
    assert re.search(r"constraints +0 of \d complete trials? keeps? to size <= 0.001", look("status", "demo").stdout)
    assert "violation" in look("trials", "demo").lines[0].split()


def test_without_constraints_nothing_is_said_of_them(ran):
    look = ran(SILENT)
    row = look("trials", "demo", "-o", "json").json[0]
    assert "feasible" not in row
    assert "constraints" not in look("status", "demo").stdout
