"""Getting a Ray: one of our own on this machine, or a running cluster by its address. Never one that happens to be found."""

from __future__ import annotations

import atexit
import contextlib
import importlib
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.cluster.address import HostPort, check_port, parse_address
from tuner.cluster.division import divide_memory
from tuner.cluster.environment import go_without_token, prepare_environment, print_notices, sends_token
from tuner.cluster.folder import make_folder, remove_folder
from tuner.cluster.nodes import living_nodes
from tuner.cluster.probe import check_head, takes_anybody
from tuner.cluster.processes import end_processes, started_processes
from tuner.errors import ClusterUnreachable, ExecutorError, TunerError
from tuner.resources import Node

__all__ = ["Cluster", "ClusterOptions", "connect", "start_in_background"]

NAMESPACE = "tuner"
_CLOSE_TIMEOUT_S = 10.0
_END_WAIT_S = 0.5


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """How to get a Ray.

    Attributes:
        address: ``host:port`` of a running cluster's head; None to start a Ray on this machine that ends with us.
        num_cpus: CPUs that a Ray of our own offers; None for all of the machine. Not for a running cluster.
        dashboard: Whether a Ray of our own serves Ray's dashboard on 127.0.0.1.
        working_dir: Folder that a running cluster's workers get a copy of, to import modules from; None for none. Not used
            in a job of the cluster, whose own folder they get.
        preload: Modules that each worker of a Ray of our own imports as soon as it is up.
        timeout_s: How long all this may take, in seconds.
        memory_mib: Memory that a Ray of our own offers to attempts, in MiB; None for what the machine has left.
    """

    address: str | None = None
    num_cpus: int | None = None
    dashboard: bool = True
    working_dir: str | None = None
    preload: Sequence[str] = ()
    timeout_s: float = 120.0
    memory_mib: float | None = None


class Cluster:
    """A Ray that this process is connected to.

    Attributes:
        address: ``host:port`` of its head.
        dashboard_url: Of Ray's dashboard, with ``http://``; None when there is none.
        owned: Whether it was started for us and ends with ``close``.
        folder: The private folder of an owned one, removed by ``close``; None otherwise.
    """

    def __init__(
        self, address: str, dashboard_url: str | None, folder: Path | None, release: Callable[[], None]
    ) -> None:
        self.address, self.dashboard_url, self.folder = address, dashboard_url, folder
        self.owned = folder is not None
        self._release = release
        self._lock = threading.Lock()
        self._closed = False
        atexit.register(self.close)

    def nodes(self) -> list[Node]:
        """The nodes that live now, with all that they offer."""
        return living_nodes()

    def close(self) -> None:
        """End an owned Ray with everything that runs in it, or disconnect from a running cluster. Idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        atexit.unregister(self.close)
        self._release()


def start_in_background(options: ClusterOptions) -> Future[Cluster]:
    """Begin to get a Ray and return at once; the future holds it, or the ``ExecutorError`` that prevented it.

    Everything happens on a thread that lives as long as the connection: Ray binds the life of the processes that it starts
    to the thread that started them, and installs its signal handlers only when it is started on the main thread.
    """
    return _Owner(options).begin()


def connect(options: ClusterOptions) -> Cluster:
    """Get a Ray and wait for it.

    Raises:
        ClusterUnreachable: Nothing answers at the address, or what answers refuses us or does not fit.
        ExecutorError: A Ray of our own cannot be started, or this process is connected to another one.
    """
    return result_of(start_in_background(options), options)


def result_of(future: Future[Cluster], options: ClusterOptions) -> Cluster:
    """Wait for what ``start_in_background`` began.

    Raises:
        ClusterUnreachable: As for ``connect``; also when it took longer than ``options.timeout_s``.
        ExecutorError: As for ``connect``.
    """
    try:
        return future.result(timeout=options.timeout_s)
    except FutureTimeout as error:
        what = f"the cluster at {options.address} did not let us in" if options.address else "Ray did not start"
        raise ClusterUnreachable(
            f"{what} within {options.timeout_s:g} s",
            hint=f"`tuner doctor {'--address' if options.address else '--ray'}` looks for the cause",
        ) from error


class _Owner(threading.Thread):
    """The thread on which Ray is started, and which waits to shut it down."""

    def __init__(self, options: ClusterOptions) -> None:
        super().__init__(name="tuner-cluster", daemon=True)
        self._options = options
        self._future: Future[Cluster] = Future()
        self._closing, self._closed = threading.Event(), threading.Event()

    def begin(self) -> Future[Cluster]:
        self._future.set_running_or_notify_cancel()
        self.start()
        return self._future

    def run(self) -> None:
        folder: Path | None = None
        try:
            if self._options.address is None and not _in_use():
                folder = make_folder()
            self._future.set_result(_open(self._options, folder, self._release))
        except BaseException as error:
            if folder is not None:
                remove_folder(folder)
            self._future.set_exception(_explained(error, self._options))
            return
        self._closing.wait()  # bounded by the process: the thread is a daemon
        try:
            _shut_down(folder)
        finally:
            self._closed.set()

    def _release(self) -> None:
        self._closing.set()
        self._closed.wait(_CLOSE_TIMEOUT_S)


def _in_use() -> bool:
    """Whether this process is connected to a Ray already, by the caller's own doing."""
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())


