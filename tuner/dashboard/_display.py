"""What the displays have in common: a view behind a lock, fed by the engine's thread and read by the display's own."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

from tuner.core.events import Event
from tuner.dashboard.snapshot import Snapshot
from tuner.dashboard.view import View
from tuner.provenance import masked
from tuner.study import StudySpec
from tuner.trial import Attempt, Trial

__all__ = ["Display", "EndedStudy"]


class EndedStudy(Protocol):
    """What a display reads of a study that has ended."""

    @property
    def state(self) -> str:
        """``COMPLETE``, ``INTERRUPTED`` or ``FAILED``."""

    @property
    def closed_reason(self) -> str | None:
        """Why it ended, for a person."""


class Display(ABC):
    """Observes one run. A context manager: what it has on the screen is gone when the block is left, however it is left.

    The observing methods only fold and return; drawing is done on a thread of the display.

    Args:
        clock: The time now in the events' clock, seconds since the epoch. Not asked while a study runs in virtual time.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._view = View()
        self._virtual = False

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def _changed(self) -> None:  # noqa: B027 -- a display that redraws all the time need not be told
        """The phase, the study or its end is another one than before. Must return at once."""

    def snapshot(self, rows: int = 8) -> Snapshot:
        """How things stand, with at most ``rows`` running trials."""
        with self._lock:
            return self._view.snapshot(None if self._virtual else self._clock(), rows)

    def ended(self) -> Snapshot:
        """How things stood at the last event: what came after it, as fitting the best model, is left out."""
        with self._lock:
            return self._view.snapshot(None, rows=0)

    def restore(self, spec: StudySpec, trials: Sequence[Trial], attempts: Sequence[Attempt] = ()) -> None:
        """A study that is about to be taken up again, with the trials and attempts that it has."""
        with self._lock:
            self._view.restore(spec, trials, attempts)

    def phase(self, text: str) -> None:
        """The driver is about something."""
        with self._lock:
            self._view.phase(text)
        self._changed()

    def opened(self, spec: StudySpec, details: Mapping[str, str]) -> None:
        """What is being done, and where."""
        with self._lock:
            self._virtual = details.get("executor") == "simulated"
            self._view.opened(spec, {key: masked(value) for key, value in details.items()})  # no password on a screen
        self._changed()

    def update(self, events: Sequence[Event], entries: Sequence[Trial | Attempt]) -> None:
        """After each commit: what happened, and how trials and attempts stand after it."""
        with self._lock:
            before = self._view.draining
            self._view.fold(events, entries)
            changed = self._view.draining != before
        if changed:
            self._changed()

    def closed(self, study: EndedStudy) -> None:
        """The study has ended."""
        with self._lock:
            self._view.closed(study.state, study.closed_reason)
        self._changed()
