"""Stops and exit codes, and that nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from tuner.core.actions import Start, Stop
from tuner.objectives import _command_exit
from tuner.resources import Resources
from tuner.trial import Completed, Failed, FailureKind, Pruned
from tuner.worker import guard as guard_module
from tuner.worker import run_attempt, sampler, take_base
from tuner.worker.guard import NodeView


def test_an_exit_code_is_a_failure_with_the_last_lines(bench):
    failed = bench.failure(bench.shell("seq 100; echo 'no such file: x' >&2; exit 3"))
    assert failed.kind is FailureKind.COMMAND_EXIT
    assert failed.message.startswith("exit code 3 after ")
    last = failed.message.splitlines()[1:]  # two streams, so their order is not settled
    assert len(last) == 20
    assert {"100", "90", "no such file: x"} <= set(last)
    assert "1" not in last


def test_metrics_do_not_make_a_failure_good(bench):
    assert bench.failure(bench.shell("""echo '{"loss": 0.5}'; exit 1""")).kind is FailureKind.COMMAND_EXIT


def test_other_exit_codes_may_mean_success(bench):
    assert bench.shell("""echo '{"loss": 0.5}'; exit 2""", success_exit_codes=[0, 2]).outcome == Completed(
        {"loss": 0.5}
    )


def test_a_signal_is_named(bench):
    assert bench.failure(bench.shell("kill -SEGV $$")).message.startswith("killed by SIGSEGV")
    assert bench.failure(bench.shell("exit 139")).message.startswith("exit code 139 (a shell's way to say SIGSEGV)")


def test_sigkill_is_out_of_memory_only_if_the_kernel_counted_a_kill(bench, monkeypatch):
    bench.grant = Resources(1, 0, 1 << 20)  # this process, which holds all the tests' modules, must not be above it
    failed = bench.failure(bench.shell("kill -KILL $$"))
    assert failed.kind is FailureKind.COMMAND_EXIT
    assert "killed by SIGKILL; not by the kernel for want of memory" in failed.message

    counts = iter([5, 6])
    monkeypatch.setattr("tuner.objectives.command.memory_kills", lambda: next(counts))
    assert bench.failure(bench.shell("kill -KILL $$")).kind is FailureKind.OUT_OF_MEMORY


def test_the_kernels_count_is_read(monkeypatch):
    monkeypatch.setattr(Path, "read_bytes", lambda path: b"oom_kill_x 3\noom_kill 17\npgfault 1\n")
    assert _command_exit.memory_kills() == 17

    def missing(path: Path) -> bytes:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_bytes", missing)
    assert _command_exit.memory_kills() == 0


def test_a_program_that_says_that_memory_ran_out_is_believed(bench):
    assert bench.failure(bench.shell("echo MemoryError >&2; exit 1")).kind is FailureKind.OUT_OF_MEMORY


def test_a_program_that_is_gone_when_it_shall_run_fails_the_attempt(bench):
    program = bench.write("tool", "#!/bin/sh\n", executable=True)
    objective = bench.objective(["./tool"])
    program.unlink()
    start = Start(4, 1, bench.params, Resources(1, 0, 0), lane=0, seed=99)
    failed = bench.failure(
        run_attempt(objective, start, bench.spec().metrics, bench.new_link(), bench.base / "scratch")
    )
    assert failed.kind is FailureKind.COMMAND_EXIT
    assert "./tool cannot be started on this node: " in failed.message


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def gone(pid: int) -> bool:
    try:
        psutil.Process(pid).wait(20)
    except psutil.NoSuchProcess:
        pass
    except psutil.TimeoutExpired:
        return False
    return not alive(pid)


def pids_in(path: Path) -> list[int]:
    return [int(word) for word in path.read_text().split()]


def test_a_stop_ends_a_program_that_reports(bench):
    script = """
        trap 'echo asked to end; exit 0' TERM
        echo '{"step": 1, "loss": 0.5}'
        while :; do sleep 0.05; done
    """
    result = bench.shell(script, stop_at=1)
    assert result.outcome == Pruned(1)
    assert "asked to end" in result.log.decode()


def test_a_stop_reaches_a_program_that_prints_nothing(bench):
    ready = bench.base / "ready"
    os.mkfifo(ready)

    link = bench.new_link()

    def stop_when_ready() -> None:
        ready.read_text()  # returns when the program has opened and closed it
        link.stop = Stop(4, 1, "ran too long", prune=False, timeout=True)

    thread = threading.Thread(target=stop_when_ready, daemon=True)
    thread.start()
    result = bench.shell("echo > ready; exec sleep 60", link=link)
    thread.join(20)
    assert result.outcome == Failed(FailureKind.TIMEOUT, "ran too long")


def test_a_program_that_ignores_the_request_is_killed_after_the_grace(bench):
    script = """
        trap '' TERM
        echo $$ > pid
        echo '{"step": 1, "loss": 0.5}'
        while :; do sleep 0.05; done
    """
    result = bench.shell(script, stop_at=1, study=bench.spec(stop_grace_s=0.2))
    assert result.outcome == Pruned(1)
    assert gone(pids_in(bench.base / "pid")[0])


def test_a_stopped_process_is_ended_too(bench):
    script = """
        echo $$ > pid
        echo '{"step": 1, "loss": 0.5}'
        kill -STOP $$
    """
    result = bench.shell(script, stop_at=1)
    assert result.outcome == Pruned(1)
    assert gone(pids_in(bench.base / "pid")[0])


FAMILY = """
import os, subprocess, sys
# One in the program's group, one in a group of its own, one in a session of its own, one orphan in a session of its own.
sleepers = [
    subprocess.Popen(["sleep", "300"]),
    subprocess.Popen(["sleep", "300"], process_group=0),
    subprocess.Popen(["sleep", "300"], start_new_session=True),
]
orphaned = subprocess.run(
    ["sh", "-c", "sleep 300 >/dev/null 2>&1 & echo $!"], start_new_session=True, capture_output=True, text=True
)
with open("pids", "w") as file:
    file.write(" ".join([str(s.pid) for s in sleepers] + [orphaned.stdout.strip()]))
