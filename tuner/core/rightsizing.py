"""What an attempt is granted: as asked for, by a formula of the parameters, or by measurement (``auto``)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from tuner.core.gpus import GpuShare
from tuner.core.lanes import Pace
from tuner.core.memory import MemoryForecast, MemoryModel
from tuner.core.steady import Steady
from tuner.core.threads import Threads
from tuner.core.trend import Trend
from tuner.formula import Formula
from tuner.resources import Resources, Usage
from tuner.space import SearchSpace
from tuner.study import ResourceRequest
from tuner.trial import Failed, FailureKind, Outcome, Params

__all__ = ["Grant", "Load", "Sizing", "on_grid"]

GROWTH = 1.5  # of the grant after running out of memory
HEADROOM = 1.2  # above the peak that was seen
EVERY = 16  # attempts after which places are counted anew, when so many were seen
PROVEN = 0.8  # of the largest node's memory, seen in use, is proof enough that it cannot hold the attempt
STEPS = 16  # grants of memory go in steps of a sixteenth of a doubling: 2 % are lost on average, and equal ones travel together
LEAST_MIB = 32.0
SHORT_S = 0.05  # attempts as short say nothing of a node's speed
ENOUGH_WALLS = 10
QUICK_S = Pace.BATCH_S / 2  # attempts as short travel together and are granted alike, so nothing is learned of each
QUICK_SPARE = 1.25  # above the largest of the latest attempts, where attempts are too short for a prediction each
LATEST = 64


@dataclass(frozen=True, slots=True)
class Grant:
    """What an attempt gets and where the memory comes from.

    Attributes:
        resources: The grant.
        forecast: The prediction behind its memory; None when there was none.
    """

    resources: Resources
    forecast: MemoryForecast | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """How much there is to do, for the number of threads.

    Attributes:
        running: Attempts in flight.
        left: Trials that are still to be started; None for no limit.
        parallel: How many attempts may run at once; None for what fits.
        cpu: CPUs of all nodes that may be held.
        free_cpu: Those that are free.
    """

    running: int
    left: int | None
    parallel: int | None
    cpu: float
    free_cpu: float


class Sizing:
    """Grants of one study, learned from its finished attempts.

    *Memory*: until the model has seen enough attempts each gets a fair share of the node where a CPU has the least of it, so
    that as many fit as there are CPUs; then what the model says, with its margin. After running out of memory the next
    attempt gets half as much again, or a fifth above the peak that was seen, up to the largest node. *CPU*: see ``Threads``.
    *GPU*: see ``GpuShare``.

    Args:
        request: What the sweep asks for.
        space: What the parameters mean.
    """

    def __init__(self, request: ResourceRequest, space: SearchSpace) -> None:
        self._request = request
        self._memory = MemoryModel(space)
        self._steady = Steady()
        self._walls = Trend(space)
        self._threads = Threads()
        self._gpus = GpuShare()
        self._offers: tuple[Resources, ...] = ()
        self._fair_mib = self._most_mib = 0.0
        self._largest_wholes: list[float] = []
        self._n_seen = 0
        self._quick: Grant | None = None  # what attempts of milliseconds get, until that may change
        self.typical = self._expected()

    # -- what there is ----------------------------------------------------------------------------------------------

    def see(self, offers: Iterable[Resources], *, gpus: bool) -> None:
        """What nodes that live, and kinds that could come, offer; each once.

        ``gpus``: whether a node that lives has one. Kinds that could come do not count: a program that wants none would else
        have dear nodes started to find that out.
        """
        self._offers = tuple(sorted((o for o in offers if o.cpu > 0), key=lambda o: (o.cpu, o.memory_mib, o.gpu)))
        shares = [offer.memory_mib / max(1.0, offer.cpu) for offer in self._offers if offer.memory_mib > 0]
        self._fair_mib = min(shares, default=0.0)
        self._most_mib = max((offer.memory_mib for offer in self._offers), default=0.0)
        self._gpus.see(gpus)
        self._quick = None
        self.typical = self._expected()

    @property
    def base(self) -> Resources:
        """What a first attempt asks for before anything was measured."""
        return Resources(_number(self._request.cpu, 1.0), _number(self._request.gpu, 0.0), self._first_memory(1.0))

    # -- grants -----------------------------------------------------------------------------------------------------

    def grant(self, params: Params, floor: Resources, load: Load | None) -> Grant:
        """What the next attempt with these parameters gets.

        Args:
            params: The trial's.
            floor: What it gets at least, after an attempt that ran out of it.
            load: How much there is to do; None when attempts take milliseconds: they all get the same, one thread each.

        Raises:
            FormulaError: A formula has no value for these parameters.
        """
        if load is not None or floor.memory_mib or floor.gpu:
            return self._sized(params, floor, load)
        grant = self._quick or self._sized(params, floor, None)
        if not (grant.resources.gpu or self._request.has_formulas):
            self._quick = grant
        return grant

    def _sized(self, params: Params, floor: Resources, load: Load | None) -> Grant:
        gpu = max(
            floor.gpu, self._asked(self._request.gpu, params) if self._request.gpu is not None else self._gpus.grant
        )
        forecast = None
        if self._request.memory_mib is not None:
            memory_mib = self._asked(self._request.memory_mib, params)
        elif not self._fair_mib:
            memory_mib = 0.0
        else:
            memory_mib, forecast = self._auto_memory(params, quick=load is None)
        memory_mib = max(memory_mib, floor.memory_mib)
        if self._request.cpu is not None:
            cpu = self._asked(self._request.cpu, params)
        else:
            cpu = 1.0 if load is None else float(self._threads.choose(load, memory_mib, gpu, self._offers))
        return Grant(Resources(cpu, gpu, memory_mib), forecast)

    def _asked(self, asked: float | Formula, params: Params) -> float:
        return asked.value(params) if isinstance(asked, Formula) else asked

    def _auto_memory(self, params: Params, *, quick: bool) -> tuple[float, MemoryForecast | None]:
        most = self._most_mib
        if quick and self._largest_wholes:
            return min(most, on_grid(max(self._largest_wholes) * QUICK_SPARE)), None
        forecast = self._steady.forecast or self._memory.predict(params)
        if forecast is None:
            return self._first_memory(1.0), None
        return min(most, on_grid(forecast.grant_mib)), forecast

    def _first_memory(self, cpu: float) -> float:
        if self._request.memory_mib is not None:
            return _number(self._request.memory_mib, 0.0)
        return self._fair_mib * max(1.0, cpu)

    def _expected(self) -> Resources:
        """What the next attempts will get about, to count places by."""
        memory_mib = self._first_memory(1.0)
        if (
            self._request.memory_mib is None
            and self._fair_mib
            and self._largest_wholes
            and self._n_seen >= self._memory.FIRST
        ):
            memory_mib = on_grid(sum(self._largest_wholes) / len(self._largest_wholes) * HEADROOM)
        gpu = self._gpus.grant if self._request.gpu is None else _number(self._request.gpu, 0.0)
        return Resources(_number(self._request.cpu, 1.0), gpu, memory_mib)

    # -- what was learned -------------------------------------------------------------------------------------------

    def observe(self, params: Params, grant: Resources, step: int | None, outcome: Outcome, usage: Usage) -> None:
        """An attempt ended and was measured."""
        out = isinstance(outcome, Failed) and outcome.kind is FailureKind.OUT_OF_MEMORY
        if isinstance(outcome, Failed) and not out:
            return  # it says how far it came, not what it needs
        whole = usage.whole_memory_mib
        if self._request.memory_mib is None and whole > 0:
            if out or usage.wall_s >= QUICK_S:
                self._learn(params, step, whole, out=out)
            self._n_seen += 1
            quick = self._quick
            if quick and (whole * QUICK_SPARE > quick.resources.memory_mib or self._n_seen % LATEST == 0):
                self._quick = None
            self._largest_wholes.append(whole)
            if len(self._largest_wholes) > LATEST:
                del self._largest_wholes[0]
        self._threads.observe(grant, usage)
        self._gpus.observe(grant, usage)
        if self._n_seen < EVERY or self._n_seen % EVERY == 0:
            expected = self._expected()
            if not _alike(expected, self.typical):
                self.typical = expected

    def _learn(self, params: Params, step: int | None, whole: float, *, out: bool) -> None:
        if not self._steady.observe(params, step, whole, differs=out):
            for seen in self._steady.hand_over():
                self._memory.observe(*seen)
            self._memory.observe(params, step, whole, censored=out)

    def slowness(self, params: Params, usage: Usage) -> float | None:
        """How many times longer a complete attempt took than its parameters let expect; None while that is not known."""
        if usage.wall_s < SHORT_S:
            return None
        expected = self._walls.predict(params)
        self._walls.observe(params, usage.wall_s)
        return usage.wall_s / expected if expected and self._walls.n > ENOUGH_WALLS else None

    def fits(self, grant: Resources) -> bool:
        """Whether some node, or a kind of node that could come, can hold it."""
        return not self._offers or any(grant.fits_into(offer) for offer in self._offers)

    def after_out_of_memory(
        self, grant: Resources, floor: Resources, usage: Usage | None, message: str
    ) -> Resources | None:
        """The least that the next attempt gets after one with ``grant`` ran out of memory; None when nothing has more.

        One that had all of the largest node and was not seen to need it may have paid for others: it gets that once more.

        Args:
            grant: What the attempt had.
            floor: What its trial had to get at least.
            usage: What it was measured to use; None when it was not.
            message: Of the failure.

        Of GPU memory, when the message says so: twice the share of a GPU, up to a whole one.
        """
        if grant.gpu > 0 and "cuda" in message.lower():
            return Resources(0.0, min(1.0, grant.gpu * 2), 0.0) if grant.gpu < 1 else None
        able = [offer for offer in self._offers if offer.cpu >= min(1.0, grant.cpu) and offer.gpu >= grant.gpu]
        largest = max((offer.memory_mib for offer in able), default=0.0)
        if largest <= 0:
            return Resources(0.0, 0.0, grant.memory_mib)
        peak = usage.whole_memory_mib if usage is not None else 0.0
        if grant.memory_mib >= largest:
            proven = floor.memory_mib >= largest or peak >= PROVEN * largest
            return None if proven else Resources(0.0, 0.0, largest)
        held = grant.memory_mib or largest * min(1.0, max(grant.cpu, 1.0) / max(o.cpu for o in able))
        return Resources(0.0, 0.0, min(on_grid(max(held * GROWTH, peak * HEADROOM)), largest))


def on_grid(mib: float) -> float:
    """The next step of the grid at or above ``mib``, a whole number of MiB."""
    if mib <= LEAST_MIB:
        return LEAST_MIB
    return float(math.ceil(2.0 ** (math.ceil(math.log2(mib) * STEPS - 1e-9) / STEPS) - 1e-6))


def _number(asked: float | Formula | None, otherwise: float) -> float:
    return float(asked) if isinstance(asked, float | int) else otherwise


def _alike(a: Resources, b: Resources) -> bool:
    """Whether places counted by one are about those counted by the other."""
    return a.cpu == b.cpu and a.gpu == b.gpu and 0.9 * b.memory_mib <= a.memory_mib <= 1.1 * b.memory_mib
