"""Attempts' logs on the driver's machine."""

from __future__ import annotations

import contextlib
from pathlib import Path

from tuner.cluster.wire import Key, LogPart
from tuner.executors._ray_traces import find_log
from tuner.worker import LOG_LIMIT_BYTES, BoundedLog

__all__ = ["AttemptLogs"]

_READ_BYTES = 1 << 20


class AttemptLogs:
    """Writes ``<trial>.<attempt>.log``, each when there is something to write.

    While an attempt runs, what it prints arrives bit by bit; when it has ended, its log replaces that; when it was killed,
    the file that its process had written into is read, if it is on this machine.

    Args:
        directory: Where to.
        session: Folder of this machine's Ray session.
        mailbox_prefix: How the names of the study's mailboxes begin.
    """

    def __init__(self, directory: Path, session: Path, mailbox_prefix: str) -> None:
        self._folder = directory
        self._session, self._mailbox_prefix = session, mailbox_prefix
        self._open: dict[Key, LogPart] = {}

    def _path(self, key: Key) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder / f"{key[0]}.{key[1]}.log"

    def add(self, part: LogPart) -> None:
        """A running attempt has printed more."""
        self._open[part.key] = part._replace(data=b"")
        if part.data:
            with contextlib.suppress(OSError), self._path(part.key).open("ab" if part.offset else "wb") as file:
                file.write(part.data)

    def end(self, key: Key, log: bytes | None) -> None:
        """An attempt has ended with this log; None when it was killed and could not say."""
        part = self._open.pop(key, None)
        if log is None:
            place = (Path(part.path), part.mark) if part else find_log(self._session, self._mailbox_prefix, key)
            log = _left_behind(*place) if place else None
        if log:
            with contextlib.suppress(OSError):
                self._path(key).write_bytes(log)


def _left_behind(path: Path, mark: int) -> bytes | None:
    kept = BoundedLog(LOG_LIMIT_BYTES)
    try:
        with path.open("rb") as file:
            file.seek(mark)
            while data := file.read(_READ_BYTES):
                kept.append(data)
    except OSError:
        return None  # on another machine: what was sent stays
    return kept.bytes()