print('{"step": 1, "loss": 0.5}', flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes that left the session are found in /proc")
@pytest.mark.parametrize("ending", ["sys.exit(0)", "sys.exit(3)", "os.abort()", "sleepers[0].wait()"])
def test_nothing_that_the_program_started_is_left(bench, ending):
    bench.write("family.py", FAMILY + ending)
    begun_s = time.monotonic()
    bench.run([sys.executable, "family.py"], stop_at=1 if "wait" in ending else None)
    pids = pids_in(bench.base / "pids")

    assert len(pids) == 4
    assert [pid for pid in pids if not gone(pid)] == []
    assert time.monotonic() - begun_s < 30


def test_a_program_that_closes_its_output_is_waited_for(bench):
    result = bench.shell("""
        echo '{"loss": 0.5}'
        exec >&- 2>&-
        sleep 0.3
        touch done
    """)
    assert result.outcome == Completed({"loss": 0.5})
    assert (bench.base / "done").exists()


def test_a_child_in_the_background_that_holds_the_output_keeps_nobody_waiting(bench):
    begun_s = time.monotonic()
    assert bench.shell("""sleep 300 & echo '{"loss": 0.5}'""").outcome == Completed({"loss": 0.5})
    assert time.monotonic() - begun_s < 30


def test_an_exception_from_elsewhere_kills_the_program_too(bench):
    def interrupt(text: str) -> None:
        if "ready" in text:
            raise KeyboardInterrupt

    bench.shell("echo $$ > pid; echo ready; exec sleep 300", on_log=interrupt)
    assert gone(pids_in(bench.base / "pid")[0])


WORKER = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tuner.core.actions import Start
from tuner.objectives.command import Command
from tuner.resources import Resources
from tuner.space import Float, SearchSpace
from tuner.study import Metric, PluginSpec, StudySpec
from tuner.worker import meter, run_attempt

class Link:
    stop = end_process = None
    received_mib = 0.0
    def report(self, step, values): print("reported", flush=True)
    def log(self, text): pass

spec = StudySpec("w", (Metric("loss"),), SearchSpace({{"x": Float(0, 1)}}), PluginSpec("command"))
objective = Command(["sh", "-c", sys.argv[1]], params="json", base={base!r})
objective.prepare(spec)
run_attempt(objective, Start(0, 1, {{"x": 0.5}}, Resources(), 0, 1), spec.metrics, Link(), Path({base!r}) / "scratch")
"""


def test_the_program_dies_with_a_worker_that_is_killed(bench):
    root = str(Path(__file__).resolve().parents[3])
    worker_file = bench.write("worker.py", WORKER.format(root=root, base=str(bench.base)))
    script = """sleep 300 & echo $$ $! > pids; echo '{"step": 1, "loss": 0.5}'; wait"""
    worker = subprocess.Popen([sys.executable, str(worker_file), script], stdout=subprocess.PIPE)
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"reported\n"
    pids = pids_in(bench.base / "pids")
    assert len(pids) == 2
    worker.send_signal(signal.SIGKILL)
    worker.communicate(timeout=20)

    assert [pid for pid in pids if not gone(pid)] == []


def test_the_guard_is_started_again_when_somebody_has_killed_it(bench):
    from tuner.objectives._command_guard import guard

    bench.shell("""echo '{"loss": 0.5}'""")
    shell = guard()._shell
    assert shell is not None
    shell.kill()
    shell.wait(20)
    assert bench.shell("""echo '{"loss": 0.5}'""").outcome == Completed({"loss": 0.5})
    assert guard()._shell is not shell


GROWN = "import os, signal; block = bytearray(200 << 20); import time; time.sleep(0.4); os.kill(os.getpid(), signal.SIGKILL)"


@pytest.mark.parametrize(("above", "kind"), [(50, FailureKind.OUT_OF_MEMORY), (500, FailureKind.COMMAND_EXIT)])
def test_a_program_that_is_killed_above_its_grant_ran_out_of_memory(bench, monkeypatch, above, kind):
    monkeypatch.setattr(sampler, "_current", None)
    bench.grant = Resources(1, 0, take_base() / 2**20 + above)
    outcome = bench.run([sys.executable, "-c", GROWN]).outcome
    assert isinstance(outcome, Failed)
    assert outcome.kind is kind


def test_a_program_that_endangers_its_node_is_ended_at_once_and_not_asked(bench, monkeypatch):
    class ShortNode:
        def view(self, whole_mib):
            return NodeView(free_mib=100.0, reserve_mib=500.0)

        def tell(self, held_mib, grant_mib):
            """Nobody listens."""

    monkeypatch.setattr(guard_module, "_node", [ShortNode()])
    bench.grant = Resources(1, 0, take_base() / 2**20 + 50)
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); b = bytearray(200 << 20); time.sleep(20)"
    )
    link = bench.new_link(end_process=lambda outcome, usage: None)
    result = bench.run([sys.executable, "-c", deaf], link=link)
    assert isinstance(result.outcome, Failed)
    assert result.outcome.kind is FailureKind.OUT_OF_MEMORY
    assert "its node was short of memory" in result.outcome.message
    assert result.usage.whole_memory_mib > bench.grant.memory_mib
    assert result.usage.wall_s < 4


def test_usage_counts_the_program(bench, monkeypatch):
    monkeypatch.setattr(
        sampler, "_current", None
    )  # what the samples of other tests have cost would be earned back first
    bench.write(
        "work.py",
        """
        import time
        block = bytearray(80 << 20)
        begun = time.process_time()
        while time.process_time() - begun < 0.4:
            pass
        print('{"loss": 0.5}')
    """,
    )
    usage = bench.run([sys.executable, "work.py"]).usage
    assert usage.cpu_s >= 0.4
    assert 70 <= usage.peak_memory_mib <= 200
