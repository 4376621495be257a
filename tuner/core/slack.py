"""What attempts were granted against what they used: slack, losses, and what sizing by measurement would have saved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from tuner.formula import Formula
from tuner.resources import Resources
from tuner.study import ResourceRequest
from tuner.trial import Attempt, Completed, Failed, FailureKind, Pruned

__all__ = ["KINDS", "LEARNING", "Saving", "Slack", "Split", "losses", "savings", "slack"]

LEARNING = 20  # attempts: with them the sizes are learned
KINDS = ("cpu", "memory", "gpu")
MARGIN = 1.25  # grants of ``auto`` over use, taken as no better than its bar of 20 % slack
WORTH = 1.5  # times as many attempts at once, from which on a saving is worth a line
_LOST = (
    FailureKind.OUT_OF_MEMORY,
    FailureKind.PREEMPTED,
    FailureKind.NODE_LOST,
    FailureKind.WORKER_LOST,
)


@dataclass(frozen=True, slots=True)
class Slack:
    """What some attempts were granted and did not use, summed over time.

    Attributes:
        granted: Amount times seconds: CPUs, MiB or GPUs.
        used: Likewise, of each attempt at most what it was granted.
        n: How many attempts it is about.
    """

    granted: float
    used: float
    n: int

    @property
    def share(self) -> float:
        """(granted - used) / granted, 0 to 1."""
        return (self.granted - self.used) / self.granted


@dataclass(frozen=True, slots=True)
class Split:
    """Slack while the sizes were learned and after; None where nothing of the kind was granted and measured.

    Attributes:
        before: Of the first attempts.
        after: Of the rest.
    """

    before: Slack | None
    after: Slack | None


def slack(attempts: Iterable[Attempt], first: int = LEARNING) -> dict[str, Split]:
    """Slack of CPU, memory and GPU over attempts that ended with a result, weighted by how long they ran.

    Used is, of memory, the peak of the whole worker process; of CPU, the mean; of GPUs, the larger of the share of their time
    and of their memory. Failed attempts do not count: they did not come to need what they would have.

    Args:
        attempts: Of one study, in any order.
        first: How many attempts, in the order of their start, count as learning.

    Returns:
        ``cpu``, ``memory`` and ``gpu``, each with its ``Split``.
    """
    ended = _ended(attempts)
    return {kind: Split(_sum(kind, ended[:first]), _sum(kind, ended[first:])) for kind in KINDS}


def _ended(attempts: Iterable[Attempt]) -> list[Attempt]:
    measured = [a for a in attempts if a.usage is not None and isinstance(a.outcome, Completed | Pruned)]
    return sorted(measured, key=lambda a: (a.started_at is None, a.started_at or 0.0, a.trial, a.number))


def _sum(kind: str, attempts: Sequence[Attempt]) -> Slack | None:
    granted = used = 0.0
    n = 0
    for attempt in attempts:
        measured = _MEASURES[kind](attempt)
        if measured is not None and attempt.usage is not None:
            amount, taken = measured
            granted += amount * attempt.usage.wall_s
            used += min(taken, amount) * attempt.usage.wall_s
            n += 1
    return Slack(granted, used, n) if granted > 0 else None


def _cpu(attempt: Attempt) -> tuple[float, float] | None:
    """(CPUs granted, CPUs used on average)."""
    usage, granted = attempt.usage, attempt.grant.cpu
    if usage is None or not granted or usage.wall_s <= 0:
        return None
    return granted, usage.cpu_s / usage.wall_s


def _memory(attempt: Attempt) -> tuple[float, float] | None:
    """(MiB granted, highest MiB of the whole process)."""
    usage, granted = attempt.usage, attempt.grant.memory_mib
    if usage is None or not granted or usage.whole_memory_mib <= 0:
        return None
    return granted, usage.whole_memory_mib


def _gpu(attempt: Attempt) -> tuple[float, float] | None:
    """(GPUs granted, GPUs used: by time or by memory, whichever is more)."""
    usage, granted = attempt.usage, attempt.grant.gpu
    if usage is None or not granted or (usage.gpu_util is None and not usage.gpu_memory_mib):
        return None
    whole = max(1.0, granted)
    by_memory = (usage.peak_gpu_memory_mib or 0.0) / usage.gpu_memory_mib if usage.gpu_memory_mib else 0.0
    return granted, max((usage.gpu_util or 0.0) * whole, by_memory)


_MEASURES: dict[str, Callable[[Attempt], tuple[float, float] | None]] = {"cpu": _cpu, "memory": _memory, "gpu": _gpu}


def losses(attempts: Iterable[Attempt]) -> dict[FailureKind, int]:
    """How many attempts were lost to what is no fault of their parameters, by kind; kinds without any are left out."""
    found = dict.fromkeys(_LOST, 0)
    for attempt in attempts:
        if isinstance(attempt.outcome, Failed) and attempt.outcome.kind in found:
            found[attempt.outcome.kind] += 1
    return {kind: n for kind, n in found.items() if n}


@dataclass(frozen=True, slots=True)
class Saving:
    """What a fixed request cost against sizing by measurement.

    Attributes:
        kind: ``cpu`` or ``memory``.
        asked: The most that was granted by the request: CPUs or MiB.
        used: The most that was used: of CPU on average in an attempt, of memory at its peak.
        times: How many times as many attempts ``auto`` would have run at once; where the nodes are not known, how many times as
            many would have found room in the same amount of it.
        at_once: Whether ``times`` is by all that the nodes have.
    """

    kind: str
    asked: float
    used: float
    times: float
    at_once: bool = field(default=False)


def savings(request: ResourceRequest, attempts: Iterable[Attempt], total: Resources | None = None) -> list[Saving]:
    """What ``auto`` would have saved, of what was asked for by number or by formula; only what is worth a line.

    ``auto`` is taken to grant a quarter more than each attempt used, and never less than a CPU where a CPU was granted.

    Args:
        request: The study's.
        attempts: Its attempts.
        total: What the nodes have together; None when that is not known.
    """
    ended = _ended(attempts)
    found = []
    for kind, asked in (("memory", request.memory_mib), ("cpu", request.cpu)):
        if not isinstance(asked, float | int | Formula):
            continue
        pairs = [pair for attempt in ended if (pair := _MEASURES[kind](attempt)) is not None]
        if not pairs:
            continue
        before = sum(granted for granted, _ in pairs) / len(pairs)
        after = sum(min(granted, _auto(kind, granted, used)) for granted, used in pairs) / len(pairs)
        times = before / after if total is None else _times(kind, before, after, ended, total)
        if times >= WORTH:
            most = max(granted for granted, _ in pairs), max(used for _, used in pairs)
            found.append(Saving(kind, *most, times, total is not None))
    return found


def _auto(kind: str, granted: float, used: float) -> float:
    least = min(1.0, granted) if kind == "cpu" else 1.0
    return max(least, used * MARGIN)


def _times(kind: str, before: float, after: float, attempts: Sequence[Attempt], total: Resources) -> float:
    """How many times as many attempts fit into all nodes together when only this kind is sized anew."""
    n = len(attempts)
    grant = {
        "cpu": sum(a.grant.cpu for a in attempts) / n,
        "memory": sum(a.grant.memory_mib for a in attempts) / n,
        "gpu": sum(a.grant.gpu for a in attempts) / n,
    }
    have = {"cpu": total.cpu, "memory": total.memory_mib, "gpu": total.gpu}

    def places(sizes: dict[str, float]) -> float:
        return min((have[name] / size for name, size in sizes.items() if size > 0 and have[name] > 0), default=0.0)

    was, would = places(grant | {kind: before}), places(grant | {kind: after})
    return would / was if was else 1.0
