"""The executors under their conformance suite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tuner.cluster.connect import Cluster
from tuner.core.ports import Executor
from tuner.executors.inline import Inline
from tuner.executors.ray import RayExecutor
from tuner.testing.executors import ExecutorTestCase


class TestInline(ExecutorTestCase):
    has_processes = False

    @pytest.fixture
    def executor(self) -> Iterator[Executor]:
        executor = Inline()
        yield executor
        executor.close()


@pytest.mark.ray
class TestRay(ExecutorTestCase):
    n_lanes = 2

    @pytest.fixture
    def executor(self, ray_cluster: Cluster) -> Iterator[Executor]:
        executor = RayExecutor(cluster=ray_cluster)
        yield executor
        executor.close()
