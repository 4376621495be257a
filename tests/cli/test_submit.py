"""submit: what travels, what the job is told to do, and what is refused before anything is sent."""

from __future__ import annotations

import shlex
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from tuner import sweep as sweeps
from tuner.cli import _jobs
from tuner.cli._failures import ExitCode
from tuner.cli._shipping import Shipment, environment_of, store_for, working_folder
from tuner.cluster.jobs import Job
from tuner.cluster.package import pack
from tuner.errors import SweepError

SWEEP = """
name: parabola
objective: {function: train:train}
metric: {name: loss, goal: minimize}
parameters: {x: {low: -2.0, high: 2.0}}
limits: {trials: 3}
"""
TABLE = "objective: {estimator: sklearn.linear_model.LogisticRegression, data: {path: PATH, target: y}}"
NEEDS = "objective.function: importing train failed: it needs the module 'cow.say', which is not installed"
NO_PIP = "runtime_env setup failed: no\nTraceback\nLast 50 lines of stdout:\n  ERROR: No matching distribution found for odd\n"
JOB = Job("tuner-a-1", "a", "SUCCEEDED", "", 0, {}, 0.0)


@pytest.fixture(autouse=True)
def no_store(monkeypatch):
    monkeypatch.delenv("TUNER_STORE", raising=False)


@pytest.fixture
def loaded(tmp_path):
    """A sweep in a folder of its own, with lines laid over it."""

    def load(text=SWEEP, **overrides):
        folder = tmp_path / "work"
        folder.mkdir(exist_ok=True)
        (folder / "sweep.yaml").write_text(text)
        (folder / "train.py").write_text("def train(params): return params['x'] ** 2\n")
        return sweeps.load(folder / "sweep.yaml", overrides)

    return load


def shipment(sweep, **fields):
    folder = fields.pop("folder", None) or sweep.file.parent
    return Shipment(sweep, folder, "parabola", fields.pop("store", "sqlite:///~/.tuner/tuner.db"), **fields)


def table(path):
    return (
        SWEEP.replace("objective: {function: train:train}", TABLE.replace("PATH", str(path)))
        .replace("{name: loss, goal: minimize}", "accuracy")
        .replace("x:", "C:")
        .replace("-2.0", "0.1")
    )


def test_by_default_the_study_stays_on_the_head_and_that_is_said(loaded):
    url, said = store_for(None, loaded())
    assert url == "sqlite:///~/.tuner/tuner.db"
    assert "head" in said[0]
    assert "--address" in said[0]


@pytest.mark.parametrize("url", ["sqlite:////shared/tuner.db", "sqlite:///~/x.db", "postgresql://u:p@db:5432/tuner"])
def test_a_store_that_outlives_the_job_is_taken(loaded, url):
    assert store_for(url, loaded())[0] == url


@pytest.mark.parametrize("url", ["sqlite:///tuner.db", "sqlite:///.tuner/tuner.db", "memory://"])
@pytest.mark.parametrize("source", ["option", "sweep", "variable"])
def test_a_store_that_goes_with_the_job_is_refused_wherever_it_was_said(loaded, monkeypatch, url, source):
    given = url if source == "option" else None
    read = loaded(SWEEP + f"store: {url}\n") if source == "sweep" else loaded()
    if source == "variable":
        monkeypatch.setenv("TUNER_STORE", url)
    with pytest.raises(SweepError) as caught:
        store_for(given, read)
    assert caught.value.path == {"option": "--store", "sweep": "store", "variable": "$TUNER_STORE"}[source]
    assert "sqlite:///~/.tuner/tuner.db" in (caught.value.hint or "")


def test_a_server_on_localhost_is_said_to_be_the_heads_and_no_password_is_told(loaded):
    _, said = store_for("postgresql://me:secret@localhost/tuner", loaded())
    assert "head" in said[0]
    assert "secret" not in said[0]


def test_the_sweeps_folder_travels_or_one_above_it(loaded, tmp_path):
    file = loaded().file
    assert working_folder(file, None) == file.parent
    assert working_folder(file, tmp_path) == tmp_path
    (tmp_path / "other").mkdir()
    with pytest.raises(SweepError, match="does not lie in it"):
        working_folder(file, tmp_path / "other")
    with pytest.raises(SweepError, match="is no folder"):
        working_folder(file, tmp_path / "nowhere")


