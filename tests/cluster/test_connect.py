"""Getting a Ray: our own, a running one, and the many ways in which that fails."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import secrets
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tuner.cluster.address import HostPort, check_port, parse_address
from tuner.cluster.folder import make_folder, remove_folder
from tuner.errors import ClusterUnreachable, ExecutorError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.5:6379", HostPort("10.0.0.5", 6379)),
        (" head.example.org:6379 ", HostPort("head.example.org", 6379)),
        ("[::1]:6379", HostPort("::1", 6379)),
    ],
)
def test_an_address_is_a_host_and_a_port(text, expected):
    assert parse_address(text) == expected
    assert parse_address(str(expected)) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ray://head:10001", "Ray Client"),
        ("http://head:8265", "dashboard"),
        ("https://head", "dashboard"),
        ("redis://head:6379", "needs no redis://"),
        ("head", "no port"),
        (":6379", "no port"),
        ("head:ray", "between 1 and 65535"),
        ("head:0", "between 1 and 65535"),
        ("head:65536", "between 1 and 65535"),
        ("auto", "leave it out"),
        ("local", "leave it out"),
        ("", "leave it out"),
    ],
)
def test_what_is_no_address_is_said_to_be_what_it_is(text, said):
    with pytest.raises(ClusterUnreachable) as caught:
        parse_address(text)
    assert said in str(caught.value)
    assert "10.0.0.5:6379" in str(caught.value)


def test_a_closed_port_is_refused_at_once():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = HostPort(*free.getsockname())
    began_s = time.monotonic()
    with pytest.raises(ClusterUnreachable, match=f"no Ray cluster answers at {address}"):
        check_port(address)
    assert time.monotonic() - began_s < 2.0


def test_a_host_that_does_not_answer_is_given_up_after_the_timeout():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = HostPort(*full.getsockname())
        with contextlib.ExitStack() as stack:
            for _ in range(3):  # fill the queue of connections that nobody accepts
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(address)
            began_s = time.monotonic()
            with pytest.raises(ClusterUnreachable, match=r"no reply within 0\.3 s"):
                check_port(address, timeout_s=0.3)
            assert time.monotonic() - began_s < 2.0


def test_an_unknown_host_is_named():
    with pytest.raises(ClusterUnreachable, match=r"nowhere\.invalid:6379 is unknown"):
        check_port(HostPort("nowhere.invalid", 6379))


def test_folders_of_dead_drivers_are_removed_and_those_of_living_ones_kept(monkeypatch, tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    short = Path("/tmp") if sys.platform == "darwin" else tmp_path
    monkeypatch.setattr("tuner.cluster.folder._SOCKET_LIMIT", 500)
    monkeypatch.setattr("tempfile.tempdir", str(short))
    orphan, other, living = (
        short / f"tuner-ray-{dead.pid}-abc",
        short / "tuner-ray-notes-abc",
        short / f"tuner-ray-{os.getpid()}-abc",
    )
    for folder in (orphan, other, living):
        (folder / "session").mkdir(parents=True)
    made = make_folder()
    assert made.is_dir()
    assert not orphan.exists()
    assert other.exists()
    assert living.exists()
    for folder in (made, other, living):
        remove_folder(folder)


def test_a_folder_whose_path_leaves_no_room_for_sockets_is_not_used(monkeypatch, tmp_path):
    long = tmp_path / ("x" * 80)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    made = make_folder()
    assert long not in made.parents
    remove_folder(made)
    monkeypatch.setattr("tuner.cluster.folder._SOCKET_LIMIT", 10)
    with pytest.raises(ExecutorError, match="TMPDIR"):
        make_folder()


@pytest.mark.ray
@pytest.mark.slow
def test_a_ray_of_our_own_starts_quietly_and_leaves_nothing(play):
    seen = play("embedded.py", "dashboard")
    assert seen["returned_s"] < 0.5
    assert seen["own_process"]
    assert seen["handlers_kept"]
    assert (seen["owned"], seen["cpus"]) == (True, [2.0])
    assert seen["url"].startswith("http://127.0.0.1:")  # for this machine only
    assert seen["memory_mib"][0] > 100
    assert (seen["auth_mode"], seen["token_mode"]) == ("token", "0o600")
    assert seen["left"] == []
    assert not seen["folder_left"]


@pytest.mark.ray
@pytest.mark.slow
def test_what_a_killed_driver_leaves_is_gone_when_the_next_one_starts(tmp_path):
    script = ROOT / "tests/cluster/plays/orphan.py"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == -9, done.stderr
    said = json.loads(done.stdout)
    assert len(said["pids"]) > 3
    deadline_s = time.monotonic() + 20
    # Ray's two agents take a minute to notice; everything that works or listens for work is gone soon.
    while len(left := [pid for pid in said["pids"] if _runs(pid)]) > 2:
        assert time.monotonic() < deadline_s, f"still there after 20 s: {left}"
        time.sleep(0.1)
    remove_folder(make_folder())
    assert not [pid for pid in said["pids"] if _runs(pid)]
    assert not Path(said["folder"]).exists()


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def started_head(home: Path, ip: str, auth: Mapping[str, str]) -> Iterator[str]:
    """The address of a cluster that somebody else has started."""
    folder = Path(tempfile.mkdtemp(prefix="head"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT), "RAY_TMPDIR": str(folder)}
    environment |= {"RAY_USAGE_STATS_ENABLED": "0", **auth}
    start = "--head --block --num-cpus=1 --include-dashboard=false --object-store-memory=100000000"
    where = [f"--port={port}", f"--node-ip-address={ip}", f"--temp-dir={folder}"]
    ray = Path(sys.executable).with_name("ray")
    with (folder / "out").open("w") as out:
        process = subprocess.Popen([str(ray), "start", *start.split(), *where], env=environment, stdout=out, stderr=out)
    try:
        deadline_s = time.monotonic() + 90
        while "Ray runtime started" not in (folder / "out").read_text():
            assert process.poll() is None, (folder / "out").read_text()
            assert time.monotonic() < deadline_s, "waited 90 s for `ray start`"
            time.sleep(0.1)
        yield f"{ip}:{port}"
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def head(tmp_path_factory) -> Iterator[tuple[str, str]]:
    """Address and token of a running cluster."""
    token = secrets.token_hex(32)
    auth = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
    with started_head(tmp_path_factory.mktemp("home"), "127.0.0.3", auth) as address:
        yield address, token


@pytest.mark.ray
def test_a_cluster_without_tokens_is_joined_without_ours_or_says_so(play, tmp_path_factory):
    """With a token its workers would be started, know of none, and die."""
    with started_head(tmp_path_factory.mktemp("home"), "127.0.0.4", {"RAY_AUTH_MODE": "disabled"}) as address:
        said = play("attach.py", address, environment={"RAY_AUTH_TOKEN": "0" * 64})
        assert said == {"completed": [True, True, False], "owned": False}
        said = play("attach.py", address, environment={"RAY_AUTH_TOKEN": "0" * 64, "RAY_AUTH_MODE": "token"})
        assert "was started without tokens" in said["error"]


@pytest.mark.ray
def test_a_running_cluster_is_joined_by_its_address_used_and_left_running(play, head):
    address, token = head
    for _ in range(2):
        said = play("attach.py", address, environment={"RAY_AUTH_TOKEN": token})
        assert said == {"completed": [True, True, False], "owned": False}


@pytest.mark.ray
@pytest.mark.parametrize("environment", [{"RAY_AUTH_TOKEN": "0" * 64}, {}, {"RAY_AUTH_MODE": "disabled"}])
def test_a_cluster_that_refuses_us_says_so_within_seconds(play, head, environment):
    said = play("attach.py", head[0], environment=environment)
    assert "refuses our token" in said["error"]
    assert "RAY_AUTH_TOKEN" in said["error"]
    assert said["took_s"] < 10


@pytest.mark.ray
def test_another_server_is_not_taken_for_a_cluster(play):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        said = play("attach.py", f"127.0.0.1:{server.server_address[1]}")
        server.shutdown()
    assert "is no Ray head" in said["error"]
    assert said["took_s"] < 10


def test_a_cluster_that_is_not_there_is_refused_before_ray_is_imported(play):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = play("attach.py", f"127.0.0.1:{port}")
    assert "no Ray cluster answers" in said["error"]
    assert said["took_s"] < 3
