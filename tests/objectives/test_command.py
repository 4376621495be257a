"""A program as the objective: how parameters reach it, how metrics come back, and that nothing of it is left."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from tuner.core.actions import Start, Stop
from tuner.errors import ObjectiveError
from tuner.objectives import _command_exit, _command_process
from tuner.objectives.command import Command
from tuner.resources import Resources
from tuner.space import Categorical, Float, Int, SearchSpace
from tuner.study import Metric, PluginSpec, StudySpec
from tuner.trial import Completed, Failed, FailureKind, ParamValue, Pruned
from tuner.worker import AttemptResult, release_bounds, run_attempt

SPACE = SearchSpace(
    {
        "lr": Float(1e-6, 1, log=True),
        "depth": Int(1, 9),
        "booster": Categorical(["tree", "dart", None]),
        "rate_drop": Float(0, 1, when={"booster": "dart"}),
    }
)
PARAMS: dict[str, ParamValue] = {"lr": 1e-05, "depth": 3, "booster": "tree"}
PRUNE = Stop(4, 1, "worse than the median")


@dataclass
class RecordingLink:
    stop: Stop | None = None
    reports: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    stop_at: int | None = None
    on_log: Any = None

    def report(self, step: int, values: Mapping[str, float]) -> None:
        self.reports.append((step, dict(values)))
        if step == self.stop_at:
            self.stop = PRUNE

    def log(self, text: str) -> None:
        if self.on_log:
            self.on_log(text)


def spec(metrics: tuple[str, ...] = ("loss",), space: SearchSpace = SPACE, stop_grace_s: float = 30.0) -> StudySpec:
    named = tuple(Metric(name) for name in metrics)
    return StudySpec("c", named, space, PluginSpec("command"), stop_grace_s=stop_grace_s)


@pytest.fixture
def bench(tmp_path: Path):
    yield Bench(tmp_path)
    release_bounds()


@dataclass
class Bench:
    """A folder with programs, and attempts that run them."""

    base: Path
    link: RecordingLink = field(default_factory=RecordingLink)

    def write(self, name: str, text: str, executable: bool = False) -> Path:
        path = self.base / name
        path.write_text(textwrap.dedent(text))
        if executable:
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    def objective(self, command: Any, *, study: StudySpec | None = None, **options: Any) -> Command:
        objective = Command(command, base=str(self.base), **options)
        objective.prepare(study or spec())
        return objective

    def run(
        self,
        command: Any,
        values: Mapping[str, Any] = PARAMS,
        study: StudySpec | None = None,
        link: RecordingLink | None = None,
        **options: Any,
    ) -> AttemptResult:
        study = study or spec()
        self.link = link or RecordingLink()
        objective = self.objective(command, study=study, **options)
        start = Start(4, 1, values, Resources(1, 0, 512), lane=0, seed=99)
        return run_attempt(objective, start, study.metrics, self.link, self.base / "scratch")

    def shell(self, script: str, **rest: Any) -> AttemptResult:
        return self.run(["sh", "-c", textwrap.dedent(script)], **{"params": "json", **rest})


def outcome_of(result: AttemptResult) -> Failed:
    assert isinstance(result.outcome, Failed), (result.outcome, result.log)
    return result.outcome


# How parameters reach the program.

SAY = 'printf "%s|" "$@"; echo; echo "{\\"loss\\": 0.5}"'


def arguments_of(result: AttemptResult) -> list[str]:
    assert result.outcome == Completed({"loss": 0.5}), (result.outcome, result.log)
    return result.log.decode().splitlines()[0].split("|")[:-1]


def test_named_parameters_stand_in_their_places_and_the_others_follow(bench):
    result = bench.run(["sh", "-c", SAY, "me", "--rate={lr}", "{depth}"])
    assert arguments_of(result) == ["--rate=1e-05", "3", "--booster=tree"]


def test_a_string_is_split_as_a_shell_splits_it(bench):
    bench.write("say.sh", SAY)
    assert arguments_of(bench.run("sh say.sh 'two words' \"{depth}\" a\\ b {lr} {booster}")) == [
        "two words",
        "3",
        "a b",
        "1e-05",
        "tree",
    ]


def test_values_are_never_read_by_a_shell(bench):
    space = SearchSpace({"text": Categorical(["$(touch broken); `id` 'x' \"y\" *"])})
    text = space["text"].values()[0]  # type: ignore[index]
    result = bench.run(["sh", "-c", SAY, "me", "{text}"], {"text": text}, spec(space=space))
    assert arguments_of(result) == [text]
    assert not (bench.base / "broken").exists()


def test_what_is_inactive_goes_with_the_flag_before_it(bench):
    command = ["sh", "-c", SAY, "me", "-v", "--drop", "{rate_drop}", "-f", "drop={rate_drop}", "--x={rate_drop}", "-q"]
    command += ["{lr}", "{depth}", "{booster}"]

    assert arguments_of(bench.run(command)) == ["-v", "-q", "1e-05", "3", "tree"]
    active = PARAMS | {"booster": "dart", "rate_drop": 0.25}
    assert arguments_of(bench.run(command, active)) == (
        ["-v", "--drop", "0.25", "-f", "drop=0.25", "--x=0.25", "-q", "1e-05", "3", "dart"]
    )


def test_a_list_in_the_list_goes_as_a_whole(bench):
    command = ["sh", "-c", SAY, "me", ["mode", "dart", "{rate_drop}"], "{lr}{depth}{booster}"]
    assert arguments_of(bench.run(command)) == ["1e-053tree"]


def test_none_counts_as_inactive(bench):
    command = ["sh", "-c", SAY, "me", "--booster", "{booster}", "{lr}", "{depth}"]
    assert arguments_of(bench.run(command, PARAMS | {"booster": None})) == ["1e-05", "3"]


def test_braces_stand_for_themselves_where_they_name_nothing(bench):
    command = ["sh", "-c", SAY, "me", "{ print $1 }", "{}", "{{lr}}", "{{1}}", "{lr}", "{depth}{booster}"]
    assert arguments_of(bench.run(command)) == ["{ print $1 }", "{}", "{lr}", "{{1}}", "1e-05", "3tree"]


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (False, "false"), (0.1 + 0.2, "0.30000000000000004"), (7, "7")]
)
def test_values_are_written_as_programs_read_them(bench, value, text):
    space = SearchSpace({"v": Categorical([value])})
    assert arguments_of(bench.run(["sh", "-c", SAY, "me", "{v}"], {"v": value}, spec(space=space))) == [text]


def test_parameters_may_come_as_a_json_file(bench):
    result = bench.run(
        ["sh", "-c", 'cat "$TUNER_PARAMS_FILE"; echo; cat "$1"; echo; echo "{\\"loss\\": 0.5}"', "me", "{params_file}"],
        PARAMS | {"booster": None},
        params="json",
    )
    lines = result.log.decode().splitlines()
    assert json.loads(lines[0]) == json.loads(lines[1]) == PARAMS | {"booster": None}
    assert isinstance(result.outcome, Completed)


def test_parameters_may_come_as_environment_variables(bench):
    space = SearchSpace({"learning.rate": Float(0, 1), "depth": Int(1, 9)})
    result = bench.run(
        ["sh", "-c", 'echo "$TUNER_PARAM_LEARNING_RATE $TUNER_PARAM_DEPTH"; echo "{\\"loss\\": 0.5}"'],
        {"learning.rate": 0.25, "depth": 3},
        spec(space=space),
        params="environment",
    )
    assert result.log.decode().splitlines()[0] == "0.25 3"


def test_the_program_learns_of_its_attempt_and_its_grant(bench):
    names = "TUNER_TRIAL TUNER_ATTEMPT TUNER_SEED TUNER_CPU TUNER_GPU TUNER_MEMORY_MIB OMP_NUM_THREADS MINE"
    script = (
        f'for n in {names}; do eval "printf \\"%s \\" \\"\\$$n\\""; done; echo; echo "$@"; pwd; ' + SAY.split("; ")[-1]
    )
    result = bench.run(
        ["sh", "-c", script, "me", "{trial}.{attempt}.{seed}.{cpu}.{gpu}.{memory_mib}", "{directory}"],
        params="json",
        environment={"MINE": 5},
    )
    lines = result.log.decode().splitlines()
    assert lines[0].split() == ["4", "1", "99", "1", "0", "512", "1", "5"]
    assert lines[1] == f"4.1.99.1.0.512 {bench.base / 'scratch' / '4.1'}"
    assert lines[2] == str(bench.base.resolve())


def test_a_parameter_hides_a_built_in_name(bench):
    space = SearchSpace({"seed": Int(1, 9), "on": Categorical([True, False])})
    assert arguments_of(
        bench.run(["sh", "-c", SAY, "me", "{seed}{on}"], {"seed": 5, "on": True}, spec(space=space))
    ) == ["5true"]


# How metrics come back.


def test_lines_with_a_step_are_reports_and_the_one_without_is_the_result(bench):
    result = bench.shell("""
        echo starting
        echo '{"step": 1, "loss": 0.5}'
        echo '{"step": 2, "loss": 0.25, "accuracy": 1}'
        echo '{"loss": 0.125, "accuracy": 0.75}'
    """)
    assert result.outcome == Completed({"loss": 0.125, "accuracy": 0.75})
    assert bench.link.reports == [(1, {"loss": 0.5}), (2, {"loss": 0.25, "accuracy": 1.0})]
    assert result.log.decode().splitlines()[:2] == ["starting", '{"step": 1, "loss": 0.5}']


def test_the_last_report_is_the_result_when_there_is_no_other(bench):
    assert bench.shell("""echo '{"step": 1, "loss": 0.5}'; echo '{"step": 2.0, "loss": 0.25}'""").outcome == Completed(
        {"loss": 0.25}
    )
    assert bench.link.reports[-1][0] == 2


def test_other_output_is_just_output(bench):
    result = bench.shell("""
        echo '{not json'
        echo '{"level": "info", "step": 1, "message": "loss"}'
        echo '[1, 2]'
        echo '{"step": 1, "rows": 100}'
        printf 'bytes: \\377\\376\\n'
        printf '{"loss": 0.5, "x": "\\377"}\\n'
        echo '{"loss": 0.25, "phase": "test"}'
        echo '{"step": 9, "loss": 9.0}' >&2
    """)
    assert result.outcome == Completed({"loss": 0.25})
    assert bench.link.reports == []
    assert "bytes: \ufffd\ufffd" in result.log.decode()


def test_a_last_line_without_an_end_counts(bench):
    assert bench.shell("""printf '{"loss": 0.5}'""").outcome == Completed({"loss": 0.5})


def test_a_line_that_comes_in_pieces_counts(bench):
    bench.write(
        "slow.py",
        """
        import os
        for piece in ('{"step": 1, ', '"loss"', ': 0.5', '}\\n{"loss": 0.25}'):
            os.write(1, piece.encode())
    """,
    )
    assert bench.run([sys.executable, "slow.py"]).outcome == Completed({"loss": 0.25})
    assert bench.link.reports == [(1, {"loss": 0.5})]


def test_a_python_program_reports_through_tuner(bench):
    bench.write(
        "train.py",
        f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).resolve().parents[2])!r})
        from tuner.worker import report
        for step in range(3):
            report(step, loss=1.0 / (step + 1))
        report(loss=0.125)
        print("done")
    """,
    )
    for metrics in ("stdout", "file"):
        result = bench.run(["{python}", "train.py"], metrics=metrics)
        assert result.outcome == Completed({"loss": 0.125})
        assert [step for step, _ in bench.link.reports] == [0, 1, 2]
        assert b'{"loss": 0.125}' in result.log
        assert b"done" in result.log


