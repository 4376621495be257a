"""When the sweep ends: counts, the best so far, and the rules over them."""

from __future__ import annotations

from tuner.study import Limits, Metric
from tuner.trial import FailureKind, Trial, TrialState

__all__ = ["Progress"]

FIRST_LOOK = 10  # finished trials before a share of failures means anything


class Progress:
    """What the limits look at. Fed with every finished trial, in order."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.complete = 0
        self.pruned = 0
        self.failed = 0
        self.best: float | None = None
        self.since_best = 0
        self.last_failure = ""

    @property
    def finished(self) -> int:
        """Trials that came to an end of their own."""
        return self.complete + self.pruned + self.failed

    def observe(self, trial: Trial) -> None:
        """Take a finished trial in. One that ended because the sweep did is no failure."""
        if trial.state is TrialState.FAIL:
            if trial.failure is not None and trial.failure.kind is not FailureKind.STOPPED:
                self.failed += 1
                lines = trial.failure.message.strip().splitlines()
                self.last_failure = f"trial {trial.number}: {trial.failure.kind.value}: {lines[0] if lines else ''}"
            return
        if trial.state is TrialState.PRUNED:
            self.pruned += 1
            self.since_best += 1
            return
        self.complete += 1
        value = trial.values[self.metric.name]
        if self.best is None or self.metric.better(value, self.best):
            self.best, self.since_best = value, 0
        else:
            self.since_best += 1

    def verdict(self, limits: Limits) -> tuple[str, str] | None:
        """(reason, message) why the sweep should end now, or None."""
        target = self.metric.target
        if target is not None and self.best is not None and not self.metric.better(target, self.best):
            return "target", f"{self.metric.name} reached its target {target:g} with {self.best:g}"
        if limits.patience is not None and self.since_best >= limits.patience:
            return "patience", f"{self.since_best} trials in a row brought no better {self.metric.name}"
        return self._too_many_failures(limits)

    def _too_many_failures(self, limits: Limits) -> tuple[str, str] | None:
        if not self.failed:
            return None
        if limits.failures is not None and self.failed > limits.failures:
            return (
                "failures",
                f"{self.failed} trials failed, {limits.failures} are borne; the last: {self.last_failure}",
            )
        if limits.failures is None and self.finished >= FIRST_LOOK:
            share = limits.failures_share
            if share is not None and self.failed > share * self.finished:
                text = f"{self.failed} of {self.finished} trials failed, {share:.0%} are borne"
                return "failures", f"{text}; the last: {self.last_failure}"
            if share is None and self.failed == self.finished:
                return "failures", f"all of the first {self.failed} trials failed; the last: {self.last_failure}"
        return None
