"""tuner's command line beside the file of a live cluster."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Self

from tuner.testing.one_machine import LiveCluster

__all__ = ["Shell"]

ROOT = Path(__file__).parents[2]
COMMAND_S = 240.0


class Shell:
    """Calls programs in a cluster's folder, with a store there; as a context manager, which ends those that still run.

    Args:
        cluster: It must be up.
    """

    def __init__(self, cluster: LiveCluster) -> None:
        self.cluster, self.home = cluster, cluster.home
        self.store = f"sqlite:///{self.home}/tuner.db"
        more = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TUNER_STORE": self.store}
        self._environment = {**cluster.environment, **more}
        self._running: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running:
            process.kill()
            process.wait()

    def tuner(self, *arguments: str) -> str:
        """Call tuner and return what it says; a failure fails the test."""
        done = subprocess.run(
            [sys.executable, "-m", "tuner", *arguments],
            env=self._environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def start(self, *arguments: str, out: str) -> subprocess.Popen[str]:
        """Start Python with these arguments; what it says goes into the file ``out`` in the cluster's folder."""
        with (self.home / out).open("w") as file:
            process = subprocess.Popen(
                [sys.executable, *arguments], env=self._environment, cwd=self.home, stdout=file, stderr=file, text=True
            )
        self._running.append(process)
        return process
