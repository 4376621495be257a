"""The ``pbt`` pruner: the worst of a population give their places to copies of the best."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections import deque
from dataclasses import dataclass, field

from tuner.core.ports import Promotion, Pruner, Verdict
from tuner.errors import SweepError
from tuner.pruners._options import at_least
from tuner.study import Metric
from tuner.trial import Trial, TrialState

__all__ = ["PbtPruner"]


@dataclass(slots=True)
class _Member:
    """A trial of the population.

    Attributes:
        turn: The last turn that it has reached: its last step there, in intervals.
        marks: (turn, score) of every turn at which it was judged, in rising order.
    """

    turn: int
    marks: list[tuple[int, float]] = field(default_factory=list)

    def score_at(self, turn: int) -> float | None:
        """Its score at that turn, or at its latest one before."""
        place = bisect_right(self.marks, (turn, math.inf))
        return self.marks[place - 1][1] if place else None


class PbtPruner(Pruner):
    """Stops a trial that is among the worst of the population at a turn; the ``pbt`` sampler then continues a copy of one of
    the best (population based training: Jaderberg et al., 2017, section 3, truncation selection).

    A trial has its turn at every ``interval`` steps. It is compared with the values that the other members had at the same
    turn, or at their latest one before it: members that are ahead are not held against those that are behind. Trials that
    have completed stay in the population (the latest ones, should there be more than it has members), those that were stopped
    or failed do not.

    Deviation from the paper, which trains the whole population at once: where fewer trials run than it has members, a trial
    pauses at its turn as long as another one is behind (not begun yet, or paused), so that all advance together. The best go
    on first: so the worst come to their turn last, when the others' values of that turn are known. A trial that was paused
    goes on from its checkpoint, and has to begin anew where it saved none.

    Args:
        metric: What is compared.
        population: How many members, at least 2.
        interval: Steps from turn to turn, at least 1.
        quantile: Share of the population that counts as the worst (at least one of all members), above 0, at most 0.5.
            Nobody is stopped before half of the members can be compared.
        max: Step from which on no trial is stopped or paused: the last one that the objective makes; None when not known.

    Raises:
        SweepError: An option is out of range.
    """

    promotes = True

    def __init__(
        self,
        metric: Metric,
        *,
        population: int = 10,
        interval: int = 1,
        quantile: float = 0.25,
        max: int | None = None,
    ) -> None:
        at_least("population", population, 2)
        at_least("interval", interval, 1)
        if max is not None:
            at_least("max", max, 1)
        if not 0.0 < quantile <= 0.5:
            raise SweepError(
                "no share of the population", path="pruner.quantile", got=quantile, expected="above 0, at most 0.5"
            )
        self._sign = 1.0 if metric.goal == "minimize" else -1.0
        self._population, self._interval, self._quantile = population, interval, quantile
        self._last = max
        self._n_admitted = 0
        self._silent: set[int] = set()  # suggested, and not heard of since: most likely they wait for a worker
        self._members: dict[int, _Member] = {}
        self._complete: deque[int] = deque()
        self._paused: list[tuple[int, float, int]] = []  # (turn, score, trial), rising
        self._copying = False  # a place has become free, and the sampler has not been asked yet

    def admit(self, trial: int) -> None:
        """One more has its place."""
        self._n_admitted += 1
        self._silent.add(trial)
        self._copying = False

    def judge(self, trial: int, step: int, value: float) -> Verdict | None:
        """Compare the trial with the population, if it has its turn."""
        if not math.isfinite(value):
            return None
        member = self._members.get(trial)
        self._silent.discard(trial)
        if member is None:
            # The first report of a copy: the turns before it were its parent's.
            member = self._members[trial] = _Member((step - 1) // self._interval)
        turn = step // self._interval
        if turn <= member.turn or (self._last is not None and step >= self._last):
            return None
        member.turn = turn
        score = self._sign * value
        others = sorted(s for k, m in self._members.items() if k != trial and (s := m.score_at(turn)) is not None)
        member.marks.append((turn, score))
        verdict = self._compare(score, others, step)
        if verdict is not None and verdict.decision == "stop":
            del self._members[trial]
        elif self._n_admitted < self._population or self._paused:
            insort(self._paused, (turn, score, trial))
            reason = f"paused after step {step}, so that the members that are behind it catch up"
            return Verdict("pause", reason, turn - 1, step)
        return verdict

    def _compare(self, score: float, others: list[float], step: int) -> Verdict | None:
        n = len(others) + 1
        worst = int(n * self._quantile) or int(n >= self._population)
        if not worst or 2 * n < self._population:
            return None
        places = n - worst
        rank = 1 + bisect_left(others, score)
        threshold = self._sign * sorted([*others, score])[places - 1]
        if rank <= places:
            if not self.explains:
                return None
            reason = f"at step {step} it ranks {rank} of {n}, and the best {places} go on"
            return Verdict("go", reason, step // self._interval - 1, step, rank, n, threshold)
        reason = (
            f"at step {step} its value {self._sign * score:.6g} ranks {rank} of {n}, and only the best {places} go on, from "
            f"{threshold:.6g}: a copy of one of the best takes its place"
        )
        return Verdict("stop", reason, step // self._interval - 1, step, rank, n, threshold)

    def promote(self) -> Promotion | None:
        """The best of those that are furthest behind, once the whole population has begun, copies included.

        None once when a place has become free: so a copy is asked for before the others go on.
        """
        waits, self._copying = self._copying, False
        if waits or not self._paused or self._silent or self._n_admitted < self._population:
            return None
        turn, _, trial = self._paused.pop(0)
        return Promotion(trial, f"goes on after step {turn * self._interval}: no member is further behind")

    def finish(self, trial: Trial) -> None:
        """Of a complete trial the values stay, the others leave the population."""
        self._silent.discard(trial.number)
        if trial.state is not TrialState.COMPLETE:
            self._members.pop(trial.number, None)
            self._copying = True
        elif trial.number in self._members:
            self._complete.append(trial.number)
            while len(self._members) > self._population and self._complete:
                del self._members[self._complete.popleft()]
        self._paused = [row for row in self._paused if row[2] != trial.number]
