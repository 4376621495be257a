"""GPU figures through NVML itself, by way of a library that says what the test wants."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """
import json, os, sys, time
from dataclasses import asdict
from pathlib import Path
from tuner.resources import Resources
from tuner.worker import UsageMeter
state = Path(os.environ["FAKE_NVML_STATE"])
def gpus(text): state.write_text(text.replace("ME", str(os.getpid())))
gpus(sys.argv[1])
meter = UsageMeter(Resources(1, 1))
meter.start()
for text in sys.argv[2:]:
    gpus(text)
    meter.sample()
print(json.dumps(asdict(meter.stop())))
"""
Measured = Callable[..., dict[str, Any]]


@pytest.fixture
def measured(nvml_folder: Path, tmp_path: Path) -> Measured:
    """What an attempt is measured to use while the GPUs go through these states."""

    def run(*states: str, visible: str | None = None) -> dict[str, Any]:
        clean = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
        mine = {"LD_LIBRARY_PATH": str(nvml_folder), "FAKE_NVML_STATE": str(tmp_path / "gpus")}
        environment = clean | mine | ({} if visible is None else {"CUDA_VISIBLE_DEVICES": visible})
        command = [sys.executable, "-c", PROGRAM, *states]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        usage: dict[str, Any] = json.loads(done.stdout)
        return usage

    return run


IDLE = "gpu 24000 300 0\ngpu 16000 300 0\n"


def test_attempts_that_share_a_gpu_are_told_apart(measured):
    shared = "gpu 24000 9000 90\ngpu 16000 300 0\nprocess 0 ME 2000 30\nprocess 0 1 6500 60\n"
    usage = measured(IDLE, shared, visible="0")
    assert usage["peak_gpu_memory_mib"] == 2000
    assert usage["gpu_util"] == pytest.approx(0.3)
    assert usage["gpu_memory_mib"] == 24000


def test_the_peak_of_memory_and_the_mean_of_utilisation_are_told(measured):
    states = [f"gpu 24000 4000 50\nprocess 0 ME {mib} {busy}\n" for mib, busy in ((3000, 90), (1000, 30), (500, 0))]
    usage = measured(*states, states[-1], visible="0")
    assert usage["peak_gpu_memory_mib"] == 1000  # the first state is only what was there when it began
    assert usage["gpu_util"] == pytest.approx((30 + 0 + 0 + 0) / 4 / 100)


def test_where_processes_are_not_named_what_the_gpu_holds_more_counts(measured):
    usage = measured(IDLE, "gpu 24000 1300 70\ngpu 16000 300 0\nprocess 0 1 1000 70\n", visible="GPU-test-0")
    assert usage["peak_gpu_memory_mib"] == 1000
    assert usage["gpu_util"] == pytest.approx(0.7)


def test_several_gpus_add_up_in_memory_and_are_averaged_in_utilisation(measured):
    both = "gpu 24000 1 80\ngpu 16000 1 20\nprocess 0 ME 700 80\nprocess 1 ME 300 20\n"
    usage = measured(both, both, visible="0,1")
    assert usage["peak_gpu_memory_mib"] == 1000
    assert usage["gpu_util"] == pytest.approx(0.5)
    assert usage["gpu_memory_mib"] == 16000  # of the smaller one


def test_no_gpu_to_be_seen_is_nothing_to_be_told(measured):
    usage = measured(IDLE, visible="")
    assert (usage["gpu_util"], usage["peak_gpu_memory_mib"], usage["gpu_memory_mib"]) == (None, None, None)
