"""The log is what was printed between two marks, by whomever, and stays bounded."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tuner.worker import LOG_LIMIT_BYTES, BoundedLog, Tee, installed_log
from tuner.worker import capture as capture_module


def run_python(code: str, tmp_path: Path) -> str:
    """``code`` in a process of its own, as ``Capture`` takes the process's descriptors; what it says on descriptor 9."""
    read, write = os.pipe()
    os.set_inheritable(write, True)
    prologue = (
        "import os, sys, subprocess, ctypes\nfrom pathlib import Path\n"
        "from tuner.worker import Capture, LOG_LIMIT_BYTES\nfrom tuner.worker import capture as module\n"
        f"path = Path({str(tmp_path / 'worker.log')!r})\n"
        f"def say(text): os.write({write}, str(text).encode())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", prologue + code],
        pass_fds=[write],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    assert done.returncode == 0, done.stderr + said
    return said


def test_python_c_and_child_processes_are_caught_in_order(tmp_path):
    said = run_python(
        """
capture = Capture.install(path)
print("before", end="")
mark = capture.mark()
print("from python")
libc = ctypes.CDLL(None)
libc.puts(b"from C")
libc.fflush(None)
subprocess.run(["sh", "-c", "echo from a child; echo an error >&2"], check=True)
sys.stderr.write("unfinished")
libc.printf(b" in C's buffer")
capture.write(b" and ours")
say(capture.slice(mark).decode())
""",
        tmp_path,
    )
    assert said.startswith("from python\nfrom C\nfrom a child\nan error\nunfinished")
    assert "in C's buffer" in said
    assert "before" not in said


def test_each_attempt_gets_its_own_slice(tmp_path):
    said = run_python(
        """
capture = Capture.install(path)
for n in range(3):
    mark = capture.mark()
    print("attempt", n)
    say(capture.slice(mark).decode())
""",
        tmp_path,
    )
    assert said == "attempt 0\nattempt 1\nattempt 2\n"


def test_a_live_tail_reads_while_the_attempt_runs(tmp_path):
    said = run_python(
        """
capture = Capture.install(path)
mark = capture.mark()
print("line 1")
say(capture.current(mark).decode())
""",
        tmp_path,
    )
    assert said == "line 1\n"


def test_a_large_log_keeps_head_and_tail_and_says_how_much_is_left_out(tmp_path):
    said = run_python(
        """
capture = Capture.install(path)
mark = capture.mark()
print("the first line")
sys.stdout.write("x" * (5 << 20))
print("\\nthe last line")
log = capture.slice(mark)
assert len(log) <= LOG_LIMIT_BYTES, len(log)
assert log.startswith(b"the first line\\n") and log.endswith(b"the last line\\n")
say(log[log.index(b"[..."):log.index(b"...]") + 4].decode())
""",
        tmp_path,
    )
    total = len("the first line\n") + (5 << 20) + len("\nthe last line\n")
    kept = LOG_LIMIT_BYTES - 80
    assert said == f"[... {total - kept} bytes left out ...]"


def test_the_file_stays_small_while_an_attempt_prints_without_end(tmp_path):
    said = run_python(
        """
module.ROTATE_BYTES = 8 << 20
capture = Capture.install(path)
print("of an earlier attempt")
mark = capture.mark()
print("the first line")
for n in range(100):
    os.write(1, b"y" * (1 << 20))
    capture.bound()
    assert path.stat().st_size < 12 << 20, path.stat().st_size
print("the last line")
log = capture.slice(mark)
assert len(log) <= LOG_LIMIT_BYTES
assert log.startswith(b"the first line\\n") and log.endswith(b"the last line\\n")
left_out = int(log[log.index(b"[... ") + 5:].split()[0])
assert left_out + log.count(b"y") >= 100 << 20, left_out
assert left_out < 101 << 20
""",
        tmp_path,
    )
    assert said == ""