def test_standard_output_is_not_read_where_metrics_come_by_file(bench):
    result = bench.shell("""echo '{"loss": 9}'; printf '{"loss": 0.5}' >> "$TUNER_REPORT_FILE" """, metrics="file")
    assert result.outcome == Completed({"loss": 0.5})


EXPECTED = 'expected a line such as {"loss": 0.5} on standard output'


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo hello", f"without metrics, {EXPECTED}; last lines of its output:\nhello"),
        ("true", f"without metrics, {EXPECTED}; it printed nothing"),
        ("""echo '{"los": 0.5}'""", "the metric 'loss' is missing: got los; is 'los' meant to be 'loss'?"),
        ("""echo '{"step": 1, "los": 0.5}'""", "is 'los' meant to be 'loss'?"),
        ("""echo '{"loss": NaN}'""", "loss that was returned is nan, expected a finite number"),
        ("""echo '{"step": 3, "loss": NaN}'; sleep 60""", "at step 3: loss is nan, expected a finite number"),
        ("""echo '{"loss": null}'""", "loss that was returned is None (NoneType), expected a number"),
        ("""echo '{"loss": "0.5"}'""", "loss that was returned is '0.5' (str), expected a number"),
        ("""echo '{"step": "one", "loss": 0.5}'""", "the step must be a whole number, got 'one' (str)"),
        ("""echo '{"step": 2, "loss": 1}'; echo '{"step": 2, "loss": 1}'""", "step 2 is not above the last one, 2"),
    ],
)  # fmt: skip
def test_metrics_that_cannot_be_used_fail_the_attempt(bench, script, said):
    failed = outcome_of(bench.shell(script))
    assert failed.kind is FailureKind.BAD_REPORT
    assert said in failed.message


