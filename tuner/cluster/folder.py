"""The private folder of a Ray that we start."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import psutil

from tuner.cluster.processes import end_processes
from tuner.errors import ExecutorError

__all__ = ["make_folder", "remove_folder"]

_PREFIX = "tuner-ray-"
_BELOW = len("/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store.99")
_SOCKET_LIMIT = 107  # bytes of a path that a UNIX socket can have
_NAME = len(_PREFIX) + len("4194304-") + 8


def make_folder() -> Path:
    """A new folder that Ray can keep its sockets in; those that dead drivers left behind are removed.

    Raises:
        ExecutorError: No folder for temporary files has a name short enough and can be written.
    """
    tried = list(dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp")))
    for parent in tried:
        if len(os.fsencode(parent)) + 1 + _NAME + _BELOW > _SOCKET_LIMIT:
            continue
        _remove_orphans(Path(parent))
        with contextlib.suppress(OSError):
            return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))
    raise ExecutorError(
        f"Ray needs a folder for its sockets, and none of these can be used: {', '.join(tried)}",
        hint=f"set TMPDIR to a folder that can be written, with a path of at most {_SOCKET_LIMIT - _NAME - _BELOW - 1} bytes",
    )


def remove_folder(folder: Path) -> None:
    """Remove it with everything in it; what cannot be removed stays."""
    shutil.rmtree(folder, ignore_errors=True)


def _remove_orphans(parent: Path) -> None:
    """Folders whose driver was killed before it could tidy up, and what is left of its Ray.

    Ray's processes end with their driver, but two of them take a minute to notice.
    """
    with contextlib.suppress(OSError):
        for folder in parent.glob(f"{_PREFIX}*-*"):
            pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
            if pid.isdecimal() and not psutil.pid_exists(int(pid)) and folder.stat().st_uid == os.getuid():
                end_processes(_users_of(folder), wait_s=0.0)
                remove_folder(folder)


def _users_of(folder: Path) -> list[psutil.Process]:
    """Processes of ours that have files in the folder open."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.uids().real == os.getuid() and any(
                file.path.startswith(f"{folder}{os.sep}") for file in process.open_files()
            ):
                found.append(process)
    return found
