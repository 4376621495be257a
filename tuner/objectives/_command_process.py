"""One run of a program: its output followed while it runs, and nothing of it left when it has ended."""

from __future__ import annotations

import codecs
import contextlib
import os
import selectors
import signal
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from tuner.objectives._command_guard import guard

__all__ = ["TOKEN_VARIABLE", "Follower", "Program", "ProgramNotRun", "run_program"]

TICK_S = 0.1
TOKEN_VARIABLE = "TUNER_ATTEMPT_TOKEN"
_CHUNK = 1 << 16
_DRAIN_LIMIT = 16 << 20
_KILL_WAIT_S = 10.0


class ProgramNotRun(Exception):  # noqa: N818 -- says what happened
    """The program cannot be started, or nobody knows how it ended."""


class Follower(Protocol):
    """Who is told what a program prints. What it raises ends the program."""

    def output(self, data: bytes) -> None:
        """Standard output, as it comes; not once the program was told to end."""

    def log(self, text: str) -> None:
        """Standard output and standard error as text, as they come."""

    def tick(self) -> None:
        """Called after each look at the output, at least every 100 ms; not once the program was told to end."""


@dataclass(frozen=True, slots=True)
class Program:
    """What is to be run.

    Attributes:
        arguments: The program first.
        base: Its working directory.
        environment: All of it.
        grace_s: How long it may take to end after SIGTERM.
        follower: Who is told what it prints.
    """

    arguments: Sequence[str]
    base: Path
    environment: Mapping[str, str]
    grace_s: float
    follower: Follower


def run_program(program: Program) -> int:
    """Run to the end; returns the exit code, or minus the signal that killed it.

    The program gets a session of its own. When this returns or raises, whatever the program started has been killed: its
    process group, all else of its session, and, on Linux, processes that left the session but inherited its environment.
    Should this process be killed instead, a guard kills the process group.

    Raises:
        ProgramNotRun: It cannot be started, or somebody else took its exit code.
        BaseException: What the follower raised; the program has then got SIGTERM, and SIGKILL after ``grace_s``.
    """
    token = uuid.uuid4().hex
    popen = _started(program, token)
    run = None
    try:
        guard().watch(popen.pid)
        run = _Run(program, popen)
        run.follow(ends_s=None)
    except BaseException:
        if run is not None:
            run.terminate()
        raise
    finally:
        _kill_all(popen.pid, token)
        guard().watch(0)
        if run is not None:
            run.finish()
    if run.lost:
        # subprocess would say 0 here, and a failed program would pass for a good one.
        raise ProgramNotRun(
            f"{program.arguments[0]} ended, but its exit code is not known: this process ignores SIGCHLD"
        )
    return popen.returncode


def _started(program: Program, token: str) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            program.arguments,
            cwd=program.base,
            env={**program.environment, TOKEN_VARIABLE: token},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:  # ValueError: a parameter holds a null character
        raise ProgramNotRun(f"{program.arguments[0]} cannot be started on this node: {error}") from error


class _Run:
    def __init__(self, program: Program, popen: subprocess.Popen[bytes]) -> None:
        self._program, self._popen = program, popen
        self._selector = selectors.DefaultSelector()
        self._decoders: dict[IO[bytes], Any] = {}
        self._ending = False
        self.lost = False
        for stream in (popen.stdout, popen.stderr):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)
            self._decoders[stream] = codecs.getincrementaldecoder("utf-8")("replace")
            self._selector.register(stream, selectors.EVENT_READ)
        self._exit_fd = _exit_fd(popen.pid)
        if self._exit_fd is not None:
            self._selector.register(self._exit_fd, selectors.EVENT_READ)

    def follow(self, ends_s: float | None) -> None:
        """Pass output on until the program has ended, or until ``ends_s`` (monotonic)."""
        while not self._has_ended():
            for key, _ in self._selector.select(TICK_S):
                if key.fileobj in self._decoders:
                    self._read(key.fileobj)
            if self._ending:
                if ends_s is not None and time.monotonic() >= ends_s:
                    return
            else:
                self._program.follower.tick()

    def terminate(self) -> None:
        """Ask the program to end, and wait for it while its output is still taken, at most ``grace_s``."""
        self._ending = True
        for number in (signal.SIGTERM, signal.SIGCONT):  # a stopped process would not see the first before the second
            _signal_group(self._popen.pid, number)
        self.follow(time.monotonic() + self._program.grace_s)

    def finish(self) -> None:
        """After everything was killed: take what is left in the pipes, reap, close."""
        for stream, decoder in self._decoders.items():
            left = _DRAIN_LIMIT  # a pipe holds far less; more comes only from a process that escaped and prints on
            while left > 0 and (n := self._read(stream)):
                left -= n
            self._program.follower.log(decoder.decode(b"", final=True))
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(stream)
            stream.close()
        self._selector.close()
        if self._exit_fd is not None:
            os.close(self._exit_fd)
        with contextlib.suppress(subprocess.TimeoutExpired):  # in uninterruptible sleep: a dead file server, a driver
            self._popen.wait(_KILL_WAIT_S)

    def _has_ended(self) -> bool:
        """Whether it has; it is not reaped, so that its process group cannot become another's before it is killed."""
        if not hasattr(os, "waitid"):
            return self._popen.poll() is not None
        try:
            return os.waitid(os.P_PID, self._popen.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            self.lost = True  # somebody else reaped it
            return True

    def _read(self, stream: IO[bytes]) -> int:
        try:
            data = os.read(stream.fileno(), _CHUNK)
        except (BlockingIOError, ValueError):
            return 0
        if not data:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(stream)
            return 0
        self._program.follower.log(self._decoders[stream].decode(data))
        if stream is self._popen.stdout and not self._ending:
            self._program.follower.output(data)
        return len(data)


def _exit_fd(pid: int) -> int | None:
    """A descriptor that becomes readable when the process ends; None where there is no such thing."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def _signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _kill_all(pid: int, token: str) -> None:
    """Kill the group and session of ``pid``, which is not reaped yet, and whoever carries its token."""
    mark = f"{TOKEN_VARIABLE}={token}".encode()
    for _ in range(5):  # a process that forks while we look is found in the next round
        _signal_group(pid, signal.SIGKILL)
        others = _strays(pid, mark)
        for other in others:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(other, signal.SIGKILL)
        if not others:
            return


def _strays(session: int, mark: bytes) -> list[int]:
    """Living processes of the session that are in other groups, or that left it with the mark in their environment."""
    found = []
    for entry in _process_folders():
        number = int(entry)
        if number == session:
            continue
        try:
            if os.getsid(number) == session or mark in Path("/proc", entry, "environ").read_bytes():
                state = Path("/proc", entry, "stat").read_bytes().rpartition(b")")[2].split(maxsplit=1)[0]
                if state not in (b"Z", b"X"):
                    found.append(number)
        except OSError:
            continue  # it ended, or is another user's
    return found


def _process_folders() -> list[str]:
    try:
        return [entry for entry in os.listdir("/proc") if entry.isdigit()]
    except OSError:
        return []