def _open(options: ClusterOptions, folder: Path | None, release: Callable[[], None]) -> Cluster:
    if _in_use():
        return _join_own(options)
    if folder is not None:
        context = _start(options, folder)
    else:
        assert options.address is not None
        context = _attach(parse_address(options.address), options)
    print_notices(False)
    url = context.dashboard_url
    info = context.address_info
    return Cluster(info["gcs_address"], f"http://{url}" if url else None, folder, release)


def _join_own(options: ClusterOptions) -> Cluster:
    """The caller has called ``ray.init`` in this process: that Ray is used, and left running."""
    import ray

    current = ray.get_runtime_context().gcs_address
    if options.address is not None and str(parse_address(options.address)) != current:
        raise ExecutorError(
            f"this process is connected to the Ray at {current} already, and cannot use the one at {options.address} too",
            hint="call ray.shutdown() first",
        )
    url = ray._private.worker.get_dashboard_url()
    return Cluster(current, f"http://{url}" if url else None, None, lambda: None)


def _start(options: ClusterOptions, folder: Path) -> Any:
    prepare_environment(folder)
    try:
        context = _init(options, folder)
    except Exception as error:
        # Ray gives its node 30 s, and no setting changes that. A machine that is busy, or that reads Ray from a cold disk for
        # the first time, may need more; what the first try has read makes the second one quick.
        if "timed out" not in str(error):
            raise
        _shut_down(None)
        context = _init(options, folder)
    import ray

    _preload(options.preload, int(ray.cluster_resources().get("CPU", 1)))
    return context


def _init(options: ClusterOptions, folder: Path) -> Any:
    import ray

    debugger = os.environ.get("PYTHONBREAKPOINT")
    memory = divide_memory(options.memory_mib)
    try:
        return ray.init(
            address="local",
            num_cpus=options.num_cpus,
            include_dashboard=options.dashboard,
            namespace=NAMESPACE,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=memory.objects_bytes,
            _memory=memory.attempts_bytes,
            _temp_dir=str(folder),
            _node_ip_address=_loopback(),
        )
    finally:
        # Ray puts its own debugger in breakpoint()'s place for all that this process will ever run.
        if debugger is None:
            os.environ.pop("PYTHONBREAKPOINT", None)


def _loopback() -> str | None:
    """An address that stays valid when the network changes; None for Ray's own choice (it replaces 127.0.0.1 by another)."""
    with contextlib.suppress(OSError), socket.socket() as probe:
        probe.bind(("127.0.0.2", 0))
        return "127.0.0.2"
    return None


def _preload(modules: Sequence[str], n_workers: int) -> None:
    """Let every worker import what the first attempts will need; nobody waits for it, and failures show up there."""
    import ray

    if modules:
        task = ray.remote(num_cpus=1, max_retries=0)(_import_all)
        for _ in range(n_workers):
            task.remote(list(modules))


def _import_all(modules: list[str]) -> None:
    for module in modules:
        with contextlib.suppress(Exception):
            importlib.import_module(module)


def _attach(address: HostPort, options: ClusterOptions) -> Any:
    check_port(address)
    prepare_environment(None)
    check_head(address)
    if sends_token() and takes_anybody(address) and not go_without_token():
        raise ClusterUnreachable(
            f"the cluster at {address} was started without tokens, but RAY_AUTH_MODE=token is set here",
            hint="unset RAY_AUTH_MODE, or start the cluster with tokens",
        )
    import ray

    own_folder = options.working_dir if "RAY_JOB_CONFIG_JSON_ENV_VAR" not in os.environ else None
    return ray.init(
        address=str(address),
        namespace=NAMESPACE,
        log_to_driver=False,
        logging_level=logging.ERROR,
        runtime_env={"working_dir": own_folder} if own_folder else None,
    )


def _shut_down(folder: Path | None) -> None:
    import ray

    processes = started_processes() if folder is not None else []
    with contextlib.suppress(Exception):
        ray.shutdown()
        print_notices(True)
    if folder is not None:
        end_processes(processes, _END_WAIT_S)
        remove_folder(folder)


def _explained(error: BaseException, options: ClusterOptions) -> BaseException:
    """Ray's error in our words."""
    if isinstance(error, TunerError):
        return error
    if isinstance(error, ImportError):
        return ExecutorError(f"Ray cannot be imported: {error}", hint='pip install "ray[default]"')
    text = str(error).strip() or type(error).__name__
    if error.__cause__ is not None:
        text += f" ({error.__cause__})"
    if options.address is None:
        return ExecutorError(
            f"Ray cannot be started on this machine: {text}",
            hint="`--executor inline` needs no Ray; `tuner doctor` looks for the cause",
        )
    if "ersion mismatch" in text:
        hint = "driver and cluster must have the same versions of Ray and Python: install the cluster's here"
    else:
        hint = f"the driver must run on a node of the cluster; {socket.gethostname()} may be none (pid {os.getpid()})"
    return ClusterUnreachable(f"the cluster at {options.address} cannot be joined: {text}", hint=hint)
