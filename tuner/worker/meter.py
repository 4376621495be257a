"""Measures what one attempt uses: time, CPU, memory of the process tree, GPU.

A no-op attempt must not pay for it. What the system counts by itself is read at both ends (CPU time; on Linux the peak of
this process's resident memory, which the kernel lets us reset); only what it does not count, child processes and GPUs, is
sampled, by one thread per process that sleeps while no attempt lasts.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
import time

from tuner.resources import Resources, Usage
from tuner.worker.capture import installed_log
from tuner.worker.children import Children
from tuner.worker.gpu import GpuMeter

__all__ = ["UsageMeter"]

FIRST_SAMPLE_S = 0.05
INTERVAL_S = 0.1
SHARE_OF_A_CORE = 0.01
BURST_S = 0.1  # CPU time that samples may use ahead of their share
_MIB = 1 << 20
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


class _OwnMemory:
    """Resident memory of this process and its peak, in bytes."""

    def __init__(self) -> None:
        self._page = resource.getpagesize()
        self._statm = _open("/proc/self/statm", os.O_RDONLY)
        self._status = _open("/proc/self/status", os.O_RDONLY)
        self._clear = _open("/proc/self/clear_refs", os.O_WRONLY)
        self._process = None
        if self._statm is None:
            import psutil

            self._process = psutil.Process()

    def now(self) -> int:
        if self._statm is not None:
            return int(os.pread(self._statm, 128, 0).split(maxsplit=2)[1]) * self._page
        assert self._process is not None
        return int(self._process.memory_info().rss)

    def reset_peak(self) -> None:
        """From now on ``peak`` is that of what follows, where the kernel can do it."""
        if self._clear is not None:
            try:
                os.write(self._clear, b"5")
            except OSError:
                self._clear = None

    def peak(self) -> int:
        """Highest since ``reset_peak``; 0 where the kernel does not say."""
        if self._clear is None or self._status is None:
            return 0
        text = os.pread(self._status, 8192, 0)
        at = text.find(b"VmHWM:")
        return int(text[at + 6 : at + 40].split(maxsplit=1)[0]) * 1024 if at >= 0 else 0


def _open(path: str, flags: int) -> int | None:
    try:
        return os.open(path, flags | os.O_CLOEXEC)
    except OSError:
        return None


class UsageMeter:
    """Measures this process and its descendants from ``start`` to ``stop``.

    Peak memory is that above the process's own at ``start``. It is exact for this process on Linux; where children take
    part it is the highest sum seen at samples about every 100 ms (seldomer where samples cost so much that they would take
    more than 1 % of a core). Shared pages of children count by share where Linux says it.

    Args:
        grant: What the attempt was given; GPUs are read only if there are any.
    """

    def __init__(self, grant: Resources) -> None:
        self._sampler = _sampler()
        self._memory = self._sampler.memory
        self._children: Children | None = None
        self._gpu = GpuMeter() if grant.gpu > 0 else None
        self._peak = 0
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin; the base of memory is what the process has now."""
        self._base = self._memory.now()
        self._memory.reset_peak()
        self._reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
        self._cpu = time.process_time()
        self._wall = time.perf_counter()
        self._sampler.begin(self)

    @property
    def started_at(self) -> float:
        """When it was started, by ``time.perf_counter``."""
        return self._wall

    def sample(self) -> None:
        """Look at what only samples can tell. Called by the sampler's thread and once at the end."""
        with self._lock:
            children = 0
            if self._children is None and Children.any():
                self._children = Children(age_s=time.perf_counter() - self._wall)
            if self._children is not None:
                children = self._children.sample()
            self._peak = max(self._peak, self._memory.now() + children)
            if self._gpu is not None:
                self._gpu.sample(self._children.pids if self._children else ())

    def stop(self) -> Usage:
        """End, and say what was used."""
        wall_s = time.perf_counter() - self._wall
        cpu_s = time.process_time() - self._cpu
        self._sampler.end(self)
        if wall_s > FIRST_SAMPLE_S or self._gpu is not None or self._children is not None:
            self.sample()
        reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s += reaped.ru_utime + reaped.ru_stime - self._reaped.ru_utime - self._reaped.ru_stime
        if self._children is not None:
            cpu_s += self._children.cpu_s_not_reaped
        peak = max(self._peak, self._memory.peak(), self._memory.now())
        above = max(peak - self._base, self._biggest_reaped(reaped, peak))
        return Usage(
            peak_memory_mib=max(0.0, above / _MIB),
            cpu_s=max(0.0, cpu_s),
            wall_s=wall_s,
            gpu_util=self._gpu.utilisation if self._gpu else None,
            peak_gpu_memory_mib=self._gpu.peak_memory_mib if self._gpu else None,
        )

    def _biggest_reaped(self, reaped: resource.struct_rusage, own_peak: int) -> int:
        """Peak of the biggest child that ended meanwhile, if it is known.

        The kernel keeps one maximum over all children ever, and lets a child begin with its parent's; so the figure says
        something only when it rose and is above our own.
        """
        biggest = int(reaped.ru_maxrss) * _MAXRSS_UNIT
        return biggest if reaped.ru_maxrss > self._reaped.ru_maxrss and biggest > own_peak else 0


