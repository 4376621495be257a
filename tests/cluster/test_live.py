"""Sweeps on a real cluster that grows, while things happen to it: several at once, dead drivers, bad and lost nodes."""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.cluster.shells import Shell
from tests.stores import postgres
from tuner.api.study import load_study
from tuner.errors import TunerError
from tuner.testing.one_machine import LiveCluster, swapped
from tuner.trial import Completed, TrialState

ROOT = Path(__file__).parents[2]
IDLE_S = 9.0
SWEEP = """\
name: {name}
objective: {{function: "work:train"}}
metric: {{name: loss, goal: minimize}}
parameters: {{x: {{low: 0.0, high: 1.0}}}}
sampler: random
weight: {weight}
retry: 1
resources: {{cpu: 1, memory: 100MiB, gpu: 0}}
limits: {{trials: {trials}, failures: 1000}}
executor: {{type: ray, cluster_file: cluster.yaml}}
"""
OBJECTIVE = """\
import time
from pathlib import Path

import ray

BAD = Path("{bad}")


def train(params, context):
    for step in range(1, 6):
        time.sleep({step_s})
        if BAD.exists() and BAD.read_text() == ray.get_runtime_context().get_node_id():
            raise OSError("the disk is full")
        context.report(step, loss=params["x"] / step)
    return {{"loss": params["x"]}}
"""
WATCH = """\
import json, sys, time, ray
ray.init(sys.argv[1], namespace="tuner", _node_ip_address=sys.argv[1].split(":")[0], log_to_driver=False)
while True:
    try:
        steward = ray.get_actor("tuner-steward", namespace="tuner")
        members, asked = ray.get([steward.members.remote(), steward.asked.remote()], timeout=5)
        alive = sum(row["Alive"] for row in ray.nodes()) - 1
        print(json.dumps([dict(members), len(asked or ()), alive]), flush=True)
    except Exception:
        print("[{}, 0, 0]", flush=True)
    time.sleep(1)
"""
HEALTH = (
    '{"health_check_initial_delay_ms":0,"health_check_period_ms":1000,"health_check_timeout_ms":2000,'
    '"health_check_failure_threshold":3}'
)
T = TypeVar("T")

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]


class Site(Shell):
    """A cluster and a folder with sweeps beside its file."""

    def __init__(self, cluster: LiveCluster, step_s: float) -> None:
        super().__init__(cluster)
        self.bad = self.home / "bad"
        (self.home / "work.py").write_text(OBJECTIVE.format(bad=self.bad, step_s=step_s))
        (self.home / "watch.py").write_text(WATCH)

    def sweep(self, name: str, trials: int, weight: float = 1.0) -> None:
        (self.home / f"{name}.yaml").write_text(SWEEP.format(name=name, weight=weight, trials=trials))

    def until_empty(self) -> None:
        until(lambda: len(self.cluster.nodes()) == 1, "the nodes stayed, so something is asked for still", 90.0)


def until(look: Callable[[], T], what: str, timeout_s: float = 120.0) -> T:
    """Look until there is something to see."""
    end_s = time.monotonic() + timeout_s
    while not (found := look()):
        assert time.monotonic() < end_s, what
        time.sleep(0.5)
    return found


def site(port: int, n_started: int, step_s: float) -> Iterator[Site]:
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="l")))  # short, for Ray's sockets
        described = swapped(
            ROOT / "examples" / "cluster_one_machine.yaml",
            home / "s",
            port,
            {"idle_timeout_minutes": IDLE_S / 60, "cluster_name": "live", "max_workers": 4},
        )
        described["available_node_types"]["cpu"] |= {"min_workers": n_started}
        described["head_start_ray_commands"] = [
            f"{described['head_start_ray_commands'][0].strip()} --system-config='{HEALTH}'"
        ]
        yield stack.enter_context(Site(stack.enter_context(LiveCluster(described, home, ROOT)), step_s))


