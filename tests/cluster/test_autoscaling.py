"""The whole life of ``cluster.yaml`` with only its provider swapped: real ``ray up``, autoscaler, ``ray down``."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.autoscaling_real import IDLE_S, life
from tests.cluster.shells import Shell
from tuner.testing.one_machine import LiveCluster, swapped

ROOT = Path(__file__).parents[2]
SWEEP = """\
name: grown
objective: {function: "slow:train"}
metric: {name: loss, goal: minimize}
parameters:
  x: {low: 0.0, high: 1.0}
sampler: random
resources: {cpu: 1, memory: 300MiB, gpu: 0}
limits: {trials: 12, nodes: 2, time: 3m}
executor: {type: ray, cluster_file: cluster.yaml}
"""
OBJECTIVE = """\
import time


def train(params, context):
    for step in range(1, 11):
        time.sleep(0.3)
        context.report(step, loss=params["x"] / step)
    return {"loss": params["x"]}
"""

PRICES = {"dear": "0.40", "cheap": "0.08"}

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(400)]


def check(times: dict[str, Any]) -> None:
    assert times["types"] == ["cpu_spot"], "a node that was asked for CPUs has none of the GPUs"
    assert times["zero_s"] >= IDLE_S - 3.0, "idle nodes stay for a while"
    assert (times["left_processes"], times["left_nodes"]) == (0, 0), "`ray down` leaves nothing behind"


def test_it_grows_from_zero_to_what_is_wanted_replaces_a_killed_node_and_falls_back_to_zero():
    times = life(2, port=7350)
    check(times)
    assert times["missed_s"] < 15.0, "the health checks of the file miss a node sooner than Ray's defaults do"


def test_the_same_with_rays_first_autoscaler():
    check(life(1, port=7355, short=True))


def test_the_same_when_only_those_who_know_the_token_are_let_in():
    check(life(2, port=7360, token="0123456789abcdef" * 4, short=True))


@pytest.fixture
def short_folder():
    with tempfile.TemporaryDirectory(prefix="g") as folder:  # pytest's own may be too deep for Ray's sockets
        yield Path(folder)


def test_a_sweep_lets_a_cluster_without_a_worker_grow_runs_on_it_and_lets_it_go(short_folder):
    home = short_folder
    described = swapped(
        ROOT / "examples" / "cluster_one_machine.yaml",
        Path(home, "s"),
        7365,
        {"idle_timeout_minutes": IDLE_S / 60, "cluster_name": "grown"},
    )
    with LiveCluster(described, home, ROOT) as cluster, Shell(cluster) as shell:
        (home / "sweep.yaml").write_text(SWEEP)
        (home / "slow.py").write_text(OBJECTIVE)
        assert len(cluster.nodes()) == 1, "the head alone"
        shell.tuner("run", "sweep.yaml", "--address", cluster.address)
        trials = json.loads(shell.tuner("trials", "grown", "-o", "json"))
        assert [trial["state"] for trial in trials] == ["COMPLETE"] * 12
        assert [trial["attempts"] for trial in trials] == [1] * 12
        nodes = json.loads(shell.tuner("nodes", "grown", "-o", "json"))["nodes"]
        assert sorted(node["type"] for node in nodes) == ["cpu", "cpu", "head"], "limits.nodes, without GPUs for nobody"
        assert {node["type"]: node["attempts"] > 0 for node in nodes} == {"head": False, "cpu": True}
        end_s = time.monotonic() + 60.0
        while len(cluster.nodes()) > 1:
            assert time.monotonic() < end_s, "the nodes stayed, so something is asked for still"
            time.sleep(0.5)


def test_of_types_that_are_alike_the_cheaper_one_is_started_though_ray_would_take_the_first(short_folder):
    described = swapped(ROOT / "examples" / "cluster_one_machine.yaml", Path(short_folder, "s"), 7375)
    types = described["available_node_types"]
    twins = {name: {**types["cpu"], "labels": {"tuner.io/price-h": price}} for name, price in PRICES.items()}
    described["available_node_types"] = {"head": types["head"], **twins}
    with LiveCluster(described, short_folder, ROOT) as cluster, Shell(cluster) as shell:
        (short_folder / "sweep.yaml").write_text(SWEEP)
        (short_folder / "slow.py").write_text(OBJECTIVE)
        shell.tuner("run", "sweep.yaml", "--address", cluster.address)
        nodes = json.loads(shell.tuner("nodes", "grown", "-o", "json"))["nodes"]
        assert sorted(node["type"] for node in nodes) == ["cheap", "cheap", "head"]