def test_variables_are_given_or_taken_from_here(monkeypatch):
    monkeypatch.setenv("HERE", "h=1")
    assert environment_of(["A=1=2", "B=", "HERE"]) == {"A": "1=2", "B": "", "HERE": "h=1"}


@pytest.mark.parametrize("text", ["1A=2", "=x", "NOT_SET_HERE", "a b=c"])
def test_what_is_no_variable_is_refused(text):
    with pytest.raises(SweepError) as caught:
        environment_of([text])
    assert caught.value.path == "--env"


def test_data_in_the_folder_travel(loaded, tmp_path):
    read = loaded(table("data.csv"))
    (tmp_path / "work" / "data.csv").write_text("C,y\n1,0\n")
    assert list(shipment(read).check()) == []


def test_data_beside_the_folder_are_refused_with_their_line_and_the_folder_that_would_do(loaded, tmp_path):
    (tmp_path / "data.csv").write_text("C,y\n1,0\n")
    with pytest.raises(SweepError) as caught:
        list(shipment(loaded(table("../data.csv"))).check())
    assert (caught.value.path, caught.value.line) == ("objective.data.path", 3)
    assert caught.value.hint == f"--working-dir {tmp_path}"
    assert list(shipment(loaded(table("../data.csv")), folder=tmp_path).check()) == []


def test_data_at_an_absolute_path_are_told_to_stay(loaded, tmp_path):
    (tmp_path / "data.csv").write_text("C,y\n1,0\n")
    (said,) = shipment(loaded(table(tmp_path / "data.csv"))).check()
    assert said.startswith("objective.data.path: ")
    assert "does not travel" in said


def test_data_that_are_excluded_are_refused(loaded, tmp_path):
    (tmp_path / "work").mkdir(exist_ok=True)
    (tmp_path / "work" / "data.csv").write_text("C,y\n1,0\n")
    with pytest.raises(SweepError, match="it is excluded"):
        list(shipment(loaded(table("data.csv")), excludes=["*.csv"]).check())
    with pytest.raises(SweepError, match="left out by --exclude"):
        list(shipment(loaded(), excludes=["*.yaml"]).check())


def test_a_sweep_that_does_not_run_on_ray_is_refused(loaded):
    with pytest.raises(SweepError, match="runs its trials on its cluster"):
        list(shipment(loaded(SWEEP + "executor: inline\n")).check())


@pytest.mark.parametrize(("place", "n_said"), [("/shared/checkpoints", 1), ("s3://bucket/checkpoints", 0)])
def test_a_folder_of_checkpoints_that_workers_may_not_share_is_told(loaded, place, n_said):
    said = list(shipment(loaded(SWEEP + f"executor: {{type: ray, checkpoints: '{place}'}}\n")).check())
    assert len([line for line in said if place in line]) == n_said


def test_the_job_runs_the_sweep_or_goes_on_with_its_study(loaded):
    command = shipment(loaded(), arguments=["--set", "limits.trials=5"]).entrypoint
    words = shlex.split(command.partition("exec ")[2])
    assert words == [
        "python", "-m", "tuner", "run", "sweep.yaml", "--resume", "--name", "parabola", "--set", "limits.trials=5",
        "--address", "$RAY_ADDRESS",
    ]  # fmt: skip


def test_odd_characters_reach_the_job_as_they_are(loaded):
    odd = "parameters.x.values=['a b', \"$HOME\"]"
    command = shipment(loaded(), arguments=["--set", odd]).entrypoint
    assert odd in shlex.split(command.partition("exec ")[2])


def test_the_sweep_is_found_below_a_folder_that_travels(loaded, tmp_path):
    assert " run work/sweep.yaml " in shipment(loaded(), folder=tmp_path).entrypoint