@pytest.fixture
def growing() -> Iterator[Site]:
    """A cluster without a worker."""
    yield from site(7380, 0, 0.6)  # long enough that a busy machine starts processes beside them


@pytest.fixture
def three() -> Iterator[Site]:
    """A cluster of three workers, or four when one is missed."""
    yield from site(7385, 3, 0.2)


@pytest.fixture
def database() -> Iterator[str]:
    name = postgres.new_database()
    yield postgres.url_of(name)
    postgres.drop_database(name)


def finished(name: str, url: str) -> int:
    try:
        return load_study(name, url).info.counts.get("COMPLETE", 0)
    except TunerError:  # it is not there yet
        return 0


def test_two_sweeps_share_a_cluster_that_grows_and_one_whose_driver_was_killed_goes_on(growing, database):
    light = f"sqlite:///{growing.home}/light.db"
    growing.sweep("light", 80)
    growing.sweep("heavy", 400, weight=3.0)
    at = ("--address", growing.cluster.address, "--store")
    growing.start("watch.py", growing.cluster.address, out="watch.out")
    drivers = [
        growing.start("-m", "tuner", "run", f"{name}.yaml", *at, url, out=f"{name}.out")
        for name, url in (("light", light), ("heavy", database))
    ]

    def seen() -> list[list[Any]]:
        lines = (growing.home / "watch.out").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("[") and line.endswith("]")]

    until(lambda: any(n_nodes == 4 for _, _, n_nodes in seen()), "the cluster did not grow to what both want", 240.0)
    counts = finished("heavy", database), finished("light", light)
    until(lambda: finished("heavy", database) >= counts[0] + 36, "one of them starved")
    heavy_more, light_more = finished("heavy", database) - counts[0], finished("light", light) - counts[1]
    drivers[1].kill()
    drivers[1].wait()
    assert 2.0 < heavy_more / light_more < 4.5, "three times as many, give or take what ended just then"
    before = {trial.number: trial for trial in load_study("heavy", database).trials}

    assert drivers[0].wait(240) == 0, (growing.home / "light.out").read_text()
    members = [shares for shares, _, _ in seen()]
    assert {"heavy": 0.75, "light": 0.25} in members
    assert {"light": 1.0} in members, "the dead one's share is the other one's now"
    assert max(asked for _, asked, _ in seen()) == 8, "what both want together, as far as the node types hold it"
    growing.until_empty()

    growing.tuner("resume", "heavy", "--trials", str(len(before) + 20), "-q", *at, database)
    _nothing_is_lost_or_doubled(before, database)
    growing.until_empty()


def _nothing_is_lost_or_doubled(before: dict[int, Any], database: str) -> None:
    study = load_study("heavy", database)
    done = [number for number, trial in before.items() if trial.state is TrialState.COMPLETE]
    assert [trial.number for trial in study.trials] == list(range(len(before) + 20))
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
    assert [study.trials[number] for number in done] == [before[number] for number in done]
    completions = Counter(a.trial for a in study.attempts() if isinstance(a.outcome, Completed))
    assert set(completions.values()) == {1}
    again = {attempt.trial for attempt in study.attempts() if attempt.number > 1}
    assert again.isdisjoint(done)
    assert again >= {number for number, trial in before.items() if trial.state is TrialState.RUNNING}


def test_a_cluster_whose_only_driver_was_killed_falls_back_to_nothing(growing):
    store = f"sqlite:///{growing.home}/lonely.db"
    growing.sweep("lonely", 400)
    arguments = ("run", "lonely.yaml", "--address", growing.cluster.address, "--store", store)
    driver = growing.start("-m", "tuner", *arguments, out="lonely.out")
    until(lambda: finished("lonely", store) >= 3, "nothing ran", 240.0)
    assert len(growing.cluster.nodes()) > 1
    driver.kill()
    growing.until_empty()


