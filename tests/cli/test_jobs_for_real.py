"""submit, attach and dashboard on a real private Ray head."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tuner.api import load_study
from tuner.api.stores import open_store
from tuner.cluster.address import HostPort
from tuner.cluster.jobs import ENDED, Jobs, find_dashboard
from tuner.cluster.probe import check_head
from tuner.errors import ClusterUnreachable

ROOT = Path(__file__).parents[2]
SWEEP = """
name: parabola
objective: {function: train:train}
metric: {name: loss, goal: minimize}
parameters: {x: {low: -2.0, high: 2.0}}
sampler: random
limits: {trials: 12, parallel: 2}
"""
TRAIN = """
import os, time

def train(params, context):
    for step in range(1, 4):
        while context.trial > 3 and not os.path.exists(os.environ["GO"]):
            context.report(step, loss=1.0)
            time.sleep(0.02)
            step += 1
    print("trained with", os.environ["ODD"])
    return {"loss": params["x"] ** 2}
"""


@dataclass
class Head:
    """A cluster that somebody else has started: where it is, its token, its home folder."""

    dashboard: str
    gcs: str
    token: str
    home: Path

    @property
    def store(self) -> str:
        return f"sqlite:///{self.home}/.tuner/tuner.db"


def free_ports(ip: str, n: int) -> list[int]:
    sockets = [socket.socket() for _ in range(n)]
    for one in sockets:
        one.bind((ip, 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    ip, folder, home = "127.0.0.6", Path(tempfile.mkdtemp(prefix="jobs")), tmp_path_factory.mktemp("home")
    port, dashboard, *others = free_ports(ip, 6)
    token = secrets.token_hex(32)
    names = (
        "dashboard-agent-listen-port",
        "dashboard-agent-grpc-port",
        "runtime-env-agent-port",
        "ray-client-server-port",
    )
    given = [f"--{name}={number}" for name, number in zip(names, others, strict=True)]
    command = [
        str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--num-cpus=2", f"--port={port}",
        f"--node-ip-address={ip}", f"--dashboard-host={ip}", f"--dashboard-port={dashboard}", f"--temp-dir={folder}",
        "--object-store-memory=100000000", "--min-worker-port=0", "--max-worker-port=0", *given,
    ]  # fmt: skip
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "TUNER_"))}
    environment = {**clean, "HOME": str(home), "PYTHONPATH": str(ROOT), "RAY_TMPDIR": str(folder)}
    environment |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    with (folder / "out").open("w") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out, start_new_session=True)
    try:
        deadline_s = time.monotonic() + 120
        while "Ray runtime started" not in (folder / "out").read_text():
            assert process.poll() is None, (folder / "out").read_text()
            assert time.monotonic() < deadline_s, "waited 120 s for `ray start`"
            time.sleep(0.1)
        yield Head(f"http://{ip}:{dashboard}", f"{ip}:{port}", token, home)
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def cluster(head: Head, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Head:
    """The head, with its token in our hands and a sweep to send."""
    monkeypatch.setenv("RAY_AUTH_TOKEN", head.token)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    (tmp_path / "train.py").write_text(TRAIN)
    return head


@pytest.mark.ray
def test_a_cluster_is_found_by_either_of_its_addresses_and_refuses_a_wrong_token(cluster, tuner, monkeypatch):
    assert find_dashboard(cluster.dashboard) == find_dashboard(cluster.gcs)
    check_head(HostPort("127.0.0.6", int(cluster.gcs.rpartition(":")[2])))
    shown = tuner("dashboard", "--address", cluster.gcs, "-o", "json").json
    assert (shown["dashboard"], shown["wants_token"], shown["jobs"]) == (cluster.dashboard, True, [])
    monkeypatch.setattr("tuner.cluster.probe.platform.python_version", lambda: "3.11.99")
    with pytest.raises(ClusterUnreachable, match="runs Python"):
        check_head(HostPort("127.0.0.6", int(cluster.gcs.rpartition(":")[2])))
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
    began_s = time.monotonic()
    for verb in (["submit", "sweep.yaml"], ["dashboard"], ["attach", "parabola"]):
        answer = tuner(*verb, "--address", cluster.dashboard, exit_code=2)
        assert "refuses the token from RAY_AUTH_TOKEN" in answer.stderr
    assert "refuses" in tuner("doctor", "--address", cluster.dashboard, exit_code=1).stdout
    assert time.monotonic() - began_s < 20


@pytest.mark.ray
def test_a_store_that_the_head_does_not_reach_is_told_before_anything_starts(cluster, tuner):
    store = "postgresql+psycopg://me:secret@127.0.0.9:1/tuner"
    answer = tuner(
        "submit",
        "sweep.yaml",
        "--address",
        cluster.dashboard,
        "--no-wait",
        "--name",
        "lost",
        "--store",
        store,
        exit_code=2,
    )
    assert "cannot connect to postgresql+psycopg://me:***@127.0.0.9:1/tuner" in answer.stderr
    assert "secret" not in answer.stderr


@pytest.mark.ray
@pytest.mark.slow
def test_a_stopped_job_is_resumed_by_submitting_again_and_followed_to_its_end(cluster, tuner, tmp_path):
    go = tmp_path / "go"
    send = ("submit", "sweep.yaml", "--address", cluster.dashboard, "--env", f"GO={go}", "--env", "ODD=a 'b' $c")
    sent = tuner(*send, "--no-wait", "-o", "json").json
    assert (sent["job"], sent["status"]) == ("tuner-parabola-1", "RUNNING")
    assert "runs study 'parabola' already" in tuner(*send, exit_code=2).stderr
    jobs = Jobs(cluster.dashboard)
    _wait_for(lambda: _counts(cluster).get("COMPLETE", 0) >= 4)

    began_s = time.monotonic()
    assert jobs.stop("tuner-parabola-1")
    _wait_for(lambda: jobs.job("tuner-parabola-1").status in ENDED)
    assert time.monotonic() - began_s < 3.0  # what Ray gives a driver that says nothing else
    assert _state(cluster) == "INTERRUPTED"
    assert load_study("parabola", cluster.store).info.provenance["job"] == "tuner-parabola-1"
    finished = _counts(cluster)["COMPLETE"]

    (tmp_path / "note.txt").write_text("the folder is another package now, unpacked elsewhere")
    assert tuner(*send, "--no-wait", "-o", "json").json["job"] == "tuner-parabola-2"
    go.touch()
    followed = tuner("attach", "parabola", "--store", cluster.store)
    assert followed.lines[0] == "parabola  COMPLETE: all 12 trials are done"
    assert finished >= 4
    assert _counts(cluster) == {"COMPLETE": 12}
    logs = tuner("logs", "parabola", "0", "--store", cluster.store)
    assert logs.lines == ["trained with a 'b' $c"]

    log = tuner("attach", "parabola", "--address", cluster.dashboard)
    assert "parabola  COMPLETE" in log.stdout
    done = tuner(*send)  # a complete study is what it is
    assert "parabola  COMPLETE" in done.stdout
    assert "job tuner-parabola-3" in done.stderr
    changed = tuner(*send, "--set", "metric.name=gain", exit_code=2)
    assert "differs from this sweep in metrics" in changed.stdout


def wheel(folder: Path, name: str, code: str) -> Path:
    """A package with one module, which pip installs without a network."""
    info = f"{name}-1.0.dist-info"
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{name}.py", code)
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")
    return path


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(400)  # a virtual environment is made
def test_a_job_brings_the_packages_that_its_objective_needs(cluster, tuner, tmp_path):
    package = wheel(tmp_path, "oddments", "def squared(x):\n    return x**2\n")
    (tmp_path / "train.py").write_text(
        "import oddments\n\ndef train(params, context):\n    print(oddments.__file__)\n"
        "    return {'loss': oddments.squared(params['x'])}\n"
    )
    send = ("submit", "sweep.yaml", "--address", cluster.dashboard, "--name", "packed", "--exclude", "*.whl")
    lacking = tuner(*send, exit_code=2)
    assert "it needs the module 'oddments', which is not installed" in lacking.stdout
    assert "--pip oddments" in lacking.stderr
    done = tuner(*send, "--pip", package)
    assert "packed  COMPLETE" in done.stdout, "driver and workers have it"
    logged = tuner("logs", "packed", "0", "--store", cluster.store).stdout
    assert "runtime_resources/pip" in logged, "it was installed for the job, and not elsewhere"


def _wait_for(condition, timeout_s=60.0):
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, f"waited {timeout_s:.0f} s"
        time.sleep(0.1)


def _counts(cluster):
    store = open_store(cluster.store)
    try:
        return dict(store.study("parabola").counts)
    finally:
        store.close()


def _state(cluster):
    store = open_store(cluster.store)
    try:
        return store.study("parabola").state
    finally:
        store.close()
