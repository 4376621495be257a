"""Checkpoints from end to end: pause and promote, a driver that is killed, what is kept when the study has ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

import tuner
from tuner.api import open_store
from tuner.core.events import Checkpointed, Suggested
from tuner.trial import TrialState

ROOT = Path(__file__).resolve().parents[1]
WORK = """
import os, signal
from pathlib import Path

def train(params, context):
    here = Path(__file__).parent
    begin = 0
    if context.checkpoint:
        begin = int((context.checkpoint.path / "step").read_text())
        assert context.checkpoint.step == begin
    for step in range(begin + 1, 10):
        with (here / "trace").open("a") as file:
            file.write(f"{context.trial} {context.attempt} {step}\\n")
        with context.save_checkpoint(step) as folder:
            (folder / "step").write_text(str(step))
        context.report(step, loss=(params["x"] - 0.3) ** 2 + 1 / step)
        if os.environ.get("DIES_AT") == str(step) and not (here / "died").exists():
            (here / "died").write_text(str(context.trial))
            os.kill(os.getpid(), signal.SIGKILL)
    return {"loss": (params["x"] - 0.3) ** 2 + 1 / 9}
"""
SWEEP = """
name: paused
objective: {function: "work:train"}
metric: {name: loss, goal: minimize}
parameters:
  x: {low: 0.0, high: 1.0}
sampler: random
pruner: {type: asha, min: 1, max: 9, eta: 3, promote: true}
limits: {trials: 24, parallel: 2}
resources: {cpu: 1}
seed: 3
"""


@pytest.fixture
def desk(tmp_path, monkeypatch):
    (tmp_path / "work.py").write_text(WORK)
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TUNER_STORE", raising=False)
    return tmp_path


def tuner_of(command: str, desk: Path, **variables: str) -> int:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    arguments = [sys.executable, "-m", "tuner", *command.split()]
    return subprocess.run(
        arguments, cwd=desk, env=environment, capture_output=True, timeout=120, check=False
    ).returncode


def trained(desk: Path) -> list[tuple[int, int, int]]:
    rows = [tuple(map(int, line.split())) for line in (desk / "trace").read_text().splitlines()]
    return [(trial, attempt, step) for trial, attempt, step in rows]


def held_in_the_end(desk: Path) -> tuner.Study:
    study = tuner.load_study("paused")
    assert study.state == "COMPLETE"
    assert all(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in study.trials)
    assert any(trial.attempts > 1 for trial in study.trials if trial.state is TrialState.COMPLETE)
    best = study.best_trial
    assert best is not None
    kept = study.checkpoint(best.number)
    assert kept is not None
    assert kept.step == 9
    folders = list((desk / ".tuner" / "checkpoints" / "paused").glob("*/*"))
    assert folders == [Path(kept.place)]
    return study


def test_a_promoted_trial_trains_no_step_twice(desk):
    assert tuner_of("run sweep.yaml --executor inline", desk) == 0
    study = held_in_the_end(desk)
    counts = Counter((trial, step) for trial, _, step in trained(desk))
    assert max(counts.values()) == 1
    assert any(attempt > 1 for _, attempt, _ in trained(desk))
    assert study.checkpoint(next(t.number for t in study.trials if t.last_step == 1)) is None


def test_a_study_whose_driver_was_killed_goes_on_from_its_checkpoints(desk):
    """Inline the driver is the process that trains. What it had been told before it died is lost no more than done again."""
    assert tuner_of("run sweep.yaml --executor inline", desk, DIES_AT="5") == -signal.SIGKILL
    assert tuner_of("resume paused --executor inline", desk) == 0
    study = held_in_the_end(desk)
    counts = Counter((trial, step) for trial, _, step in trained(desk))
    assert max(counts.values()) == 1
    victim = int((desk / "died").read_text())
    attempt_of = {step: attempt for trial, attempt, step in trained(desk) if trial == victim}
    assert attempt_of[6] == attempt_of[5] + 1
    store = open_store()
    events = [event for _, event in store.events("paused")]
    store.close()
    assert len([event for event in events if isinstance(event, Suggested)]) == len(study.trials) == 24
    assert sum(isinstance(event, Checkpointed) for event in events) == len(trained(desk))


@pytest.mark.ray
@pytest.mark.slow
def test_on_ray_a_killed_worker_and_a_killed_driver_cost_no_trial(desk):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DIES_AT": "5"}
    arguments = [sys.executable, "-m", "tuner", "run", "sweep.yaml"]
    driver = subprocess.Popen(
        arguments, cwd=desk, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline_s = time.monotonic() + 60.0
    while driver.poll() is None and not (desk / "died").exists() and time.monotonic() < deadline_s:
        time.sleep(0.01)
    # Waits for nothing: it moves the kill to a moment when the worker's checkpoints have been heard of.
    time.sleep(0.5)
    driver.kill()
    driver.wait()
    victim = int((desk / "died").read_text())
    assert tuner_of("resume paused", desk) == 0
    study = held_in_the_end(desk)
    assert len(study.trials) == 24
    begun = [step for trial, attempt, step in trained(desk) if trial == victim and attempt > 1]
    assert min(begun, default=9) >= 2, "none when the victim was paused as it died, and not promoted"
