"""Linear algebra on one thread, whatever the machine has."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager
from typing import Any

__all__ = ["one_thread"]


def one_thread() -> AbstractContextManager[Any]:
    """A context in which BLAS uses one thread.

    Matrices of a few hundred rows gain nothing from more: threads that wait for each other take the trials' cores, and on a
    busy machine a factorisation took ten times as long. Sums are also added in the same order everywhere, so that a study
    goes on exactly on a machine with other cores.
    """
    limited: AbstractContextManager[Any] = _controller().limit(limits=1, user_api="blas")
    return limited


@functools.cache
def _controller() -> Any:
    """Knows the libraries that are loaded when it is made: SciPy brings one of its own."""
    import scipy.linalg  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
