"""Handing an objective to the cluster, and getting what the cluster holds."""

from __future__ import annotations

import contextlib
import pickle
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuner.errors import ExecutorError

__all__ = ["fetch", "here", "publish", "session_folder", "size_mib"]

_FETCH_TIMEOUT_S = 600.0


def publish(value: Any, what: str) -> Any:
    """Put ``value`` into the cluster's object store, once for all workers, and return the reference to it.

    Large NumPy arrays in it are not copied into each worker process: all of a machine read the same memory.

    Raises:
        ExecutorError: It cannot be pickled, or does not fit.
    """
    import ray

    try:
        return ray.put(value)
    except ray.exceptions.RayError as error:
        raise ExecutorError(f"{what} does not fit into Ray's object store: {error}") from error
    except Exception as error:
        part = _culprit(value)
        raise ExecutorError(
            f"{what} cannot be sent to worker processes: {_root(error)}" + (f" (in {part})" if part else ""),
            hint="open files, locks, connections and the like must be made inside the function, not before it; "
            "`--executor inline` runs in this process and needs none of this",
        ) from error


def size_mib(reference: Any) -> float:
    """The size of what was published, in MiB; 0 where Ray does not say."""
    import ray

    with contextlib.suppress(Exception):  # for developers, says Ray, so it may go
        return float(ray.experimental.get_object_locations([reference])[reference]["object_size"]) / 2**20
    return 0.0


def fetch(reference: Any, what: str) -> Any:
    """What a reference refers to.

    Raises:
        TimeoutError: It did not come within ten minutes.
    """
    import ray

    try:
        return ray.get(reference, timeout=_FETCH_TIMEOUT_S)
    except ray.exceptions.GetTimeoutError as error:
        raise TimeoutError(f"waited {_FETCH_TIMEOUT_S:g} s for {what}") from error


def here() -> str:
    """The node that this process runs on."""
    import ray

    return str(ray.get_runtime_context().get_node_id())


def session_folder() -> Path:
    """The folder of this machine's Ray session: it goes with the session. Where Ray does not say, one for temporary files."""
    import ray

    try:
        return Path(ray._private.worker._global_node.get_session_dir_path())
    except AttributeError:  # no public way to ask, so this one may go
        return Path(tempfile.gettempdir())


def _root(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _culprit(value: Any, path: str = "", depth: int = 4) -> str:
    """Which attribute, item or captured variable of ``value`` cannot be pickled, as a path; empty for ``value`` itself."""
    if depth == 0:
        return path
    for name, part in _parts(value).items():
        if not _can_be_pickled(part):
            return _culprit(part, f"{path}.{name}" if path else name, depth - 1)
    return path


def _parts(value: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return {str(key): part for key, part in value.items()}
    parts = dict(getattr(value, "__dict__", {}))
    code, closure = getattr(value, "__code__", None), getattr(value, "__closure__", None)
    if code is not None:
        used = getattr(value, "__globals__", {})
        parts |= {name: used[name] for name in code.co_names if name in used}
        parts |= {n: cell.cell_contents for n, cell in zip(code.co_freevars, closure or (), strict=True)}
    return parts


def _can_be_pickled(value: Any) -> bool:
    import cloudpickle

    try:
        cloudpickle.dumps(value, protocol=5, buffer_callback=_out_of_band)
    except Exception:
        return False
    return True


def _out_of_band(buffer: pickle.PickleBuffer) -> bool:
    """Take large buffers as done: they are not what fails."""
    return False
