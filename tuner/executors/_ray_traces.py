"""What a worker process leaves on its machine's disk: the log of an attempt is found even when it died before it said where."""

from __future__ import annotations

import contextlib
from pathlib import Path

from tuner.cluster.wire import Key

__all__ = ["LOG_NAME", "find_log", "folder_of", "note_running"]

LOG_NAME = "output.log"
_NOTE = "running"


def folder_of(session: Path, mailbox: str, pid: int) -> Path:
    """The folder of one worker process for one study, below that of the machine's Ray session."""
    return session / f"{mailbox}-{pid}"


def note_running(folder: Path, key: Key, mark: int) -> None:
    """Note which attempt this process runs, and where its log begins."""
    with contextlib.suppress(OSError):
        (folder / _NOTE).write_text(f"{key[0]} {key[1]} {mark}")


def find_log(session: Path, mailbox_prefix: str, key: Key) -> tuple[Path, int] | None:
    """The file on this machine that holds the attempt's log, and where it begins there; None when there is none."""
    found = []
    for note in session.glob(f"{mailbox_prefix}*/{_NOTE}"):
        with contextlib.suppress(OSError, ValueError):
            trial, attempt, mark = map(int, note.read_text().split())
            if (trial, attempt) == key:
                found.append((note.stat().st_mtime, note.with_name(LOG_NAME), mark))
    return max(found)[1:] if found else None
