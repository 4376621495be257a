"""Runs attempts in this process, one at a time: for debugging, notebooks and quick tests.

The engine must judge each report before the objective goes on, but an objective calls ``context.report`` and expects to go
on right after it. So the objective runs on a thread of its own, in lock step: a report is handed over and the thread waits
until the engine polls again, which it does when it has judged. Either the engine works or the objective does. The
engine keeps the caller's thread, because that is where Python delivers Ctrl-C; a debugger works on any thread
(``breakpoint()`` in the objective reads the terminal as ever; quitting it interrupts the sweep).

What this process cannot do: kill an objective that hangs (it is left behind on its daemon thread, and a fresh one goes on),
survive one that crashes the interpreter, or give an objective Python's main thread (``signal.signal`` needs that).
"""

from __future__ import annotations

import contextlib
import threading
import time
from bdb import BdbQuit
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from tuner.core.actions import Start, Stop
from tuner.core.events import Checkpointed, Event, Finished, NodeJoined, Reported, Started
from tuner.core.ports import Executor, Objective
from tuner.formula import Formula
from tuner.resources import Node, Resources
from tuner.study import StudySpec
from tuner.trial import Checkpoint, Failed, FailureKind, Outcome
from tuner.worker import AttemptResult, Tee, installed_log, release_bounds, run_attempt
from tuner.worker.checkpoints import StudyKeeper, study_keeper
from tuner.worker.memory import take_base
from tuner.worker.outcome import stopped

__all__ = ["Inline"]

NODE_ID = "inline"
_LONGEST_WAIT_S = 3600.0
_QUICK_ATTEMPT_S = 0.002
_CLOSE_WAIT_S = 1.0


@dataclass(frozen=True, slots=True)
class _Told:
    """What a thread told the engine: a report, a checkpoint, a result, or the exception that ended a debugging session."""

    link: _Link
    content: tuple[int, Mapping[str, float]] | Checkpoint | AttemptResult | BaseException


class _Link:
    """One attempt's link to the engine, in lock step (``tuner.worker.Link``)."""

    def __init__(self, start: Start, told: SimpleQueue[_Told | None], keeper: StudyKeeper) -> None:
        self.start = start
        self.keeper = keeper
        self.stop: Stop | None = None
        self.deadline_s: float | None = None
        self.waiting = False
        self._told = told
        self._go = threading.Semaphore(0)
        self._left_behind = False

    def report(self, step: int, values: Mapping[str, float]) -> None:
        if self._left_behind:
            return
        self._told.put(_Told(self, (step, values)))
        self._go.acquire()

    def saved(self, checkpoint: Checkpoint) -> None:
        if not self._left_behind:
            self._told.put(_Told(self, checkpoint))

    received_mib = 0.0
    end_process = None  # it is the user's

    def log(self, text: str) -> None:
        """Nothing shows it live; it comes with the result."""

    def go_on(self) -> None:
        """Let the objective go on after the report that was handed over."""
        if self.waiting:
            self.waiting = False
            self._go.release()

    def leave_behind(self) -> None:
        """Never make the objective wait again; its next report ends it."""
        self.stop = self.stop or Stop(self.start.trial, self.start.attempt, "the executor was closed", prune=False)
        self._left_behind = True
        self._go.release()  # it may be waiting, or about to; it waits once at most


class _Thread:
    """A thread that runs attempts one after another until it is told None."""

    def __init__(self, objective: Objective, spec: StudySpec, scratch: Path, told: SimpleQueue[_Told | None]) -> None:
        self._objective, self._metrics, self._scratch, self._told = objective, spec.metrics, scratch, told
        self._inbox: SimpleQueue[_Link | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="tuner-inline", daemon=True)
        self._thread.start()

    def take(self, link: _Link) -> None:
        self._inbox.put(link)

    def end(self, timeout_s: float) -> None:
        """Let it end, and wait for that at most ``timeout_s``."""
        self._inbox.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (link := self._inbox.get()) is not None:
            content: AttemptResult | BaseException
            try:
                content = run_attempt(
                    self._objective, link.start, self._metrics, link, self._scratch, passing=(BdbQuit,)
                )
            except BdbQuit as error:
                content = error
            self._told.put(_Told(link, content))


