"""A guard before a pruner that is not tuner's own: what it does wrong is told as its fault, with the line."""

from __future__ import annotations

from tuner.core.ports import Promotion, Pruner, Verdict
from tuner.core.ports.guard import Guard
from tuner.study import Metric
from tuner.trial import Trial

__all__ = ["Outsider"]

_DECISIONS = ("go", "stop", "pause")


class Outsider(Guard[Pruner], Pruner):
    """Hands everything on, and looks at what comes back.

    Args:
        pruner: An outsider's, new.
        name: Its import path.
        metric: What it was given.

    Raises:
        PluginFailed: By every method: the pruner raised, or said what it must not.
    """

    def __init__(self, pruner: Pruner, name: str, metric: Metric) -> None:
        super().__init__("pruner", name, pruner)
        self._paused: set[int] = set()
        with self._blamed():
            self.promotes, self.brackets = bool(pruner.promotes), pruner.brackets
        if not isinstance(self.brackets, int) or self.brackets < 1:
            raise self._wrong(f"has {self.brackets!r:.80} brackets, expected a whole number, at least 1")

    def admit(self, trial: int) -> None:
        """Hand on."""
        with self._blamed(f"for trial {trial}"):
            self._inner.admit(trial)

    def bracket(self, trial: int) -> int:
        """As the pruner deals them out."""
        with self._blamed(f"for trial {trial}"):
            bracket = self._inner.bracket(trial)
        if bracket not in range(self.brackets):
            raise self._wrong(f"put trial {trial} into bracket {bracket!r:.80}, expected 0 to {self.brackets - 1}")
        return bracket

    def judge(self, trial: int, step: int, value: float) -> Verdict | None:
        """What the pruner says."""
        with self._blamed(f"for trial {trial} at step {step}"):
            self._inner.explains = self.explains
            verdict = self._inner.judge(trial, step, value)
        if verdict is None:
            return None
        if not isinstance(verdict, Verdict) or verdict.decision not in _DECISIONS:
            what = f"said {verdict!r:.80} of trial {trial} at step {step}"
            raise self._wrong(f"{what}, expected None or a tuner.core.ports.Verdict with go, stop or pause")
        if verdict.decision == "pause":
            if not self.promotes:
                raise self._wrong(f"pauses trial {trial} at step {step}, but its attribute `promotes` is false")
            self._paused.add(trial)
        return verdict

    def promote(self) -> Promotion | None:
        """Whom the pruner promotes."""
        with self._blamed():
            promotion = self._inner.promote()
        return self._checked(promotion)

    def rescue(self) -> Promotion | None:
        """Whom the pruner rescues."""
        with self._blamed():
            promotion = self._inner.rescue()
        return self._checked(promotion)

    def _checked(self, promotion: Promotion | None) -> Promotion | None:
        if promotion is None:
            return None
        if not isinstance(promotion, Promotion):
            raise self._wrong(f"promotes {promotion!r:.80}, expected None or a tuner.core.ports.Promotion")
        if promotion.trial not in self._paused:
            raise self._wrong(f"promotes trial {promotion.trial!r:.80}, which is not paused")
        self._paused.discard(promotion.trial)
        return promotion

    def finish(self, trial: Trial) -> None:
        """Hand on."""
        self._paused.discard(trial.number)
        with self._blamed(f"for trial {trial.number}"):
            self._inner.finish(trial)
