"""The worker's side of the mailbox: one thread per process that carries reports, results, heartbeats and stops.

The thread that runs attempts only appends to a list. Everything goes through at most one unanswered post, so whatever is
slow on the way makes the next post larger, not the number of posts.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tuner.cluster.wire import Chunk, Key, LogPart, News, Result, Told, pack
from tuner.core.actions import Stop

__all__ = ["Courier", "SoFar"]

TICK_S = 0.05
PARK_AFTER_S = 1.0
PUSH_AFTER_S = 0.1
WAKE_AT = 500
MOST_PER_POST = 5_000
MOST_KEPT = 50_000
_FULL_WAIT_S = 10.0
_LOG_PART_BYTES = 256 << 10
_LOG_SHIPPED_BYTES = 1 << 20
_GROWN_FACTOR, _GROWN_MIB = 1.125, 64.0
_LAST_WORDS_S, _LOOK_S, _READING_S = 2.0, 0.01, 0.25


class SoFar(NamedTuple):
    """What is known of the running attempt: the memory of its processes now, whether its node is short, and its usage as
    ``tuner.core.codec`` writes it, which costs more to ask for."""

    held_mib: float
    short: bool
    usage: Callable[[], Any]


class Courier:
    """Carries what one process has to say.

    Args:
        mailbox: Its handle.
        node_id: Where this process runs.
        log_path: The file that holds this process's output; None when it is not kept.
        heartbeat_s: Longest silence while an attempt runs, in seconds.
        usage_so_far: What the running attempt has used so far, and its memory alone; None while nothing is known.
    """

    def __init__(
        self,
        mailbox: Any,
        node_id: str,
        log_path: Path | None,
        heartbeat_s: float,
        usage_so_far: Callable[[], SoFar | None] = lambda: None,
    ) -> None:
        self._mailbox, self._node_id, self._log_path, self._heartbeat_s = mailbox, node_id, log_path, heartbeat_s
        self._usage_so_far = usage_so_far
        self._told_mib = 0.0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._room = threading.Condition(self._lock)
        self._parked = self._closed = False
        self._deaf = False  # the mailbox is gone: nothing is posted any more, everything goes with the task's return
        self._post_number = 0
        self._unanswered: tuple[int, Key | None, int, int] | None = None  # post, attempt, its reports, results
        self._last_post_s = 0.0
        self._task: int | None = None
        self._task_began_s = self._task_ended_s = 0.0
        self._keys: Sequence[Key] = ()
        self._running: Key | None = None
        self._began_s = 0.0
        self._announced = False
        self._n_delivered = self._n_lost = 0
        self._reports: list[Told] = []
        self._results: list[Result] = []
        self._stops: dict[Key, Stop] = {}
        self._log_mark = self._log_sent = 0
        self._log_read_s = 0.0
        threading.Thread(target=self._carry, name="tuner-courier", daemon=True).start()

    def begin_task(self, task: int, keys: Sequence[Key]) -> None:
        """A task begins that brings these attempts."""
        with self._lock:
            self._task, self._keys = task, keys
            self._task_began_s = time.monotonic()
            self._results, self._stops = [], {}
            self._unanswered = None
            parked = self._parked
        if parked:
            self._wake.set()

    def end_task(self) -> list[Result]:
        """The task is about to return: what of its results the mailbox is not known to have."""
        with self._lock:
            results, self._results = self._results, []
            self._task, self._task_ended_s = None, time.monotonic()
            return results

    @property
    def task_age_s(self) -> float:
        """For how long the task has run."""
        return time.monotonic() - self._task_began_s

    def begin(self, key: Key, announce: bool, log_mark: int) -> None:
        """An attempt begins; it is announced at once, from this thread, when it may be a long one.

        The courier's own thread could not say so of an objective that never lets go of the interpreter.
        """
        with self._lock:
            self._running, self._began_s, self._announced = key, time.monotonic(), False
            self._reports, self._n_delivered, self._n_lost = [], 0, 0
            self._told_mib = 0.0
            self._log_mark, self._log_sent = log_mark, 0
            post = self._prepare() if announce and self._unanswered is None and not self._deaf else None
        if post is not None:
            self._send(*post)

    def report(self, step: int, values: Mapping[str, float]) -> None:
        """Take a report; waits only when fifty thousand of them could not be delivered, and then not for ever."""
        with self._lock:
            if len(self._reports) >= MOST_KEPT and not self._room.wait_for(
                lambda: len(self._reports) < MOST_KEPT, _FULL_WAIT_S
            ):
                self._n_lost += 1
                return
            self._reports.append((step, values))
            if len(self._reports) == WAKE_AT:
                self._wake.set()

    def saved(self, step: int, place: str, size_mib: float) -> None:
        """Take a checkpoint, in order with the reports; it is posted at once, for its attempt may die soon."""
        with self._lock:
            self._reports.append((step, (place, size_mib)))
        self._wake.set()

    def stop_of(self, key: Key) -> Stop | None:
        """What the driver has asked of that attempt."""
        return self._stops.get(key)

    def end(self, key: Key, outcome: Mapping[str, Any], usage: Any, log: bytes) -> None:
        """The running attempt has ended; nothing happens when its last words are out already."""
        with self._lock:
            if self._running != key:
                return
            if self._n_lost:
                log += b"\n[%d reports could not be delivered to the driver]\n" % self._n_lost
            self._results.append(Result(key, outcome, usage, log, (self._n_delivered, self._reports)))
            self._running, self._reports = None, []

    def last_words(self, key: Key, outcome: Mapping[str, Any], usage: Any, log: bytes) -> None:
        """The running attempt ends with its process: tell it and wait until the mailbox has it, at most two seconds.

        Then a moment more, so that the driver reads it before it learns from Ray that the process is gone.
        """
        self.end(key, outcome, usage, log)
        ends_s = time.monotonic() + _LAST_WORDS_S
        with self._lock:
            post = self._prepare() if self._task is not None and not self._deaf else None
        if post is None:
            return
        self._send(*post)
        while time.monotonic() < ends_s and self._unanswered is not None and self._unanswered[0] == post[0]:
            time.sleep(_LOOK_S)
        time.sleep(_READING_S)

    def close(self) -> None:
        """End the thread; nothing is carried any more."""
        self._closed = True
        self._wake.set()

    def _carry(self) -> None:
        while not self._closed:
            with self._lock:
                idle = self._task is None and time.monotonic() - self._task_ended_s > PARK_AFTER_S
                self._parked = idle
            self._wake.wait(None if idle else TICK_S)
            self._wake.clear()
            with self._lock:
                post = self._prepare() if self._due() else None
            if post is not None:
                self._send(*post)

    def _due(self) -> bool:
        if self._task is None or self._deaf or self._unanswered is not None:
            return False
        now_s = time.monotonic()
        if self._running is not None and (
            self._reports
            or (not self._announced and now_s - self._began_s >= TICK_S)
            or now_s - self._last_post_s >= self._heartbeat_s
            or self._has_grown()
        ):
            return True
        return bool(self._results) and now_s - self._task_began_s >= PUSH_AFTER_S

    def _has_grown(self) -> bool:
        """Whether the attempt holds so much more than the driver knows of that this must not wait for a heartbeat: it may be
        killed for it any moment."""
        so_far = self._usage_so_far()
        return so_far is not None and so_far.held_mib > _GROWN_FACTOR * self._told_mib + _GROWN_MIB

    def _prepare(self) -> tuple[int, News, Sequence[Key]]:
        """What there is to send, as the one unanswered post. The lock is held."""
        assert self._task is not None
        now_s = time.monotonic()
        chunk: Chunk = (self._n_delivered, self._reports[:MOST_PER_POST])
        age_s = now_s - self._began_s if self._running else 0.0
        news = News(
            self._task,
            self._node_id,
            self._running,
            age_s,
            chunk,
            list(self._results),
            self._log_part(now_s),
            self._usage() if self._running else None,
        )
        self._post_number += 1
        self._unanswered = (self._post_number, self._running, len(chunk[1]), len(news.results))
        self._announced, self._last_post_s = True, now_s
        return self._post_number, news, self._keys

    def _usage(self) -> tuple[Any, bool] | None:
        so_far = self._usage_so_far()
        if so_far is None:
            return None
        self._told_mib = so_far.held_mib
        return so_far.usage(), so_far.short

    def _send(self, number: int, news: News, keys: Sequence[Key]) -> None:
        """Hand the post to Ray. No lock is held: Ray answers on a thread of its own, which needs it."""
        try:
            answer = self._mailbox.post.remote(pack(news), keys).future()
        except Exception:  # whatever Ray raises of a mailbox that is gone: everything goes with the task's return
            self._deaf = True
            return
        answer.add_done_callback(lambda future: self._answered(number, future))

    def _answered(self, number: int, future: Any) -> None:
        error = future.exception()
        with self._lock:
            if self._unanswered is None or self._unanswered[0] != number:
                return
            _, key, n_reports, n_results = self._unanswered
            self._unanswered = None
            if error is not None:
                self._deaf = True
                return
            self._stops.update(future.result())
            del self._results[:n_results]
            if key is not None and key == self._running:
                del self._reports[:n_reports]
                self._n_delivered += n_reports
                self._room.notify_all()
            if len(self._reports) >= WAKE_AT:
                self._wake.set()

    def _log_part(self, now_s: float) -> LogPart | None:
        """What the running attempt has printed since the last time: with its announcement and every heartbeat."""
        if self._log_path is None or self._running is None or self._log_sent >= _LOG_SHIPPED_BYTES:
            return None
        if self._announced and now_s - self._log_read_s < self._heartbeat_s:
            return None
        self._log_read_s = now_s
        try:
            with self._log_path.open("rb") as file:
                file.seek(self._log_mark + self._log_sent)
                data = file.read(_LOG_PART_BYTES)
        except OSError:
            return None
        offset, self._log_sent = self._log_sent, self._log_sent + len(data)
        return LogPart(self._running, str(self._log_path), self._log_mark, offset, data)