class Inline(Executor):
    """This process as the one node, with one slot.

    Args:
        capture: Whether what Python code prints during an attempt is kept as its log. It appears on the terminal either way.
        checkpoints: Folder or fsspec URL for checkpoints, in which the study gets one; None for beside the store.
    """

    in_process = True

    def __init__(self, *, capture: bool = True, checkpoints: str | None = None) -> None:
        self._capture, self._checkpoints = capture, checkpoints
        self._epoch_s = time.time() - time.monotonic()
        self._told: SimpleQueue[_Told | None] = SimpleQueue()  # its put is reentrant, so signal handlers may call it
        self._queue: deque[Start] = deque()
        self._ready: list[Event] = []
        self._running: _Link | None = None
        self._thread: _Thread | None = None
        self._tee: Tee | None = None
        self._opened = False

    def open(
        self, spec: StudySpec, objective: Objective, directory: Path, checkpoints: str | Path | None = None
    ) -> None:
        """Get ready; the node joins with the first poll."""
        self._spec, self._objective, self._directory = spec, objective, directory
        self._keeper: StudyKeeper = study_keeper(self._checkpoints, spec.name, checkpoints or directory / "checkpoints")
        if self._capture and installed_log() is None:
            self._tee = Tee.install(ignored_thread=threading.get_ident())
        self._ready.append(NodeJoined(self.now_s(), Node(NODE_ID, _slot(spec))))
        take_base()  # what this process holds now, data of other studies included, is not the attempts'
        self._opened = True

    def now_s(self) -> float:
        """Seconds since the epoch, by a clock that nobody sets while we run."""
        return self._epoch_s + time.monotonic()

    def start(self, starts: Sequence[Start]) -> None:
        """Queue attempts; they run while the engine polls."""
        self._queue.extend(starts)

    def stop(self, stops: Sequence[Stop]) -> None:
        """Ask the running attempt to stop, and end queued ones before they begin."""
        for stop in stops:
            link = self._running
            if link is not None and (link.start.trial, link.start.attempt) == (stop.trial, stop.attempt):
                if link.stop is None:
                    link.stop = stop
                    link.deadline_s = self.now_s() + self._spec.stop_grace_s
                continue
            for start in [s for s in self._queue if (s.trial, s.attempt) == (stop.trial, stop.attempt)]:
                self._queue.remove(start)
                self._finish(start, stopped(stop, None))

    def poll(self, until_s: float | None) -> Sequence[Event]:
        """Let the objective run until it reports or ends, at most until ``until_s``.

        Raises:
            KeyboardInterrupt: A debugger in the objective was quit, or Ctrl-C was pressed.
        """
        if self._ready:
            return self._take_ready()
        if self._running is not None:
            self._running.go_on()
        elif self._queue:
            self._launch()
            # A quick attempt's end comes in the same batch as its start: half as many commits.
            until_s = min(self.now_s() + _QUICK_ATTEMPT_S, until_s if until_s is not None else float("inf"))
        self._wait(until_s)
        return self._take_ready()

    def discard(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Remove checkpoints."""
        self._keeper.discard([checkpoint.place for checkpoint in checkpoints])

    def tidy(self, needed: Collection[str]) -> None:
        """Remove all but these."""
        self._keeper.tidy(needed)

    def wake(self) -> None:
        """Make a poll in progress return soon; safe in a signal handler."""
        self._told.put(None)

    def close(self) -> None:
        """Leave behind what still runs, put the streams and the thread pools back."""
        if not self._opened:
            return
        self._opened = False
        self._queue.clear()
        if self._running is not None:
            self._leave_behind(self._running)
        if self._thread is not None:
            self._thread.end(_CLOSE_WAIT_S)
            self._thread = None
        if self._tee is not None:
            self._tee.restore()
            self._tee = None
        release_bounds()
        with contextlib.suppress(OSError):
            (self._directory / "scratch").rmdir()

    def _take_ready(self) -> Sequence[Event]:
        events, self._ready = self._ready, []
        return events

    def _launch(self) -> None:
        start = self._queue.popleft()
        if self._thread is None:
            self._thread = _Thread(self._objective, self._spec, self._directory / "scratch", self._told)
        self._running = _Link(start, self._told, self._keeper)
        self._ready.append(Started(self.now_s(), start.trial, start.attempt, NODE_ID))
        self._thread.take(self._running)

    def _wait(self, until_s: float | None) -> None:
        """Until the running attempt says something, must be given up, the time comes or somebody wakes us."""
        while True:
            now_s = self.now_s()
            deadline_s = self._running.deadline_s if self._running is not None else None
            if self._running is not None and deadline_s is not None and now_s >= deadline_s:
                self._give_up(self._running)
                return
            ends_s = min(t for t in (until_s, deadline_s, now_s + _LONGEST_WAIT_S) if t is not None)
            try:
                told = self._told.get(timeout=max(0.0, ends_s - now_s))
            except Empty:
                if until_s is not None and self.now_s() >= until_s:
                    return
                continue
            if told is None:
                return
            if told.link is self._running:  # others were left behind, what they say comes too late
                self._hear(told)
                return

    def _hear(self, told: _Told) -> None:
        link, content = told.link, told.content
        start = link.start
        if isinstance(content, Checkpoint):
            self._ready.append(Checkpointed(self.now_s(), start.trial, start.attempt, content))
            return
        if isinstance(content, tuple):
            link.waiting = True
            self._ready.append(Reported(self.now_s(), start.trial, start.attempt, *content))
            return
        self._running = None
        if isinstance(content, AttemptResult):
            self._keep_log(content)
            self._ready.append(Finished(self.now_s(), start.trial, start.attempt, content.outcome, content.usage))
            return
        self._finish(start, Failed(FailureKind.STOPPED, "the debugger was quit"))
        raise KeyboardInterrupt from content

    def _finish(self, start: Start, outcome: Outcome) -> None:
        self._ready.append(Finished(self.now_s(), start.trial, start.attempt, outcome))

    def _give_up(self, link: _Link) -> None:
        assert link.stop is not None
        self._leave_behind(link)
        message = (
            f"it did not stop within {self._spec.stop_grace_s:g} s of being asked to ({link.stop.reason}); nothing can be"
            " killed in this process, so it was left behind and may still run (the ray executor would kill it)"
        )
        self._finish(link.start, Failed(FailureKind.HUNG, message))

    def _leave_behind(self, link: _Link) -> None:
        assert self._thread is not None
        link.leave_behind()
        self._running = None
        self._thread.end(_CLOSE_WAIT_S if link.waiting else 0.0)  # one that waits at a report ends at once
        self._thread = None

    def _keep_log(self, result: AttemptResult) -> None:
        if not result.log:
            return
        # A full disk costs the log, not the sweep.
        with contextlib.suppress(OSError):
            folder = self._directory
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{result.trial}.{result.attempt}.log").write_bytes(result.log)


def _slot(spec: StudySpec) -> Resources:
    """Room for exactly one attempt: what it asks for, one CPU where that is left to the engine; the machine for a formula."""
    import psutil

    asked = spec.resources
    cpu = float(psutil.cpu_count() or 1) if isinstance(asked.cpu, Formula) else asked.cpu or 1.0
    gpu = 0.0 if isinstance(asked.gpu, Formula) else asked.gpu or 0.0
    return Resources(cpu, gpu, psutil.virtual_memory().total / (1 << 20))
