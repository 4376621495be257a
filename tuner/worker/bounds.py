"""Holds an attempt to its grant: threads of native libraries, threads of child processes, visible GPUs."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import Any

from tuner.resources import Resources

__all__ = ["apply_bounds", "release_bounds", "thread_variables"]

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "RAYON_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "LOKY_MAX_CPU_COUNT",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
_PROGRAMS_ONLY = ("NUMBA_NUM_THREADS",)
"""Numba raises when it finds this changed in a process where it has begun, so it is set for other processes only."""
_GPU_VARIABLE = "CUDA_VISIBLE_DEVICES"
_POOL_LIBRARIES = ("numpy", "scipy", "sklearn", "torch", "xgboost", "lightgbm", "catboost", "numba")


def thread_variables(cpu: float) -> dict[str, str]:
    """Environment variables that bound a program's threads to ``cpu`` (at least one thread); empty for no CPU at all."""
    return dict.fromkeys((*THREAD_VARIABLES, *_PROGRAMS_ONLY), str(max(1, int(cpu)))) if cpu > 0 else {}


class _Bounds:
    """What this process was bound to last, and how it was before."""

    def __init__(self) -> None:
        self.applied: tuple[int, float, bool] | None = None
        self.environment: dict[str, str | None] = {}
        self.pools: Any = None

    def set(self, name: str, value: str) -> None:
        self.environment.setdefault(name, os.environ.get(name))
        os.environ[name] = value

    def unset(self, name: str) -> None:
        original = self.environment.pop(name, None)
        if original is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = original


_bounds = _Bounds()


def apply_bounds(grant: Resources) -> None:
    """Bound this process, and those that it starts, to ``grant``; does next to nothing when the last attempt had the same.

    Environment variables serve child processes and libraries that are loaded later; threadpoolctl serves those that are
    loaded. OpenMP keeps its limit per thread, so another thread counts as another grant.
    """
    wanted = (threading.get_ident(), grant.cpu, grant.gpu > 0)
    if wanted == _bounds.applied:
        return
    if grant.cpu > 0:
        for name in THREAD_VARIABLES:
            _bounds.set(name, str(max(1, int(grant.cpu))))
    if grant.gpu <= 0:
        _bounds.set(_GPU_VARIABLE, "")
    elif os.environ.get(_GPU_VARIABLE) == "" and _GPU_VARIABLE in _bounds.environment:
        _bounds.unset(_GPU_VARIABLE)  # ours of an earlier attempt; what an executor has set since is left alone
    if grant.cpu > 0 and any(name in sys.modules for name in _POOL_LIBRARIES):
        _bound_pools(max(1, int(grant.cpu)))
    _bounds.applied = wanted


def _bound_pools(n_threads: int) -> None:
    import threadpoolctl

    limits = threadpoolctl.threadpool_limits(limits=n_threads)
    _bounds.pools = _bounds.pools or limits  # the first one remembers what was before us
    torch, numba = sys.modules.get("torch"), sys.modules.get("numba")
    with contextlib.suppress(Exception):  # half imported, or of a version that has other names
        if torch is not None:
            torch.set_num_threads(n_threads)  # its own number besides OpenMP's
    with contextlib.suppress(Exception):
        if numba is not None:
            numba.set_num_threads(min(n_threads, numba.config.NUMBA_NUM_THREADS))  # it never has more than at its start


def release_bounds() -> None:
    """Undo what ``apply_bounds`` did to this process: for executors that run attempts in the user's own."""
    for name in list(_bounds.environment):
        _bounds.unset(name)
    if _bounds.pools is not None:
        _bounds.pools.restore_original_limits()
    _bounds.pools = _bounds.applied = None