def test_megabytes_of_output_neither_block_nor_stay(bench):
    bench.write(
        "loud.py",
        """
        import sys
        for _ in range(64):
            sys.stdout.write("x" * (1 << 20))          # one line of 64 MiB: no metrics in there
            sys.stderr.write("y" * (1 << 18) + "\\n")
        print()
        print('{"loss": 0.5}')
    """,
    )
    begun = psutil.Process().memory_info().rss
    result = bench.run([sys.executable, "loud.py"])
    assert result.outcome == Completed({"loss": 0.5})
    assert len(result.log) <= 1 << 20
    assert result.log.rstrip().endswith(b'{"loss": 0.5}')
    assert psutil.Process().memory_info().rss - begun < 64 << 20


# Exit codes.


def test_an_exit_code_is_a_failure_with_the_last_lines(bench):
    failed = outcome_of(bench.shell("seq 100; echo 'no such file: x' >&2; exit 3"))
    assert failed.kind is FailureKind.COMMAND_EXIT
    assert failed.message.startswith("exit code 3 after ")
    assert failed.message.endswith("no such file: x") or "100" in failed.message.splitlines()[-1]
    assert "no such file: x" in failed.message
    assert len(failed.message.splitlines()) <= 25


def test_metrics_do_not_make_a_failure_good(bench):
    assert outcome_of(bench.shell("""echo '{"loss": 0.5}'; exit 1""")).kind is FailureKind.COMMAND_EXIT