def test_a_quarantined_node_is_released_and_lost_ones_are_told(three):
    three.sweep("live", 5000)
    store = ("--store", f"sqlite:///{three.home}/tuner.db")
    three.start("-m", "tuner", "run", "live.yaml", "--address", three.cluster.address, *store, out="live.out")

    def nodes() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(three.tuner("nodes", "live", *store, "-o", "json"))["nodes"]
        return [node for node in found if node["type"] == "cpu"]

    def node(node_id: str) -> dict[str, Any]:
        return next(each for each in nodes() if each["node_id"] == node_id)

    until(lambda: finished("live", store[1]) > 0, "nothing ran")
    until(lambda: sum(each["attempts"] > 3 for each in nodes()) == 3, "some node does not work")
    bad, spot, dead = (each["node_id"] for each in nodes())
    three.bad.write_text(bad)
    until(lambda: node(bad)["quarantined"], "nothing was held against a node where everything fails")
    told = three.tuner("nodes", "live", *store)
    assert f"to trust one again: tuner nodes live --release {bad[:12]}" in told
    until(lambda: node(bad)["running"] == 0, "what ran there did not end")
    held = node(bad)["attempts"]
    until(lambda: sum(each["attempts"] for each in nodes()) > 30 + held, "the others stopped too")
    assert node(bad)["attempts"] == held, "it got work although it is quarantined"
    three.bad.unlink()
    assert "asked the driver of live to trust" in three.tuner("nodes", "live", "--release", bad[:12], *store)
    until(lambda: node(bad)["attempts"] > held + 3, "it got nothing after its release")
    assert node(bad)["quarantined"] is None

    _drain(three, spot)
    until(lambda: node(spot)["gone"], "the notice was not heard")
    _kill(three, dead)
    until(lambda: node(dead)["gone"], "the dead node was not missed")
    assert node(spot)["gone"].startswith("preempted")
    assert node(dead)["gone"].startswith("died: ")
    lines = three.tuner("nodes", "live", *store).splitlines()
    assert any(line.startswith(f"{spot[:12]} was preempted") for line in lines)
    assert any(line.startswith(f"{dead[:12]} died (") for line in lines)
    _explained(three, store, dead)


def _explained(three: Site, store: Sequence[str], dead: str) -> None:
    trials = until(
        lambda: [
            row["number"]
            for row in json.loads(three.tuner("trials", "live", *store, "-o", "json"))
            if row["attempts"] > 1 and row["state"] == "COMPLETE"
        ],
        "no trial was tried again",
    )
    stories = [three.tuner("explain", "live", str(number), *store) for number in trials[-2:]]
    assert any(f"failed (node_lost): node {dead[:12]} died" in story for story in stories), stories


def _drain(three: Site, node_id: str) -> None:
    """As when the cloud gives notice of a spot machine."""
    three.cluster.ray(
        "drain-node", "--address", three.cluster.address, "--node-id", node_id,
        "--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "spot", "--deadline-remaining-seconds", "20",
    )  # fmt: skip


def _kill(three: Site, node_id: str) -> None:
    """All processes of a node, found by what its raylet was told to be."""
    address = _addresses(three)[node_id]
    three.cluster.kill(next(name for name, ip in three.cluster.nodes().items() if ip == address))


def _addresses(three: Site) -> dict[str, str]:
    code = (
        "import json, sys, ray; at = sys.argv[1]\n"
        "ray.init(at, _node_ip_address=at.split(':')[0], log_to_driver=False)\n"
        "print('\\n' + json.dumps({row['NodeID']: row['NodeManagerAddress'] for row in ray.nodes()}))\n"
    )
    process = three.start("-c", code, three.cluster.address, out="nodes.out")
    process.wait(60)
    text = (three.home / "nodes.out").read_text()
    found: dict[str, str] = next(json.loads(line) for line in text.splitlines() if line.startswith("{"))
    return found
