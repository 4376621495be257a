"""Attempts as Ray tasks: on a Ray of our own on this machine, or on a running cluster.

An attempt is a task with its exact resources, and no two of a lane are out at the same time; attempts that last milliseconds
travel several to a task. Three threads feed one inbox (Ray's answers, the mailbox, the list of nodes); a fourth, the
clerk, keeps the books (``_ray_board``) and carries out what follows. The engine's own thread submits, and waits in ``poll``.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
import time
import uuid
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import ray

from tuner.cluster.connect import Cluster, ClusterOptions, result_of, start_in_background
from tuner.cluster.mailbox import open_mailbox
from tuner.cluster.nodes import Sighting, see_nodes
from tuner.cluster.objects import publish, session_folder, size_mib
from tuner.cluster.outcomes import failure_of
from tuner.cluster.tasks import TaskKinds, begin_gang, end_gang
from tuner.cluster.wire import Batch, Key, LogPart, Returned, Setup, pack, unpack
from tuner.core.actions import Start, Stop
from tuner.core.events import Event
from tuner.core.ports import Executor, Objective
from tuner.errors import ExecutorError
from tuner.executors._ray_board import Board, Lease, Task, Todo
from tuner.executors._ray_logs import AttemptLogs
from tuner.executors._ray_tenancy import Tenancy
from tuner.executors._ray_worker import run_batch
from tuner.resources import Resources
from tuner.study import StudySpec
from tuner.trial import Checkpoint, Failed
from tuner.worker.checkpoints import FolderKeeper, UrlKeeper, study_keeper

__all__ = ["RayExecutor"]

_TICK_S = 0.2
_LONG_POLL_S = 1.0
_NODES_EVERY_S = 1.0
_BACKLOG = 50_000
_JOIN_S = 5.0
_CLOSE_WAIT_S = 1.0
_TIDY_WAIT_S = 60.0
_PRELOAD = ("tuner.executors._ray_worker", "numpy")


class RayExecutor(Executor):
    """Runs attempts on Ray.

    Args:
        address: ``host:port`` of a running cluster's head; None to start a Ray on this machine that ends with the sweep.
        num_cpus: CPUs that a Ray of our own offers; None for all of the machine.
        memory_mib: Memory that a Ray of our own offers to attempts, in MiB; None for what this machine has left when Ray,
            shared objects and a reserve have got theirs. Attempts that together hold more are ended, first those above
            their grants.
        dashboard: Whether a Ray of our own serves Ray's dashboard.
        working_dir: Folder that the workers of a running cluster get a copy of, to import modules from; None for none.
        heartbeat_s: Longest silence of a living attempt, in seconds; also how long a stop may take to reach one that
            does not report.
        lease_s: Silence after which an attempt whose node lives is taken for hung and killed, in seconds. It is long because
            an objective in C code that does not let go of the interpreter (reading a large table, building a matrix)
            is silent too.
        autoscale: Whether the running cluster starts nodes when they are asked for; None for yes where its file is known.
        cluster_file: The file that the running cluster was started with: its node types and their prices. None for what the
            environment variable ``TUNER_CLUSTER_FILE`` names, which ``tuner submit`` sets on the head.
        checkpoints: Folder or fsspec URL for checkpoints, in which the study gets one; None for beside the store. Workers
            that do not share the driver's file system send theirs to the driver.
        cluster: A Ray that is there or being started (``tuner.cluster.connect``), which whoever made it closes; the
            options above about getting one are not used then.
    """

    def __init__(  # noqa: PLR0913 -- the options of a plug-in are its keyword arguments
        self,
        *,
        address: str | None = None,
        num_cpus: int | None = None,
        memory_mib: float | None = None,
        dashboard: bool = True,
        working_dir: str | None = None,
        heartbeat_s: float = 1.0,
        lease_s: float = 300.0,
        autoscale: bool | None = None,
        cluster_file: str | None = None,
        checkpoints: str | None = None,
        cluster: Future[Cluster] | Cluster | None = None,
    ) -> None:
        self._options = ClusterOptions(address, num_cpus, dashboard, working_dir, _PRELOAD, memory_mib=memory_mib)
        self._heartbeat_s, self._lease_s = heartbeat_s, lease_s
        self._tenancy = Tenancy(autoscale, cluster_file or os.environ.get("TUNER_CLUSTER_FILE") or None)
        self.can_grow = self._tenancy.can_grow
        self._checkpoints = checkpoints
        self._given, self._future = cluster is not None, _as_future(cluster)
        self._cluster: Cluster | None = None
        self._epoch_s = time.time() - time.monotonic()
        self._lock = threading.Lock()  # over the books, and over carrying out what follows from them
        self._inbox: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[list[Event]] = queue.SimpleQueue()
        self._removals: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._keeper: FolderKeeper | UrlKeeper | None = None
        self._backlog = 0
        self._refs: dict[int, Any] = {}
        self._gangs: dict[int, Any] = {}
        self._kinds = TaskKinds(run_batch)
        self._closing = threading.Event()
        self._broken: Exception | None = None  # what one of our threads raised
        self._threads: list[threading.Thread] = []
        self._mailbox: Any = None
        self._run_name, self._n_mailboxes = f"tuner-{uuid.uuid4().hex[:12]}", 0
        self._study = ""

    @property
    def cluster(self) -> Cluster | None:
        """The Ray in use, with the address of its head and of its dashboard; None before ``open``."""
        return self._cluster

    # -- the port ---------------------------------------------------------------------------------------------------

    def warm_up(self) -> None:  # noqa: D102 -- see the port
        if self._future is None:
            self._future = start_in_background(self._options)

    def open(  # noqa: D102 -- see the port
        self, spec: StudySpec, objective: Objective, directory: Path, checkpoints: str | Path | None = None
    ) -> None:
        self._keeper = study_keeper(self._checkpoints, spec.name, checkpoints or directory / "checkpoints")
        self.warm_up()
        assert self._future is not None
        self._cluster = result_of(self._future, self._options)
        self.can_grow = self.can_grow and not self._cluster.owned  # a Ray of our own is what it is
        self._study = spec.name
        self._board = Board(Lease(self._lease_s, spec.stop_grace_s, self.can_grow), self._inherit)
        self._logs = AttemptLogs(directory, session_folder(), self._run_name)
        reference = publish(objective, "the objective")
        mark = self._keeper.mark() if isinstance(self._keeper, FolderKeeper) else None
        self._setup = _setup_of(reference, spec, self._keeper, mark)
        self._open_mailbox()
        if not self._cluster.owned:
            self._hear(self._tenancy.open(spec, self.now_s()))
        self._inbox.put(partial(self._see_nodes, see_nodes()))
        for work in (self._keep_books, self._fetch_mail, self._watch_nodes, self._remove):
            thread = threading.Thread(
                target=self._run, args=(work,), name=f"tuner-{work.__name__.strip('_')}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def now_s(self) -> float:  # noqa: D102 -- see the port
        return self._epoch_s + time.monotonic()

    def start(self, starts: Sequence[Start]) -> None:  # noqa: D102 -- see the port
        with self._lock:
            self._board.add(starts, self.now_s())
            self._carry_out(self._board.take())

    def stop(self, stops: Sequence[Stop]) -> None:  # noqa: D102 -- see the port
        with self._lock:
            self._board.stop(stops, self.now_s())
            self._carry_out(self._board.take())

    def poll(self, until_s: float | None) -> Sequence[Event]:  # noqa: D102 -- see the port
        events: list[Event] = []
        with contextlib.suppress(queue.Empty):
            while True:
                events += self._outbox.get_nowait()
        if not events and self._broken is None:
            wait_s = None if until_s is None else max(0.0, min(until_s - self.now_s(), threading.TIMEOUT_MAX))
            with contextlib.suppress(queue.Empty):
                events += self._outbox.get(timeout=wait_s)
                while True:
                    events += self._outbox.get_nowait()
        if not events and self._broken is not None:
            raise self._broken
        with self._lock:
            self._backlog -= len(events)
        return events

    def discard(self, checkpoints: Sequence[Checkpoint]) -> None:  # noqa: D102 -- see the port
        places = [checkpoint.place for checkpoint in checkpoints]
        assert self._keeper is not None
        self._removals.put(partial(self._keeper.discard, places))

    def tidy(self, needed: Collection[str]) -> None:  # noqa: D102 -- see the port
        done = threading.Event()
        assert self._keeper is not None
        self._removals.put(partial(self._keeper.tidy, needed))
        self._removals.put(done.set)
        done.wait(_TIDY_WAIT_S)

    def scale(self, bundles: Sequence[Resources], types: Sequence[str] = ()) -> None:  # noqa: D102 -- see the port
        self._tenancy.scale(bundles, types)

    def wake(self) -> None:  # noqa: D102 -- see the port
        self._outbox.put([])

    def close(self) -> None:  # noqa: D102 -- see the port
        if self._closing.is_set():
            return
        self._closing.set()
        self._inbox.put(None)
        self._removals.put(None)
        cluster = self._cluster or self._started()
        if cluster is not None and ray.is_initialized():
            self._release()
        for thread in self._threads:
            thread.join(_JOIN_S)
        if isinstance(self._keeper, FolderKeeper):
            self._keeper.unmark()
        if cluster is not None and not self._given:
            cluster.close()

    def _started(self) -> Cluster | None:
        """The Ray that ``warm_up`` began to start, when ``open`` never came; one that is not there yet closes itself."""
        if self._future is None or self._given:
            return None
        with contextlib.suppress(ExecutorError):
            try:
                return self._future.result(timeout=_CLOSE_WAIT_S)
            except TimeoutError:
                self._future.add_done_callback(_close_later)
        return None

    def _release(self) -> None:
        with self._lock:
            for reference in self._refs.values():
                self._cancel(reference)
            self._refs.clear()
            while self._gangs:
                _end(self._gangs.popitem()[1])
        with contextlib.suppress(Exception):  # it may be gone already; Ray raises various things then
            if self._mailbox is not None:
                ray.kill(self._mailbox)
        self._tenancy.close()
        self._mailbox = None

    def _run(self, work: Callable[[], None]) -> None:
        """A thread's body. What it raises is a bug, and the engine's to hear: it would wait for that thread for ever."""
        try:
            work()
        except Exception as error:
            self._broken = error
            self.wake()

    # -- the clerk --------------------------------------------------------------------------------------------------

    def _keep_books(self) -> None:
        """Take what has come in, in order, many at a time, and look after what is overdue."""
        overdue_s = 0.0
        while not self._closing.is_set():
            items: list[Callable[[], None] | None] = []
            with contextlib.suppress(queue.Empty):
                items.append(self._inbox.get(timeout=_TICK_S))
                while True:
                    items.append(self._inbox.get_nowait())
            with self._lock:
                if self._closing.is_set():
                    return
                for item in items:
                    if item is not None:
                        item()
                if self.now_s() >= overdue_s:
                    self._board.tick(self.now_s())
                    overdue_s = self.now_s() + _TICK_S
                self._carry_out(self._board.take())

    def _carry_out(self, todo: Todo) -> None:
        """Do what the books say. The lock is held."""
        for task, batch in todo.submit:
            self._submit(task, batch)
        for task in todo.cancel:
            self._cancel(self._refs.get(task.number))
            self._give_up(self._gangs.pop(task.number, None))
        if todo.ask:
            self._mailbox.stop.remote(todo.ask)
        if todo.forget:
            self._mailbox.forget.remote(todo.forget)
        for entry in todo.logs:
            if isinstance(entry, LogPart):
                self._logs.add(entry)
            else:
                self._logs.end(*entry)
        self._tell(todo)

    def _tell(self, todo: Todo) -> None:
        """Hand the events to the engine. The lock is held, so their times do not fall."""
        if todo.events:
            self._backlog += len(todo.events)
            self._outbox.put(todo.events)
            todo.events = []

    # -- tasks ------------------------------------------------------------------------------------------------------

    def _submit(self, task: Task, batch: Sequence[Start]) -> None:
        grant = task.grant
        rows = [(s.trial, s.attempt, s.params, s.lane, s.seed, _as_row(s.checkpoint)) for s in batch]
        payload = pack(
            Batch(
                task.number,
                self._mailbox_name,
                self._heartbeat_s,
                task.announce,
                (grant.cpu, grant.gpu, grant.memory_mib),
                rows,
            )
        )
        try:
            parts = self._board.parts(task)
            if len(parts) > 1:
                self._gangs[task.number] = begin_gang(parts, task.avoid)
            gang = self._gangs.get(task.number)
            kind = self._kinds.of(parts[0], f"tuner {self._study}", avoid=task.avoid, near=task.near, gang=gang)
            reference = kind.remote(payload)
        except Exception as error:  # a grant that Ray does not know how to give, or a Ray that is gone
            failure = failure_of(error)
            self._give_up(self._gangs.pop(task.number, None))
            self._inbox.put(lambda: self._board.failed(task.number, failure, self.now_s()))
            return
        self._refs[task.number] = reference
        reference.future().add_done_callback(lambda future: self._answered(task.number, future))

    def _answered(self, number: int, future: Any) -> None:
        """A task has ended. This is Ray's own thread, which must not wait for a lock and not call Ray again.

        The common case, a return without anything printed, reaches the engine without a detour.
        """
        error = future.exception()
        back: Returned | Failed = unpack(future.result()) if error is None else failure_of(error)
        quick = isinstance(back, Returned) and not any(result.log for result in back.results)
        if not quick or not self._lock.acquire(blocking=False):
            self._inbox.put(lambda: self._ended(number, back))
            return
        try:
            self._ended(number, back)
            todo = self._board.take()
            self._tell(todo)
            if todo.submit or todo.cancel or todo.ask or todo.forget or todo.logs:
                self._inbox.put(lambda: self._carry_out(todo))
        finally:
            self._lock.release()

    def _ended(self, number: int, back: Returned | Failed) -> None:
        self._refs.pop(number, None)
        self._give_up(self._gangs.pop(number, None))
        if isinstance(back, Failed):
            self._board.failed(number, back, self.now_s())
        else:
            self._board.returned(number, back, self.now_s())

    def _give_up(self, gang: Any) -> None:
        """End it on another thread: this one may be Ray's own, which must not call Ray. None for nothing."""
        if gang is not None:
            self._removals.put(partial(_end, gang))

    def _cancel(self, reference: Any) -> None:
        if reference is not None:
            with contextlib.suppress(Exception):  # it has ended meanwhile; Ray raises various things then
                ray.cancel(reference, force=True)

    # -- checkpoints ------------------------------------------------------------------------------------------------

    def _inherit(self, key: Key) -> Sequence[Checkpoint]:
        try:
            return self._keeper.inherit(*key) if self._keeper else ()
        except OSError:
            return ()

    def _remove(self) -> None:
        """Remove checkpoints that are not needed any more, beside everything else: they may be large."""
        while (remove := self._removals.get()) is not None:
            with contextlib.suppress(Exception):  # what a file system beyond a URL raises is anybody's guess
                remove()

    # -- the mailbox ------------------------------------------------------------------------------------------------

    def _open_mailbox(self) -> None:
        self._n_mailboxes += 1
        self._mailbox_name = f"{self._run_name}-{self._n_mailboxes}"
        self._mailbox = open_mailbox(self._mailbox_name, self._setup)

    def _fetch_mail(self) -> None:
        """Wait at the mailbox and pass on what comes; slower when the engine is."""
        while not self._closing.is_set():
            if self._backlog > _BACKLOG:
                self._closing.wait(0.01)
                continue
            mailbox = self._mailbox
            try:
                messages = ray.get(mailbox.drain.remote(_LONG_POLL_S), timeout=10 * _LONG_POLL_S)
            except ray.exceptions.GetTimeoutError:
                continue  # the machine is very busy
            except Exception:
                if not self._closing.wait(_TICK_S):
                    self._replace_mailbox()
                continue
            if messages:
                news = [unpack(message) for message in messages]
                self._inbox.put(partial(self._read, news))

    def _read(self, news: Sequence[Any]) -> None:
        now_s = self.now_s()
        for item in news:
            self._board.hear(item, now_s)

    def _replace_mailbox(self) -> None:
        """The mailbox is gone. Attempts that are out keep their reports until they return; new ones get a new mailbox."""
        with self._lock:
            if self._closing.is_set() or not ray.is_initialized():
                return
            self._board.mailbox_lost()
            with contextlib.suppress(Exception):
                self._open_mailbox()

    # -- nodes ------------------------------------------------------------------------------------------------------

    def _watch_nodes(self) -> None:
        while not self._closing.wait(_NODES_EVERY_S):
            try:
                seen = see_nodes()
                self._hear(self._tenancy.poll(self.now_s()))
            except Exception:
                continue  # the head does not answer now; Ray itself ends this process when that lasts a minute
            self._inbox.put(partial(self._see_nodes, seen))

    def _hear(self, events: list[Event]) -> None:
        if events:
            with self._lock:
                self._backlog += len(events)
                self._outbox.put(events)

    def _see_nodes(self, seen: Sighting) -> None:
        self._board.is_shared = self._tenancy.share < 1.0
        self._board.see_nodes(seen, self.now_s())


def _setup_of(reference: Any, spec: StudySpec, keeper: Any, mark: str | None) -> Setup:
    """What worker processes of the study will ask for."""
    paths = [path for path in sys.path if path]
    return Setup([reference], spec.metrics, paths, keeper, mark, size_mib(reference))


def _end(gang: Any) -> None:
    with contextlib.suppress(
        Exception
    ):  # the cluster may be gone, and the gang with it; Ray raises various things then
        end_gang(gang)


def _as_row(checkpoint: Checkpoint | None) -> tuple[int, str, float] | None:
    return None if checkpoint is None else (checkpoint.step, checkpoint.place, checkpoint.size_mib)


def _close_later(future: Future[Cluster]) -> None:
    """Close a Ray that came too late, on a thread of its own: the one that calls us is needed for it."""
    if future.exception() is None:
        threading.Thread(target=future.result().close, name="tuner-close", daemon=True).start()


def _as_future(cluster: Future[Cluster] | Cluster | None) -> Future[Cluster] | None:
    if not isinstance(cluster, Cluster):
        return cluster
    future: Future[Cluster] = Future()
    future.set_result(cluster)
    return future