def test_other_exit_codes_may_mean_success(bench):
    assert bench.shell("""echo '{"loss": 0.5}'; exit 2""", success_exit_codes=[0, 2]).outcome == Completed(
        {"loss": 0.5}
    )


def test_a_signal_is_named(bench):
    assert outcome_of(bench.shell("kill -SEGV $$")).message.startswith("killed by SIGSEGV")
    assert outcome_of(bench.shell("exit 139")).message.startswith("exit code 139 (a shell's way to say SIGSEGV)")


def test_sigkill_is_out_of_memory_only_if_the_kernel_counted_a_kill(bench, monkeypatch):
    failed = outcome_of(bench.shell("kill -KILL $$"))
    assert failed.kind is FailureKind.COMMAND_EXIT
    assert "killed by SIGKILL; not by the kernel for want of memory" in failed.message

    counts = iter([5, 6])
    monkeypatch.setattr("tuner.objectives.command.memory_kills", lambda: next(counts))
    assert outcome_of(bench.shell("kill -KILL $$")).kind is FailureKind.OUT_OF_MEMORY


def test_the_kernels_count_is_read():
    assert _command_exit.memory_kills() >= 0


def test_a_program_that_says_that_memory_ran_out_is_believed(bench):
    assert outcome_of(bench.shell("echo MemoryError >&2; exit 1")).kind is FailureKind.OUT_OF_MEMORY


