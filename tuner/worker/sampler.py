"""One thread per process that looks at the running attempt, for less than 1 % of a core."""

from __future__ import annotations

import os
import threading
import time
from typing import Protocol

from tuner.worker.capture import installed_log

__all__ = ["FIRST_SAMPLE_S", "Sampled", "Sampler", "sampler"]

FIRST_SAMPLE_S = 0.05
INTERVAL_S = 0.1
SHARE_OF_A_CORE = 0.008  # what the thread does besides looking is not booked: together they stay below a hundredth
BURST_S = 0.1  # CPU time that samples may use ahead of their share


class Sampled(Protocol):
    """What is looked at. Called from the sampler's thread."""

    @property
    def started_at(self) -> float:
        """When it began, by ``time.perf_counter``."""

    def sample(self) -> None:
        """Look at all that only samples can tell."""

    def glance(self) -> None:
        """Look at the memory only, which costs next to nothing."""

    def watch(self) -> float | None:
        """Act on what was seen; in how many seconds to look again, None for when it suits."""


class Sampler:
    """The thread, which sleeps while no attempt lasts.

    Memory is looked at every tenth of a second, more often close to the grant. Whatever costs more (child processes, threads,
    GPUs) is looked at as often as its cost allows.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.running: Sampled | None = None
        self._asleep = False
        self._awake = threading.Event()
        self._started = False
        self._credit_s, self._credited_at = BURST_S, time.perf_counter()
        self._due_at = 0.0

    def begin(self, attempt: Sampled) -> None:
        """It runs now."""
        self.running = attempt
        if not self._started:
            self._started = True
            threading.Thread(target=self._run, name="tuner-usage", daemon=True).start()
        elif self._asleep:
            self._awake.set()

    def end(self, attempt: Sampled) -> None:
        """It runs no more; one that was left behind does not end the next one's."""
        if self.running is attempt:
            self.running = None

    def _run(self) -> None:
        idle = 0
        while True:
            attempt = self.running
            if attempt is not None:
                idle = 0
                time.sleep(self._tick(attempt))
                continue
            idle += 1
            if idle < 10:
                time.sleep(FIRST_SAMPLE_S)
                continue
            self._awake.clear()
            self._asleep = True
            if self.running is None:  # looked at again: an attempt may have begun before it could see that we sleep
                self._awake.wait()
            self._asleep = False

    def _tick(self, attempt: Sampled) -> float:
        """Look if it is time; returns how long to wait for the next look."""
        now_s = time.perf_counter()
        if now_s - attempt.started_at < FIRST_SAMPLE_S:
            return FIRST_SAMPLE_S - (now_s - attempt.started_at) + 0.001
        begun_s = time.thread_time()
        try:
            if now_s >= self._due_at:
                attempt.sample()
                source = installed_log()
                if source is not None:
                    source.bound()
            else:
                attempt.glance()
            interval_s = attempt.watch()
        except Exception:
            # Nothing that is looked at is worth an attempt: a process vanished half-read, a file was closed under us.
            return INTERVAL_S
        wait_s = self._pay(time.thread_time() - begun_s)
        self._due_at = max(self._due_at, now_s + INTERVAL_S / 2) if wait_s == 0.0 else time.perf_counter() + wait_s
        return INTERVAL_S if interval_s is None else interval_s

    def _pay(self, cost_s: float) -> float:
        """Book what a look cost; returns how long to wait until it is earned again, 0 while there is credit.

        A share of a core is earned all the time, between attempts too, up to a burst: a short attempt after a pause is
        sampled closely even where samples are dear.
        """
        now_s = time.perf_counter()
        earned_s = (now_s - self._credited_at) * SHARE_OF_A_CORE
        self._credit_s = min(BURST_S, self._credit_s + earned_s) - cost_s
        self._credited_at = now_s
        return max(0.0, -self._credit_s / SHARE_OF_A_CORE)


_current: Sampler | None = None
_current_lock = threading.Lock()


def sampler() -> Sampler:
    """This process's sampler; a forked child makes its own."""
    global _current
    if _current is None or _current.pid != os.getpid():
        with _current_lock:
            if _current is None or _current.pid != os.getpid():
                _current = Sampler()
    return _current
