"""run and resume: from a sweep file to a summary, an exit code and the next commands."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tuner

ROOT = Path(tuner.__file__).resolve().parent.parent

SWEEP = """
name: parabola
objective: {function: "work:train"}
metric: {name: loss, goal: minimize}
parameters:
  x: {low: -2.0, high: 2.0}
sampler: random
executor: inline
limits: {trials: 5}
seed: 1
"""

WORK = """
import os, time

def train(params, context):
    context.report(1, loss=9.0)
    return {"loss": params["x"] ** 2, "extra": 1.0}

def some_fail(params, context):
    if context.trial % 2:
        raise ValueError(f"no luck with trial {context.trial}")
    return {"loss": params["x"] ** 2}

def all_fail(params, context):
    raise ValueError("never works")

def waits(params, context):
    open(f"started-{context.trial}", "w").close()
    for step in range(10_000):
        context.report(step, loss=1.0)
        time.sleep(0.01)
        if os.path.exists("go"):
            return {"loss": 1.0}
"""


@pytest.fixture
def sweep(tmp_path):
    (tmp_path / "work.py").write_text(WORK, encoding="utf-8")
    (tmp_path / "sweep.yaml").write_text(SWEEP, encoding="utf-8")
    sys.modules.pop("work", None)
    yield tmp_path / "sweep.yaml"
    sys.modules.pop("work", None)


def told(lines):
    """The summary as label -> text."""
    return {line.partition("  ")[0]: line.partition("  ")[2].strip() for line in lines if "  " in line.strip()}


def test_run_tells_how_it_ended_and_what_to_do_next(tuner, sweep):
    answer = tuner("run", sweep)
    lines = answer.lines
    assert lines[0].startswith("parabola  COMPLETE: ")
    rows = told(lines)
    assert rows["trials"] == "5: 5 complete"
    assert rows["best"].startswith("loss ")
    assert "in validation (trial " in rows["best"]
    assert "extra 1" in rows["best"]
    assert any(line.startswith("parameters of trial ") for line in lines)
    assert lines[-3:] == [
        "  tuner best parabola",
        "  tuner trials parabola --sort value",
        "  tuner export parabola --format csv",
    ]
    assert "COMPLETE" in answer.stderr
    assert "\r" not in answer.stderr


def test_run_as_json_is_one_object_and_nothing_else(tuner, sweep):
    ended = tuner("run", sweep, "-o", "json").json
    assert (ended["study"], ended["state"]) == ("parabola", "COMPLETE")
    assert ended["counts"] == {"COMPLETE": 5}
    assert ended["best"]["values"]["loss"] == pytest.approx(ended["best"]["params"]["x"] ** 2)
    assert set(ended) >= {"study", "state", "reason", "counts", "best", "model", "test", "elapsed_s"}


def test_quiet_shows_no_progress(tuner, sweep):
    assert tuner("run", sweep, "--quiet").stderr == ""


def test_shortcuts_and_set_change_the_sweep(tuner, sweep):
    assert tuner("run", sweep, "-o", "json", "--trials", "2").json["counts"] == {"COMPLETE": 2}
    changed = tuner("run", sweep, "-o", "json", "--set", "limits.trials=3", "--set", "name=other").json
    assert (changed["study"], changed["counts"]) == ("other", {"COMPLETE": 3})
    assert (
        tuner("run", sweep, "-o", "json", "--name", "third", "--trials", "1", "--time", "10m").json["study"] == "third"
    )


def test_a_name_that_is_taken_is_refused_unless_told_what_to_do(tuner, sweep):
    tuner("run", sweep, "-q")
    answer = tuner("run", sweep, exit_code=2)
    assert answer.stderr.startswith("error: the store holds a study called 'parabola' already")
    assert tuner("run", sweep, "--new", "-o", "json").json["study"] == "parabola-2"
    again = tuner("run", sweep, "--resume", "-o", "json").json
    assert (again["study"], again["counts"]) == ("parabola", {"COMPLETE": 5})


def test_resume_and_new_exclude_each_other(tuner, sweep):
    assert "exclude each other" in tuner("run", sweep, "--resume", "--new", exit_code=2).stderr


def test_failures_are_counted_by_kind_with_an_example_and_its_log(tuner, sweep):
    answer = tuner("run", sweep, "--set", "objective.function=work:some_fail", "--trials", "6")
    rows = told(answer.lines)
    assert rows["trials"] == "6: 3 complete, 3 failed"
    assert rows["failed: raised"] == "3, such as 'ValueError: no luck with trial 1'; see tuner logs parabola 1"
    assert re.search(r"failed: trial [135] \(raised\): ValueError: no luck with trial [135]", answer.stderr)


def test_a_sweep_without_a_complete_trial_has_failed(tuner, sweep):
    answer = tuner("run", sweep, "--set", "objective.function=work:all_fail", exit_code=1)
    assert answer.lines[0].startswith("parabola  FAILED: ")
    assert answer.lines[-2:] == ["  tuner trials parabola --state fail", "  tuner logs parabola 0"]
    failed = tuner("run", sweep, "--new", "--set", "objective.function=work:all_fail", "-o", "json", exit_code=1)
    assert (failed.json["state"], failed.json["best"]) == ("FAILED", None)


def test_a_store_of_ones_own_is_named_in_the_next_commands(tuner, sweep, tmp_path):
    url = f"sqlite:///{tmp_path}/mine.db"
    assert tuner("run", sweep, "--store", url).lines[-3] == f"  tuner best parabola --store {url}"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("limits.trails=3", "trails"),
        ("limits.trials=none", "limits.trials"),
        ("sampler=tpee", "'tpe'"),
        ("objective.function=work:trane", "trane"),
        ("nonsense", "--set takes PATH=VALUE"),
        ("=3", "--set takes PATH=VALUE"),
    ],
)
def test_a_mistake_in_the_sweep_is_one_message_and_leaves_no_study(tuner, sweep, change, said):
    answer = tuner("run", sweep, "--set", change, exit_code=2)
    assert answer.stdout == ""
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr
    assert tuner("ls", "-o", "json").json == []


def test_a_sweep_file_that_is_not_there(tuner):
    answer = tuner("run", "nowhere.yaml", exit_code=2)
    assert "nowhere.yaml" in answer.stderr


def test_a_complete_study_resumes_to_what_it_is_and_further_with_more_trials(tuner, sweep):
    tuner("run", sweep, "-q")
    assert tuner("resume", "parabola", "-q", "-o", "json").json["counts"] == {"COMPLETE": 5}
    assert tuner("resume", "par", "-q", "-o", "json", "--trials", "7").json["counts"] == {"COMPLETE": 7}


def test_resume_of_nothing_is_a_message(tuner):
    assert tuner("resume", "nothing", exit_code=2).stderr.startswith("error: there is no study called 'nothing'")
    assert tuner("resume", exit_code=2).stderr.startswith("error: ")


def test_a_length_of_time_must_be_one(tuner, digits):
    answer = tuner("resume", "digits", "--time", "soon", "--store", digits.url, exit_code=2)
    assert "--time: is no duration" in answer.stderr


@pytest.fixture
def driver(sweep):
    """A driver of its own process, whose trials wait for a file called ``go``."""
    code = "from tuner.cli import main\nmain()"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    environment.pop("TUNER_STORE", None)
    process = subprocess.Popen(
        [sys.executable, "-c", code, "run", "sweep.yaml", "--set", "objective.function=work:waits", "-o", "json"],
        cwd=sweep.parent, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    yield process
    process.kill()
    process.communicate()


def wait_for(path, process):
    deadline = time.monotonic() + 60
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.02)


def test_ctrl_c_drains_and_the_study_can_be_resumed(tuner, sweep, driver):
    folder = sweep.parent
    wait_for(folder / "started-0", driver)
    driver.send_signal(signal.SIGINT)
    (folder / "go").touch()
    out, err = driver.communicate(timeout=60)
    assert driver.returncode == 3, err
    ended = json.loads(out)
    assert (ended["state"], ended["counts"]["COMPLETE"]) == ("INTERRUPTED", 1)
    assert tuner("status", "-o", "json").json["waiting_for"] == "a driver: tuner resume parabola"
    assert tuner("resume", "-q", "-o", "json").json["counts"] == {"COMPLETE": 5}