def test_the_file_is_emptied_between_attempts(tmp_path):
    run_python(
        """
module.ROTATE_BYTES = 1 << 20
capture = Capture.install(path)
capture.mark()
os.write(1, b"z" * (2 << 20))
mark = capture.mark()
assert path.stat().st_size == 0
print("next")
assert capture.slice(mark) == b"next\\n"
""",
        tmp_path,
    )


def test_restoring_gives_the_descriptors_back(tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from tuner.worker import Capture, installed_log\n"
            "capture = Capture.install(Path(sys.argv[1])); print('captured'); capture.restore(); capture.restore()\n"
            "print('free'); assert installed_log() is None",
            str(tmp_path / "log"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "free\n"
    assert (tmp_path / "log").read_text() == "captured\n"


def test_attempts_use_the_installed_source(tmp_path):
    said = run_python(
        """
from tuner.core.actions import Start
from tuner.core.ports import Objective
from tuner.resources import Resources
from tuner.study import Metric
from tuner.worker import run_attempt
class Printing(Objective):
    def run(self, params, context):
        print("hello from", context.trial)
        context.log("and a note\\n")
        return 0.5
class Link:
    stop = end_process = None
    received_mib = 0.0
    def report(self, step, values): pass
    def log(self, text): say("must not be called")
Capture.install(path)
for trial in range(2):
    result = run_attempt(Printing(), Start(trial, 1, {}, Resources(), 0, 1), [Metric("loss")], Link(), path.parent)
    say(result.log.decode())
""",
        tmp_path,
    )
    assert said == "hello from 0\nand a note\nhello from 1\nand a note\n"


def test_a_tee_copies_and_lets_everything_pass(capsys):
    tee = Tee.install()
    try:
        mark = tee.mark()
        print("to both")
        print("error", file=sys.stderr)
        assert tee.slice(mark) == b"to both\nerror\n"
    finally:
        tee.restore()
    assert capsys.readouterr() == ("to both\n", "error\n")


def test_a_tee_is_the_original_stream_in_everything_else(capsys):
    original = sys.stdout
    tee = Tee.install()
    try:
        assert sys.stdout.encoding == original.encoding
        assert sys.stdout.isatty() == original.isatty()
    finally:
        tee.restore()
    assert sys.stdout is original
    assert installed_log() is None


def test_a_tee_ignores_the_engines_thread(capsys):
    tee = Tee.install(ignored_thread=threading.get_ident())
    try:
        mark = tee.mark()
        print("progress")
        thread = threading.Thread(target=lambda: print("training"))
        thread.start()
        thread.join(10)
        assert tee.slice(mark) == b"training\n"
    finally:
        tee.restore()


def test_a_tee_leaves_alone_a_stream_that_somebody_else_has_put_there(capsys):
    original, tee = sys.stdout, Tee.install()
    wrapped = capture_module._TeeStream(sys.stdout, tee)
    sys.stdout = wrapped
    try:
        tee.restore()
        assert sys.stdout is wrapped
        print("still printed")
        assert tee.slice(0) == b""
    finally:
        sys.stdout = original
    assert capsys.readouterr().out == "still printed\n"


@pytest.mark.parametrize("chunk", [1, 7, 100, 5000])
def test_a_bounded_log_keeps_the_ends_whatever_the_pieces(chunk):
    data = bytes(range(256)) * 40
    log = BoundedLog(limit=1000)
    for start in range(0, len(data), chunk):
        log.append(data[start : start + chunk])

    kept = log.bytes()
    head, _, rest = kept.partition(b"\n[... ")
    note, _, tail = rest.partition(b" bytes left out ...]\n")
    assert len(kept) <= 1000
    assert data.startswith(head)
    assert data.endswith(tail)
    assert int(note) == len(data) - len(head) - len(tail)


def test_a_bounded_log_below_its_limit_is_whole():
    log = BoundedLog(limit=1000)
    log.append(b"a" * 900)
    assert log.bytes() == b"a" * 900
