"""Where an attempt's log comes from: all that this process prints, as the slice between two marks.

Two sources. ``Capture`` takes file descriptors 1 and 2 of a worker process, so it catches C code and child processes too.
``Tee`` copies what Python code of this process prints while it still appears where it always did; ``inline`` uses it, so
that a debugger stays usable. One source at a time is installed in a process.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading
from pathlib import Path
from typing import Any, Protocol, Self, TextIO

from tuner.worker.log import LOG_LIMIT_BYTES, BoundedLog, cut_note, half_of

__all__ = ["Capture", "LogSource", "Tee", "installed_log"]

ROTATE_BYTES = 64 << 20
"""Between attempts a larger file is emptied; within one attempt, what is between its head and its tail is dropped."""

_HALF = half_of(LOG_LIMIT_BYTES)


class LogSource(Protocol):
    """What ``run_attempt`` needs of a source. Marks are made by one thread, attempt after attempt."""

    def mark(self) -> int:
        """Where the next attempt's log begins."""

    def slice(self, mark: int) -> bytes:
        """What was printed since ``mark``, at most ``LOG_LIMIT_BYTES``."""

    def write(self, data: bytes) -> None:
        """Add to the log what was not printed by this process."""

    def bound(self) -> None:
        """Drop what is too much of the running attempt's log. Called now and then, from any thread."""


_installed: LogSource | None = None


def installed_log() -> LogSource | None:
    """The source installed in this process; None when there is none."""
    return _installed


def _install(source: LogSource | None) -> None:
    global _installed
    _installed = source


class Capture:
    """File descriptors 1 and 2 of this process go into one file. Made by ``Capture.install``.

    Attributes:
        path: The file. What the last attempt printed is still in it when the process has died.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._lock = threading.Lock()
        self._mark = 0
        self._left_out = 0  # bytes that were dropped from the running attempt's log
        self._flush_c = _c_flush()
        self._saved = (os.dup(1), os.dup(2))
        _flush_python()
        os.dup2(self._file, 1)
        os.dup2(self._file, 2)
        for stream in (sys.stdout, sys.stderr):
            # A line must not wait in Python's buffer: the process may be killed, and people follow the log.
            with contextlib.suppress(AttributeError, ValueError, OSError):
                stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]

    @classmethod
    def install(cls, path: Path) -> Self:
        """Redirect this process's output into ``path`` (emptied first) from now on.

        Raises:
            OSError: The file cannot be written.
        """
        capture = cls(path)
        _install(capture)
        return capture

    def restore(self) -> None:
        """Give the file descriptors back. Idempotent."""
        if self._file < 0:
            return
        _flush_python()
        self._flush_c()
        for fd, saved in zip((1, 2), self._saved, strict=True):
            os.dup2(saved, fd)
            os.close(saved)
        os.close(self._file)
        self._file = -1
        if installed_log() is self:
            _install(None)

    def mark(self) -> int:
        """Where the next attempt's log begins; a few microseconds."""
        _flush_python()
        self._flush_c()
        with self._lock:
            end = os.lseek(self._file, 0, os.SEEK_END)
            if end > ROTATE_BYTES:
                os.ftruncate(self._file, 0)
                end = 0
            self._mark, self._left_out = end, 0
        return end

    def slice(self, mark: int) -> bytes:
        """What was printed since ``mark``, which must be the last one made."""
        _flush_python()
        self._flush_c()
        return self.current(mark)

    def current(self, mark: int) -> bytes:
        """As ``slice``, but without touching the buffers of a running attempt: for a live tail, from any thread."""
        with self._lock:
            end = os.lseek(self._file, 0, os.SEEK_END)
            left_out = self._left_out
            if not left_out and end - mark <= LOG_LIMIT_BYTES:
                return os.pread(self._file, end - mark, mark) if end > mark else b""
            head = os.pread(self._file, _HALF, mark)
            start = max(mark + len(head), end - _HALF)
            tail = os.pread(self._file, end - start, start)
            left_out += start - (mark + len(head))
        return head + cut_note(left_out) + tail

    def write(self, data: bytes) -> None:
        """Add to the log, in order with what is printed."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]

    def bound(self) -> None:
        """Keep the file small while an attempt prints without end.

        What is printed in the few microseconds in which the file is cut may be lost and not be counted.
        """
        with self._lock:
            end = os.lseek(self._file, 0, os.SEEK_END)
            if end - self._mark <= ROTATE_BYTES:
                return
            keep = self._mark + _HALF
            tail = os.pread(self._file, _HALF, end - _HALF)
            os.ftruncate(self._file, keep)
            self.write(tail)
            self._left_out += end - _HALF - keep


def _flush_python() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError, OSError):
            stream.flush()


def _c_flush() -> Any:
    """A call that empties C's ``stdout`` buffer; one that does nothing where the C library is not reachable.

    Never ``fflush(NULL)``: it locks every stream, and would wait for a thread that reads standard input.
    """
    try:
        library = ctypes.CDLL(None)
        name = "__stdoutp" if sys.platform == "darwin" else "stdout"
        stdout = ctypes.c_void_p.in_dll(library, name)
        flush = library.fflush
        flush.argtypes = [ctypes.c_void_p]
    except (OSError, ValueError, AttributeError, TypeError):
        return lambda: None
    return lambda: flush(stdout)


class _TeeStream:
    """A text stream that also writes into the log; in everything else it is the original."""

    def __init__(self, original: TextIO, tee: Tee) -> None:
        self._original, self._tee = original, tee

    def write(self, text: str) -> int:
        self._tee.copy(text)
        return self._original.write(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __iter__(self) -> Any:
        return iter(self._original)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


class Tee:
    """Copies what Python code prints. Made by ``Tee.install``.

    ``sys.stdin`` is untouched and the wrapped streams answer ``fileno`` and ``isatty`` as the originals do, so ``input`` and
    pdb work as ever. What C code and child processes print stays on the terminal and out of the log.

    Args:
        ignored_thread: Identity of a thread whose output is not part of the log; None for none.
    """

    def __init__(self, ignored_thread: int | None = None) -> None:
        self._ignored = ignored_thread
        self._lock = threading.Lock()
        self._log = BoundedLog()
        self._streams = (_TeeStream(sys.stdout, self), _TeeStream(sys.stderr, self))
        sys.stdout, sys.stderr = self._streams

    @classmethod
    def install(cls, ignored_thread: int | None = None) -> Self:
        """Copy this process's Python output from now on."""
        tee = cls(ignored_thread)
        _install(tee)
        return tee

    def restore(self) -> None:
        """Put the original streams back, unless somebody has replaced ours meanwhile. Idempotent."""
        if sys.stdout is self._streams[0]:
            sys.stdout = self._streams[0]._original
        if sys.stderr is self._streams[1]:
            sys.stderr = self._streams[1]._original
        if installed_log() is self:
            _install(None)

    def copy(self, text: str) -> None:
        """Take what a stream got, unless the ignored thread printed it."""
        if installed_log() is self and threading.get_ident() != self._ignored:
            self.write(text.encode("utf-8", "replace"))

    def mark(self) -> int:
        """Begin a new log; the value means nothing."""
        with self._lock:
            self._log = BoundedLog()
        return 0

    def slice(self, mark: int) -> bytes:
        """What was printed since the last mark."""
        with self._lock:
            return self._log.bytes()

    def write(self, data: bytes) -> None:
        """Add to the log."""
        with self._lock:
            self._log.append(data)

    def bound(self) -> None:
        """The log in memory is bounded at any time."""
