"""Progress as plain lines, for logs and pipes: few of them, each complete, none overwritten."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tuner.dashboard import text
from tuner.dashboard._display import Display
from tuner.dashboard.snapshot import Snapshot

__all__ = ["PlainDisplay", "PlainLines", "progress_line"]

_SOON_S, _LATER_S = 10.0, 30.0
_FAILURES_TOLD = 10
_TICK_S = 1.0


def progress_line(snapshot: Snapshot) -> str:
    """How a study stands, in one line."""
    limit = f"/{snapshot.limits.trials}" if snapshot.limits.trials else ""
    parts = [f"{snapshot.counts.finished}{limit} trials: " + (", ".join(text.counts(snapshot.counts)) or "none yet")]
    if snapshot.best is not None and snapshot.metric is not None:
        best = snapshot.best
        kept = "" if best.feasible else ", violates constraints"
        parts.append(f"best {snapshot.metric.name} {text.number(best.value)} (trial {best.trial}{kept})")
    parts += text.choice(snapshot)
    if snapshot.per_minute is not None:
        parts.append(f"{text.pace(snapshot.per_minute)}/min")
    if snapshot.left_s is not None:
        parts.append(f"about {text.duration(snapshot.left_s)} left")
    return f"{text.clock(snapshot.elapsed_s)}  " + "; ".join(parts)


class PlainLines:
    """Decides which lines are due; no clock, no thread, no output of its own."""

    def __init__(self) -> None:
        self._phase = ""
        self._draining: str | None = None
        self._named = self._ended = False
        self._last_s: float | None = None
        self._n_failed = self._n_told = 0

    def due(self, snapshot: Snapshot) -> list[str]:
        """The lines to write now."""
        lines: list[str] = []
        if snapshot.phase != self._phase and snapshot.ended is None:
            self._phase = snapshot.phase
            lines += [f"{text.clock(snapshot.elapsed_s)}  {snapshot.phase}"] if snapshot.phase else []
        if snapshot.details and not self._named:
            self._named, self._n_failed = True, snapshot.counts.failed  # those of earlier drivers are no news
            lines.append(_opening(snapshot))
        if snapshot.draining is not None and snapshot.draining != self._draining:
            lines.append(f"{text.clock(snapshot.elapsed_s)}  {text.drain(snapshot)}")
        self._draining = snapshot.draining
        lines += self._failures(snapshot)
        if snapshot.ended is None:
            lines += self._progress(snapshot)
        elif not self._ended:
            self._ended = True
            lines.append(progress_line(snapshot))
            lines.append(f"{text.clock(snapshot.elapsed_s)}  {snapshot.ended}: {snapshot.phase or 'ended'}")
        return lines

    def _failures(self, snapshot: Snapshot) -> list[str]:
        new, last = snapshot.counts.failed - self._n_failed, snapshot.failure
        if new <= 0 or not self._named or self._n_told >= _FAILURES_TOLD or last is None or not last.final:
            return []
        self._n_failed, self._n_told = snapshot.counts.failed, self._n_told + 1
        more = f" (and {new - 1} more)" if new > 1 else ""
        hush = "; further failures are only counted" if self._n_told == _FAILURES_TOLD else ""
        return [f"{text.clock(snapshot.elapsed_s)}  failed: {text.failure(last)}{more}{hush}"]

    def _progress(self, snapshot: Snapshot) -> list[str]:
        elapsed_s = snapshot.elapsed_s
        every_s = _SOON_S if elapsed_s <= 6 * _SOON_S else _LATER_S
        if not self._named or elapsed_s < (self._last_s or 0.0) + every_s:
            return []
        self._last_s = elapsed_s
        return [progress_line(snapshot)]


def _opening(snapshot: Snapshot) -> str:
    details = snapshot.details
    where = [f"{key} {details[key]}" for key in ("executor", "store", "dashboard", "logs") if details.get(key)]
    return f"{text.clock(snapshot.elapsed_s)}  {snapshot.name}: " + "; ".join(where)


class PlainDisplay(Display):
    """Writes a line at most every 30 s (every 10 s in the first minute), besides starts, ends and failures.

    Args:
        write: Takes one line, without its end. Called on the display's own thread; an ``OSError`` ends the display.
        clock: As for ``Display``.
    """

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = time.time) -> None:
        super().__init__(clock)
        self._write = write
        self._lines = PlainLines()
        self._moments: deque[Snapshot] = deque(maxlen=100)
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="tuner-progress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._wake.set()
        self._thread.join(timeout=5.0)  # writing may hang on a full pipe: that must not keep the program

    def _changed(self) -> None:
        self._moments.append(self.snapshot(rows=0))
        self._wake.set()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._wake.wait(_TICK_S)
                self._wake.clear()
                self._tell()
            self._tell()
        except OSError:
            return  # nobody reads any more

    def _tell(self) -> None:
        moments = [self._moments.popleft() for _ in range(len(self._moments))]
        for snapshot in moments or [self.snapshot(rows=0)]:
            for line in self._lines.due(snapshot):
                self._write(line)
