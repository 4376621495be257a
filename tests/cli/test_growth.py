"""What a sweep says of nodes where nothing can grow is told, and what a study goes on with can be said anew."""

from __future__ import annotations

import sys

import pytest

import tuner as tuner_api
from tests.cli.conftest import SPEC
from tuner.api.runs import executor_before
from tuner.api.stores import open_store
from tuner.api.study import load_study
from tuner.core import events as ev
from tuner.study import Limits, PluginSpec
from tuner.sweep import growth_notes

NODES = Limits(trials=5, nodes=8)
WORK = "def train(params, context):\n    return params['x'] ** 2\n"
SWEEP = """
name: parabola
objective: {function: work:train}
metric: {name: loss, goal: minimize}
parameters: {x: {low: -1.0, high: 1.0}}
sampler: random
executor: inline
limits: {trials: 3, nodes: 8}
"""
GROWS = """
cluster_name: demo
max_workers: 2
provider: {type: aws, region: eu-central-1}
head_node_type: head
available_node_types:
  head: {resources: {CPU: 2}, node_config: {}}
  worker: {resources: {CPU: 4}, max_workers: 2, node_config: {}}
"""
STAYS = """
cluster_name: own
provider: {type: local, head_ip: 10.0.0.1, worker_ips: [10.0.0.2]}
auth: {ssh_user: me}
"""


@pytest.fixture
def sweep(tmp_path):
    (tmp_path / "work.py").write_text(WORK)
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    (tmp_path / "grows.yaml").write_text(GROWS)
    (tmp_path / "stays.yaml").write_text(STAYS)
    sys.modules.pop("work", None)
    yield tmp_path / "sweep.yaml"
    sys.modules.pop("work", None)


def ray(**options):
    return PluginSpec("ray", options)


@pytest.mark.parametrize(
    ("executor", "address", "said"),
    [
        (None, None, "a Ray on this machine is one node"),
        (ray(), None, "a Ray on this machine is one node"),
        (PluginSpec("inline"), None, "on no nodes"),
        (ray(), "10.0.0.5:6379", "nobody knows which nodes it can start"),
        (ray(address="10.0.0.5:6379", autoscale=True), None, "nobody knows which nodes it can start"),
        (ray(cluster_file="grows.yaml", autoscale=False), "10.0.0.5:6379", "autoscale: false"),
        (ray(cluster_file="stays.yaml"), "10.0.0.5:6379", "none is started on demand"),
        (ray(cluster_file="grows.yaml"), None, "executor.cluster_file does nothing here: without an address"),
    ],
)
def test_a_limit_of_nodes_that_bounds_nothing_is_told(sweep, monkeypatch, executor, address, said):
    monkeypatch.chdir(sweep.parent)
    [note] = growth_notes(NODES, executor, address=address)
    assert said in note


@pytest.mark.parametrize(
    ("limits", "executor", "address", "starts"),
    [
        (NODES, ray(cluster_file="grows.yaml"), "10.0.0.5:6379", True),
        (NODES, ray(cluster_file="grows.yaml"), None, False),  # the address may come with `run --address`
        (Limits(trials=5), None, None, True),
    ],
)
def test_nothing_is_told_where_it_counts_or_is_not_set(sweep, monkeypatch, limits, executor, address, starts):
    monkeypatch.chdir(sweep.parent)
    assert growth_notes(limits, executor, address=address, starts=starts) == ()


def test_a_cluster_file_that_the_head_has_left_counts(sweep, monkeypatch):
    monkeypatch.setenv("TUNER_CLUSTER_FILE", str(sweep.parent / "grows.yaml"))
    assert growth_notes(NODES, ray(), address="10.0.0.5:6379") == ()


def test_it_is_told_before_and_at_the_start(tuner, sweep):
    told = "note: limits.nodes: 8 does nothing here: executor inline runs trials in one process"
    assert told in tuner("validate", sweep).stderr
    assert tuner("validate", sweep, "-o", "json").json["notes"][0].startswith("limits.nodes: 8 does nothing here")
    assert told in tuner("run", sweep).stderr
    assert told in tuner("resume", "parabola", "--trials", "4").stderr


def test_what_a_cluster_file_will_be_a_nuisance_for_is_told_by_validate(tuner, sweep):
    answer = tuner("validate", sweep, "--set", "executor={type: ray, cluster_file: grows.yaml}")
    assert "note: grows.yaml: head: trials can land on the head" in answer.stderr
    assert "note: grows.yaml: worker: resources say no memory" in answer.stderr
    assert "does nothing here" not in answer.stderr, "an address may come with `tuner run --address`"


def test_every_limit_that_can_change_can_be_given_to_resume(tuner, sweep):
    tuner("run", sweep, "-q")
    given = ["--trials", 4, "--nodes", 3, "--trial-time", "10m", "--failures", "20%", "--time", "1h30m"]
    tuner("resume", "parabola", "-q", *given)
    store = open_store(load_study("parabola").store)
    try:
        [resumed] = [event for _, event in store.events("parabola") if isinstance(event, ev.StudyResumed)]
    finally:
        store.close()
    assert resumed.limits == Limits(
        trials=4, nodes=3, time_s=5400.0, trial_time_s=600.0, failures=None, failures_share=0.2
    )
    for option, value in (("--failures", "many"), ("--trial-time", "soon"), ("--time", "-3s"), ("--cost", "0")):
        answer = tuner("resume", "parabola", option, value, exit_code=2)
        assert option in answer.stderr


def test_a_study_goes_on_at_the_address_where_it_ran(keeper):
    store = open_store(keeper.url)
    store.create(SPEC, {"executor": {"type": "ray", "options": {"address": "10.0.0.5:6379"}}}).close("INTERRUPTED")
    info = store.study(SPEC.name)
    store.close()
    assert executor_before(info.provenance) == ray(address="10.0.0.5:6379")


def test_python_warns_of_it(tmp_path):
    with pytest.warns(UserWarning, match="limits.nodes: 8 does nothing here: executor inline"):
        tuner_api.run(
            lambda params, context: params["x"],
            space={"x": tuner_api.Float(0.0, 1.0)},
            metric="loss",
            goal="minimize",
            trials=1,
            nodes=8,
            executor="inline",
            store=f"sqlite:///{tmp_path}/t.db",
            name="warned",
        )