def test_a_password_stays_out_of_the_command_and_the_notes(loaded, tmp_path):
    read = loaded(SWEEP + "store: sqlite:////other.db\n")
    sent = shipment(read, store="postgresql://me:secret@db/tuner", environment={"A": "1"})
    request = sent.request(pack(sent.folder, tmp_path / "x.zip", 1.0))
    assert '--store "$TUNER_STORE"' in request.entrypoint  # since the file says another one
    assert "secret" not in request.entrypoint + str(request.notes)
    assert request.environment["TUNER_STORE"] == "postgresql://me:secret@db/tuner"
    assert request.environment["A"] == "1"


@pytest.mark.parametrize(
    ("status", "code", "ours"),
    [
        ("SUCCEEDED", 0, ExitCode.DONE),
        ("FAILED", 1, ExitCode.FAILED),
        ("FAILED", 2, ExitCode.MISTAKE),
        ("FAILED", 3, ExitCode.INTERRUPTED),
        ("FAILED", -9, ExitCode.INTERRUPTED),
        ("FAILED", 137, ExitCode.INTERRUPTED),
        ("FAILED", 127, ExitCode.FAILED),
        ("FAILED", None, ExitCode.FAILED),
        ("STOPPED", None, ExitCode.INTERRUPTED),
    ],
)
def test_the_exit_code_is_the_drivers(status, code, ours):
    assert _jobs.exit_code_of(replace(JOB, status=status, exit_code=code)) is ours


@pytest.mark.parametrize(
    ("fields", "log", "said"),
    [
        ({"status": "FAILED", "exit_code": 1}, "python: No module named tuner", "--pip tuner"),
        ({"status": "FAILED", "exit_code": 127}, "sh: python: not found", "in PATH"),
        ({"status": "STOPPED", "exit_code": None}, "", "submit it again"),
        ({"status": "FAILED", "exit_code": None, "message": "Runtime env failed\nmore"}, "", "  Runtime env failed"),
        ({"status": "FAILED", "exit_code": 2}, f"error: {NEEDS}", "--pip cow"),
        (
            {"status": "FAILED", "exit_code": None, "message": NO_PIP},
            "",
            "  pip: No matching distribution found for odd",
        ),
        ({"status": "FAILED", "exit_code": None, "message": NO_PIP}, "", "hint: what --pip names is installed on the"),
    ],
)
def test_a_job_that_did_not_succeed_says_what_to_do(fields, log, said):
    assert said in "\n".join(_jobs.told(replace(JOB, **fields), log, "http://head:8265"))


def test_a_job_that_succeeded_needs_no_more_words():
    assert _jobs.told(JOB, "", "") == []


def test_a_mistake_in_the_sweep_is_told_before_the_cluster_is_asked(tuner, tmp_path):
    (tmp_path / "sweep.yaml").write_text(SWEEP + "limitz: {}\n")
    answer = tuner("submit", "sweep.yaml", "--address", "127.0.0.1:1", exit_code=2)
    assert "limitz" in answer.stderr


def test_a_cluster_that_is_not_there_is_told(tuner, tmp_path):
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    answer = tuner("submit", "sweep.yaml", "--address", "127.0.0.1:1", exit_code=2)
    assert "error: no dashboard answers at http://127.0.0.1:1: Connection refused" in answer.stderr


def test_a_job_that_waits_for_its_packages_says_so_once(monkeypatch, capsys):
    waits = replace(JOB, status="PENDING", exit_code=None, message="Runtime env is being set up.\nmore")
    answers = iter([waits, waits, waits, JOB])
    clock = iter([0.0, 1.0, 1.0, 9.0, 9.0, 10.0])
    monkeypatch.setattr("tuner.cli._jobs.time.monotonic", lambda: next(clock, 11.0))
    monkeypatch.setattr("tuner.cli._jobs.time.sleep", lambda seconds: None)
    jobs: Any = SimpleNamespace(job=lambda job_id: next(answers), url="u")
    assert _jobs.wait_until_under_way(jobs, "tuner-a-1", "a") is JOB
    said = [line for line in capsys.readouterr().err.splitlines() if "not begun yet" in line]
    assert said == ["job tuner-a-1 is not begun yet; the cluster says: Runtime env is being set up."]
