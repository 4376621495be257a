"""Running commands "on" a node: in a shell of this machine that has the node's home, address and mark."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ray.autoscaler.command_runner import CommandRunnerInterface

from tuner.cluster.provider._options import MachineOptions
from tuner.cluster.provider._processes import MARK
from tuner.cluster.provider._ray_command import install_commands
from tuner.cluster.provider._register import Entry, locked

__all__ = ["NodeRunner", "mark_of"]

_KEPT = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_USAGE_STATS_ENABLED")


def mark_of(options: MachineOptions, node_id: str) -> str:
    """What the node's processes carry: clusters in different folders are different ones, whatever their names."""
    return f"{options.state_dir}:{node_id}"


class NodeRunner(CommandRunnerInterface):  # type: ignore[misc]  # Ray's class is untyped
    """Runs commands on one node.

    Args:
        options: The cluster's.
        entry: The node, as the register has it.
    """

    def __init__(self, options: MachineOptions, entry: Entry) -> None:
        self._options, self._entry = options, entry
        self._home = options.state_dir / "homes" / entry.node_id

    def run(  # noqa: PLR0913 -- the interface is Ray's
        self,
        cmd: str | None = None,
        timeout: int = 120,
        exit_on_fail: bool = False,
        port_forward: list[tuple[int, int]] | None = None,
        with_output: bool = False,
        environment_variables: dict[str, object] | None = None,
        run_env: str = "auto",
        ssh_options_override_ssh_key: str = "",
        shutdown_after_run: bool = False,
    ) -> str:
        """As Ray's interface says. Ports need no forwarding here; ``timeout`` is for getting a connection, and there is none.

        Nodes start one after another: two at once would race for the session that the nodes of a machine share.
        """
        time.sleep(max(0.0, self._entry.ready_at_s - time.time()))
        self._home.mkdir(parents=True, exist_ok=True)
        install_commands(self._options.state_dir / "bin")
        if cmd is not None and "ray start" in cmd:
            with locked(self._options.state_dir / "start.lock"):
                done = self._execute(cmd, environment_variables or {}, with_output)
        else:
            done = self._execute(cmd, environment_variables or {}, with_output)
        if done.returncode:
            self._failed(done.returncode, cmd, exit_on_fail)
        # Ray's own runners return bytes here, and its callers decode them.
        return done.stdout if with_output else ""

    def _execute(
        self, cmd: str | None, variables: Mapping[str, object], with_output: bool
    ) -> subprocess.CompletedProcess[Any]:
        return subprocess.run(
            ["bash"] if cmd is None else ["bash", "-c", cmd],
            env=self._environment(variables),
            cwd=self._home,
            stdin=None if cmd is None else subprocess.DEVNULL,
            stdout=subprocess.PIPE if with_output else None,
            start_new_session=cmd is not None,  # a shell for a person keeps its terminal
            check=False,
        )

    def _environment(self, variables: Mapping[str, object]) -> dict[str, str]:
        """This machine's environment without what it says of other Rays, with the node's own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_") or name in _KEPT}
        own = {
            MARK: mark_of(self._options, self._entry.node_id),
            "HOME": str(self._home),
            "NODE_IP": self._entry.address,
            "TUNER_PORT": str(self._options.port),
            "TUNER_RAY_DIR": str(self._options.ray_dir),
            "RAY_CLOUD_INSTANCE_ID": self._entry.node_id,
            "RAY_NODE_TYPE_NAME": self._entry.tags.get("ray-user-node-type", ""),
            "PATH": os.pathsep.join(
                (str(self._options.state_dir / "bin"), str(Path(sys.executable).parent), os.environ.get("PATH", ""))
            ),
        }
        asked = {name: value if isinstance(value, str) else json.dumps(value) for name, value in variables.items()}
        return {**kept, **self._options.environment, **own, **asked}

    def _failed(self, code: int, cmd: str | None, exit_on_fail: bool) -> None:
        from ray.autoscaler._private.subprocess_output_util import ProcessRunnerError

        if exit_on_fail:
            sys.exit(code)
        raise ProcessRunnerError(
            f"a command on node {self._entry.node_id} exited with {code}", "ssh_command_failed", code=code, command=cmd
        )

    def run_rsync_up(self, source: str, target: str, options: dict[str, Any] | None = None) -> None:
        """Copy to the node; ``~`` in ``target`` is the node's home."""
        _copy(Path(source), self._on_node(target), (options or {}).get("rsync_exclude"))

    def run_rsync_down(self, source: str, target: str, options: dict[str, Any] | None = None) -> None:
        """Copy from the node; ``~`` in ``source`` is the node's home."""
        _copy(self._on_node(source), Path(target))

    def remote_shell_command_str(self) -> str:
        """A command that opens a shell on the node."""
        return f"env HOME={self._home} NODE_IP={self._entry.address} bash"

    def _on_node(self, path: str) -> Path:
        return self._home / path[1:].lstrip("/") if path.startswith("~") else self._home / path


def _copy(source: Path, target: Path, exclude: Sequence[str] | None = None) -> None:
    """A file, or a folder's contents, with their permissions, without what has a name like those that are excluded."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        left_out = [pattern.removeprefix("**/").rstrip("/") for pattern in exclude or ()]
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*left_out))
    else:
        shutil.copy(source, target)
