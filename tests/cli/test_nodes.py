"""``tuner nodes``: what it lists, and that a release reaches the running driver."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.cli.conftest import SPEC
from tuner.api.stores import open_store
from tuner.core import events as ev
from tuner.resources import Node, Resources, Usage
from tuner.study import Limits, PluginSpec, Retry
from tuner.trial import Completed, Failed, FailureKind

BAD, GOOD = "bad-node-0123456789", "good-node-0123456789"
WHY = "attempts failed, of"


@pytest.fixture
def running(keeper):
    """The log of a study that runs: on one of its three nodes every trial failed."""
    spec = replace(SPEC, name="run", limits=Limits(trials=60), retry=Retry(0), pruner=PluginSpec("none"))
    store = open_store(keeper.url)
    log = store.create(spec, {})
    nodes = [Node(BAD, Resources(1.0, 0.0, 2048.0), {}, "spot"), Node(GOOD, Resources(1.0, 1.0, 8192.0))]
    nodes.append(Node("third", Resources(1.0)))
    log.append([ev.StudyOpened(0.0, spec), *(ev.NodeJoined(0.0, node) for node in nodes)], [])
    for number in range(24):
        at_s = float(number)
        failed = number % 2 == 0
        outcome = Failed(FailureKind.RAISED, "OSError") if failed else Completed({"accuracy": 0.5})
        log.append(
            [
                ev.Suggested(at_s, number, {"lr": 0.01, "layers": 2, "kind": "tanh"}),
                ev.Started(at_s, number, 1, BAD if failed else GOOD),
                ev.Finished(at_s + 0.5, number, 1, outcome, Usage(1.0, 0.5, 0.5)),
            ],
            [],
        )
    yield log
    log.close("INTERRUPTED")
    store.close()


def test_nodes_are_listed_with_what_they_offer_and_how_they_do(tuner, running):
    lines = tuner("nodes", "run").lines
    assert lines[0].split() == ["node", "type", "offers", "state", "running", "attempts", "failed", "slowdown"]
    assert lines[1].split() == f"{BAD[:12]} spot 1 CPU, 2.0 GiB quarantined 0 12 12 raised -".split()
    assert lines[2].startswith(f"{GOOD[:12]}  -     1 CPU, 1 GPU, 8.0 GiB  up")
    assert lines[3].split()[:5] == ["third", "-", "1", "CPU", "up"]
    assert lines[4].startswith(f"{BAD[:12]} is quarantined:")
    assert WHY in lines[4]
    assert lines[5] == f"to trust one again: tuner nodes run --release {BAD[:12]}"


def test_nodes_as_plain_data(tuner, running):
    told = tuner("nodes", "run", "-o", "json").json
    assert told["study"] == "run"
    bad, good, third = told["nodes"]
    assert (bad["node_id"], bad["type"], bad["memory_mib"], bad["alive"]) == (BAD, "spot", 2048.0, True)
    assert (bad["attempts"], bad["failures"]) == (12, {"raised": 12})
    assert WHY in bad["quarantined"]
    assert (good["quarantined"], third["attempts"]) == (None, 0)


@pytest.mark.parametrize(("asked", "sent"), [("all", "all"), (BAD, BAD), ("bad", BAD)])
def test_a_release_reaches_the_driver(tuner, running, asked, sent):
    answer = tuner("nodes", "run", "--release", asked)
    assert answer.stdout.startswith(f"asked the driver of run to trust {BAD[:12]} again")
    assert list(running.received()) == [("release", {"node": sent})]


def test_a_released_node_is_quarantined_no_more(tuner, running):
    running.append([ev.CommandReceived(30.0, "release", {"node": BAD})], [])
    answer = tuner("nodes", "run")
    assert "quarantined" not in answer.stdout


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("god", "has no node 'god'"),
        (GOOD, f"node '{GOOD}' is not quarantined"),
    ],
)
def test_what_cannot_be_released_is_told(tuner, running, asked, said):
    answer = tuner("nodes", "run", "--release", asked, exit_code=2)
    assert said in answer.stderr
    assert list(running.received()) == []


def test_a_study_that_nobody_runs_releases_nothing(tuner, digits):
    answer = tuner("nodes", "digits", "--release", "all", exit_code=2)
    assert "nobody runs study 'digits'" in answer.stderr
    assert "tuner resume digits" in answer.stderr


def test_status_names_what_a_study_waits_for_where_nothing_runs(tuner, keeper):
    spec = replace(SPEC, name="waits")
    store = open_store(keeper.url)
    log = store.create(spec, {})
    log.append([ev.StudyOpened(0.0, spec)], [])
    assert tuner("status", "waits", "-o", "json").json["waiting_for"] == "a node to join the cluster"
    small = Node("n", Resources(0.5, 0.0, 2048.0))
    log.append([ev.NodeJoined(1.0, small), ev.Suggested(1.0, 0, {"lr": 0.01, "layers": 2, "kind": "tanh"})], [])
    waits = next(line for line in tuner("status", "waits").lines if line.startswith("waits for"))
    assert "a node that can hold" in waits
    log.close("INTERRUPTED")
    store.close()


@pytest.mark.parametrize(
    ("reason", "state", "told"),
    [
        ("preempted: spot", "preempted", "was preempted (spot); 1 attempt was lost on it, at the cost of no retry"),
        ("died: no answer", "died", "died (no answer); 1 attempt was lost on it, at the cost of no retry"),
        ("removed", "removed", None),
        ("the node died", "gone", "the node died; 1 attempt was lost on it, at the cost of no retry"),  # of older logs
    ],
)
def test_what_became_of_a_node_is_told(tuner, running, reason, state, told):
    running.append(
        [
            ev.Suggested(30.0, 24, {"lr": 0.01, "layers": 2, "kind": "tanh"}),
            ev.Started(30.0, 24, 1, GOOD),
            ev.Finished(31.0, 24, 1, Failed(FailureKind.NODE_LOST, "node good-node-01 died"), Usage()),
            ev.NodeLost(31.0, GOOD, reason),
        ],
        [],
    )
    lines = tuner("nodes", "run").lines
    assert f"  {state}  " in lines[2]
    about = [line for line in lines[4:] if line.startswith(GOOD[:12])]
    assert about == ([f"{GOOD[:12]} {told}"] if told else [])
    assert tuner("nodes", "run", "-o", "json").json["nodes"][1]["gone"] == reason
