"""The inline executor: one attempt at a time, judged report by report, on a terminal where a debugger works."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tuner.core.actions import Start, Stop
from tuner.core.events import Finished, NodeJoined, Reported, Started
from tuner.core.ports import Objective
from tuner.executors.inline import Inline
from tuner.resources import Resources
from tuner.space import Float, SearchSpace
from tuner.study import Metric, PluginSpec, ResourceRequest, StudySpec
from tuner.trial import Completed, Failed, FailureKind, Pruned
from tuner.worker import guard as guard_module
from tuner.worker import installed_log, take_base
from tuner.worker.guard import NodeView


class FunctionObjective(Objective):
    def __init__(self, function) -> None:
        self.function = function

    def run(self, params, context):
        return self.function(params, context)


DEFAULT = ResourceRequest()


def spec(stop_grace_s: float = 30.0, resources: ResourceRequest = DEFAULT) -> StudySpec:
    space = SearchSpace({"x": Float(0, 1)})
    return StudySpec(
        "inline", (Metric("loss"),), space, PluginSpec("function"), resources=resources, stop_grace_s=stop_grace_s
    )


def start(trial: int = 0, attempt: int = 1) -> Start:
    return Start(trial, attempt, {"x": 0.5}, Resources(), lane=0, seed=7)


@pytest.fixture
def opened(tmp_path):
    executors: list[Inline] = []

    def make(function, *, capture: bool = True, **options) -> Inline:
        executor = Inline(capture=capture)
        executors.append(executor)
        executor.open(spec(**options), FunctionObjective(function), tmp_path)
        assert [type(event) for event in executor.poll(executor.now_s() + 10)] == [NodeJoined]
        return executor

    yield make
    for executor in executors:
        executor.close()


def poll(executor: Inline, timeout_s: float = 20.0) -> list[Any]:
    """The next events; that there are none within ``timeout_s`` is a failure."""
    events = executor.poll(executor.now_s() + timeout_s)
    assert events, f"no event within {timeout_s} s"
    return list(events)


def until_finished(executor: Inline) -> list[Any]:
    events: list[Any] = []
    while not any(isinstance(event, Finished) for event in events):
        events += poll(executor)
    return events


def test_the_node_is_one_slot_of_this_machine(tmp_path):
    executor = Inline()
    executor.open(spec(), FunctionObjective(lambda params, context: 0.5), tmp_path)
    [joined] = poll(executor)
    executor.close()

    assert joined.node.node_id == "inline"
    assert joined.node.resources.cpu == 1
    assert joined.node.resources.gpu == 0
    assert joined.node.resources.memory_mib > 100


def test_the_slot_has_room_for_what_one_attempt_asks_for(tmp_path):
    executor = Inline()
    asked = ResourceRequest(cpu=4, gpu=0.5)
    executor.open(spec(resources=asked), FunctionObjective(lambda params, context: 0.5), tmp_path)
    [joined] = poll(executor)
    executor.close()
    assert (joined.node.resources.cpu, joined.node.resources.gpu) == (4, 0.5)


def test_attempts_run_one_after_another_in_order(opened):
    running = []

    def train(params, context):
        running.append(("in", context.trial))
        context.report(1, loss=0.5)
        running.append(("out", context.trial))
        return 0.25

    executor = opened(train)
    executor.start([start(0), start(1)])
    events = until_finished(executor) + until_finished(executor)

    assert [(type(e), e.trial) for e in events] == [
        (Started, 0),
        (Reported, 0),
        (Finished, 0),
        (Started, 1),
        (Reported, 1),
        (Finished, 1),
    ]
    assert running == [("in", 0), ("out", 0), ("in", 1), ("out", 1)]
    assert events[2].outcome == Completed({"loss": 0.25})
    assert events[2].usage.wall_s >= 0
    assert [e.at_s for e in events] == sorted(e.at_s for e in events)


def test_the_objective_waits_at_a_report_until_the_engine_has_judged_it(opened):
    passed = []

    def train(params, context):
        for step in range(5):
            context.report(step, loss=float(step))
            passed.append(step)

    executor = opened(train)
    executor.start([start()])
    events = list(poll(executor))
    while not isinstance(events[-1], Reported):
        events += poll(executor)
    assert passed == []

    [second] = poll(executor)
    assert (second.step, passed) == (1, [0])
    executor.stop([Stop(0, 1, "worse than the median")])
    [finished] = poll(executor)
    assert finished.outcome == Pruned(1)
    assert passed == [0]


@pytest.mark.parametrize(
    ("stop", "outcome"),
    [
        (Stop(1, 1, "late", timeout=True, prune=False), Failed(FailureKind.TIMEOUT, "late")),
        (Stop(1, 1, "the sweep ends", prune=False), Failed(FailureKind.STOPPED, "the sweep ends")),
        (Stop(1, 1, "hopeless"), Pruned(None)),
    ],
)
def test_an_attempt_that_is_stopped_before_it_began_never_runs(opened, stop, outcome):
    ran = []

    def train(params, context):
        ran.append(context.trial)
        return 0.5

    executor = opened(train)
    executor.start([start(0), start(1)])
    executor.stop([stop])
    [finished] = poll(executor)
    assert (finished.trial, finished.outcome) == (1, outcome)

    until_finished(executor)
    assert executor.poll(executor.now_s()) == []
    assert ran == [0]


def test_unknown_stops_are_ignored(opened):
    executor = opened(lambda params, context: 0.5)
    executor.stop([Stop(8, 1, "who?")])
    executor.start([start(0, attempt=2)])
    executor.stop([Stop(0, 1, "an old attempt")])
    assert until_finished(executor)[-1].outcome == Completed({"loss": 0.5})


def test_a_hung_objective_is_given_up_and_the_next_attempt_runs(opened):
    release, hung = threading.Event(), threading.Event()

    def train(params, context):
        if context.trial == 0:
            hung.set()
            release.wait(60)
            context.report(1, loss=0.0)  # too late: nobody listens any more
        return 0.5

    executor = opened(train, stop_grace_s=0.05)
    executor.start([start(0), start(1)])
    assert [type(e) for e in poll(executor)] == [Started]
    assert hung.wait(20)
    executor.stop([Stop(0, 1, "ran too long", timeout=True, prune=False)])
    [finished] = poll(executor)

    assert isinstance(finished.outcome, Failed)
    assert finished.outcome.kind is FailureKind.HUNG
    assert "did not stop within 0.05 s" in finished.outcome.message

    release.set()
    events = until_finished(executor)
    assert [(type(e), e.trial) for e in events] == [(Started, 1), (Finished, 1)]
    assert executor.poll(executor.now_s() + 0.01) == []


def test_poll_returns_at_its_time_and_goes_on_with_the_attempt_later(opened):
    release = threading.Event()

    def train(params, context):
        release.wait(60)
        return 0.5

    executor = opened(train)
    executor.start([start()])
    assert [type(e) for e in poll(executor)] == [Started]
    begun_s = time.monotonic()
    assert executor.poll(executor.now_s() + 0.05) == []
    assert 0.05 <= time.monotonic() - begun_s < 20
    release.set()
    assert [type(e) for e in poll(executor)] == [Finished]


def test_wake_ends_a_poll_without_an_end(opened):
    executor = opened(lambda params, context: 0.5)
    timer = threading.Timer(0.05, executor.wake)
    timer.start()
    assert executor.poll(None) == []
    timer.join(10)


def test_wake_may_come_from_a_signal_handler(opened):
    import signal

    executor = opened(lambda params, context: 0.5)
    before = signal.signal(signal.SIGALRM, lambda *_: executor.wake())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        assert executor.poll(None) == []
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_failures_become_outcomes(opened):
    def train(params, context):
        sys.exit(4)

    executor = opened(train)
    executor.start([start()])
    outcome = until_finished(executor)[-1].outcome
    assert outcome.kind is FailureKind.RAISED
    assert "sys.exit(4)" in outcome.message


def test_an_attempt_that_endangers_this_machine_is_asked_to_end_and_the_process_lives(opened, monkeypatch):
    class ShortNode:
        def view(self, whole_mib):
            return NodeView(free_mib=100.0, reserve_mib=500.0)

        def tell(self, held_mib, grant_mib):
            """Nobody listens."""

    def greedy(params, context):
        block = bytearray(200 << 20)
        ends_s = time.monotonic() + 20
        while time.monotonic() < ends_s:
            time.sleep(0.01)
        return float(len(block))

    monkeypatch.setattr(guard_module, "_node", [ShortNode()])
    executor = opened(greedy)
    executor.start([replace(start(), grant=Resources(1, 0, take_base() / 2**20 + 50))])
    [finished] = [event for event in until_finished(executor) if isinstance(event, Finished)]
    assert isinstance(finished.outcome, Failed)
    assert finished.outcome.kind is FailureKind.OUT_OF_MEMORY
    assert finished.usage is not None
    assert finished.usage.peak_memory_mib >= 190


def test_what_an_attempt_printed_is_its_log_and_nothing_makes_no_file(opened, tmp_path, capsys):
    def train(params, context):
        if context.trial == 0:
            print("epoch 1")
            context.log("from a child\n")
        return 0.5

    executor = opened(train)
    executor.start([start(0), start(1)])
    until_finished(executor)
    print("the engine's progress")
    until_finished(executor)

    assert [p.name for p in tmp_path.iterdir()] == ["0.1.log"]
    assert (tmp_path / "0.1.log").read_text() == "epoch 1\nfrom a child\n"
    assert capsys.readouterr().out == "epoch 1\nthe engine's progress\n"


def test_without_capture_nothing_is_replaced(opened):
    before = sys.stdout
    executor = opened(lambda params, context: 0.5, capture=False)
    assert sys.stdout is before
    assert installed_log() is None
    executor.start([start()])
    until_finished(executor)


def test_close_puts_everything_back_and_may_be_called_twice(opened, monkeypatch, tmp_path):
    import os

    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    before = sys.stdout, sys.stderr
    executor = opened(lambda params, context: context.directory.exists() and 0.5)
    executor.start([start()])
    until_finished(executor)
    executor.close()
    executor.close()

    assert (sys.stdout, sys.stderr) == before
    assert os.environ["OMP_NUM_THREADS"] == "5"
    assert list(tmp_path.iterdir()) == []


def test_close_ends_an_attempt_that_waits_at_a_report(opened):
    ended = threading.Event()

    def train(params, context):
        try:
            context.report(1, loss=0.5)
            context.report(2, loss=0.5)
        finally:
            ended.set()

    executor = opened(train)
    executor.start([start()])
    events = list(poll(executor))
    while not isinstance(events[-1], Reported):
        events += poll(executor)
    executor.close()
    assert ended.wait(20)


def test_reports_are_quick(opened):
    def train(params, context):
        for step in range(2000):
            context.report(step, loss=0.5)
        return 0.5

    executor = opened(train)
    executor.start([start()])
    begun_s = time.monotonic()
    until_finished(executor)
    assert time.monotonic() - begun_s < 2.0  # about 30 us each where nothing else runs


DEBUGGED = """
import sys
from pathlib import Path
from typing import Any
sys.path.insert(0, {root!r})
from tuner.core.actions import Start
from tuner.core.events import Finished
from tuner.core.ports import Objective
from tuner.executors.inline import Inline
from tuner.resources import Resources
from tuner.space import Float, SearchSpace
from tuner.study import Metric, PluginSpec, StudySpec