class _Sampler:
    """One thread per process that samples the running attempt."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.memory = _OwnMemory()
        self._meter: UsageMeter | None = None
        self._asleep = False
        self._awake = threading.Event()
        self._started = False
        self._credit_s, self._credited_at = BURST_S, time.perf_counter()

    def begin(self, meter: UsageMeter) -> None:
        self._meter = meter
        if not self._started:
            self._started = True
            threading.Thread(target=self._run, name="tuner-usage", daemon=True).start()
        elif self._asleep:
            self._awake.set()

    def end(self, meter: UsageMeter) -> None:
        if self._meter is meter:  # one that was left behind must not end the next one's
            self._meter = None

    def _run(self) -> None:
        idle = 0
        while True:
            meter = self._meter
            if meter is not None:
                idle = 0
                time.sleep(self._tick(meter))
                continue
            idle += 1
            if idle < 10:
                time.sleep(FIRST_SAMPLE_S)
                continue
            self._awake.clear()
            self._asleep = True
            if self._meter is None:  # looked at again: an attempt may have begun before it could see that we sleep
                self._awake.wait()
            self._asleep = False

    def _tick(self, meter: UsageMeter) -> float:
        """Sample if it is time; returns how long to wait for the next look."""
        age_s = time.perf_counter() - meter.started_at
        if age_s < FIRST_SAMPLE_S:
            return FIRST_SAMPLE_S - age_s + 0.001
        begun_s = time.thread_time()
        try:
            meter.sample()
            source = installed_log()
            if source is not None:
                source.bound()
        except Exception:
            # Nothing that is sampled is worth an attempt: a process vanished half-read, a file was closed under us.
            return INTERVAL_S
        return max(INTERVAL_S, self._pay(time.thread_time() - begun_s))

    def _pay(self, cost_s: float) -> float:
        """Book what a sample cost; returns how long to wait until it is earned again, 0 while there is credit.

        A share of a core is earned all the time, between attempts too, up to a burst: a short attempt after a pause is
        sampled closely even where samples are dear.
        """
        now_s = time.perf_counter()
        earned_s = (now_s - self._credited_at) * SHARE_OF_A_CORE
        self._credit_s = min(BURST_S, self._credit_s + earned_s) - cost_s
        self._credited_at = now_s
        return max(0.0, -self._credit_s / SHARE_OF_A_CORE)


_current: _Sampler | None = None
_current_lock = threading.Lock()


def _sampler() -> _Sampler:
    """This process's sampler; a forked child makes its own."""
    global _current
    if _current is None or _current.pid != os.getpid():
        with _current_lock:
            if _current is None or _current.pid != os.getpid():
                _current = _Sampler()
    return _current
