"""What somebody should know of a study beyond its numbers: sentences, most often none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tuner.core.selection import feasible
from tuner.dashboard import text
from tuner.pruners._options import first_look
from tuner.study import Constraint, StudySpec
from tuner.trial import Attempt, Failed, FailureKind, Pruned, Trial, TrialState

__all__ = ["bounds", "constraints", "cut", "notes", "paused", "promotions", "retried", "violations"]

_WITH_STEPS = ("asha", "hyperband", "median", "percentile", "patient", "threshold", "curve", "pbt")


def notes(spec: StudySpec, trials: Sequence[Trial]) -> list[str]:
    """What is worth saying of a study as it stands."""
    told = [
        _never_judged(spec, trials),
        _begins_too_late(spec, trials),
        _ends_elsewhere(spec, trials),
        _none_ran_through(spec, trials),
        _invalid(trials),
        _repeated(spec, trials),
    ]
    return [note for note in told if note]


def _begins_too_late(spec: StudySpec, trials: Sequence[Trial]) -> str | None:
    """A pruner whose first look lies beyond all that was reported, once a trial has shown where trials end."""
    if spec.pruner.type not in _WITH_STEPS or not any(trial.state is TrialState.COMPLETE for trial in trials):
        return None
    reached = max((trial.last_step for trial in trials if trial.last_step is not None), default=None)
    begins = first_look(spec.pruner.options)
    if reached is None or begins <= reached:
        return None
    return f"the pruner {spec.pruner.type} looked at no trial: it begins at step {begins:g}, and the last step was {reached}"


def _ends_elsewhere(spec: StudySpec, trials: Sequence[Trial]) -> str | None:
    """A pruner that was told of another end than trials have: rungs too many, or too few."""
    told = spec.pruner.options.get("max")
    ends = [trial.last_step for trial in trials if trial.state is TrialState.COMPLETE and trial.last_step is not None]
    if (
        spec.pruner.type not in _WITH_STEPS
        or not isinstance(told, int)
        or not ends
        or told / 2 <= max(ends) <= 2 * told
    ):
        return None
    return (
        f"the pruner {spec.pruner.type} was told that trials end at step {told} (max), and they end at step {max(ends)}"
    )


def _never_judged(spec: StudySpec, trials: Sequence[Trial]) -> str | None:
    ended = [trial for trial in trials if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    if not ended or any(trial.steps for trial in trials):
        return None
    if spec.pruner.type != "none":
        return f"the pruner {spec.pruner.type} never saw a report: the objective reported no steps"
    return None


def _none_ran_through(spec: StudySpec, trials: Sequence[Trial]) -> str | None:
    states = {trial.state for trial in trials}
    if spec.pruner.type == "none" or not states or states - {TrialState.PRUNED, TrialState.FAIL}:
        return None
    if TrialState.PRUNED not in states:
        return None
    failed = len(trials) - sum(trial.state is TrialState.PRUNED for trial in trials) - cut(trials)
    if failed:
        stopped = len(trials) - failed
        return (
            f"no trial ran to its end, so there is no best one: {stopped} stopped early, and {failed} failed; see first why "
            f"those failed that the pruner {spec.pruner.type} let run"
        )
    return (
        f"the pruner {spec.pruner.type} let no trial run to its end, so there is no best one: "
        "give it more trials, or let its first rung lie later"
    )


def promotions(attempts: Iterable[Attempt]) -> int:
    """How often a trial went on after it had been paused."""
    before: dict[int, Attempt] = {}
    n = 0
    for attempt in attempts:
        last = before.get(attempt.trial)
        n += last is not None and isinstance(last.outcome, Pruned)
        before[attempt.trial] = attempt
    return n


def _invalid(trials: Iterable[Trial]) -> str | None:
    n = sum(trial.failure is not None and trial.failure.kind is FailureKind.INVALID_PARAMS for trial in trials)
    if not n:
        return None
    return f"{text.pluralize(n, 'trial')} had parameters that cannot work; the sampler keeps away from such"


def _repeated(spec: StudySpec, trials: Iterable[Trial]) -> str | None:
    if spec.noisy:
        return None
    seen: set[tuple[tuple[str, str, object], ...]] = set()
    n = 0
    for trial in trials:
        key = tuple(sorted((name, type(value).__name__, value) for name, value in trial.params.items()))
        n += key in seen
        seen.add(key)
    return f"{text.pluralize(n, 'trial')} had the same parameters as an earlier one" if n else None


def constraints(spec: StudySpec, trials: Iterable[Trial]) -> str | None:
    """How many complete trials keep to the constraints; None when there are none."""
    if not spec.constraints:
        return None
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    n = len(feasible(complete))
    named = ", ".join(map(bounds, spec.constraints))
    if not complete:
        return f"no trial completed yet ({named})"
    return f"{n} of {text.pluralize(len(complete), 'complete trial')} keep{'s' if n == 1 else ''} to {named}"


def bounds(constraint: Constraint) -> str:
    """``recall >= 0.8``, ``0.1 <= gap <= 0.2``."""
    if constraint.low is None:
        return f"{constraint.name} <= {text.number(constraint.high)}"
    if constraint.high is None:
        return f"{constraint.name} >= {text.number(constraint.low)}"
    return f"{text.number(constraint.low)} <= {constraint.name} <= {text.number(constraint.high)}"


def violations(spec: StudySpec, trial: Trial) -> list[str]:
    """What a complete trial violates: ``predict_ms 25 (predict_ms <= 20)``."""
    return [
        f"{constraint.name} {text.number(trial.values[constraint.name])} ({bounds(constraint)})"
        for constraint in spec.constraints
        if constraint.name in trial.values and constraint.violation(trial.values[constraint.name]) > 0.0
    ]


def paused(trials: Iterable[Trial], attempts: Iterable[Attempt]) -> set[int]:
    """Which waiting trials wait for the pruner, not for a worker."""
    last = {attempt.trial: attempt for attempt in attempts}
    waiting = {trial.number for trial in trials if trial.state is TrialState.WAITING}
    return {number for number in waiting if number in last and isinstance(last[number].outcome, Pruned)}


def cut(trials: Iterable[Trial]) -> int:
    """How many trials ended without a result only because the sweep did."""
    return sum(trial.failure is not None and trial.failure.kind is FailureKind.STOPPED for trial in trials)


def retried(attempts: Sequence[Attempt]) -> dict[str, int]:
    """Failed attempts of trials that got another one, by kind."""
    last = {attempt.trial: attempt.number for attempt in attempts}
    kinds: dict[str, int] = {}
    for attempt in attempts:
        if isinstance(attempt.outcome, Failed) and attempt.number < last[attempt.trial]:
            kinds[attempt.outcome.kind.value] = kinds.get(attempt.outcome.kind.value, 0) + 1
    return kinds