def test_a_program_that_is_gone_when_it_shall_run_fails_the_attempt(bench):
    program = bench.write("tool", "#!/bin/sh\n", executable=True)
    objective = bench.objective(["./tool"])
    program.unlink()
    start = Start(4, 1, PARAMS, Resources(1, 0, 0), lane=0, seed=99)
    failed = outcome_of(run_attempt(objective, start, spec().metrics, RecordingLink(), bench.base / "scratch"))
    assert failed.kind is FailureKind.COMMAND_EXIT
    assert "./tool cannot be started on this node: " in failed.message


# Stops, and what is left behind.


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
    result = bench.shell(script, link=RecordingLink(stop_at=1))
    assert result.outcome == Pruned(1)
    assert "asked to end" in result.log.decode()


def test_a_stop_reaches_a_program_that_prints_nothing(bench):
    ready = bench.base / "ready"
    os.mkfifo(ready)

    link = RecordingLink()

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
    result = bench.shell(script, link=RecordingLink(stop_at=1), study=spec(stop_grace_s=0.2))
    assert result.outcome == Pruned(1)
    assert gone(pids_in(bench.base / "pid")[0])


def test_a_stopped_process_is_ended_too(bench):
    script = """
        echo $$ > pid
        echo '{"step": 1, "loss": 0.5}'
        kill -STOP $$
    """
    result = bench.shell(script, link=RecordingLink(stop_at=1))
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
    bench.run([sys.executable, "family.py"], link=RecordingLink(stop_at=1 if "wait" in ending else None))
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

    bench.shell("echo $$ > pid; echo ready; exec sleep 300", link=RecordingLink(on_log=interrupt))
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
from tuner.worker import run_attempt

class Link:
    stop = None
    def report(self, step, values): print("reported", flush=True)
    def log(self, text): pass

