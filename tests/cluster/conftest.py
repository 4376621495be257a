"""Tests that need a Ray of their own run it in a process of their own: a process can be connected to one only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
Play = Callable[..., dict[str, Any]]


def run_play(
    folder: Path, name: str, *arguments: str, environment: Mapping[str, str] | None = None, timeout_s: float = 120
) -> Any:
    """Run a script of ``plays`` and return the JSON object that it prints; anything else that is printed is a failure.

    Args:
        folder: Where it gets a home folder.
    """
    home = folder / "home"
    home.mkdir(exist_ok=True)
    clean = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    env = {**clean, "HOME": str(home), "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", **(environment or {})}
    command = [sys.executable, str(ROOT / "tests/cluster/plays" / name), *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stderr == "", "something was printed among the user's display"
    lines = done.stdout.splitlines()
    assert len(lines) == 1, f"more than the result was printed: {done.stdout}"
    return json.loads(lines[0])


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """``run_play`` in the test's folder."""
    return partial(run_play, tmp_path)


@pytest.fixture(scope="module")
def module_play(tmp_path_factory: pytest.TempPathFactory) -> Play:
    """``run_play`` for what several tests of a file look at."""
    return partial(run_play, tmp_path_factory.mktemp("play"))
