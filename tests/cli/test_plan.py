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
CLUSTER = """
cluster_name: c
max_workers: 4
provider: {type: external, module: tuner.cluster.provider.one_machine.OneMachineProvider, port: 24050}
auth: {ssh_user: nobody}
head_node_type: head
available_node_types:
  head: {resources: {CPU: 0}, max_workers: 0, node_config: {}}
  a:
    resources: {CPU: 2, memory: 4294967296}
    labels: {market-type: spot, tuner.io/price-h: "0.2", tuner.io/boot-s: "20", tuner.io/spot-loss-day: "0.3"}
    max_workers: 4
    node_config: {}
  b: {resources: {CPU: 8, memory: 8589934592}, max_workers: 1, node_config: {}}
docker: {}
initialization_commands: []
setup_commands: []
head_setup_commands: []
worker_setup_commands: []
file_mounts: {}
cluster_synced_files: []
file_mounts_sync_continuously: false
rsync_exclude: []
rsync_filter: []
head_start_ray_commands: ["ray start --head"]
worker_start_ray_commands: ["ray start --address=$RAY_HEAD_IP:6379"]
"""
NODE = ("--node-cpu", "1", "--node-memory", "4GiB")


@pytest.fixture
def sweep(tuner, tmp_path):
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    (tmp_path / "work.py").write_text(WORK)
    (tmp_path / "c.yaml").write_text(CLUSTER)
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


def test_a_clusters_file_gives_sizes_prices_boots_and_losses(tuner, sweep):
    tuner("plan", sweep, "--executor", "inline", "--pilot", "4", "--nodes", "1", *NODE, "-q")
    answer = tuner("plan", sweep, "--from", "planned-pilot", "--cluster", "c.yaml", "--seeds", "2")
    sites = [line.split("  ")[0] for line in answer.lines[4:9]]
    assert sites == ["up to 1 a", "up to 2 a", "up to 4 a", "up to 1 b", "all types, up to 4"]
    assert "20 s for a, 60 s for b" in answer.stdout
    assert "taken away a day: 30% of a (its label)" in answer.stdout


def test_a_limit_of_money_is_planned_with_the_prices_of_the_options(tuner, sweep):
    limit = ("--set", "limits.cost=0.0001")
    tuner("plan", sweep, "--executor", "inline", "--pilot", "4", "--nodes", "1", *NODE, "-q")
    answer = tuner("plan", sweep, "--from", "planned-pilot", "--nodes", "1", *NODE, "--price-h", "1", *limit)
    assert answer.lines[0] == "plan of planned: 40 trials, within 10m 00s, for at most 0.0001"
    assert answer.lines[4].startswith("1 node")


def test_nodes_that_hold_no_trial_are_told(tuner, sweep):
    tuner("plan", sweep, "--executor", "inline", "--pilot", "4", "--nodes", "1", *NODE, "-q")
    answer = tuner("plan", sweep, "--from", "planned-pilot", "--nodes", "1", *NODE, "--set", "resources.cpu=4")
    assert answer.lines[4].split() == ["1", "node", *["-"] * 5, "no", "node", "can", "hold", "a", "trial"]
    assert "No trial fits any of these nodes: try larger ones, or ask for less (resources)." in answer.lines


def test_what_was_assumed_is_told_before_the_notes(tuner, sweep):
    answer = tuner("plan", sweep, "--executor", "inline", "--pilot", "4", "--nodes", "1", *NODE, "-q")
    start = answer.lines.index("assumed")
    told = [line.split()[0] for line in answer.lines[start + 1 : start + 4]]
    assert told == ["start", "failures", "trials"]
    assert answer.lines[-1] == "next  tuner run sweep.yaml"


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
        (("--spot-loss", "150%"), "is no share below 1"),
        (("--spot-loss", "some"), "is no share below 1"),
        (("--price-h", "nan"), "--price-h"),
        (("--node-cpu", "inf"), "is no amount"),
        (("--address", "127.0.0.1:1"), "has no address"),
        (("--from", "planned", "--pilot", "4"), "--from runs no pilot"),
        (("--cluster", "c.yaml", "--nodes", "9"), "allows at most 4 nodes of a type, not 9"),
        (("--cluster", "c.yaml", "--set", "limits.cost=1"), "limits.cost needs the price of b"),
        (("--set", "limits.cost=1"), "nothing says what running costs"),
    ],
)
def test_what_is_wrong_is_said_before_anything_runs(tuner, sweep, arguments, told):
    runs = () if "--from" in arguments else ("--executor", "inline")
    answer = tuner("plan", sweep, *runs, *arguments, exit_code=2)
    assert told in answer.stderr
    assert "No studies" in tuner("ls").stdout or tuner("ls", "-o", "json").json == []
