"""Ctrl-C and SIGTERM, as requests to the engine."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

__all__ = ["Interrupts"]


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