spec = StudySpec("w", (Metric("loss"),), SearchSpace({{"x": Float(0, 1)}}), PluginSpec("command"))
objective = Command(["sh", "-c", sys.argv[1]], params="json", base={base!r})
objective.prepare(spec)
run_attempt(objective, Start(0, 1, {{"x": 0.5}}, Resources(), 0, 1), spec.metrics, Link(), Path({base!r}) / "scratch")
"""


def test_the_program_dies_with_a_worker_that_is_killed(bench):
    root = str(Path(__file__).resolve().parents[2])
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


def test_usage_counts_the_program(bench):
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


# What is refused before anything runs.


def refused(bench: Bench, command: Any, **options: Any) -> str:
    with pytest.raises(ObjectiveError) as caught:
        bench.objective(command, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ([], "objective.command is [], expected a program and its arguments"),
        ("", "expected a program and its arguments"),
        (3, "objective.command is 3, expected a program"),
        ("sh -c 'echo", "cannot be split: No closing quotation\n  hint: close the quotes"),
        (["sh", None], "objective.command: None is no argument, expected a string or a number"),
        (["sh", "-c", "{lrr}"], "{lrr} is no parameter of the search space; there are: lr, depth\n  hint: did you mean {lr}?"),
        (["sh", "-c", "{print}"], "hint: to pass it as it stands write {{print}}"),
        (["shh"], "there is no program 'shh' on the PATH\n  hint: did you mean 'sh'?"),
        (["tool"], "hint: the program lies in {base}: write ./tool"),
        (["./tool"], "{base}/tool is not executable\n  hint: chmod +x {base}/tool"),
        (["./tol"], "there is no program {base}/tol\n  hint: did you mean 'tool'?"),
        (["python", "trian.py"], "there is no script 'trian.py' in {base}\n  hint: did you mean 'train.py'?"),
    ],
)  # fmt: skip
def test_commands_that_cannot_work_are_refused(bench, command, said):
    bench.write("tool", "#!/bin/sh\n")
    bench.write("train.py", "")
    message = refused(bench, command)
    for part in said.replace("{base}", str(bench.base.resolve())).split("\n"):
        assert part in message


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"params": "jsn"}, "is 'jsn', expected one of arguments, json, environment\n  hint: did you mean 'json'?"),
        ({"metrics": "stderr"}, "objective.metrics is 'stderr', expected one of stdout, file"),
        ({"environment": {"A": [1]}}, "objective.environment.A is [1], expected a string or a number"),
        ({"environment": {"A=B": "1"}}, "objective.environment.A=B"),
        ({"success_exit_codes": [256]}, "objective.success_exit_codes is [256], expected numbers from 0 to 255"),
        ({"success_exit_codes": []}, "objective.success_exit_codes is []"),
    ],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(bench, options, said):
    assert said in refused(bench, ["sh"], **options)


def test_two_parameters_in_one_variable_are_refused(bench):
    space = SearchSpace({"a.b": Float(0, 1), "A_B": Float(0, 1)})
    said = refused(bench, ["sh"], params="environment", study=spec(space=space))
    assert "'a.b' and 'A_B' would both be TUNER_PARAM_A_B" in said


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ObjectiveError, match="there is no folder"):
        Command(["sh"], base=tmp_path / "nowhere").prepare(spec())


def test_the_description_names_the_command_and_the_digest_of_its_files(bench):
    bench.write("train.sh", "echo")
    described = bench.objective(["sh", "train.sh", "--drop", "{rate_drop}", ["a", "b"]]).describe()
    assert described["command"] == ["sh", "train.sh", ["--drop", "{rate_drop}"], ["a", "b"]]
    assert list(described["files"]) == ["train.sh"]
    assert len(described["files"]["train.sh"]) == 64
    assert json.loads(json.dumps(described)) == described


def test_the_objective_travels_to_workers(bench):
    import pickle

    objective = pickle.loads(pickle.dumps(bench.objective(["sh", "-c", """echo '{"loss": 0.5}'"""])))
    start = Start(4, 1, PARAMS, Resources(), lane=0, seed=99)
    assert run_attempt(objective, start, spec().metrics, RecordingLink(), bench.base / "scratch").outcome == Completed(
        {"loss": 0.5}
    )


def test_a_program_whose_exit_code_got_lost_is_no_success(bench, monkeypatch):
    def reaped(*arguments: Any) -> None:
        raise ChildProcessError

    monkeypatch.setattr(os, "waitid", reaped)
    failed = outcome_of(bench.shell("""echo '{"loss": 0.5}'"""))
    assert failed.kind is FailureKind.COMMAND_EXIT
    assert "its exit code is not known" in failed.message


def test_platforms_without_pidfd_and_waitid_do_as_well(bench, monkeypatch):
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    assert bench.shell("""echo '{"loss": 0.5}'""").outcome == Completed({"loss": 0.5})
    monkeypatch.delattr(os, "waitid")
    monkeypatch.setattr(_command_process, "_process_folders", list)
    assert bench.shell("""echo '{"loss": 0.5}'""").outcome == Completed({"loss": 0.5})


def test_the_example_runs_with_posix_tools_only(tmp_path):
    folder = Path(__file__).resolve().parents[2] / "examples" / "command"
    from tuner.sweep import load

    study = load(folder / "sweep.yaml").spec
    objective = Command(**{**study.objective.options, "base": str(folder)})
    objective.prepare(study)
    errors = []
    for params in (
        {"rate": 0.05, "momentum": 0.9, "degree": 1},
        {"rate": 0.05, "momentum": 0.9, "degree": 4, "ridge": 0.01},
    ):
        link = RecordingLink()
        start = Start(0, 1, params, Resources(), lane=0, seed=1)
        outcome = run_attempt(objective, start, study.metrics, link, tmp_path).outcome
        assert isinstance(outcome, Completed), outcome
        assert [step for step, _ in link.reports] == list(range(10, 301, 10))
        errors.append(outcome.values["error_ft"])
    assert all(5 < error < 20 for error in errors)
    assert errors[0] != errors[1]
