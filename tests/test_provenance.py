from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tuner import provenance
from tuner.provenance import collected, git, machine

ROOT = Path(__file__).resolve().parents[1]


def run_git(folder: Path, *command: str) -> str:
    identity = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }
    environment = os.environ | identity | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    done = subprocess.run(
        ["git", "-C", str(folder), *command], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    run_git(folder, "init", "-q", "-b", "work")
    (folder / "sweep.yaml").write_text("name: demo\n")
    (folder / "train.py").write_text("def train(): ...\n")
    run_git(folder, "add", ".")
    run_git(folder, "commit", "-q", "-m", "first")
    return folder


def git_facts(file: Path) -> Any:
    return provenance.collect(None, file, {})["code"]["git"]


def test_everything_is_plain_json(repository):
    facts = provenance.collect("name: demo\n", repository / "sweep.yaml", {"data": {"sha256": "ab", "shape": [3, 4]}})
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


def test_it_is_quick(repository):
    provenance.collect(None, repository / "sweep.yaml", {})
    begin_s = time.perf_counter()
    provenance.collect("name: demo\n", repository / "sweep.yaml", {})
    assert time.perf_counter() - begin_s < 0.5


def test_the_sweep_is_kept_as_written(tmp_path):
    text = "name: demo  # ü\nlimits: {trials: 3}\n"
    facts = provenance.collect(text, tmp_path / "sweep.yaml", {"data": {"sha256": "ab"}})
    assert facts["sweep"]["text"] == text
    assert facts["sweep"]["file"] == str(tmp_path / "sweep.yaml")
    assert facts["sweep"]["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert facts["objective"] == {"data": {"sha256": "ab"}}


def test_a_sweep_from_python_has_no_text():
    assert provenance.collect(None, None, {})["sweep"] is None


def test_versions_and_machine_are_those_of_this_process():
    facts = provenance.collect(None, None, {})
    assert facts["packages"]["SQLAlchemy"].count(".") == 2
    expected = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}
    assert facts["packages"] == expected
    assert facts["python"]["version"] == ".".join(map(str, sys.version_info[:3]))
    assert facts["hardware"]["n_cpus"] == os.cpu_count()
    assert facts["hardware"]["memory_mib"] > 100
    assert facts["working_folder"] == str(Path.cwd())


@pytest.mark.parametrize(
    ("config", "job"),
    [
        ('{"runtime_env": {}, "metadata": {"job_submission_id": "tuner-adult-1", "job_name": "x"}}', "tuner-adult-1"),
        ('{"runtime_env": {}}', None),
        ("{", None),
        (None, None),
    ],
)
def test_the_job_is_kept_that_the_driver_runs_in(monkeypatch, config, job):
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR", raising=False)
    if config is not None:
        monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", config)
    assert provenance.collect(None, None, {})["job"] == job


def test_a_clean_repository_is_its_commit(repository):
    facts = git_facts(repository / "sweep.yaml")
    assert facts["commit"] == run_git(repository, "rev-parse", "HEAD")
    assert (facts["branch"], facts["dirty"], facts["diff"], facts["problem"]) == ("work", False, "", None)


def test_changes_are_kept_as_a_diff_that_applies(repository):
    (repository / "train.py").write_text("def train(): return 1\n")
    (repository / "new.py").write_text("x = 1\n")
    facts = git_facts(repository / "sweep.yaml")
    assert facts["dirty"]
    assert "+def train(): return 1" in facts["diff"]
    assert not facts["diff_truncated"]
    assert facts["untracked"] == ["new.py"]
    run_git(repository, "checkout", "-q", "--", ".")
    done = subprocess.run(
        ["git", "-C", str(repository), "apply"], input=facts["diff"], text=True, timeout=60, check=False
    )
    assert done.returncode == 0
    assert (repository / "train.py").read_text() == "def train(): return 1\n"


def test_staged_changes_are_changes(repository):
    (repository / "train.py").write_text("staged\n")
    run_git(repository, "add", ".")
    assert "+staged" in git_facts(repository / "sweep.yaml")["diff"]


def test_a_detached_head_has_no_branch(repository):
    run_git(repository, "checkout", "-q", "--detach")
    facts = git_facts(repository / "sweep.yaml")
    assert facts["branch"] is None
    assert len(facts["commit"]) == 40


def test_a_repository_without_commits_has_none(tmp_path):
    run_git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "sweep.yaml").touch()
    facts = git_facts(tmp_path / "sweep.yaml")
    assert (facts["commit"], facts["branch"], facts["diff"]) == (None, "main", "")


