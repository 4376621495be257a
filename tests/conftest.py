"""Shared by every test: options, and the seed that the run uses, printed first."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# Before anything can import Ray: quiet, and never a token file in the home folder of whoever runs the tests.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shared-data", type=Path, default=None, help="folder with larger real tables, for extra tests")
    parser.addoption("--swarm-seeds", type=int, default=500, help="how many worlds the swarm simulates")
    parser.addoption("--swarm-first-seed", type=int, default=0, help="seed of the first of them")


def pytest_report_header(config: pytest.Config) -> str:
    first, n = config.getoption("--swarm-first-seed"), config.getoption("--swarm-seeds")
    return f"swarm seeds: {first} to {first + n - 1}"


@pytest.fixture(scope="session")
def nvml_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a library of GPU figures that a test makes up: for a program's LD_LIBRARY_PATH (see the C file)."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs Linux and a C compiler")
    folder = tmp_path_factory.mktemp("nvml")
    source = Path(__file__).parent / "worker" / "fake_nvml.c"
    name = "libnvidia-ml.so.1"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-Wall", "-Werror", "-o", folder / name, source], check=True, timeout=60
    )
    return folder


@pytest.fixture(scope="session")
def shared_data(request: pytest.FixtureRequest) -> Path:
    """The folder given by --shared-data; tests that want it are left out without it."""
    folder: Path | None = request.config.getoption("--shared-data")
    if folder is None:
        pytest.skip("needs --shared-data FOLDER")
    return folder
