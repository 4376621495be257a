"""The conformance suite of executors: what every ``tuner.core.ports.Executor`` must do, as a pytest class to derive from.

    class TestMine(ExecutorTestCase):
        n_lanes = 4

        @pytest.fixture
        def executor(self) -> Iterator[Executor]:
            executor = Mine()
            yield executor
            executor.close()

Every test gets an executor of its own that was not opened. It must run the attempts of ``n_lanes`` lanes at the same time,
each with one CPU. ``has_processes`` says whether attempts run in processes of their own, which can be killed; ``left_out``
names tests that mean nothing for an executor (a simulated one has no disk and no clock on the wall).

Needs pytest.
"""

# ruff: noqa: D102 -- a test's name says what it tests

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar, TypeVar

import pytest

from tuner.core.actions import Start, Stop
from tuner.core.events import Checkpointed, Event, Finished, NodeJoined, Reported, Started
from tuner.core.ports import Executor, Objective
from tuner.errors import ExecutorError
from tuner.resources import Resources
from tuner.space import Float, SearchSpace
from tuner.study import Metric, PluginSpec, ResourceRequest, StudySpec
from tuner.testing._executor_objective import Deed, Unpicklable
from tuner.trial import Checkpoint, Completed, Failed, FailureKind, Outcome, Params, Pruned

__all__ = ["Drive", "ExecutorTestCase"]

PATIENCE_S = 30.0
GRACE_S = 1.0
_MIB = 1 << 20
_E = TypeVar("_E", Started, Reported, Checkpointed, Finished)