class Training(Objective):
    def run(self, params, context):
        loss = params["x"]
        breakpoint()
        context.report(1, loss=loss)
        return loss

spec = StudySpec("d", (Metric("loss"),), SearchSpace({{"x": Float(0, 9)}}), PluginSpec("function"))
executor = Inline()
executor.open(spec, Training(), Path({folder!r}))
executor.poll(None)
executor.start([Start(0, 1, {{"x": 1.0}}, Resources(), 0, 1)])
try:
    while True:
        for event in executor.poll(executor.now_s() + 30):
            if isinstance(event, Finished):
                print("OUTCOME", event.outcome)
                executor.close()
                sys.exit(0)
except KeyboardInterrupt:
    print("INTERRUPTED", [e.outcome for e in executor.poll(executor.now_s())])
    executor.close()
"""


def debug(tmp_path: Path, commands: str) -> str:
    script = tmp_path / "debugged.py"
    root = str(Path(__file__).resolve().parents[2])
    script.write_text(textwrap.dedent(DEBUGGED).format(root=root, folder=str(tmp_path / "out")))
    env = {name: value for name, value in os.environ.items() if name != "PYTHONBREAKPOINT"}  # Ray sets one of its own
    command = [sys.executable, str(script)]
    done = subprocess.run(command, input=commands, capture_output=True, text=True, timeout=60, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_breakpoint_in_the_objective_reads_the_terminal_and_can_change_it(tmp_path):
    said = debug(tmp_path, "p params['x'] + 41\nloss = 0.25\ncontinue\n")

    assert "42.0" in said
    assert "OUTCOME Completed(values={'loss': 0.25})" in said
    assert "(Pdb)" in (tmp_path / "out" / "0.1.log").read_text()


def test_quitting_the_debugger_interrupts_the_sweep(tmp_path):
    said = debug(tmp_path, "quit\n")
    assert "INTERRUPTED" in said
    assert "the debugger was quit" in said
