"""The node provider whose nodes are processes of this machine, without a Ray."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tuner.cluster.provider._options import MODULE, MachineOptions
from tuner.cluster.provider._processes import MARK, end_node, node_processes
from tuner.cluster.provider._ray_command import start_arguments
from tuner.cluster.provider._register import Register, locked
from tuner.cluster.provider.one_machine import OneMachineProvider
from tuner.errors import ExecutorError

HEAD = {"ray-node-type": "head", "ray-user-node-type": "head"}
WORKER = {"ray-node-type": "worker", "ray-user-node-type": "cpu"}
NODE = {"NODE_IP": "127.24.235.2", "TUNER_PORT": "7399", "TUNER_RAY_DIR": "/tmp/r", "RAY_HEAD_IP": "127.24.235.1"}


@pytest.fixture
def provider():
    with tempfile.TemporaryDirectory(prefix="p") as folder:  # pytest's own are too deep for sockets
        yield OneMachineProvider({"type": "external", "state_dir": f"{folder}/s", "port": 7399}, "c")


def run(provider: OneMachineProvider, node_id: str, command: str, **more: Any) -> Any:
    return provider.get_command_runner("", node_id, {}, "c", None, True).run(command, **more)


def test_every_node_has_an_address_and_a_home_of_its_own(provider):
    provider.create_node({}, HEAD, 1)
    provider.create_node({}, WORKER, 2)
    nodes = provider.non_terminated_nodes({})
    assert [provider.internal_ip(node) for node in nodes] == ["127.28.231.1", "127.28.231.2", "127.28.231.3"]
    said = [run(provider, node, "echo $HOME $NODE_IP $RAY_NODE_TYPE_NAME", with_output=True) for node in nodes]
    assert len(set(said)) == 3
    assert said[1].decode().split()[1:] == ["127.28.231.2", "cpu"]


def test_nodes_are_found_by_their_tags_also_by_another_provider_of_the_cluster(provider):
    provider.create_node({}, HEAD, 1)
    provider.create_node({}, WORKER, 1)
    provider.set_node_tags("c-1", {"ray-node-status": "up-to-date"})
    other = OneMachineProvider(provider.provider_config, "c")
    assert other.non_terminated_nodes({"ray-node-type": "worker"}) == ["c-1"]
    assert other.node_tags("c-1")["ray-node-status"] == "up-to-date"


def test_a_terminated_node_is_gone_with_its_processes_and_its_home_and_no_others_are(provider):
    provider.create_node({}, HEAD, 1)
    provider.create_node({}, WORKER, 2)
    for node in ("c-1", "c-2"):
        run(provider, node, "touch ~/here; (sleep 300 & sleep 301 &) > /dev/null 2>&1")
    root = provider.provider_config["state_dir"]
    assert [len(node_processes(f"{root}:c-{n}")) for n in (1, 2)] == [2, 2]
    provider.terminate_node("c-1")
    assert [len(node_processes(f"{root}:c-{n}")) for n in (1, 2)] == [0, 2]
    assert provider.is_terminated("c-1")
    assert [Path(root, "homes", f"c-{n}").exists() for n in (1, 2)] == [False, True]
    provider.terminate_node("c-2")


def test_a_process_that_hides_its_environment_ends_with_the_one_that_started_it(tmp_path):
    hidden = f'{sys.executable} -c \'import os, time; os.execve("/bin/sleep", ["sleep", "300"], {{}})\' & wait'
    parent = subprocess.Popen(["bash", "-c", hidden], env={**os.environ, MARK: f"{tmp_path}:n"})
    child = wait_for(lambda: [c for c in psutil.Process(parent.pid).children() if c.environ() == {}])[0]
    end_node(f"{tmp_path}:n")
    parent.wait(10)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def wait_for(look, timeout_s: float = 10.0):
    end_s = time.monotonic() + timeout_s
    while not (found := look()):
        assert time.monotonic() < end_s
        time.sleep(0.02)
    return found


def test_ray_stop_ends_the_processes_of_its_node_alone_and_pip_installs_nothing(provider):
    provider.create_node({}, WORKER, 2)
    root = provider.provider_config["state_dir"]
    for node in ("c-0", "c-1"):
        run(provider, node, "(sleep 300 &) > /dev/null 2>&1")
    run(provider, "c-0", "ray stop --force")
    assert [len(node_processes(f"{root}:c-{n}")) for n in (0, 1)] == [0, 1]
    assert b"skipped" in run(provider, "c-0", "pip install nothing-of-that-name", with_output=True)
    provider.terminate_node("c-1")


def test_a_command_that_fails_is_told(provider):
    from ray.autoscaler._private.subprocess_output_util import ProcessRunnerError

    provider.create_node({}, WORKER, 1)
    with pytest.raises(ProcessRunnerError):
        run(provider, "c-0", "exit 3")
    with pytest.raises(SystemExit):
        run(provider, "c-0", "exit 3", exit_on_fail=True)


def test_files_are_copied_to_a_nodes_home_without_what_is_excluded(provider, tmp_path):
    provider.create_node({}, WORKER, 1)
    source = tmp_path / "code"
    (source / "__pycache__").mkdir(parents=True)
    (source / "a.py").write_text("1")
    runner = provider.get_command_runner("", "c-0", {}, "c", None, True)
    runner.run_rsync_up(f"{source}/", "~/deep/code/", {"rsync_exclude": ["**/__pycache__"]})
    assert run(provider, "c-0", "cd ~/deep/code && echo *", with_output=True) == b"a.py\n"
    runner.run_rsync_down("~/deep/code/a.py", str(tmp_path / "back.py"))
    assert (tmp_path / "back.py").read_text() == "1"


def test_a_node_that_boots_is_not_running_yet(provider):
    provider.create_node({"boot_s": 300}, WORKER, 1)
    assert not provider.is_running("c-0")
    assert not provider.is_terminated("c-0")


def test_when_all_nodes_are_gone_the_next_head_has_the_same_address(provider):
    provider.create_node({}, HEAD, 1)
    before = provider.internal_ip("c-0")
    provider.terminate_node("c-0")
    provider.create_node({}, HEAD, 1)
    assert provider.internal_ip("c-0") == before


def test_many_at_once_lose_no_node(tmp_path):
    register = Register(tmp_path / "s")

    def add() -> None:
        for _ in range(10):
            register.add("c", {}, 0.0, lambda number: f"127.1.1.{number}")

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({entry.address for entry in register.entries().values()}) == 40


def test_a_lock_keeps_others_out(tmp_path):
    inside = threading.Event()

    def enter() -> None:
        with locked(tmp_path / "lock"):
            inside.set()

    with locked(tmp_path / "lock"):
        thread = threading.Thread(target=enter)
        thread.start()
        assert not inside.wait(0.1)
    assert inside.wait(5)


def test_a_folder_that_others_can_write_is_refused(tmp_path):
    folder = tmp_path / "s"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(ExecutorError, match="written by others"):
        Register(folder)


def test_the_state_folder_is_written_out_because_home_is_another_one_on_the_head():
    described = {"cluster_name": "c", "provider": {"type": "external", "module": MODULE, "state_dir": "~/s"}}
    assert OneMachineProvider.bootstrap_config(described)["provider"]["state_dir"] == str(Path("~/s").expanduser())


def test_a_folder_with_a_path_too_long_for_sockets_is_refused():
    with pytest.raises(ExecutorError, match="too long"):
        MachineOptions.of({"state_dir": "/tmp/" + "x" * 60}, "c")


def test_a_head_listens_where_the_options_say_and_takes_ports_of_its_own():
    given = ["--head", "--port=6379", "--dashboard-host=127.0.0.1", "--node-ip-address", "10.0.0.1"]
    arguments = start_arguments(given, NODE)
    assert arguments[:2] == ["--head", "--dashboard-host=127.0.0.1"]
    assert {"--port=7399", "--node-ip-address=127.24.235.2", "--temp-dir=/tmp/r", "--dashboard-port=7400"} <= {
        *arguments
    }
    assert "10.0.0.1" not in arguments


def test_a_worker_joins_the_head_where_it_listens():
    arguments = start_arguments(["--address=127.24.235.1:6379"], NODE)
    assert "--address=127.24.235.1:7399" in arguments
    assert not any(argument.startswith(("--port", "--temp-dir", "--dashboard-port")) for argument in arguments)


def test_the_object_store_is_small_unless_the_type_says_its_size():
    assert any(a.startswith("--object-store-memory") for a in start_arguments(["--head"], NODE))
    said = {**NODE, "RAY_OVERRIDE_RESOURCES": json.dumps({"object_store_memory": 1})}
    assert not any(a.startswith("--object-store-memory") for a in start_arguments(["--head"], said))
