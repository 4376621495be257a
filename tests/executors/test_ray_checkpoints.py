"""Checkpoints of Ray workers that do not have the driver's file system, and of those that die with a word on their lips."""

from __future__ import annotations

from pathlib import Path

import pytest
import ray

from tuner.cluster.connect import Cluster
from tuner.core.ports import Objective
from tuner.executors import _ray_checkpoints
from tuner.executors.ray import RayExecutor
from tuner.testing.executors import Drive
from tuner.trial import Completed, Failed, FailureKind, Params

pytestmark = pytest.mark.ray


@pytest.fixture
def apart(ray_cluster: Cluster, tmp_path: Path):
    """A driver whose workers do not find the mark on their file system."""
    executors = []

    def make(objective: Objective | None = None) -> Drive:
        executor = RayExecutor(cluster=ray_cluster)
        executors.append(executor)
        drive = Drive(executor, tmp_path, objective)
        executor._keeper.unmark()  # type: ignore[union-attr]
        return drive

    yield make
    for executor in executors:
        executor.close()


def test_checkpoints_travel_to_the_driver_and_back(apart, tmp_path):
    drive = apart()
    params: Params = {"do": "count", "n": 5, "ends_at": 3, "killed": True, "sleep_s": 0.1}
    outcome = drive.attempt(0, 1, params)
    assert isinstance(outcome, Failed)
    assert outcome.kind is FailureKind.WORKER_LOST
    latest = drive.saved(0)[-1]
    assert latest.step == 3
    assert Path(latest.place).is_relative_to(tmp_path / "checkpoints")
    assert latest.size_mib == pytest.approx(100_001 / 2**20)
    assert drive.attempt(0, 2, params, latest) == Completed({"loss": 5.0, "began": 3.0})


class Heavy(Objective):
    def run(self, params, context):
        _ray_checkpoints.MOST_TRAVEL_MIB = 0.5
        with context.save_checkpoint(1) as folder:
            (folder / "weights").write_bytes(b"x" * (1 << 20))
        return 1.0


def test_what_is_too_large_to_travel_is_told_with_the_way_out(apart):
    outcome = apart(Heavy()).run({"x": 0.5})
    assert isinstance(outcome, Failed)
    assert "has 1 MiB" in outcome.message
    assert "a folder that all machines share" in outcome.message


class Bereft(Objective):
    """Its mailbox dies before it saves."""

    def run(self, params, context):
        context.report(1, loss=1.0)
        while not Path(str(params["gone"])).exists():
            pass
        with context.save_checkpoint(2) as folder:
            (folder / "weights").write_text("x")
        return 1.0


def test_an_attempt_whose_checkpoint_cannot_be_kept_goes_on_without(apart, tmp_path):
    drive = apart(Bereft())
    drive.start({"gone": str(tmp_path / "gone")})
    drive.until(lambda: len(drive.events) >= 3)
    ray.kill(drive.executor._mailbox)
    (tmp_path / "gone").touch()
    assert drive.finish([0]) == [Completed({"loss": 1.0})]
    assert drive.saved(0) == []
    assert "no checkpoint of step 2" in drive.log(0)
