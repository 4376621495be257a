"""The executors under their conformance suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tuner.cluster.connect import Cluster
from tuner.core.actions import Stop
from tuner.core.events import Finished, Started
from tuner.core.ports import Executor
from tuner.executors.inline import Inline
from tuner.executors.ray import RayExecutor
from tuner.executors.simulated import Simulated
from tuner.testing.executors import GRACE_S, Drive, ExecutorTestCase
from tuner.trial import Completed, Failed, FailureKind


class TestInline(ExecutorTestCase):
    has_processes = False

    @pytest.fixture
    def executor(self) -> Iterator[Executor]:
        executor = Inline()
        yield executor
        executor.close()


@pytest.mark.ray
class TestRay(ExecutorTestCase):
    n_lanes = 2

    @pytest.fixture
    def executor(self, ray_cluster: Cluster) -> Iterator[Executor]:
        executor = RayExecutor(cluster=ray_cluster)
        yield executor
        executor.close()


class TestSimulated(ExecutorTestCase):
    """In virtual time: what needs a process, a disk or a clock on the wall is left out or asked of the events."""

    n_lanes = 2
    left_out = frozenset(
        {
            "test_memory_is_measured_above_what_the_process_holds_anyway",
            "test_params_seed_and_grant_arrive_as_they_were_sent",
            "test_an_objective_that_cannot_be_sent_is_refused",
            "test_what_an_attempt_prints_is_its_log",
            "test_of_a_flood_of_output_head_and_tail_are_kept",
            "test_time_is_seconds_since_the_epoch_and_never_falls",
            "test_wake_ends_a_poll",
        }
    )

    @pytest.fixture
    def executor(self) -> Iterator[Executor]:
        executor = Simulated(cpu=2.0)
        yield executor
        executor.close()

    def test_attempts_of_a_lane_run_in_order_and_never_overlap(self, drive: Drive, tmp_path: Path) -> None:
        starts = [
            drive.as_start(lane * 10 + i, {"do": "value", "sleep_s": 0.03}, lane) for lane in (0, 1) for i in range(6)
        ]
        drive.start_all(starts)
        drive.finish([start.trial for start in starts])
        for lane in (0, 1):
            mine = [e for e in drive.events if isinstance(e, Started | Finished) and e.trial // 10 == lane]
            assert [(type(e), e.trial) for e in mine] == [
                (kind, lane * 10 + i) for i in range(6) for kind in (Started, Finished)
            ]

    @pytest.mark.parametrize("sleep_s", [0.0, 1.5])
    @pytest.mark.parametrize("deed", ["crash", "kill"])
    def test_a_process_that_dies_costs_its_attempt_only(self, drive: Drive, deed: str, sleep_s: float) -> None:
        outcome = drive.run({"do": deed, "sleep_s": sleep_s})
        assert isinstance(outcome, Failed)
        assert outcome.kind is FailureKind.WORKER_LOST
        assert drive.run({"do": "value"}) == Completed({"loss": 1.0})

    def test_an_attempt_that_hangs_is_ended_by_force_and_its_lane_goes_on(self, drive: Drive) -> None:
        trials = drive.start({"do": "hang"})
        drive.until(lambda: bool(drive.of(Started, 0)))
        drive.executor.stop([Stop(0, 1, "the sweep ends", prune=False)])
        [outcome] = drive.finish(trials)
        assert drive.events[-1].at_s == GRACE_S
        assert isinstance(outcome, Failed)
        assert outcome.kind is FailureKind.STOPPED
        assert "did not stop within 1 s" in outcome.message
        assert drive.run({"do": "value"}) == Completed({"loss": 1.0})
