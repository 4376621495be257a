"""The Ray executor, beyond what every executor must do."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
import ray

from tuner import plugins
from tuner.cluster.connect import Cluster
from tuner.core.actions import Start, Stop
from tuner.core.events import Reported, Started
from tuner.core.ports import Objective
from tuner.errors import ClusterUnreachable, ExecutorError, SweepError
from tuner.executors.ray import RayExecutor
from tuner.resources import Resources
from tuner.study import PluginSpec
from tuner.testing.executors import Drive
from tuner.trial import Completed, Failed, FailureKind

pytestmark = pytest.mark.ray


@pytest.fixture
def opened(ray_cluster: Cluster, tmp_path: Path):
    executors = []

    def make(objective: Objective | None = None, **options) -> Drive:
        executor = RayExecutor(cluster=ray_cluster, **options)
        executors.append(executor)
        return Drive(executor, tmp_path, objective)

    yield make
    for executor in executors:
        executor.close()


class FunctionObjective(Objective):
    def __init__(self, function) -> None:
        self.function = function

    def run(self, params, context):
        return self.function(params, context)


class Data(Objective):
    """Carries a table and leaves a line wherever it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.table, self.trace = np.arange(2_000_000, dtype=np.float64), trace

    def __setstate__(self, state) -> None:
        self.__dict__.update(state)
        with self.trace.open("a") as file:
            file.write(f"{os.getpid()}\n")

    def run(self, params, context):
        return {
            "loss": float(self.table[-1]),
            "pid": float(os.getpid()),
            "shared": float(not self.table.flags.writeable and not self.table.flags.owndata),
        }


def test_data_reach_a_worker_process_once_and_are_not_copied(opened, tmp_path):
    drive = opened(Data(tmp_path / "trace"))
    for _ in range(3):
        drive.finish(drive.start({}, {}, {}, lane=0) + drive.start({}, {}, {}, lane=1))
    outcomes = drive.finish(drive.start({}))
    assert isinstance(outcomes[0], Completed)
    assert outcomes[0].values["loss"] == 1_999_999.0
    assert outcomes[0].values["shared"] == 1.0
    unpickled = Counter((tmp_path / "trace").read_text().split())
    assert len(unpickled) <= 4
    assert set(unpickled.values()) == {1}


def test_a_closure_of_this_file_runs_there(opened):
    factor = 21.0
    drive = opened(FunctionObjective(lambda params, context: factor * params["x"]))
    assert drive.run({"x": 2}) == Completed({"loss": 42.0})


