"""Who writes a study: the owner's name, and whether that process still lives."""

from __future__ import annotations

import functools
import hashlib
import os
import secrets
import socket
from pathlib import Path

__all__ = ["LEASE_S", "is_dead", "new_owner", "shown_owner"]

LEASE_S = 30.0
"""How long a lease lasts when it is not renewed."""

_ENDED = -1


def new_owner() -> str:
    """A name for a writer in this process: ``host:pid:machine.start.random``.

    ``machine`` tells this boot and this process namespace from others of the same host name, ``start`` is the process's
    start in clock ticks, so a process id that was used again is no match.
    """
    pid = os.getpid()
    return f"{socket.gethostname()}:{pid}:{_machine()}.{_started(pid) or 0}.{secrets.token_hex(4)}"


def shown_owner(owner: str) -> str:
    """``host:pid`` of an owner."""
    return owner.rsplit(":", 1)[0]


def is_dead(owner: str) -> bool:
    """Whether the owner is a process of this machine that has ended. False whenever that cannot be known."""
    try:
        host, pid_text, token = owner.rsplit(":", 2)
        machine, started, _ = token.split(".")
        pid = int(pid_text)
    except ValueError:
        return False
    if host != socket.gethostname() or machine != _machine():
        return False
    now_started = _started(pid)
    if now_started is not None:
        return str(now_started) != started
    return not _exists(pid)


@functools.cache
def _machine() -> str:
    parts = []
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        try:
            parts.append(os.readlink(path) if path.endswith("pid") else Path(path).read_text(encoding="ascii").strip())
        except OSError:
            parts.append("")
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:8]


def _started(pid: int) -> int | None:
    """Start of a process in clock ticks since boot (field 22 of /proc/PID/stat); None where that cannot be read."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = stat.rpartition(b")")[2].split()
    # A zombie has ended and only waits for its parent.
    return _ENDED if fields[0] in (b"Z", b"X") else int(fields[19])


def _exists(pid: int) -> bool:
    if os.name == "nt":
        return True  # there os.kill would do what it says
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it is there, and another user's
    return True
