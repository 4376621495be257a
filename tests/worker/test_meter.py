"""Usage is what the attempt used: not what the worker held before, and with its children's."""

from __future__ import annotations

import mmap
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tuner.resources import Resources
from tuner.worker import UsageMeter
from tuner.worker import gpu as gpu_module
from tuner.worker import sampler as sampler_module
from tuner.worker.memory import take_base

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's peak of resident memory")

BLOCK = b"x" * 100_000
CHILD = """
import sys, time
block = bytearray(int(sys.argv[1]) << 20)
begun = time.process_time()
while time.process_time() - begun < float(sys.argv[2]):
    pass
print("ready", flush=True)
sys.stdin.read()
"""


def started_child(memory_mib: int, cpu_s: float) -> subprocess.Popen[bytes]:
    """A child that has used so much and waits for the end of its standard input."""
    command = [sys.executable, "-c", CHILD, str(memory_mib), str(cpu_s)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    return child


NO_GPU = Resources()


@pytest.fixture(autouse=True)
def _base() -> None:
    """What other tests have left in this process is not an attempt's."""
    take_base()


def metered(work, grant: Resources = NO_GPU):
    meter = UsageMeter(grant)
    meter.start()
    work()
    return meter.stop()


def test_time_and_cpu_time_are_measured():
    def work():
        begun_s = time.thread_time()
        while time.thread_time() - begun_s < 0.05:
            pass

    usage = metered(work)
    assert 0.05 <= usage.cpu_s < 1.0
    assert usage.wall_s >= 0.05
    assert (usage.gpu_util, usage.peak_gpu_memory_mib) == (None, None)


@ON_LINUX
def test_a_peak_that_was_gone_before_the_first_sample_is_seen():
    def work():
        block = bytearray(128 << 20)
        del block

    usage = metered(work)
    assert 120 <= usage.peak_memory_mib <= 140


@ON_LINUX
def test_what_the_worker_held_before_does_not_count():
    held = bytearray(128 << 20)
    take_base()
    peak_mib = metered(lambda: None).peak_memory_mib
    del held
    assert peak_mib < 16
    assert metered(lambda: None).peak_memory_mib < 16  # nor does the peak of an earlier attempt


@ON_LINUX
def test_memory_that_an_earlier_attempt_left_behind_counts_above_the_base_of_the_process():
    kept: list[bytearray] = []
    metered(lambda: kept.append(bytearray(64 << 20)))
    usage = metered(lambda: None)
    assert 60 <= usage.peak_memory_mib <= 80
    assert usage.base_memory_mib == pytest.approx(take_base() / 2**20 - 64, abs=8)
    kept.clear()


@ON_LINUX
def test_the_mean_is_over_time_and_not_the_peak():
    def work():
        block = bytearray(128 << 20)
        time.sleep(0.15)
        del block
        time.sleep(0.45)

    usage = metered(work)
    assert usage.peak_memory_mib >= 120
    assert 15 <= usage.mean_memory_mib <= 70


@ON_LINUX
def test_pages_of_shared_memory_are_the_nodes_and_not_the_attempts():
    def work():
        with mmap.mmap(-1, 96 << 20) as shared:  # anonymous and shared, as Ray's object store is
            shared.write(b"x" * (96 << 20))
            time.sleep(0.2)

    take_base()
    usage = metered(work)
    assert usage.peak_memory_mib < 110  # the bytes that are written, and not the pages that they are written to, twice


WORKERS = """
import hashlib, threading, time
from tuner.resources import Resources
from tuner.worker.meter import UsageMeter

def burn(until_s):
    while time.perf_counter() < until_s:
        hashlib.sha256(bytes(1 << 20)).digest()  # lets go of the interpreter

waiting = threading.Event()
idle = [threading.Thread(target=waiting.wait, daemon=True) for _ in range(5)]
meter = UsageMeter(Resources())
meter.start()
workers = [threading.Thread(target=burn, args=(time.perf_counter() + 0.8,)) for _ in range(3)]
for thread in [*idle, *workers]:
    thread.start()
for thread in workers:
    thread.join()
print(meter.stop().threads)
"""


@ON_LINUX
def test_threads_that_work_are_counted_and_those_that_wait_are_not():
    # In a process of its own: threads that other tests have left behind work too.
    done = subprocess.run([sys.executable, "-c", WORKERS], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "3"


@ON_LINUX
@pytest.mark.slow
def test_looking_at_an_attempt_with_children_costs_less_than_a_hundredth_of_a_core(monkeypatch):
    children = [started_child(8, 0.0) for _ in range(4)]
    sampler = sampler_module.sampler()
    seconds: list[float] = []

    def look_at_the_sampler():
        [thread] = [t for t in threading.enumerate() if t.name == "tuner-usage" and t.ident == owner[0]]
        text = Path(f"/proc/self/task/{thread.native_id}/schedstat").read_text()
        seconds.append(int(text.split()[0]) / 1e9)

    owner: list[int | None] = []
    tick = sampler._tick

    def noted(attempt):
        owner.append(threading.get_ident())
        return tick(attempt)

    monkeypatch.setattr(sampler, "_tick", noted)

    def work():
        time.sleep(0.3)
        look_at_the_sampler()
        time.sleep(8.0)  # one look more or less, of some milliseconds, must not decide
        look_at_the_sampler()

    sampler._credit_s = 0.0  # no burst
    metered(work)
    for child in children:
        child.communicate(timeout=30)
    assert seconds[1] - seconds[0] < 8.0 * 0.01


def test_a_running_childs_memory_and_cpu_time_count():
    def work():
        children.append(started_child(96, 0.2))

    children: list[subprocess.Popen[bytes]] = []
    usage = metered(work)  # the child lives on beyond the end: the sample at the end sees it
    children[0].communicate(timeout=30)

    assert 90 <= usage.peak_memory_mib <= 160
    assert 0.2 <= usage.cpu_s < 5.0


def test_a_childs_cpu_time_counts_once_when_it_was_sampled_and_then_reaped():
    meter = UsageMeter(Resources())
    meter.start()
    child = started_child(1, 0.3)
    meter.sample()
    child.communicate(timeout=30)
    usage = meter.stop()

    assert 0.3 <= usage.cpu_s < 0.6


def test_what_a_child_used_before_the_attempt_does_not_count():
    child = started_child(1, 0.5)
    meter = UsageMeter(Resources())
    meter.start()
    meter.sample()
    before_end = meter.stop()

    meter = UsageMeter(Resources())
    meter.start()
    meter.sample()
    child.communicate(timeout=30)
    after_end = meter.stop()

    assert before_end.cpu_s < 0.3
    assert after_end.cpu_s < 0.3


def test_what_a_child_held_before_the_attempt_does_not_count():
    child = started_child(96, 0.2)
    meter = UsageMeter(Resources())
    meter.start()
    meter.sample()
    usage = meter.stop()
    child.communicate(timeout=30)

    assert usage.peak_memory_mib < 48


def test_one_thread_samples_all_attempts_of_a_process():
    metered(lambda: None)
    # Other tests may have left one of theirs.
    before = {t.ident for t in threading.enumerate() if t.name == "tuner-usage"}
    for _ in range(50):
        metered(lambda: None)
    assert before
    assert {t.ident for t in threading.enumerate() if t.name == "tuner-usage"} == before


class FakeMemory:
    def __init__(self, used: int) -> None:
        self.used, self.total = used, 16_000 << 20


class FakeProcess:
    def __init__(self, pid: int, used: int | None) -> None:
        self.pid, self.usedGpuMemory = pid, used


class FakeNvml:
    """What ``GpuMeter`` uses of nvidia-ml-py, for two GPUs."""

    class NVMLError(Exception):
        pass

    def __init__(self) -> None:
        self.used = {0: 1000 << 20, 1: 500 << 20}
        self.utilisation = {0: 80, 1: 20}
        self.processes: dict[int, list[FakeProcess]] = {0: [], 1: []}

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        if index not in self.used:
            raise self.NVMLError("no such GPU")
        return index

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> int:
        return {"GPU-a": 0, "GPU-b": 1}[uuid]

    def nvmlDeviceGetUtilizationRates(self, handle: int):
        class Rates:
            gpu = self.utilisation[handle]

        return Rates

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> FakeMemory:
        return FakeMemory(self.used[handle])

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[FakeProcess]:
        return self.processes[handle]


@pytest.fixture
def nvml(monkeypatch):
    fake = FakeNvml()
    monkeypatch.setattr(gpu_module, "_loaded", [fake])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return fake


def test_gpu_memory_is_that_of_the_attempts_processes(nvml, monkeypatch):
    import os

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    nvml.processes[0] = [FakeProcess(os.getpid(), 300 << 20), FakeProcess(1, 700 << 20)]
    usage = metered(lambda: None, Resources(1, 1, 0))

    assert usage.peak_gpu_memory_mib == 300
    assert usage.gpu_util == pytest.approx(0.8)


def test_gpu_memory_above_the_base_counts_where_processes_are_not_named(nvml, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a, GPU-b")

    def work():
        nvml.used[1] += 250 << 20

    usage = metered(work, Resources(1, 2, 0))
    assert usage.peak_gpu_memory_mib == 250
    assert usage.gpu_util == pytest.approx(0.5)


def test_gpus_are_not_looked_at_when_none_was_granted(nvml):
    assert metered(lambda: None, Resources(1, 0, 0)).gpu_util is None


def test_gpu_fields_are_none_where_nvml_cannot_be_read(nvml, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    assert metered(lambda: None, Resources(1, 1, 0)).gpu_util is None
    monkeypatch.setattr(gpu_module, "_loaded", [None])
    assert metered(lambda: None, Resources(1, 1, 0)).peak_gpu_memory_mib is None


def test_samples_may_run_ahead_of_their_share_by_a_burst_and_no_further():
    sampler = sampler_module.Sampler()
    assert sampler._pay(sampler_module.BURST_S / 2) == 0.0
    wait_s = sampler._pay(sampler_module.BURST_S)
    assert wait_s * sampler_module.SHARE_OF_A_CORE == pytest.approx(sampler_module.BURST_S / 2, rel=0.05)
