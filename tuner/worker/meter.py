"""Measures what one attempt uses: time, CPU, memory of the process tree, threads, GPU.

A no-op attempt must not pay for it. What the system counts by itself is read at both ends (CPU time; on Linux the peak of
this process's resident memory, which the kernel lets us reset); only what it does not count, child processes, threads and
GPUs, is sampled, by one thread per process that sleeps while no attempt lasts.
"""

from __future__ import annotations

import resource
import sys
import threading
import time

from tuner.resources import Resources, Usage
from tuner.worker.busy_threads import BusyThreads
from tuner.worker.children import Children
from tuner.worker.gpu import GpuMeter
from tuner.worker.guard import Guard
from tuner.worker.memory import own_memory, process_base
from tuner.worker.sampler import FIRST_SAMPLE_S, sampler

__all__ = ["UsageMeter", "running_meter"]

THREADS_EVERY = 5
"""Threads are counted at the first two samples and then at every fifth: there are dozens of them in a worker process."""

_MIB = 1 << 20
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


class UsageMeter:
    """Measures this process and its descendants from ``start`` to ``stop``.

    Memory is that above the process's base (``tuner.worker.memory``), whoever put it there: what an allocator kept of an
    earlier attempt serves this one. The peak is exact for this process on Linux; where children take part it is the highest
    sum seen at looks about every 100 ms. Shared pages of children count by share where Linux says it, at intervals that
    keep the cost below 1 % of a core; in between, their resident memory shows how they grow. The mean is over time, with
    straight lines from look to look.

    Args:
        grant: What the attempt was given; GPUs are read only if there are any.
        guard: Is told what the attempt holds; None for nobody.
    """

    def __init__(self, grant: Resources, guard: Guard | None = None) -> None:
        self._sampler = sampler()
        self._memory = own_memory()
        self._guard = guard
        self._children: Children | None = None
        self._threads = BusyThreads()
        self._gpu = GpuMeter() if grant.gpu > 0 else None
        self._n_samples = 0
        self._peak = self._held = 0
        self._area, self._seen_at = 0.0, 0.0
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin."""
        self._base = process_base()
        self._memory.reset_peak()
        self._reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
        self._cpu = time.process_time()
        self._wall = self._seen_at = time.perf_counter()
        self._sampler.begin(self)

    @property
    def started_at(self) -> float:
        """When it was started, by ``time.perf_counter``."""
        return self._wall

    def sample(self) -> None:
        """Look at everything. Called by the sampler's thread, and once at the end of all but the shortest attempts."""
        with self._lock:
            if self._children is None and Children.any():
                self._children = Children(age_s=time.perf_counter() - self._wall)
            self._see(self._children.sample() if self._children is not None else 0)
            pids = self._children.pids if self._children else ()
            if self._n_samples < 2 or self._n_samples % THREADS_EVERY == 0:
                self._threads.look(time.perf_counter(), pids)
            self._n_samples += 1
            if self._gpu is not None:
                self._gpu.sample(pids)

    def glance(self) -> None:
        """Look at the memory only."""
        with self._lock:
            self._see(self._children.glance() if self._children is not None else 0)

    def watch(self) -> float | None:
        """Let the guard look at what was seen last; in how many seconds it wants to look again."""
        if self._guard is None:
            return None
        return self._guard.look(self._held / _MIB, self.so_far, self.kill_children)

    def _see(self, children: int) -> None:
        """Take down what is held now. The lock is held."""
        held = self._memory.read().now + children
        now_s = time.perf_counter()
        before = self._held or held  # before the first look as at it
        self._area += (now_s - self._seen_at) * (before + held) / 2
        self._held, self._seen_at = held, now_s
        self._peak = max(self._peak, held)

    def kill_children(self) -> None:
        """End the processes that the attempt started."""
        with self._lock:
            if self._children is None and Children.any():
                self._children = Children(age_s=time.perf_counter() - self._wall)
            if self._children is not None:
                self._children.kill()

    def so_far(self) -> Usage:
        """What was used until now, as far as it was seen. From any thread; reads nothing but this process's own figures."""
        with self._lock:
            reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
            return self._usage(time.perf_counter() - self._wall, self._cpu_s(reaped), self._peak)

    def stop(self) -> Usage:
        """End, and say what was used."""
        wall_s = time.perf_counter() - self._wall
        self._sampler.end(self)
        if wall_s > FIRST_SAMPLE_S or self._gpu is not None or self._children is not None:
            self.sample()
        with self._lock:
            reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
            own = self._memory.read()
            self._held = own.now  # for who comes after: children are not this process's
            peak = max(self._peak, own.peak)
            peak = max(peak, self._base + self._biggest_reaped(reaped, peak))
            return self._usage(wall_s, self._cpu_s(reaped), peak)

    @property
    def held(self) -> int:
        """What was held when it was looked at last, in bytes; at the end by this process alone."""
        return self._held

    @property
    def short(self) -> bool:
        """Whether the node was short of memory when the guard looked last."""
        return self._guard is not None and self._guard.short

    def _cpu_s(self, reaped: resource.struct_rusage) -> float:
        cpu_s = time.process_time() - self._cpu
        cpu_s += reaped.ru_utime + reaped.ru_stime - self._reaped.ru_utime - self._reaped.ru_stime
        return max(0.0, cpu_s + (self._children.cpu_s_not_reaped if self._children is not None else 0.0))

    def _usage(self, wall_s: float, cpu_s: float, peak: int) -> Usage:
        seen_s = self._seen_at - self._wall
        mean = self._area / seen_s if seen_s > 0 else float(self._held)
        return Usage(
            peak_memory_mib=max(0.0, (peak - self._base) / _MIB),
            cpu_s=cpu_s,
            wall_s=wall_s,
            gpu_util=self._gpu.utilisation if self._gpu else None,
            peak_gpu_memory_mib=self._gpu.peak_memory_mib if self._gpu else None,
            base_memory_mib=self._base / _MIB,
            mean_memory_mib=max(0.0, (mean - self._base) / _MIB),
            threads=self._threads.most,
            gpu_memory_mib=self._gpu.memory_mib if self._gpu else None,
        )

    def _biggest_reaped(self, reaped: resource.struct_rusage, own_peak: int) -> int:
        """Peak of the biggest child that ended meanwhile, if it is known.

        The kernel keeps one maximum over all children ever, and lets a child begin with its parent's; so the figure says
        something only when it rose and is above our own.
        """
        biggest = int(reaped.ru_maxrss) * _MAXRSS_UNIT
        return biggest if reaped.ru_maxrss > self._reaped.ru_maxrss and biggest > own_peak else 0


def running_meter() -> UsageMeter | None:
    """That of the attempt that this process runs; None while nothing runs, or nothing has been seen of it yet."""
    meter = sampler().running
    return meter if isinstance(meter, UsageMeter) and meter.held else None