class Drive:
    """An open executor with all that it has told, and a few questions about that.

    Args:
        executor: Not opened yet.
        directory: For logs.
        objective: What it runs; None for ``Deed``.
    """

    def __init__(self, executor: Executor, directory: Path, objective: Objective | None = None) -> None:
        self.executor, self.directory = executor, directory
        self.events: list[Event] = []
        self._n_started = 0
        spec = StudySpec(
            "conformance",
            (Metric("loss"),),
            SearchSpace({"x": Float(0, 1)}),
            PluginSpec("function"),
            resources=ResourceRequest(cpu=1.0),
            stop_grace_s=GRACE_S,
        )
        executor.open(spec, objective or Deed(), directory)

    def start(self, *params: Params, lane: int = 0) -> list[int]:
        """Start a trial with each of these parameters, all on one lane; their numbers."""
        first, self._n_started = self._n_started, self._n_started + len(params)
        starts = [self.as_start(first + i, chosen, lane) for i, chosen in enumerate(params)]
        self.executor.start(starts)
        return [start.trial for start in starts]

    @staticmethod
    def as_start(trial: int, params: Params, lane: int = 0) -> Start:
        """The first attempt of a trial, with one CPU and nothing else."""
        return Start(trial, 1, params, Resources(cpu=1.0), lane, seed=1000 + trial)

    def attempt(
        self, trial: int, attempt: int, params: Params, checkpoint: Checkpoint | None = None, lane: int = 0
    ) -> Outcome:
        """Run one attempt of a trial, from a checkpoint if one is given; how it ended."""
        start = Start(trial, attempt, params, Resources(cpu=1.0), lane, 1000 + trial, checkpoint)
        self.start_all([start])
        return self.end_of(trial, attempt)

    def end_of(self, trial: int, attempt: int) -> Outcome:
        """Wait for the end of an attempt; how it ended."""

        def ends() -> list[Outcome]:
            return [event.outcome for event in self.of(Finished, trial) if event.attempt == attempt]

        self.until(lambda: bool(ends()))
        return ends()[0]

    def saved(self, trial: int, attempt: int = 1) -> list[Checkpoint]:
        """What was told of an attempt's checkpoints."""
        return [event.checkpoint for event in self.of(Checkpointed, trial) if event.attempt == attempt]

    def start_all(self, starts: Sequence[Start]) -> None:
        """Start these, in one call."""
        self._n_started = max([self._n_started, *(start.trial + 1 for start in starts)])
        self.executor.start(starts)

    def until(self, happened: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
        """Poll until something has happened that the events show."""
        deadline_s = self.executor.now_s() + patience_s
        while not happened():
            assert self.executor.now_s() < deadline_s, f"waited {patience_s} s; so far: {self.events[-20:]}"
            self.events += self.executor.poll(deadline_s)
        times = [event.at_s for event in self.events]
        assert times == sorted(times), "the time of events falls"

    def finish(self, trials: Sequence[int]) -> list[Outcome]:
        """Wait for the end of these trials; how they ended, each exactly once."""
        self.until(lambda: all(self.of(Finished, trial) for trial in trials))
        ends = [self.of(Finished, trial) for trial in trials]
        assert all(len(end) == 1 for end in ends), f"finished more than once: {ends}"
        return [end[0].outcome for end in ends]

    def run(self, params: Params) -> Outcome:
        """Run one trial to its end."""
        return self.finish(self.start(params))[0]

    def of(self, kind: type[_E], trial: int) -> list[_E]:
        """What was told of a trial."""
        return [event for event in self.events if isinstance(event, kind) and event.trial == trial]

    def log(self, trial: int) -> str:
        """The log of a trial's first attempt; empty when there is none."""
        path = self.directory / f"{trial}.1.log"
        return path.read_text() if path.exists() else ""


class ExecutorTestCase:
    """Derive and override ``executor``."""

    n_lanes: ClassVar[int] = 1
    has_processes: ClassVar[bool] = True
    left_out: ClassVar[frozenset[str]] = frozenset()

    @pytest.fixture(autouse=True)
    def _leave_out(self, request: pytest.FixtureRequest) -> None:
        if request.node.originalname in self.left_out:
            pytest.skip("means nothing for this executor")

    @pytest.fixture
    def executor(self) -> Iterator[Executor]:
        """An executor that was not opened; closed after the test."""
        raise NotImplementedError("override the fixture executor")

    @pytest.fixture
    def drive(self, executor: Executor, tmp_path: Path) -> Drive:
        """The executor, opened."""
        return Drive(executor, tmp_path)

    # -- the ordinary way -------------------------------------------------------------------------------------------

    def test_nodes_join_before_an_attempt_starts(self, drive: Drive) -> None:
        drive.run({"do": "value"})
        first_start = next(i for i, event in enumerate(drive.events) if isinstance(event, Started))
        joined = [event.node for event in drive.events[:first_start] if isinstance(event, NodeJoined)]
        assert sum(node.resources.cpu for node in joined) >= self.n_lanes
        assert len({node.node_id for node in joined}) == len(joined)

    def test_an_attempt_starts_completes_and_is_measured(self, drive: Drive) -> None:
        assert drive.run({"do": "value", "sleep_s": 0.1}) == Completed({"loss": 0.0})
        kinds = [type(event) for event in drive.events if isinstance(event, Started | Finished)]
        assert kinds == [Started, Finished]
        usage = drive.of(Finished, 0)[0].usage
        assert usage is not None
        assert 0.1 <= usage.wall_s < 5.0

    def test_memory_is_measured_above_what_the_process_holds_anyway(self, drive: Drive) -> None:
        drive.finish(drive.start({"do": "hold", "n": 96}, {"do": "hold", "n": 0}))
        large, small = (drive.of(Finished, trial)[0].usage for trial in (0, 1))
        assert large is not None
        assert small is not None
        assert 90 <= large.peak_memory_mib <= 160
        assert small.peak_memory_mib <= 48  # what the first one had was given back
        assert large.base_memory_mib > 10
        assert large.whole_memory_mib == large.base_memory_mib + large.peak_memory_mib

    def test_params_seed_and_grant_arrive_as_they_were_sent(self, drive: Drive) -> None:
        params: Params = {"do": "grant", "int": 3, "float": 0.1 + 0.2, "none": None, "true": True, "text": "größe"}
        outcome = drive.run(params)
        assert isinstance(outcome, Completed)
        assert outcome.values == {"loss": 0.0, "cpu": 1.0, "seed": 1000.0, "hidden_gpus": 1.0, "params_kept": 1.0}

    def test_reports_come_in_order_completely_and_before_the_end(self, drive: Drive) -> None:
        trials = [drive.start({"do": "report", "n": 2_000}, lane=lane)[0] for lane in range(self.n_lanes)]
        drive.finish(trials)
        for trial in trials:
            mine = [e for e in drive.events if isinstance(e, Reported | Finished) and e.trial == trial]
            assert isinstance(mine.pop(), Finished)
            assert [(e.step, e.values) for e in mine if isinstance(e, Reported)] == [
                (step, {"loss": float(step), "other": float(trial)}) for step in range(2_000)
            ]

    def test_attempts_of_a_lane_run_in_order_and_never_overlap(self, drive: Drive, tmp_path: Path) -> None:
        lanes = {lane: tmp_path / f"lane{lane}" for lane in range(self.n_lanes)}
        starts = [
            drive.as_start(lane * 10 + i, {"do": "value", "sleep_s": 0.03, "trace": str(trace)}, lane)
            for lane, trace in lanes.items()
            for i in range(6)
        ]
        drive.start_all(starts)
        drive.finish([start.trial for start in starts])
        for lane, trace in lanes.items():
            lines = [line.split() for line in trace.read_text().splitlines()]
            assert [(what, int(trial)) for what, trial, _, _ in lines] == [
                (what, lane * 10 + i) for i in range(6) for what in ("begin", "end")
            ]

    def test_many_short_attempts_each_finish_once(self, drive: Drive) -> None:
        starts = [drive.as_start(i, {"do": "value"}, i % self.n_lanes) for i in range(200)]
        drive.start_all(starts)
        outcomes = drive.finish([start.trial for start in starts])
        assert outcomes == [Completed({"loss": float(i)}) for i in range(200)]

    def test_short_attempts_do_not_wait_for_a_long_one_behind_them(self, drive: Drive) -> None:
        trials = drive.start(*[{"do": "value"}] * 3, {"do": "report until stopped"})
        assert drive.finish(trials[:3]) == [Completed({"loss": float(i)}) for i in range(3)]
        assert not drive.of(Finished, trials[3])
        drive.executor.stop([Stop(trials[3], 1, "enough")])
        drive.finish(trials)

    # -- stopping ---------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("stop", "kind"),
        [
            (Stop(0, 1, "too slow", prune=False, timeout=True), FailureKind.TIMEOUT),
            (Stop(0, 1, "the sweep ends", prune=False), FailureKind.STOPPED),
        ],
    )
    def test_a_stopped_attempt_fails_as_it_was_told(self, drive: Drive, stop: Stop, kind: FailureKind) -> None:
        trials = drive.start({"do": "report until stopped"})
        drive.until(lambda: bool(drive.of(Reported, 0)))
        drive.executor.stop([stop])
        [outcome] = drive.finish(trials)
        assert isinstance(outcome, Failed)
        assert (outcome.kind, stop.reason in outcome.message) == (kind, True)

    def test_a_pruned_attempt_knows_its_last_step(self, drive: Drive) -> None:
        trials = drive.start({"do": "report until stopped"})
        drive.until(lambda: len(drive.of(Reported, 0)) >= 3)
        drive.executor.stop([Stop(0, 1, "not worth finishing")])
        assert drive.finish(trials) == [Pruned(drive.of(Reported, 0)[-1].step)]

    def test_an_attempt_that_never_reports_learns_of_its_stop(self, drive: Drive) -> None:
        trials = drive.start({"do": "listen"})
        drive.until(lambda: bool(drive.of(Started, 0)))
        drive.executor.stop([Stop(0, 1, "not worth finishing")])
        assert drive.finish(trials) == [Pruned(None)]

    def test_an_attempt_that_waits_for_its_lane_is_stopped_without_being_run(
        self, drive: Drive, tmp_path: Path
    ) -> None:
        first = drive.start({"do": "report until stopped"})
        drive.until(lambda: bool(drive.of(Started, 0)))
        waiting = drive.start({"do": "value", "trace": str(tmp_path / "trace")})
        drive.executor.stop([Stop(1, 1, "never mind", prune=False)])
        [outcome] = drive.finish(waiting)
        assert isinstance(outcome, Failed)
        assert outcome.kind is FailureKind.STOPPED
        drive.executor.stop([Stop(0, 1, "enough")])
        drive.finish(first)
        assert not (tmp_path / "trace").exists()

    def test_stops_of_unknown_and_of_finished_attempts_are_ignored(self, drive: Drive) -> None:
        drive.run({"do": "value"})
        drive.executor.stop([Stop(0, 1, "late"), Stop(0, 2, "never was"), Stop(99, 1, "never was")])
        assert drive.run({"do": "value"}) == Completed({"loss": 1.0})

    def test_an_attempt_that_hangs_is_ended_by_force_and_its_lane_goes_on(self, drive: Drive) -> None:
        trials = drive.start({"do": "hang"})
        drive.until(lambda: bool(drive.of(Started, 0)))
        asked_s = drive.executor.now_s()
        drive.executor.stop([Stop(0, 1, "the sweep ends", prune=False)])
        [outcome] = drive.finish(trials)
        assert GRACE_S * 0.9 <= drive.events[-1].at_s - asked_s <= GRACE_S + 8.0
        assert isinstance(outcome, Failed)
        assert outcome.kind is (FailureKind.STOPPED if self.has_processes else FailureKind.HUNG)
        assert "did not stop within 1 s" in outcome.message
        assert drive.run({"do": "value"}) == Completed({"loss": 1.0})
        if self.has_processes:
            assert "about to hang" in drive.log(0)

    # -- checkpoints ------------------------------------------------------------------------------------------------

    def test_a_checkpoint_is_told_before_the_report_of_its_step(self, drive: Drive) -> None:
        assert drive.run({"do": "count", "n": 50}) == Completed({"loss": 50.0, "began": 0.0})
        told = [event for event in drive.events if isinstance(event, Checkpointed | Reported)]
        steps = [event.checkpoint.step if isinstance(event, Checkpointed) else event.step for event in told]
        assert steps == [step for step in range(1, 51) for _ in range(2)]
        assert [type(event) for event in told] == [Checkpointed, Reported] * 50

    def test_an_attempt_after_a_failure_goes_on_from_the_checkpoint(self, drive: Drive) -> None:
        params: Params = {"do": "count", "n": 6, "ends_at": 3}
        assert isinstance(drive.attempt(0, 1, params), Failed)
        latest = drive.saved(0)[-1]
        assert latest.step == 3
        assert drive.attempt(0, 2, params, latest) == Completed({"loss": 6.0, "began": 3.0})

    @pytest.mark.parametrize("sleep_s", [0.0, 0.3])
    def test_an_attempt_that_was_killed_goes_on_from_its_last_checkpoint(self, drive: Drive, sleep_s: float) -> None:
        if not self.has_processes:
            pytest.skip("attempts run in this process")
        params: Params = {"do": "count", "n": 4, "ends_at": 2, "killed": True, "sleep_s": sleep_s}
        outcome = drive.attempt(0, 1, params)
        assert isinstance(outcome, Failed)
        assert outcome.kind is FailureKind.WORKER_LOST
        assert [saved.step for saved in drive.saved(0)] == [1, 2]
        assert drive.attempt(0, 2, params, drive.saved(0)[-1]) == Completed({"loss": 4.0, "began": 2.0})

    def test_an_attempt_that_was_told_to_pause_goes_on_when_it_is_started_again(self, drive: Drive) -> None:
        params: Params = {"do": "count", "n": 100, "sleep_s": 0.02}
        drive.start(params)
        drive.until(lambda: bool(drive.of(Reported, 0)))
        drive.executor.stop([Stop(0, 1, "not among the best half", pause=True)])
        assert isinstance(drive.end_of(0, 1), Pruned)
        latest = drive.saved(0)[-1]
        assert 0 < latest.step < 100
        assert drive.attempt(0, 2, params, latest) == Completed({"loss": 100.0, "began": float(latest.step)})

    def test_a_child_starts_from_its_parents_checkpoint(self, drive: Drive) -> None:
        drive.run({"do": "count", "n": 3})
        parents = drive.saved(0)[-1]
        child = drive.attempt(1, 1, {"do": "count", "n": 5}, parents)
        assert child == Completed({"loss": 5.0, "began": 3.0})
        assert [saved.step for saved in drive.saved(1)] == [4, 5]

    def test_a_discarded_checkpoint_is_gone_and_its_attempt_starts_from_nothing(self, drive: Drive) -> None:
        drive.run({"do": "count", "n": 3})
        first, latest = drive.saved(0)[0], drive.saved(0)[-1]
        drive.executor.discard([first])
        drive.executor.discard([first])
        self.wait_for_removal(first)
        assert drive.attempt(1, 1, {"do": "count", "n": 5}, latest) == Completed({"loss": 5.0, "began": 3.0})
        assert drive.attempt(2, 1, {"do": "count", "n": 5}, first) == Completed({"loss": 5.0, "began": 0.0})

    def wait_for_removal(self, checkpoint: Checkpoint) -> None:
        """Executors may remove in the background, and where they keep their checkpoints is their own matter."""
        deadline_s = time.monotonic() + PATIENCE_S
        while Path(checkpoint.place).exists():
            assert time.monotonic() < deadline_s
            time.sleep(0.01)

    # -- failing ----------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("deed", "kind", "text"),
        [
            ("raise", FailureKind.RAISED, "KeyError: 'the culprit'"),
            ("nan", FailureKind.BAD_REPORT, "nan"),
            ("nothing", FailureKind.BAD_REPORT, "loss"),
            ("invalid", FailureKind.INVALID_PARAMS, "depth and width"),
            ("memory", FailureKind.OUT_OF_MEMORY, "no room for the table"),
            ("exit", FailureKind.RAISED, "sys.exit(3)"),
        ],
    )
    def test_a_failure_is_an_outcome_and_the_next_attempt_runs(
        self, drive: Drive, deed: str, kind: FailureKind, text: str
    ) -> None:
        outcome = drive.run({"do": deed})
        assert isinstance(outcome, Failed)
        assert outcome.kind is kind
        assert text in outcome.message
        assert drive.run({"do": "value"}) == Completed({"loss": 1.0})

    @pytest.mark.parametrize("sleep_s", [0.0, 1.5])
    @pytest.mark.parametrize("deed", ["crash", "kill"])
    def test_a_process_that_dies_costs_its_attempt_only(self, drive: Drive, deed: str, sleep_s: float) -> None:
        if not self.has_processes:
            pytest.skip("attempts run in this process")
        outcome = drive.run({"do": deed, "sleep_s": sleep_s})
        assert isinstance(outcome, Failed)
        assert outcome.kind is FailureKind.WORKER_LOST
        assert "about to " in drive.log(0)
        assert drive.run({"do": "value"}) == Completed({"loss": 1.0})

    def test_attempts_that_travel_with_one_that_kills_its_process_complete(self, drive: Drive) -> None:
        if not self.has_processes:
            pytest.skip("attempts run in this process")
        outcomes = drive.finish(drive.start(*[{"do": "crash" if i == 3 else "value"} for i in range(8)]))
        lost = outcomes.pop(3)
        assert isinstance(lost, Failed)
        assert lost.kind is FailureKind.WORKER_LOST
        assert outcomes == [Completed({"loss": float(i)}) for i in (0, 1, 2, 4, 5, 6, 7)]

    def test_an_objective_that_cannot_be_sent_is_refused(self, executor: Executor, tmp_path: Path) -> None:
        if not self.has_processes:
            pytest.skip("nothing is sent anywhere")
        with pytest.raises(ExecutorError, match="connection"):
            Drive(executor, tmp_path, Unpicklable())

    # -- logs -------------------------------------------------------------------------------------------------------

    # These open the executor themselves: pytest exchanges the output streams between a fixture and its test.

    def test_what_an_attempt_prints_is_its_log(self, executor: Executor, tmp_path: Path) -> None:
        drive = Drive(executor, tmp_path)
        drive.finish(drive.start({"do": "print", "n": 0}, {"do": "raise"}))
        assert drive.log(0) == "the first line\nthe last line\n"
        assert drive.log(1).startswith("about to raise\n")

    def test_of_a_flood_of_output_head_and_tail_are_kept(self, executor: Executor, tmp_path: Path) -> None:
        drive = Drive(executor, tmp_path)
        drive.run({"do": "print", "n": 30_000})
        log = drive.log(0)
        assert log.startswith("the first line\n")
        assert log.endswith("the last line\n")
        assert len(log) <= _MIB
        assert "bytes left out" in log

    # -- time -------------------------------------------------------------------------------------------------------

    def test_poll_returns_when_the_time_has_come(self, drive: Drive) -> None:
        drive.run({"do": "value"})
        for wait_s in (0.0, -5.0, 0.2):
            before_s = drive.executor.now_s()
            events = drive.executor.poll(before_s + wait_s)
            assert not [event for event in events if isinstance(event, Started | Finished)]
            assert max(wait_s, 0.0) <= drive.executor.now_s() - before_s < max(wait_s, 0.0) + 2.0

    def test_time_is_seconds_since_the_epoch_and_never_falls(self, executor: Executor) -> None:
        times = [executor.now_s() for _ in range(1000)]
        assert times == sorted(times)
        assert abs(times[-1] - time.time()) < 60

    def test_wake_ends_a_poll(self, drive: Drive) -> None:
        drive.run({"do": "value"})
        waker = threading.Timer(0.3, drive.executor.wake)
        waker.start()
        drive.executor.poll(drive.executor.now_s() + PATIENCE_S)
        waker.join()
        assert drive.executor.now_s() - drive.events[-1].at_s < PATIENCE_S / 2

    # -- the end ----------------------------------------------------------------------------------------------------

    def test_close_ends_what_runs_and_can_be_called_again(self, drive: Drive) -> None:
        drive.start({"do": "hang"}, {"do": "value"})
        drive.until(lambda: bool(drive.of(Started, 0)))
        before_s = time.monotonic()
        drive.executor.close()
        drive.executor.close()
        assert time.monotonic() - before_s < 5.0

    def test_close_without_open_does_nothing(self, executor: Executor) -> None:
        executor.close()
