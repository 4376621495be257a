"""Learns the memory of attempts of one kind, and the margin that its own errors ask for."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from tuner.core._basis import Basis
from tuner.core._gaussian import GaussianProcess
from tuner.core._kernel import Row

__all__ = ["FIRST", "Cover", "Expert", "Seen", "plain"]

FIRST = 4  # attempts to learn from before it says anything
WINDOW = 80  # attempts that the process is fitted to
FULL = 112  # attempts that it takes before it is fitted anew, or a basis takes its place
DENSE = 30  # attempts for each input that matters, until a basis is better
GROWTH = 0.15  # until then the process is fitted anew when it has learned so many more, of those it knew
CENTRES = 64  # of a basis
RENEWALS = 2  # times as many attempts after which a basis is made anew, of better spread ones
KEPT = 256  # attempts that a new basis begins with
EAGER, SELDOM = 2000, 4  # attempts of which a basis learns every one, and which it learns later
BASE = 0.9  # share of the least memory seen that is taken for the base
RECENT, LATE = 40, 300  # errors of attempts as they came in that count: of a process, of a basis
PATIENCE = 200  # attempts after which errors are sorted at every eighth only, and at those that surprise
BEYOND = 0.25  # what an attempt that ran out of memory is taken to have needed more, in the logarithm, at least
STREAK = 20  # errors in a row to the same side and larger than the median, after which what was known is wrong now

QUANTILE = 0.975  # of errors, that the margin covers to begin with
QUANTILES = (0.96, 0.99)  # between which it moves with what is lost
LOSSES = 0.015  # share of attempts that may need more than they are granted
STEP = 0.004  # by which a loss raises the quantile


class Cover:
    """The share of attempts that margins cover: it rises with each attempt that got too little and falls slowly else."""

    def __init__(self) -> None:
        self.share = QUANTILE

    def note(self, *, lost: bool) -> None:
        """An attempt got enough, or too little."""
        moved = self.share + STEP * (lost - LOSSES) / (1.0 - LOSSES)
        self.share = min(max(moved, QUANTILES[0]), QUANTILES[1])


@dataclass(slots=True)
class Seen:
    """One attempt: inputs but for the step, its step, its memory, and whether that is only what it had when it was ended."""

    row: Row
    step: int | None
    whole_mib: float
    censored: bool


class Expert:
    """Expects the logarithm of memory less a base: by a Gaussian process of some attempts, later by a basis of them all.

    A process is best while attempts are few, but each costs it more than the one before; a basis takes any number. It is made
    from attempts that are spread over the space, and anew from better spread ones when more are known: the first to end are
    short ones, which tell little of the others.

    Args:
        width: Of rows.
        cover: The share of attempts that its margin is to cover.
    """

    def __init__(self, width: int, cover: Cover) -> None:
        self._process = GaussianProcess(width + 1)
        self._basis: Basis | None = None
        self._cover = cover
        self._known: list[Seen] = []
        self._every = 1  # attempts of which one is kept for the next basis
        self._renew = 0  # attempts at which it is made anew
        self._furthest = 0  # the step when it was fitted
        self._n_since = 0  # attempts learned since
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._left_out: list[float] = []
        self._streak: list[Seen] = []
        self._side = 0.0
        self._middling = 0.0  # the median of errors' sizes
        self.n = 0
        self.base_mib = self.margin = self.usual = 0.0

    @property
    def ready(self) -> bool:
        """Whether it can say anything."""
        return self._process.n > 0

    def tell(self, row: Row, furthest: int) -> tuple[float, float]:
        """Of an attempt that reaches step ``furthest``: the logarithm of what it needs above the base, and the margin on it."""
        at = 0.5 * math.log((1.0 + furthest) / (1.0 + self._furthest)) if furthest != self._furthest else 0.0
        mean, spread = self._tell([*row, at])
        return mean, spread * self.margin

    def judge(self, seen: Seen) -> float:
        """Note by how much it is wrong of an attempt; what it would have granted, in MiB. It must be ready."""
        mean, spread = self._tell(self._row(seen))
        error = (plain(seen, self.base_mib) - mean) / spread
        if seen.censored:
            error = max(error, 0.0) + BEYOND
        self._recent.append(error)
        self._follow(seen, error)
        lost = seen.censored or error > self.margin
        granted_mib = self.base_mib + math.exp(min(mean + spread * self.margin, 60.0))
        if self._basis is not None and (lost or self.n < PATIENCE or not self.n % 8):
            self._measure()
        return 0.0 if seen.censored else granted_mib

    def learn(self, seen: Seen, furthest: int) -> None:
        """Learn from an attempt, ``furthest`` being the furthest step of all."""
        self.n += 1
        if self._basis is not None:
            if not seen.censored:  # what it needs is known when it has been tried again
                self._learn_more(seen, furthest)
            return
        before = len(self._known)
        self._known = [old for old in self._known if not (old.censored and old.row == seen.row)]
        self._known.append(seen)
        self._n_since += 1
        if len(self._known) < FIRST and not self.ready:
            return
        replaced = len(self._known) <= before
        outside = seen.whole_mib <= self.base_mib * 1.01 and not seen.censored
        grown = self._n_since >= GROWTH * min(len(self._known), WINDOW)
        if len(self._known) >= FULL and self.n >= DENSE * self._process.n_inputs:
            self._found(furthest)
        elif len(self._known) >= FULL:
            del self._known[:-WINDOW]
            self._fit(furthest)
        elif not self.ready or replaced or outside or seen.censored or furthest != self._furthest or grown:
            self._fit(furthest)
        else:
            self._process.add(self._row(seen), self._target(seen))
            self._measure()

    # -- a process --------------------------------------------------------------------------------------------------

    def _fit(self, furthest: int) -> None:
        """Choose the base, fit the process anew, and look at its errors."""
        self._n_since, self._furthest = 0, furthest
        known = self._known[-WINDOW:]
        self.base_mib = BASE * min(seen.whole_mib for seen in known)
        self._process.fit([self._row(seen) for seen in known], [self._target(seen) for seen in known])
        errors = self._process.left_out()
        self._left_out = [e for e, seen in zip(errors, known, strict=True) if not seen.censored]
        self._measure()

    def _target(self, seen: Seen) -> float:
        target = plain(seen, self.base_mib)
        if not seen.censored:
            return target
        return max(target + BEYOND, self._process.mean(self._row(seen)) if self._process.n else target)

    # -- a basis ----------------------------------------------------------------------------------------------------

    def _found(self, furthest: int) -> None:
        """Make a basis from what is kept."""
        self._furthest, self._renew = furthest, RENEWALS * self.n
        self._known = [seen for seen in self._known if not seen.censored] or self._known[-1:]
        self.base_mib = BASE * min(seen.whole_mib for seen in self._known)
        rows = [self._row(seen) for seen in self._known]
        targets = [plain(seen, self.base_mib) for seen in self._known]
        step = max(1, len(rows) // WINDOW)
        self._process.fit(rows[::step][-WINDOW:], targets[::step][-WINDOW:], fine=True)
        kernel = self._process.kernel
        self._basis = Basis(kernel, _apart([kernel.scaled(row) for row in rows], rows), rows, targets)
        self._left_out = []
        self._recent = deque(self._recent, maxlen=LATE)
        self._measure()

    def _learn_more(self, seen: Seen, furthest: int) -> None:
        assert self._basis is not None
        if not self.n % self._every:
            self._known.append(seen)
            if len(self._known) >= KEPT:
                self._known = self._known[1::2]
                self._every *= 2
        if self.n >= self._renew:
            self._found(furthest)
        elif self.n < EAGER or not self.n % SELDOM:
            self._basis.add(self._row(seen), plain(seen, self.base_mib))

    def _follow(self, seen: Seen, error: float) -> None:
        """Begin anew when attempts need other than what those before let expect."""
        if self._basis is None or seen.censored:
            return
        side = math.copysign(1.0, error) if abs(error) > max(self._middling, 0.02) else 0.0
        self._streak = [*self._streak, seen] if side and side == self._side else [seen] if side else []
        self._side = side
        if len(self._streak) < STREAK:
            return
        self._basis, self._known, self._streak = None, self._streak[:-1], []  # the latest is learned next
        self._every = 1
        self._recent = deque(maxlen=RECENT)
        self._fit(self._furthest)

    # -- rows and errors --------------------------------------------------------------------------------------------

    def _tell(self, row: Row) -> tuple[float, float]:
        return self._basis.tell(row) if self._basis is not None else (self._process.mean(row), 1.0)

    def _row(self, seen: Seen) -> Row:
        """Inputs with the step last: 0 for the furthest, below for earlier ones; no step is the furthest."""
        if seen.step is None:
            return [*seen.row, 0.0]
        return [*seen.row, 0.5 * math.log((1.0 + max(0, seen.step)) / (1.0 + self._furthest))]

    def _measure(self) -> None:
        """The margin from the errors: their quantile, and more while they are few."""
        # Errors made when it had seen less than half of what it has now are not those it will make.
        recent = list(self._recent)[-max(FIRST, self.n // 2) :]
        errors = sorted([*recent, *self._left_out])
        n = len(errors)
        if n == 0:
            self.margin, self.usual = 0.7, 0.5
            return
        place = math.ceil(self._cover.share * (n + 1))
        top = errors[min(place, n) - 1]
        if place > n:
            top += max(0.0, errors[-1] - errors[0]) / n
        few = 0.0
        if n < RECENT:
            few = 1.5 * _spread([self._target(seen) for seen in self._known]) / (len(self._known) + 3.0)
        self.margin = max(0.0, top, few)
        self._middling = sorted(map(abs, errors))[n // 2]
        self.usual = self._share() * self._middling

    def _share(self) -> float:
        """The part of memory above the base, of the whole: errors there matter so much less."""
        wholes = sorted(seen.whole_mib for seen in self._known)
        middle = wholes[len(wholes) // 2]
        return (middle - self.base_mib) / middle


def plain(seen: Seen, base_mib: float) -> float:
    """The logarithm of what it used above the base."""
    return math.log(max(seen.whole_mib - base_mib, 1e-3 * seen.whole_mib))


def _apart(scaled: Sequence[Row], rows: Sequence[Row]) -> list[Row]:
    """Rows that lie far from one another: the next is always the one that is furthest from those before."""
    chosen = [len(rows) - 1]
    far = [math.inf] * len(rows)
    while len(chosen) < CENTRES:
        last = scaled[chosen[-1]]
        gaps = (sum((a - b) * (a - b) for a, b in zip(last, one, strict=True)) for one in scaled)
        far = list(map(min, far, gaps))
        best = max(range(len(rows)), key=far.__getitem__)
        if far[best] <= 1e-9:
            break
        chosen.append(best)
    return [rows[i] for i in chosen]


def _spread(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    return math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))
