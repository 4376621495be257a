"""``tuner plan`` as a person meets it."""

from __future__ import annotations

import pytest

SWEEP = """
name: planned
objective: {function: "work:train"}
metric: {name: loss, goal: minimize}
parameters: {x: {low: 0.0, high: 1.0}}
sampler: random
limits: {trials: 40, time: 10m}
"""
WORK = """
def train(params, context):
    for step in range(1, 4):
        context.report(step, loss=params["x"] / step)
    return {"loss": params["x"]}
"""
NODE = ("--node-cpu", "1", "--node-memory", "4GiB")


@pytest.fixture
def sweep(tuner, tmp_path):
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    (tmp_path / "work.py").write_text(WORK)
    return "sweep.yaml"


def test_a_plan_tells_every_cluster_and_the_best(tuner, sweep):
    answer = tuner(
        "plan", sweep, "--executor", "inline", "--pilot", "4", "--nodes", "1,2", *NODE, "--price-h", "0.5", "-q"
    )
    assert answer.lines[0] == "plan of planned: 40 trials, within 10m 00s"
    assert answer.lines[1] == "learned from 4 trials of planned-pilot; 5 simulations of each cluster"
    assert [line.split("  ")[0] for line in answer.lines[4:6]] == ["1 node", "2 nodes"]
    assert any(line.startswith("The cheapest that finishes within the limits: ") for line in answer.lines)


def test_as_json_it_is_one_object(tuner, sweep):
    answer = tuner("plan", sweep, "--executor", "inline", "--pilot", "3", "--nodes", "2", *NODE, "-q", "-o", "json")
    assert answer.json["study"] == "planned"
    assert [option["site"] for option in answer.json["options"]] == ["2 nodes"]
    assert answer.json["options"][0]["trials"]["mid"] == 40


def test_a_pilot_can_be_learned_from_again(tuner, sweep):
    tuner("plan", sweep, "--executor", "inline", "--pilot", "3", "--nodes", "1", *NODE, "-q")
    answer = tuner("plan", sweep, "--from", "planned-pilot", "--nodes", "1", *NODE)
    assert "learned from 3 trials of planned-pilot" in answer.stdout
    assert "CPU busy" in answer.lines[3]
    assert "cost" not in answer.lines[3]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--nodes", "0"), "is no list of numbers of nodes"),
        (("--nodes", "two"), "is no list of numbers of nodes"),
        (("--node-memory", "lots"), "is no amount of memory"),
        (("--pilot-time", "soon"), "is no time"),
        (("--from", "nothing"), "nothing"),
        (("--cluster", "c.yaml", "--node-cpu", "2"), "--cluster says what nodes have"),
        (("--cluster", "none.yaml"), "none.yaml"),
    ],
)
def test_what_is_wrong_is_said_before_anything_runs(tuner, sweep, arguments, told):
    answer = tuner("plan", sweep, "--executor", "inline", *arguments, exit_code=2)
    assert told in answer.stderr
    assert "No studies" in tuner("ls").stdout or tuner("ls", "-o", "json").json == []