def test_a_huge_diff_is_cut(repository):
    (repository / "train.py").write_text("".join(f"line {n}\n" for n in range(400_000)))
    facts = git_facts(repository / "sweep.yaml")
    assert facts["diff_truncated"]
    assert len(facts["diff"].encode()) <= git.DIFF_LIMIT
    assert facts["problem"] is None


def test_the_remotes_password_is_masked(repository):
    run_git(repository, "remote", "add", "origin", "https://me:hunter2@host/repository.git")
    assert git_facts(repository / "sweep.yaml")["remote"] == "https://me:***@host/repository.git"


def test_outside_a_repository_there_is_no_git(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "folder").mkdir()
    assert git_facts(tmp_path / "folder" / "sweep.yaml") is None


def test_without_git_there_is_none(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert git_facts(repository / "sweep.yaml") is None


def test_a_git_that_hangs_is_ended_and_named(repository, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    slow = tmp_path / "bin" / "git"
    slow.write_text("#!/bin/sh\nsleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    begin_s = time.perf_counter()
    assert git.repository_facts(repository, timeout_s=0.2) == {"problem": "git status took longer than 0.2 s"}
    assert time.perf_counter() - begin_s < 20


def test_the_script_that_runs_is_kept(tmp_path):
    script = tmp_path / "my_sweep.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "import json; from tuner import provenance\n"
        "URL = 'postgresql://me:hunter2@host/db'\n"
        "print(json.dumps(provenance.collect(None, None, {})))\n"
    )
    done = subprocess.run(
        [sys.executable, str(script), "--hf-token", "hunter2", "--store=postgresql://me:hunter2@host/db", "--n=3"],
        capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path,
        env=os.environ | {"TUNER_STORE": "postgresql://me:hunter2@h/d", "TUNER_TOKEN": "hunter2", "OMP_NUM_THREADS": "2",
                          "AWS_SECRET_ACCESS_KEY": "hunter2"},
    )  # fmt: skip
    assert "hunter2" not in done.stdout
    facts = json.loads(done.stdout)
    assert facts["code"]["script"]["path"] == str(script)
    assert facts["code"]["script"]["sha256"] == hashlib.sha256(script.read_bytes()).hexdigest()
    assert facts["code"]["script"]["text"] == script.read_text().replace("hunter2", "***")
    assert facts["command"][1:] == ["--hf-token", "***", "--store=postgresql://me:***@host/db", "--n=3"]
    environment = {name: value for name, value in facts["environment"].items() if name != "TUNER_TEST_POSTGRES"}
    assert environment["TUNER_STORE"] == "postgresql://me:***@h/d"
    assert environment["TUNER_TOKEN"] == "***"
    assert environment["OMP_NUM_THREADS"] == "2"
    assert all(name.startswith(("TUNER_", "OMP_")) for name in environment)


def test_passwords_in_the_sweep_and_in_its_data_are_masked():
    facts = provenance.collect(
        "store: postgresql://me:hunter2@host/db\n", None, {"path": ["s3://key:hunter2@bucket/x"]}
    )
    assert "hunter2" not in json.dumps(facts)
    assert provenance.masked("postgresql://me:hunter2@host/db") == "postgresql://me:***@host/db"


def test_a_folder_that_is_gone_stops_nothing(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setattr(collected, "_main_file", lambda: None)
    assert provenance.collect(None, None, {})["working_folder"] is None


def fake_nvml(**changes: Any) -> SimpleNamespace:
    calls = {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlSystemGetDriverVersion": lambda: b"580.1",
        "nvmlDeviceGetCount": lambda: 2,
        "nvmlDeviceGetHandleByIndex": lambda n: n,
        "nvmlDeviceGetName": lambda handle: f"GPU {handle}",
        "nvmlDeviceGetMemoryInfo": lambda handle: SimpleNamespace(total=(handle + 1) << 30),
    }
    return SimpleNamespace(**(calls | changes))


def test_gpus_are_those_of_nvml(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml())
    assert machine.hardware()["gpus"] == [
        {"name": "GPU 0", "memory_mib": 1024, "driver": "580.1"},
        {"name": "GPU 1", "memory_mib": 2048, "driver": "580.1"},
    ]


def raise_error(*_):
    raise RuntimeError("GPU is lost")


@pytest.mark.parametrize("module", [None, fake_nvml(nvmlInit=raise_error), fake_nvml(nvmlDeviceGetName=raise_error)])
def test_without_nvml_or_with_a_broken_one_there_are_no_gpus(monkeypatch, module):
    monkeypatch.setitem(sys.modules, "pynvml", module)
    assert machine.hardware()["gpus"] == []


def test_an_nvml_that_never_answers_is_left_behind(monkeypatch):
    never = threading.Event()
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(nvmlInit=never.wait))
    assert machine.hardware(nvml_timeout_s=0.05)["gpus"] == []
    never.set()
