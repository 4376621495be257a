"""A pruner's words, written down: what was compared with what, when the log is folded again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from tuner.core.ports import Promotion, Pruner, Verdict
from tuner.trial import Trial

__all__ = ["Judged", "Promoted", "Rival", "Witness"]


@dataclass(frozen=True, slots=True)
class Rival:
    """Another trial's value, with which one was compared."""

    trial: int
    value: float


@dataclass(frozen=True, slots=True)
class Judged:
    """The pruner said something of a report.

    Attributes:
        at_s: When.
        trial: Whose report.
        step: Step of the report; ``verdict.step`` is that at which it was compared.
        value: What it reported.
        verdict: What the pruner said.
        rivals: The other trials' values there by then, best first.
        late: Whether the report came after the trial had been told to pause, so that it was judged only when it was promoted.
    """

    at_s: float
    trial: int
    step: int
    value: float
    verdict: Verdict
    rivals: tuple[Rival, ...] = ()
    late: bool = False


@dataclass(frozen=True, slots=True)
class Promoted:
    """The pruner chose the trial to go on."""

    at_s: float
    reason: str


class Witness(Pruner):
    """Stands before a pruner and writes down what it is asked and what it says.

    Args:
        pruner: New.
        maximize: Whether larger values are better.
        about: The trial of which every word is kept; None to count only.
    """

    def __init__(self, pruner: Pruner, maximize: bool, about: int | None = None) -> None:
        pruner.explains = about is not None
        self._pruner, self._about = pruner, about
        self._sign = -1.0 if maximize else 1.0
        self.promotes, self.brackets = pruner.promotes, pruner.brackets
        self.at_s = 0.0
        self.n_judged = self.n_paused = self.n_promoted = 0
        self.stopped: Counter[int | None] = Counter()
        self.said: list[Judged | Promoted] = []
        self.at_rung: dict[tuple[int, int], dict[int, float]] = defaultdict(dict)
        self.at_step: dict[int, dict[int, float]] = {}

    def judge(self, trial: int, step: int, value: float) -> Verdict | None:
        """Hand on, and note what is said."""
        verdict = self._pruner.judge(trial, step, value)
        self.n_judged += 1
        if step in self.at_step:
            self.at_step[step][trial] = value
        if verdict is None:
            return None
        if verdict.decision == "stop":
            self.stopped[verdict.rung] += 1
        self.n_paused += verdict.decision == "pause"
        if self._about is not None and verdict.rung is not None:
            self.at_rung[self.bracket(trial), verdict.rung][trial] = value
        if trial == self._about:
            self.said.append(Judged(self.at_s, trial, step, value, verdict))
        return verdict

    def rivals(self, judged: Judged) -> tuple[Rival, ...]:
        """The values of others where the trial has just been compared."""
        rung = judged.verdict.rung
        here: Mapping[int, float] = self.at_step.get(judged.step, {})
        if rung is not None:
            here = self.at_rung[self.bracket(judged.trial), rung]
        found = [Rival(trial, value) for trial, value in here.items() if trial != judged.trial]
        return tuple(sorted(found, key=lambda rival: (self._sign * rival.value, rival.trial)))

    def rank(self, judged: Judged) -> tuple[int, int]:
        """(place, of how many) of a trial now, where it was compared last."""
        rivals = self.rivals(judged)
        better = sum(self._sign * rival.value < self._sign * judged.value for rival in rivals)
        return better + 1, len(rivals) + 1

    def promote(self) -> Promotion | None:
        """Hand on, and note who is promoted."""
        return self._noted(self._pruner.promote())

    def rescue(self) -> Promotion | None:
        """Hand on, and note who is promoted."""
        return self._noted(self._pruner.rescue())

    def _noted(self, promotion: Promotion | None) -> Promotion | None:
        if promotion is not None:
            self.n_promoted += 1
            if promotion.trial == self._about:
                self.said.append(Promoted(self.at_s, promotion.reason))
        return promotion

    def admit(self, trial: int) -> None:
        """Hand on."""
        self._pruner.admit(trial)

    def bracket(self, trial: int) -> int:
        """As the pruner deals them out."""
        return self._pruner.bracket(trial)

    def finish(self, trial: Trial) -> None:
        """Hand on."""
        self._pruner.finish(trial)
