"""Ends a running program when the worker process that started it is killed.

One small shell per worker process reads from a pipe that only the worker holds open: when the worker dies, however it
dies, the pipe ends and the shell kills the process group that it was told last. Linux's PR_SET_PDEATHSIG would need code
to run between fork and exec, which is not safe in a process with threads, and would spare the program's own children.
"""

from __future__ import annotations

import os
import subprocess

__all__ = ["guard"]

_SCRIPT = """
trap '' INT TERM HUP
group=0
while read -r line; do group=$line; done
[ "$group" -gt 1 ] && kill -s KILL -- "-$group"
"""


class Guard:
    """The shell of this process. Made by ``guard``."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._shell: subprocess.Popen[bytes] | None = None

    def watch(self, group: int) -> None:
        """From now on ``group`` is killed should this process die; 0 for none."""
        for _ in range(2):
            if self._shell is None or self._shell.poll() is not None:
                self._shell = _started()
            assert self._shell.stdin is not None
            try:
                self._shell.stdin.write(b"%d\n" % group)
            except OSError:  # somebody killed the shell: once more, with a new one
                continue
            return


def _started() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["/bin/sh", "-c", _SCRIPT],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        bufsize=0,
        start_new_session=True,
    )


_guard: Guard | None = None


def guard() -> Guard:
    """This process's guard; a forked child gets one of its own."""
    global _guard
    if _guard is None or _guard.pid != os.getpid():
        _guard = Guard()
    return _guard