def test_modules_whose_folder_came_into_the_path_after_ray_had_started_are_found(opened, tmp_path, monkeypatch):
    (tmp_path / "beside_the_sweep.py").write_text("def train():\n    return 3.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    def train(params, context):
        import beside_the_sweep  # type: ignore[import-not-found]

        return beside_the_sweep.train()

    assert opened(FunctionObjective(train)).run({}) == Completed({"loss": 3.0})


class Homesick(Objective):
    """Cannot be unpickled anywhere else."""

    def __reduce__(self):
        return _arrive, (os.getpid(),)

    def run(self, params, context):
        return 0.0


def _arrive(home: int) -> Homesick:
    if os.getpid() != home:
        raise ModuleNotFoundError("No module named 'left_at_home'")
    return Homesick()


def test_an_objective_that_workers_cannot_load_fails_its_attempts_with_the_reason(opened):
    outcome = opened(Homesick()).run({})
    assert isinstance(outcome, Failed)
    assert outcome.kind is FailureKind.RAISED
    assert "cannot be loaded in a worker process" in outcome.message
    assert "left_at_home" in outcome.message


def test_no_report_is_lost_when_two_workers_report_without_pause(opened):
    drive = opened()
    trials = [drive.start({"do": "report", "n": 20_000}, lane=lane)[0] for lane in (0, 1)]
    drive.finish(trials)
    for trial in trials:
        assert [event.step for event in drive.of(Reported, trial)] == list(range(20_000))


def test_reports_of_a_running_attempt_arrive_at_once(opened):
    drive = opened()
    trials = drive.start({"do": "report until stopped"})
    drive.until(lambda: len(drive.of(Reported, 0)) >= 20, patience_s=10)
    drive.executor.stop([Stop(0, 1, "enough")])
    drive.finish(trials)


def test_an_attempt_that_runs_says_so_before_it_reports_or_ends(opened):
    drive = opened()
    trials = drive.start({"do": "listen"})
    drive.until(lambda: bool(drive.of(Started, 0)), patience_s=10)
    assert drive.of(Started, 0)[0].node_id in {node["NodeID"] for node in ray.nodes()}
    drive.executor.stop([Stop(0, 1, "enough")])
    drive.finish(trials)


def test_what_a_running_attempt_prints_can_be_followed(opened):
    def talk(params, context):
        print("half-way")
        while context.stop_requested is None:
            time.sleep(0.02)
        print("done")
        return 1.0

    drive = opened(FunctionObjective(talk))
    trials = drive.start({})
    deadline_s = time.monotonic() + 15
    while drive.log(0) != "half-way\n":
        assert time.monotonic() < deadline_s
        drive.executor.poll(drive.executor.now_s() + 0.05)
    drive.executor.stop([Stop(0, 1, "enough")])
    assert drive.finish(trials) == [Completed({"loss": 1.0})]
    assert drive.log(0) == "half-way\ndone\n"


def test_an_attempt_that_holds_the_interpreter_is_taken_for_hung_after_its_lease(opened):
    def hold(params, context):
        import ctypes

        print("holding on", flush=True)
        ctypes.PyDLL(None).sleep(60)  # PyDLL keeps the lock of the interpreter: no thread runs, no heartbeat goes out
        return 1.0

    drive = opened(FunctionObjective(hold), lease_s=2.0, heartbeat_s=0.5)
    outcome = drive.run({})
    assert isinstance(outcome, Failed)
    assert outcome.kind is FailureKind.HUNG
    assert "for 2 s" in outcome.message
    assert "holding on" in drive.log(0)


def test_a_silent_attempt_whose_process_lives_keeps_its_lease(opened):
    drive = opened(lease_s=1.0, heartbeat_s=0.2)
    assert drive.run({"do": "value", "sleep_s": 3.0}) == Completed({"loss": 0.0})


def test_without_its_mailbox_an_attempt_still_ends_with_all_its_reports_and_new_ones_start(opened):
    drive = opened()
    trials = drive.start({"do": "report until stopped"})
    drive.until(lambda: len(drive.of(Reported, 0)) >= 5)
    lost = drive.executor._mailbox_name
    ray.kill(drive.executor._mailbox)
    deadline_s = time.monotonic() + 15
    while drive.executor._mailbox_name == lost:
        assert time.monotonic() < deadline_s, "no new mailbox came"
        drive.executor.poll(drive.executor.now_s() + 0.1)
    assert drive.finish(drive.start({"do": "report", "n": 50}, lane=1)) == [Completed({"loss": 1.0})]
    assert [event.step for event in drive.of(Reported, 1)] == list(range(50))
    drive.executor.stop([Stop(0, 1, "enough", prune=False)])
    [outcome] = drive.finish(trials)  # it cannot be told any more, so it is killed
    assert isinstance(outcome, Failed)
    assert outcome.kind is FailureKind.STOPPED


def test_a_grant_that_ray_cannot_give_fails_the_attempt_and_not_the_sweep(opened):
    drive = opened()
    drive.start_all([Start(0, 1, {"do": "value"}, Resources(cpu=1.0, gpu=1.5), 0, 1)])
    [outcome] = drive.finish([0])
    assert isinstance(outcome, Failed)
    assert "1.5" in outcome.message
    assert drive.run({"do": "value"}) == Completed({"loss": 1.0})


def test_memory_is_asked_of_ray_in_bytes(opened):
    drive = opened()
    drive.start_all([Start(0, 1, {"do": "listen"}, Resources(cpu=1.0, memory_mib=256.0), 0, 1)])
    drive.until(lambda: bool(drive.of(Started, 0)))
    deadline_s = time.monotonic() + 10
    while ray.cluster_resources()["memory"] - ray.available_resources()["memory"] != 256 * 2**20:
        assert time.monotonic() < deadline_s, "the attempt's memory does not show"
        drive.executor.poll(drive.executor.now_s() + 0.1)
    drive.executor.stop([Stop(0, 1, "enough")])
    drive.finish([0])


def test_an_executor_whose_cluster_was_given_leaves_it_running(opened, ray_cluster):
    drive = opened()
    drive.run({"do": "value"})
    drive.executor.close()
    assert ray.is_initialized()
    assert ray_cluster.nodes()


def test_what_went_wrong_in_the_background_is_raised_by_open(tmp_path):
    future: Future[Cluster] = Future()
    future.set_exception(ClusterUnreachable("the cluster is away"))
    with pytest.raises(ClusterUnreachable, match="is away"):
        Drive(RayExecutor(cluster=future), tmp_path)


def test_a_process_that_is_connected_to_one_ray_is_not_connected_to_another(ray_cluster, tmp_path):
    with pytest.raises(ExecutorError, match=f"connected to the Ray at {ray_cluster.address} already"):
        Drive(RayExecutor(address="127.0.0.1:1"), tmp_path)


def test_options_are_checked_by_name():
    assert isinstance(plugins.build("executor", PluginSpec("ray", {"num_cpus": 2})), RayExecutor)
    with pytest.raises(SweepError, match="num_cpu"):
        plugins.build("executor", PluginSpec("ray", {"num_cpu": 2}))


def test_importing_tuner_does_not_import_ray():
    code = "import sys, tuner, tuner.plugins; tuner.plugins.names('executor'); sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
