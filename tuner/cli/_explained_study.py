"""A study's story in plain words: why it ended or what it waits for, and what happened on the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.api.study import Study
from tuner.cli._front import course_document
from tuner.cli._output import pairs
from tuner.cli._standing import standing, waiting_for
from tuner.core.limits import Progress
from tuner.core.story import StudyStory
from tuner.dashboard import notes, text
from tuner.export import iso_time, trial_to_dict
from tuner.study import Limits
from tuner.trial import Trial

__all__ = ["facts", "told"]

_IMPROVEMENTS = 8


def facts(study: Study, story: StudyStory) -> dict[str, Any]:
    """The story as plain data."""
    info, spec = study.info, study.spec
    attempts = study.attempts()
    return {
        "study": info.name,
        "state": info.state,
        "ended_by": story.closed.reason if story.closed else None,
        "reason": info.closed_reason,
        "waiting_for": waiting_for(info),
        "counts": dict(info.counts),
        "best": None if study.best_trial is None else trial_to_dict(study.best_trial, spec.constraints),
        "improvements": [
            {"trial": trial.number, "value": trial.values[spec.metric.name], "finished_at": iso_time(trial.finished_at)}
            for trial in story.bests
        ],
        "limits": [{"limit": name, "used": used, "of": of} for name, (used, of) in budgets(study, story).items()],
        "pruner": {
            "reports": story.judged,
            "stopped": sum(story.stopped.values()),
            "stopped_by_rung": {str(rung): n for rung, n in story.stopped.items() if rung is not None},
            "paused": story.paused,
            "promoted": story.promoted,
        },
        "retried": notes.retried(attempts),
        "started_over": story.started_over,
        "drivers": story.resumed + 1,
        "informed": [{"study": name, "trials": n} for name, n in story.informed],
        "hypervolume": course_document(study),
        "notes": notes.notes(spec, study.trials),
    }


def told(study: Study, story: StudyStory) -> list[str]:
    """The story in lines."""
    info, spec = study.info, study.spec
    attempts = study.attempts()
    waits = waiting_for(info)
    rows: dict[str, str] = {"why it ended": info.closed_reason} if info.closed_reason and waits is None else {}
    rows |= {"waits for": story.waiting_for or waits} if waits else {}
    rows["trials"] = f"{len(study.trials)}: {standing(study, attempts)}"
    kept = notes.constraints(spec, study.trials)
    rows |= {"constraints": kept} if kept else {}
    rows |= _best(study, story)
    if spec.pruner.type != "none":
        rows[f"pruner {spec.pruner.type}"] = _pruned(story)
    retried = notes.retried(attempts)
    if retried:
        kinds = ", ".join(f"{n} after {kind}" for kind, n in sorted(retried.items()))
        rows["tried again"] = f"{text.pluralize(sum(retried.values()), 'attempt')}: {kinds}"
    if story.started_over:
        began = text.pluralize(story.started_over, "attempt")
        rows["started over"] = f"{began} after a trial's first began from nothing: there was no checkpoint"
    if story.progress.last_failure:
        rows["last failure"] = story.progress.last_failure
    for name, n in story.informed:
        rows["learned from"] = f"{text.pluralize(n, 'trial')} of {name}"
    if story.resumed:
        rows["drivers"] = f"{story.resumed + 1}: it was taken up again {text.pluralize(story.resumed, 'time')}"
    limits = [
        f"{name} {_amount(name, used)} of {_amount(name, of)}" for name, (used, of) in budgets(study, story).items()
    ]
    rows |= {"limits": ", ".join(limits)} if limits else {}
    lines = [f"{info.name}  {info.state}", *pairs(rows, indent="  ")]
    lines += [f"  note: {note}" for note in notes.notes(spec, study.trials)]
    return [*lines, f"of one trial: tuner explain {info.name} TRIAL"]


def _best(study: Study, story: StudyStory) -> dict[str, str]:
    best, metric = study.best_trial, study.spec.metric
    if best is None:
        return {}
    finished = [trial for trial in study.trials if trial.state.finished]
    since = sum((trial.finished_at or 0.0) > (best.finished_at or 0.0) for trial in finished)
    value = text.number(best.values[metric.name])
    rows = {"best": f"{metric.name} {value} (trial {best.number}); {text.pluralize(since, 'trial')} finished since"}
    broken = notes.violations(study.spec, best)
    if broken:
        rows["best"] += f"; violates {' and '.join(broken)}"
    if len(story.bests) > 1:
        rows["got better"] = _improvements(story.bests, metric.name)
    if len(study.spec.metrics) > 1:
        rows["front"] = f"{text.pluralize(len(study.pareto), 'trial')} that no other one beats: tuner best --pareto"
    return rows


def _improvements(bests: list[Trial], metric: str) -> str:
    shown = [f"{text.number(trial.values[metric])} (trial {trial.number})" for trial in bests]
    if len(shown) > _IMPROVEMENTS:
        shown = [*shown[:2], "...", *shown[2 - _IMPROVEMENTS :]]
    return ", ".join(shown)


def _pruned(story: StudyStory) -> str:
    stopped = sum(story.stopped.values())
    by_rung = ", ".join(
        f"{n} at rung {rung}" for rung, n in sorted((r, n) for r, n in story.stopped.items() if r is not None)
    )
    parts = [f"looked at {text.pluralize(story.judged, 'report')}"]
    parts.append(f"stopped {text.pluralize(stopped, 'trial')}" + (f" ({by_rung})" if by_rung else ""))
    if story.paused:
        parts.append(f"paused {text.pluralize(story.paused, 'time')}, let {story.promoted} go on")
    return "; ".join(parts)


def budgets(study: Study, story: StudyStory) -> Mapping[str, tuple[float, float]]:
    """Limit -> (used, limit), for those that are set and count something."""
    limits: Limits = story.limits
    progress: Progress = story.progress
    used = {
        "trials": (len(study.trials), limits.trials),
        "steps": (progress.steps, limits.steps),
        "cost": (progress.cost, limits.cost),
        "time": (story.elapsed_s, limits.time_s),
        "patience": (progress.since_best, limits.patience),
        "failures": (progress.failed, limits.failures),
    }
    return {name: (float(n), float(of)) for name, (n, of) in used.items() if of is not None}


def _amount(name: str, value: float) -> str:
    if name == "time":
        return text.duration(value)
    return text.number(value)
