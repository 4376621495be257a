"""How a study that may be running elsewhere stands, from what its store says."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.api.study import Study
from tuner.cli._output import counted
from tuner.core.ports import StudyInfo
from tuner.dashboard import notes, text
from tuner.errors import TunerError
from tuner.study import Metric
from tuner.trial import Attempt, Trial, TrialState

__all__ = ["elapsed_s", "is_dead", "ranked", "standing", "trial_of", "waiting_for"]


def is_dead(info: StudyInfo) -> bool:
    """Whether the study is said to run but nobody holds its lease: its driver died."""
    return info.state == "RUNNING" and info.owner is None


def waiting_for(info: StudyInfo, paused: int = 0) -> str | None:
    """What the study's end waits for, for a person; None when it has ended. ``paused`` of the waiting trials are paused."""
    if info.state in ("COMPLETE", "FAILED"):
        return None
    if info.state == "INTERRUPTED" or is_dead(info):
        return f"a driver: tuner resume {info.name}"
    running, waiting = (info.counts.get(state, 0) for state in ("RUNNING", "WAITING"))
    waiting -= paused
    if running:
        return f"{text.pluralize(running, 'running trial')}"
    if waiting:
        return f"resources for {text.pluralize(waiting, 'waiting trial')}"
    return "its first trials" if not info.counts else "its next trials"


def standing(study: Study, attempts: Sequence[Attempt]) -> str:
    """The trials by how they stand, in one line."""
    return counted(study.info.counts, len(notes.paused(study.trials, attempts)), notes.cut(study.trials))


def elapsed_s(info: StudyInfo, trials: Sequence[Trial], now_s: float) -> float:
    """Seconds from the first trial's start to now or, when nobody runs the study, to the last trial's end."""
    began_s = min((t.started_at for t in trials if t.started_at is not None), default=None)
    if began_s is None:
        return 0.0
    ended_s = max((t.finished_at for t in trials if t.finished_at is not None), default=began_s)
    runs = info.state == "RUNNING" and not is_dead(info)
    return max(now_s if runs else ended_s, ended_s) - began_s


def ranked(trials: Sequence[Trial], metric: Metric) -> list[Trial]:
    """The trials, best value first; complete ones before others, feasible ones before those, those without a value last."""

    def key(trial: Trial) -> tuple[bool, float, bool, float, int]:
        value = trial.values.get(metric.name)
        signed = 0.0 if value is None else (value if metric.goal == "minimize" else -value)
        return (trial.state is not TrialState.COMPLETE, trial.violation, value is None, signed, trial.number)

    return sorted(trials, key=key)


def trial_of(trials: Sequence[Trial], number: int, study: str) -> Trial:
    """The trial of that number.

    Raises:
        TunerError: There is none.
    """
    for trial in trials:
        if trial.number == number:
            return trial
    known = f"it has trials 0 to {trials[-1].number}" if trials else "it has no trials yet"
    raise TunerError(f"study {study!r} has no trial {number}; {known}", hint=f"`tuner trials {study}` lists them")
