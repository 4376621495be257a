"""One Ray for all tests of this folder, never one that happens to run on the machine."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator

import pytest

from tuner.cluster.connect import Cluster, ClusterOptions, connect

pytest.register_assert_rewrite("tuner.testing.executors")

# No token file is made in the home folder of whoever runs the tests.
os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[Cluster]:
    cluster = connect(ClusterOptions(num_cpus=2, dashboard=False, preload=("tuner.executors._ray_worker",)))
    yield cluster
    cluster.close()
