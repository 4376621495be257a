"""When the sweep ends: counts, the best so far, and the rules over them."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.core.pareto import Front
from tuner.core.selection import losses
from tuner.resources import Resources
from tuner.study import Limits, Metric, Prices
from tuner.trial import FailureKind, Trial, TrialState

__all__ = ["Progress", "cost_of"]

FIRST_LOOK = 10  # finished trials before a share of failures means anything
FIRST_LOOK_INVALID = (
    30  # a space may be mostly forbidden ground: one good trial in ten is found by then, 19 times of 20
)


def cost_of(grant: Resources, seconds: float, prices: Prices | None) -> float:
    """What holding ``grant`` for ``seconds`` costs; 0.0 without prices."""
    if prices is None:
        return 0.0
    per_h = prices.cpu_h * grant.cpu + prices.gpu_h * grant.gpu + prices.memory_gib_h * grant.memory_mib / 1024.0
    return per_h * seconds / 3600.0


class Progress:
    """What the limits look at. Fed with every finished trial, every report and every attempt's cost, in order.

    Args:
        metrics: The study's. With one, progress is a better value; with several, a trial that none before it equals or beats.
            Trials that violate a constraint are no progress once one that does not is there; until then, violating less is.
    """

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self.metrics = tuple(metrics)
        self.complete = 0
        self.feasible = 0
        self.pruned = 0
        self.failed = 0
        self.invalid = 0
        self.steps = 0
        self.cost = 0.0
        self.best: float | None = None
        self.since_best = 0
        self.last_failure = ""
        self._front = Front(len(self.metrics))
        self._least_violation = float("inf")
        self._reached: tuple[int, str] | None = None

    @property
    def finished(self) -> int:
        """Trials that came to an end of their own; those whose parameters could not work are left out."""
        return self.complete + self.pruned + self.failed

    def forgive(self) -> None:
        """Forget the failures: whoever takes up a study that they ended has mended their cause."""
        self.failed = self.invalid = 0

    def reported(self) -> None:
        """A report came in that counts as a step."""
        self.steps += 1

    def charge(self, cost: float) -> None:
        """An attempt cost so much."""
        self.cost += cost

    def observe(self, trial: Trial) -> None:
        """Take a finished trial in. One that ended because the sweep did is no failure; one that reported nothing is a step."""
        if trial.attempts and not trial.steps:
            self.steps += 1
        if trial.state is TrialState.FAIL:
            self._observe_failure(trial)
        elif trial.state is TrialState.PRUNED:
            self.pruned += 1
            self.since_best += 1
        else:
            self.complete += 1
            self.since_best = 0 if self._improves(trial) else self.since_best + 1

    def _observe_failure(self, trial: Trial) -> None:
        failure = trial.failure
        if failure is None or failure.kind is FailureKind.STOPPED:
            return
        if failure.kind is FailureKind.INVALID_PARAMS:
            self.invalid += 1
        else:
            self.failed += 1
        lines = failure.message.strip().splitlines()
        self.last_failure = f"trial {trial.number}: {failure.kind.value}: {lines[0] if lines else ''}"

    def _improves(self, trial: Trial) -> bool:
        """Whether a complete trial is progress."""
        if trial.violation > 0.0:
            less = not self.feasible and trial.violation < self._least_violation
            self._least_violation = min(trial.violation, self._least_violation)
            return less
        self.feasible += 1
        first = self.metrics[0]
        value = trial.values[first.name]
        if self.best is None or first.better(value, self.best):
            self.best = value
        self._note_targets(trial)
        return self._front.add(losses(trial, self.metrics))

    def _note_targets(self, trial: Trial) -> None:
        wanted = [metric for metric in self.metrics if metric.target is not None]
        reached = [m for m in wanted if m.target is not None and not m.better(m.target, trial.values[m.name])]
        if wanted and len(reached) == len(wanted) and self._reached is None:
            told = (f"{m.name} reached its target {m.target:g} with {trial.values[m.name]:g}" for m in wanted)
            self._reached = (trial.number, " and ".join(told))

    def verdict(self, limits: Limits) -> tuple[str, str] | None:
        """(reason, message) why the sweep should end now, or None."""
        if self._reached is not None:
            number, told = self._reached
            return "target", f"{told} (trial {number})"
        return self._spent(limits) or self._stuck(limits) or self._too_many_failures(limits)

    def _spent(self, limits: Limits) -> tuple[str, str] | None:
        if limits.steps is not None and self.steps >= limits.steps:
            return "steps", f"its budget of {limits.steps} steps is used up"
        if limits.cost is not None and self.cost >= limits.cost:
            return "cost", f"its budget of {limits.cost:g} is used up (spent: {self.cost:.2f})"
        return None

    def _stuck(self, limits: Limits) -> tuple[str, str] | None:
        if limits.patience is None or self.since_best < limits.patience:
            return None
        names = " and ".join(metric.name for metric in self.metrics)
        nothing = f"no better {names}" if len(self.metrics) == 1 else f"nothing new to choose from in {names}"
        if self.complete and not self.feasible:
            nothing = "none that comes closer to the constraints, and none keeps to them"
        row = f"{self.since_best} trials in a row" if self.since_best > 1 else "one more trial"
        return "patience", f"{row} brought {nothing}"

    def _too_many_failures(self, limits: Limits) -> tuple[str, str] | None:
        failed, kind = self.failed, "failed"
        if self.invalid and not self.finished:
            # Parameters that cannot work are no failures, unless there was never anything else.
            failed, kind = self.invalid, "had parameters that cannot work"
        if not failed:
            return None
        if limits.failures is not None:
            if failed <= limits.failures:
                return None
            return "failures", f"{failed} trials {kind}, {limits.failures} are borne; the last: {self.last_failure}"
        return self._too_large_a_share(limits.failures_share, failed, kind)

    def _too_large_a_share(self, share: float | None, failed: int, kind: str) -> tuple[str, str] | None:
        finished = max(self.finished, failed)
        if finished < (FIRST_LOOK if self.failed else FIRST_LOOK_INVALID):
            return None
        if share is not None and failed > share * finished:
            text = f"{failed} of {finished} trials {kind}, {share:.0%} are borne"
            return "failures", f"{text}; the last: {self.last_failure}"
        if share is None and failed == finished:
            return "failures", f"all of the first {failed} trials {kind}; the last: {self.last_failure}"
        return None
