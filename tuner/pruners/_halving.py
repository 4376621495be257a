"""One bracket of asynchronous successive halving: trials compete at rungs, and those that lose stop or are paused."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from typing import Literal

from tuner.core.ports import Promotion, Verdict
from tuner.errors import SweepError
from tuner.pruners._options import at_least
from tuner.pruners._sorted import SortedValues
from tuner.study import Metric
from tuner.trial import Trial, TrialState

__all__ = ["Halving", "check_rungs"]


def check_rungs(low: float, high: float | None, eta: float | None, reduction_factor: float | None) -> float:
    """Check the options that every kind of halving has, and return ``eta``.

    Raises:
        SweepError: One is out of range, or ``eta`` is given by both of its names.
    """
    if eta is not None and reduction_factor is not None:
        raise SweepError(
            "eta and reduction_factor are two names of one thing",
            path="pruner.reduction_factor",
            hint="keep one of them",
        )
    name = "eta" if reduction_factor is None else "reduction_factor"
    chosen = next((number for number in (eta, reduction_factor) if number is not None), 3)
    at_least("min", low, 1)
    at_least(name, chosen, 2, whole=False)
    if high is not None:
        at_least("max", high, 1)
        if high < low:
            raise SweepError(f"max {high} is below min {low}", path="pruner.max", got=high, hint="swap them")
    return chosen


class _Paused:
    """Who is paused at a rung: the best first, among equals the one that came first."""

    __slots__ = ("_arrivals", "_equal", "_heap", "_scores")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, int]] = []
        self._scores: dict[int, float] = {}
        self._equal: dict[float, int] = {}
        self._arrivals = 0

    def add(self, trial: int, score: float) -> None:
        """Pause a trial."""
        self._arrivals += 1
        heapq.heappush(self._heap, (score, self._arrivals, trial))
        self._scores[trial] = score
        self._equal[score] = self._equal.get(score, 0) + 1

    def remove(self, trial: int) -> bool:
        """Let a trial go; says whether it was here."""
        score = self._scores.pop(trial, None)
        if score is None:
            return False
        left = self._equal[score] - 1
        if left:
            self._equal[score] = left
        else:
            del self._equal[score]
        if len(self._heap) > 2 * len(self._scores) + 8:  # entries of those who left: sweep them out now and then
            self._heap = [entry for entry in self._heap if entry[2] in self._scores]
            heapq.heapify(self._heap)
        return True

    def best(self) -> tuple[float, int] | None:
        """(score, trial) of the best; None when nobody is here."""
        while self._heap and self._heap[0][2] not in self._scores:
            heapq.heappop(self._heap)
        return (self._heap[0][0], self._heap[0][2]) if self._heap else None

    def equal(self, score: float) -> int:
        """How many are paused here with this score."""
        return self._equal.get(score, 0)


@dataclass(slots=True)
class _Rung:
    """A step at which trials compete, and the values with which they did (negated where the metric is maximized)."""

    step: float
    values: SortedValues = field(default_factory=SortedValues)
    paused: _Paused = field(default_factory=_Paused)


class Halving:
    """Rungs at ``first * eta ** k``, k = 0, 1, ..., in the form that stops or in the one that pauses and promotes.

    Args:
        metric: What is compared.
        first: Step of the first rung, above 0.
        eta: One in ``eta`` goes on from a rung, at least 2.
        max: Step at which trials end by themselves: no rung lies there or beyond. None for no limit; where trials are
            paused, the largest step of a COMPLETE trial stands for it once there is one.
        promote: Whether those that lose are paused and may be promoted later.
        name: What reasons begin with, for example ``bracket 2, ``.
    """

    def __init__(
        self, metric: Metric, *, first: float, eta: float, max: float | None, promote: bool, name: str = ""
    ) -> None:
        self._sign = 1.0 if metric.goal == "minimize" else -1.0
        self._first, self._eta, self._promote, self._name = first, eta, promote, name
        self._max = math.inf if max is None else max
        self._learns_max = promote and max is None
        self._rungs: list[_Rung] = []
        self._next: dict[int, int] = {}
        self._rescued: set[int] = set()
        self._ready: set[int] = set()  # rungs from which a trial may be promoted
        self._changed: set[int] = set()  # rungs of which that must be looked at anew

    def judge(self, trial: int, step: int, value: float, explain: bool) -> Verdict | None:
        """Let the trial compete at every rung that it has reached with this report."""
        if not math.isfinite(value) or trial in self._rescued:
            return None
        index = self._next.get(trial, 0)
        verdict: Verdict | None = None
        while (rung := self._rung(index)).step <= step and rung.step < self._max:
            index += 1
            self._next[trial] = index
            if self._promote:
                verdict = self._arrive(trial, index - 1, self._sign * value, explain)
            else:
                verdict = self._compete(index - 1, self._sign * value, explain)
            if verdict is not None and verdict.decision != "go":
                return verdict
        return verdict

    def _rung(self, index: int) -> _Rung:
        while index >= len(self._rungs):
            self._rungs.append(_Rung(self._first * self._eta ** len(self._rungs)))
        return self._rungs[index]

    def _compete(self, index: int, score: float, explain: bool) -> Verdict | None:
        """The form that stops: the best 1 / eta go on, ties in their favour, and at least the best does."""
        values = self._rungs[index].values
        values.add(score)
        places = int(len(values) // self._eta) or 1
        threshold = values[places - 1]
        if score > threshold:
            what = f"only the best {places} go on" if places > 1 else "only the best goes on"
            return self._verdict("stop", index, score, threshold, f"{what}, from {self._sign * threshold:.6g}")
        if not explain:
            return None
        return self._verdict(
            "go", index, score, threshold, f"the best {places} go on" if places > 1 else "the best goes on"
        )

    def _arrive(self, trial: int, index: int, score: float, explain: bool) -> Verdict | None:
        """The form that promotes: whoever could be promoted at once goes on, the others are paused."""
        rung = self._rungs[index]
        rung.values.add(score)
        rung.paused.add(trial, score)
        self._changed.add(index)
        places = int(len(rung.values) // self._eta)
        threshold = rung.values[places - 1] if places else None
        best = rung.paused.best()
        if best is not None and best[1] == trial and self._may_promote(rung):
            rung.paused.remove(trial)
            if not explain:
                return None
            return self._verdict(
                "go", index, score, threshold, f"the best {places} may go on, so it does without a pause"
            )
        if not places:
            why = f"nobody goes on before {math.ceil(self._eta)} have been here"
        elif threshold is not None and score > threshold:
            why = f"only the best {places} may go on, from {self._sign * threshold:.6g}"
        else:
            why = f"of the best {places} that may go on, others come first"
        return self._verdict("pause", index, score, threshold, why)

    def _verdict(
        self, decision: Literal["go", "stop", "pause"], index: int, score: float, threshold: float | None, why: str
    ) -> Verdict:
        rung = self._rungs[index]
        rank, of = rung.values.below(score) + 1, len(rung.values)
        reason = f"{self._where(index)}: its value {self._sign * score:.6g} ranks {rank} of {of}, and {why}"
        bar = None if threshold is None else self._sign * threshold
        return Verdict(decision, reason, index, rung.step, rank, of, bar)

    def _where(self, index: int) -> str:
        return f"{self._name}rung {index} (step {self._rungs[index].step:g})"

    def _may_promote(self, rung: _Rung) -> bool:
        """Whether the best of the paused has a place among the best 1 / eta of all that have been at the rung.

        Of equal values those that went on already stand before those that are paused.
        """
        best = rung.paused.best()
        if best is None:
            return False
        if rung.step >= self._max:  # it was paused at its very end, before that was known
            return True
        score, values = best[0], rung.values
        return values.upto(score) - rung.paused.equal(score) < int(len(values) // self._eta)

    @property
    def ready(self) -> float | None:
        """Step of the highest rung from which a trial may be promoted; None when there is none."""
        index = self._ready_rung()
        return None if index is None else self._rungs[index].step

    def _ready_rung(self) -> int | None:
        while self._changed:
            index = self._changed.pop()
            if self._may_promote(self._rungs[index]):
                self._ready.add(index)
            else:
                self._ready.discard(index)
        return max(self._ready, default=None)

    def promote(self) -> Promotion | None:
        """Take the best of the highest rung that has someone to promote; None when no rung has."""
        index = self._ready_rung()
        return None if index is None else self._take(index)

    @property
    def highest(self) -> float | None:
        """Step of the highest rung at which somebody is paused; None when nobody is."""
        index = self._highest_rung()
        return None if index is None else self._rungs[index].step

    def _highest_rung(self) -> int | None:
        falling = reversed(range(len(self._rungs)))
        return next((index for index in falling if self._rungs[index].paused.best() is not None), None)

    def rescue(self) -> Promotion | None:
        """Take the best of the highest rung at which somebody is paused, to run to its end; None when nobody is."""
        index = self._highest_rung()
        promotion = None if index is None else self._take(index, "as no trial ran to its end, it does")
        if promotion is not None:
            self._rescued.add(promotion.trial)
        return promotion

    def _take(self, index: int, why: str | None = None) -> Promotion | None:
        rung = self._rungs[index]
        best = rung.paused.best()
        if best is None:
            return None
        score, trial = best
        rung.paused.remove(trial)
        self._changed.add(index)
        rank, of = rung.values.below(score) + 1, len(rung.values)
        places = int(of // self._eta)
        why = why or (f"the best {places} may go on" if rank <= places else "trials end there")
        reason = f"{self._where(index)}: its value {self._sign * score:.6g} ranks {rank} of {of} now, and {why}"
        return Promotion(trial, reason)

    def finish(self, trial: Trial) -> None:
        """Forget where the trial was; its values stay at the rungs, as the others are still compared with them."""
        passed = self._next.pop(trial.number, 0)
        self._rescued.discard(trial.number)
        if not self._promote:
            return
        if passed and self._rungs[passed - 1].paused.remove(trial.number):
            self._changed.add(passed - 1)
        if self._learns_max and trial.state == TrialState.COMPLETE:
            self._learn_end(trial.last_step or 0)

    def _learn_end(self, step: int) -> None:
        if step > 0 and (math.isinf(self._max) or step > self._max):
            self._max = step
            self._changed.update(range(len(self._rungs)))
