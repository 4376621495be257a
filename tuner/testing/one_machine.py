"""A real cluster on this machine for tests and benchmarks: any cluster file with its provider swapped, up and down."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from ruamel.yaml import YAML

from tuner.cluster.provider._options import MODULE
from tuner.cluster.provider._processes import node_processes
from tuner.cluster.provider._register import Register

__all__ = ["LiveCluster", "swapped"]

_NEEDED: dict[
    str, Any
] = {  # what Ray's schema wants of a file with a provider of others, and has defaults for in a cloud
    "docker": {},
    "initialization_commands": [],
    "setup_commands": [],
    "head_setup_commands": [],
    "worker_setup_commands": [],
    "file_mounts": {},
    "cluster_synced_files": [],
    "file_mounts_sync_continuously": False,
    "rsync_exclude": [],
    "rsync_filter": [],
}


def swapped(file: Path, folder: Path, port: int, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A cluster file's contents with nodes of this machine instead of a cloud's; everything else stays.

    Args:
        file: A file for ``ray up``.
        folder: For the cluster's state; not longer than Ray's sockets allow.
        port: Of the head.
        changes: Other keys at the top to replace.
    """
    described = dict(YAML(typ="safe").load(file))
    provider = {"type": "external", "module": MODULE, "state_dir": str(folder), "port": port}
    provider["environment"] = {"AUTOSCALER_UPDATE_INTERVAL_S": "1"}  # the default is 5 s
    return {**_NEEDED, **described, "provider": provider, **(changes or {})}


@dataclass
class LiveCluster:
    """A cluster that is started and ended with ``ray up`` and ``ray down``, as a context manager.

    Args:
        described: What ``swapped`` made.
        directory: From which ``ray up`` is called, because paths in a cluster file may be relative.
        autoscaler: Ray's, 1 or 2.
        home: The caller's home folder, in which a token may be; it holds the cluster's file too.
    """

    described: Mapping[str, Any]
    home: Path
    directory: Path = field(default_factory=Path.cwd)
    autoscaler: int = 2

    def __enter__(self) -> Self:
        self.home.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps(self.described))  # JSON is YAML
        try:
            self.ray("up", "--yes", "--no-config-cache", str(self.file))
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    @property
    def file(self) -> Path:
        """The cluster file."""
        return self.home / "cluster.yaml"

    @property
    def address(self) -> str:
        """Of the head, ``host:port``."""
        return f"{self._head_host()}:{self.described['provider']['port']}"

    @property
    def environment(self) -> dict[str, str]:
        """For processes that are to talk to the cluster: the caller's home, and nothing of other Rays."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        mode = "token" if (self.home / ".ray" / "auth_token").exists() else "disabled"
        return {**kept, "HOME": str(self.home), "RAY_AUTH_MODE": mode, "RAY_USAGE_STATS_ENABLED": "0", "COLUMNS": "200"}

    def ray(self, *arguments: str, timeout_s: float = 180.0) -> str:
        """Call Ray's command line and return what it says.

        Raises:
            RuntimeError: It failed; with what it said.
        """
        done = subprocess.run(
            [str(Path(sys.executable).parent / "ray"), *arguments],
            env={**self.environment, "RAY_UP_enable_autoscaler_v2": str(int(self.autoscaler == 2))},
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"ray {' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def down(self) -> None:
        """End it. Idempotent."""
        self.ray("down", "--yes", str(self.file))

    def nodes(self) -> dict[str, str]:
        """Address of every node that the provider has, by its id; the head comes first."""
        return {node_id: entry.address for node_id, entry in self._register().entries().items()}

    def kill(self, node_id: str) -> None:
        """End all of a node's processes at once, as when its power fails; nobody is told."""
        for process in node_processes(self._mark(node_id)):
            process.kill()

    def n_processes(self) -> int:
        """How many processes of any of its nodes there are."""
        return sum(len(node_processes(self._mark(f"{self.described['cluster_name']}-{n}"))) for n in range(20))

    def _mark(self, node_id: str) -> str:
        return f"{self.described['provider']['state_dir']}:{node_id}"

    def _register(self) -> Register:
        return Register(Path(self.described["provider"]["state_dir"]))

    def _head_host(self) -> str:
        return next(iter(self.nodes().values()))
