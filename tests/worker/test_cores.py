"""A grant of whole CPUs is so many cores, which no other attempt of the machine has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tuner.worker import cores as cores_module
from tuner.worker.cores import Cores, hold_cores, release_cores

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="there is no affinity here"),
    pytest.mark.skipif(len(getattr(os, "sched_getaffinity", lambda pid: ())(0)) < 2, reason="one core is no choice"),
]
NEIGHBOUR = """
import os, sys
from pathlib import Path
from tuner.worker.cores import Cores
cores = Cores(Path(sys.argv[1]))
for line in sys.stdin:
    if line == "release\\n":
        cores.release()
    else:
        cores.hold(float(line))
    print(sorted(os.sched_getaffinity(0)), flush=True)
"""


class Neighbour:
    """Another worker process of the machine."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-c", NEIGHBOUR, str(folder)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def tell(self, line: str) -> set[int]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return set(json.loads(self.process.stdout.readline()))


@pytest.fixture
def everything() -> Iterator[set[int]]:
    before = os.sched_getaffinity(0)
    yield set(before)
    for thread in os.listdir("/proc/self/task"):
        os.sched_setaffinity(int(thread), before)


@pytest.fixture
def neighbour(tmp_path) -> Iterator[Neighbour]:
    neighbour = Neighbour(tmp_path)
    yield neighbour
    neighbour.process.communicate(timeout=30)


@pytest.fixture
def cores(tmp_path, everything) -> Cores:
    return Cores(tmp_path)


def mine() -> set[int]:
    return os.sched_getaffinity(0)


def test_two_processes_never_share_a_core_while_another_one_is_free(cores, neighbour):
    theirs = neighbour.tell("1")
    cores.hold(1)
    assert len(theirs) == len(mine()) == 1
    assert not theirs & mine()


def test_what_a_neighbour_released_can_be_had_and_its_threads_may_stay(cores, neighbour, everything):
    theirs = neighbour.tell("1")
    neighbour.tell("release")
    for _ in range(len(everything) - 1):
        cores.hold(len(everything) - 1)
    cores.release()
    cores.hold(1)
    assert neighbour.tell("1") != mine()
    assert theirs <= everything


def test_an_attempt_with_the_same_grant_stays_where_the_last_one_was(cores, neighbour):
    neighbour.tell("1")
    cores.hold(1)
    first = mine()
    cores.release()
    neighbour.tell("release")
    cores.hold(1)
    assert mine() == first


@pytest.mark.parametrize("cpu", [0.5, 1.5, 0, 10_000])
def test_what_is_no_number_of_cores_is_left_to_the_kernel(cores, everything, cpu):
    cores.hold(1)
    cores.release()
    cores.hold(cpu)
    assert mine() == everything


def test_when_every_core_is_taken_the_kernel_chooses(cores, tmp_path, everything):
    others = [Neighbour(tmp_path) for _ in everything]
    for other in others:
        other.tell("1")
    cores.hold(1)
    assert mine() == everything
    for other in others:
        other.process.communicate(timeout=30)


def test_a_process_that_is_killed_leaves_its_cores_to_others(cores, tmp_path, everything):
    others = [Neighbour(tmp_path) for _ in everything]
    taken = [other.tell("1") for other in others]
    others[0].process.kill()
    others[0].process.wait()
    cores.hold(1)
    assert mine() == taken[0]
    for other in others[1:]:
        other.process.communicate(timeout=30)


def test_a_program_that_starts_a_thread_a_core_gets_no_more_than_was_granted(cores):
    burn = (
        "import hashlib, os, threading, time\n"
        "ends = time.perf_counter() + 0.6\n"
        "def burn():\n"
        "    while time.perf_counter() < ends: hashlib.sha256(b'x' * 1_000_000).digest()\n"
        "threads = [threading.Thread(target=burn) for _ in range(os.cpu_count() * 2)]\n"
        "begun, used = time.perf_counter(), time.process_time()\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\n"
        "print((time.process_time() - used) / (time.perf_counter() - begun))\n"
    )
    cores.hold(1)
    done = subprocess.run([sys.executable, "-c", burn], capture_output=True, text=True, check=True, timeout=60)
    assert float(done.stdout) < 1.1


def test_in_a_container_with_a_quota_nobody_knows_which_cores_are_free(tmp_path, monkeypatch):
    (tmp_path / "cpu.max").write_text("200000 100000\n")
    assert cores_module._has_quota(tmp_path)
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert not cores_module._has_quota(tmp_path)


def test_a_quota_leaves_the_process_where_it_is(monkeypatch, everything):
    monkeypatch.setattr(cores_module, "_has_quota", lambda: True)
    monkeypatch.setattr(cores_module, "_here", [])
    hold_cores(1)
    release_cores()
    assert mine() == everything
