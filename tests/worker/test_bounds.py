"""An attempt is held to its grant, and what was there before comes back."""

from __future__ import annotations

import os
import subprocess
import sys
import types

import numpy as np
import pytest
import threadpoolctl

from tuner.resources import Resources
from tuner.worker.bounds import THREAD_VARIABLES, apply_bounds, release_bounds, thread_variables


@pytest.fixture(autouse=True)
def _released(monkeypatch):
    for name in (*THREAD_VARIABLES, "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    yield
    release_bounds()


def blas_threads() -> list[int]:
    assert np.dot(np.ones(2), np.ones(2)) == 2  # the pool is loaded
    return [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]


@pytest.mark.parametrize(("cpu", "n_threads"), [(1, 1), (2, 2), (0.5, 1), (2.5, 2)])
def test_child_processes_and_loaded_pools_get_the_threads_that_were_granted(cpu, n_threads):
    apply_bounds(Resources(cpu, 0, 0))

    assert {os.environ[name] for name in THREAD_VARIABLES} == {str(n_threads)}
    assert set(blas_threads()) <= {n_threads}


def test_no_cpu_granted_means_no_bound():
    apply_bounds(Resources(0, 0, 0))
    assert not [name for name in THREAD_VARIABLES if name in os.environ]


def test_libraries_with_a_number_of_their_own_are_told(monkeypatch):
    torch, numba = types.ModuleType("torch"), types.ModuleType("numba")
    told = []
    torch.set_num_threads = lambda n: told.append(("torch", n))  # type: ignore[attr-defined]
    numba.set_num_threads = lambda n: told.append(("numba", n))  # type: ignore[attr-defined]
    numba.config = types.SimpleNamespace(NUMBA_NUM_THREADS=2)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "numba", numba)
    apply_bounds(Resources(4, 0, 0))
    assert told == [("torch", 4), ("numba", 2)]
    assert "NUMBA_NUM_THREADS" not in os.environ  # it raises when that changes under it
    assert thread_variables(4)["NUMBA_NUM_THREADS"] == "4"


def test_a_pool_that_was_loaded_with_one_thread_grows_with_the_grant():
    code = (
        "from tuner.worker.bounds import apply_bounds; from tuner.resources import Resources; apply_bounds(Resources(1))\n"
        "import numpy, threadpoolctl; numpy.ones((9, 9)) @ numpy.ones((9, 9)); apply_bounds(Resources(2))\n"
        "print({p['num_threads'] for p in threadpoolctl.threadpool_info() if p['user_api'] == 'blas'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "{2}\n"


def test_gpus_are_hidden_without_a_grant_and_shown_again_with_one(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    apply_bounds(Resources(1, 0, 0))
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""

    apply_bounds(Resources(1, 1, 0))
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1"


def test_gpus_that_an_executor_chose_are_left_alone(monkeypatch):
    apply_bounds(Resources(1, 0, 0))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    apply_bounds(Resources(1, 1, 0))
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"


def test_everything_is_as_before_after_release(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    before = blas_threads()

    apply_bounds(Resources(1, 0, 0))
    apply_bounds(Resources(2, 0, 0))
    release_bounds()

    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    assert blas_threads() == before


def test_nothing_is_done_again_for_the_same_grant(monkeypatch):
    apply_bounds(Resources(1, 0, 0))
    monkeypatch.setattr(threadpoolctl, "threadpool_limits", None)
    apply_bounds(Resources(1, 0, 0))
