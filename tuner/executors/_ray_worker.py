"""What runs in a Ray worker process: a batch of attempts, one after another.

Each is held to its grant: to so many cores of the machine (``tuner.worker.cores``), so many threads
(``tuner.worker.bounds``) and so much memory (``tuner.worker.guard``).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import threading
import traceback
from collections import OrderedDict
from collections.abc import Callable

from tuner.cluster.courier import Courier, SoFar
from tuner.cluster.mailbox import find_mailbox
from tuner.cluster.nodes import offered_memory_mib
from tuner.cluster.objects import fetch, here, session_folder
from tuner.cluster.wire import Batch, Key, Returned, Setup, pack, unpack
from tuner.core.actions import Start, Stop
from tuner.core.codec import encode_outcome, encode_usage
from tuner.core.ports import Objective
from tuner.executors._ray_checkpoints import keeper_here
from tuner.executors._ray_traces import LOG_NAME, folder_of, note_running
from tuner.resources import Usage
from tuner.trial import Checkpoint, Failed, FailureKind, Outcome
from tuner.worker import Capture, join_node, run_attempt, running_meter, take_base
from tuner.worker.checkpoints import Keeper
from tuner.worker.cores import hold_cores, release_cores
from tuner.worker.outcome import stopped

__all__ = ["run_batch"]

HAND_BACK_AFTER_S = 0.25
_MIB = 2**20
_SESSIONS_KEPT = 2
_NODE_FOLDER = "tuner-node-"
_sessions: OrderedDict[str, _Session] = OrderedDict()
_lock = threading.Lock()


def run_batch(payload: bytes) -> bytes:
    """Run a packed ``Batch``; returns a packed ``Returned``.

    Attempts that had not begun a quarter of a second after the batch did are handed back, by not being in the results.
    """
    batch: Batch = unpack(payload)
    session = _session(batch)
    starts = batch.to_starts()
    courier = session.courier
    courier.begin_task(batch.task, [(start.trial, start.attempt) for start in starts])
    hold_cores(batch.grant[0])
    try:
        for index, start in enumerate(starts):
            if index and courier.task_age_s > HAND_BACK_AFTER_S:
                break
            session.run(start, batch.announce)
    finally:
        release_cores()
    return pack(Returned(session.node_id, courier.end_task()))


def _session(batch: Batch) -> _Session:
    with _lock:
        session = _sessions.get(batch.mailbox)
        if session is None:
            session = _sessions[batch.mailbox] = _Session(batch)
            while len(_sessions) > _SESSIONS_KEPT:
                _sessions.popitem(last=False)[1].close()
        _sessions.move_to_end(batch.mailbox)
        return session


def _so_far() -> SoFar | None:
    """What the running attempt has used, for the courier."""
    meter = running_meter()
    return None if meter is None else SoFar(meter.held / _MIB, meter.short, lambda: encode_usage(meter.so_far()))


class _Session:
    """One study in this process: its objective, kept for all its attempts, and the way to its driver."""

    def __init__(self, batch: Batch) -> None:
        mailbox = find_mailbox(batch.mailbox)
        setup: Setup = fetch(mailbox.setup.remote(), "what the study's driver has prepared")
        sys.path.extend(path for path in setup.sys_path if path not in sys.path and os.path.exists(path))
        self._metrics = setup.metrics
        self.node_id = here()
        self._scratch = folder_of(session_folder(), batch.mailbox, os.getpid())
        self._capture = self._captured()
        log_path = self._capture.path if self._capture else None
        self.courier = Courier(mailbox, self.node_id, log_path, batch.heartbeat_s, _so_far)
        self._keeper = keeper_here(setup, mailbox)
        self._objective: Objective | None = None
        self._broken = ""
        try:
            self._objective = fetch(setup.objective[0], "the objective")
        except Exception:
            # Its module is missing here, or of another version: every attempt says so, and none of them runs.
            self._broken = f"the objective cannot be loaded in a worker process\n\n{traceback.format_exc()}"
        self._received_mib = setup.objective_mib  # until an attempt has had it
        join_node(session_folder() / f"{_NODE_FOLDER}{self.node_id}", offered_memory_mib(self.node_id))
        take_base()

    def _captured(self) -> Capture | None:
        with contextlib.suppress(OSError):
            return Capture.install(self._scratch / LOG_NAME)
        return None

    def run(self, start: Start, announce: bool) -> None:
        """Run one attempt; its result is with the courier then."""
        key = (start.trial, start.attempt)
        stop = self.courier.stop_of(key)
        if stop is not None:
            self._end_unrun(key, stopped(stop, None))
        elif self._objective is None:
            self._end_unrun(key, Failed(FailureKind.RAISED, self._broken))
        else:
            mark = self._capture.mark() if self._capture else 0
            if announce:
                note_running(self._scratch, key, mark)
            self.courier.begin(key, announce, mark)
            link = _Link(self.courier, key, self._keeper)
            link.received_mib, self._received_mib = self._received_mib, 0.0
            link.end_process = lambda outcome, usage: self._end_process(key, mark, outcome, usage)
            result = run_attempt(self._objective, start, self._metrics, link, self._scratch)
            self.courier.end(key, encode_outcome(result.outcome), encode_usage(result.usage), result.log)

    def _end_unrun(self, key: Key, outcome: Outcome) -> None:
        self.courier.begin(key, False, 0)
        self.courier.end(key, encode_outcome(outcome), encode_usage(Usage()), b"")

    def _end_process(self, key: Key, mark: int, outcome: Failed, usage: Usage) -> None:
        """The guard's last resort; on its thread, while the attempt's is somewhere in native code."""
        log = self._capture.current(mark) if self._capture else b""
        self.courier.last_words(key, encode_outcome(outcome), encode_usage(usage), log)
        os.kill(os.getpid(), signal.SIGKILL)

    def close(self) -> None:
        """Another study has taken this one's place."""
        self.courier.close()
        self._objective = None
        shutil.rmtree(self._scratch, ignore_errors=True)


class _Link:
    """``tuner.worker.Link`` of one attempt."""

    __slots__ = ("_courier", "_key", "end_process", "keeper", "received_mib", "report")

    def __init__(self, courier: Courier, key: Key, keeper: Keeper) -> None:
        self._courier, self._key, self.keeper = courier, key, keeper
        self.report = courier.report
        self.received_mib = 0.0
        self.end_process: Callable[[Failed, Usage], None] | None = None

    def saved(self, checkpoint: Checkpoint) -> None:
        self._courier.saved(checkpoint.step, checkpoint.place, checkpoint.size_mib)

    @property
    def stop(self) -> Stop | None:
        return self._courier.stop_of(self._key)

    def log(self, text: str) -> None:
        """Nothing: there is a log source wherever the disk can be written."""
