"""Ctrl-C and SIGTERM, as requests to the engine."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

__all__ = ["Interrupts", "terminable"]


class Interrupts:
    """While entered, Ctrl-C once asks for ``drain``, again for ``kill``; SIGTERM asks for ``kill``.

    SIGTERM does not drain, because Ray's ``job stop`` gives three seconds before it kills; what was running is resumed.
    Outside the main thread, where Python delivers no signals, it does nothing.

    Args:
        request: ``Engine.request``.
        active: Whether to do anything at all.
    """

    def __init__(self, request: Callable[[str], None], *, active: bool) -> None:
        self._request = request
        self._active = active and threading.current_thread() is threading.main_thread()
        self._previous: dict[int, Any] = {}
        self._pressed = 0

    def __enter__(self) -> Interrupts:
        if self._active:
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._pressed += 1
        self._request("kill" if number == signal.SIGTERM or self._pressed > 1 else "drain")


@contextmanager
def terminable(*, active: bool) -> Iterator[None]:
    """While entered, SIGTERM raises ``KeyboardInterrupt``, so that what has been opened is closed: a lease is given back.

    It is for the time before the trials and after them; while they run ``Interrupts`` takes its place. It must be entered
    on the main thread, and it is no matter whether Ray starts meanwhile: Ray takes SIGTERM on the main thread only, and there
    it is never started by us.
    """
    if not active or threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
