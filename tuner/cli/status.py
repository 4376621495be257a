"""``tuner status``."""

from __future__ import annotations

import time
from typing import Any

from tuner.api.study import Study, load_study
from tuner.cli._fold import folded
from tuner.cli._front import front_document, front_rows
from tuner.cli._options import Output, OutputOption, StoreOption, StudyArgument
from tuner.cli._output import pairs, print_json, say
from tuner.cli._sizes import sizes_document
from tuner.cli._standing import elapsed_s, is_dead, standing, waiting_for
from tuner.core.selection import feasible
from tuner.dashboard import notes, text

__all__ = ["command"]


def command(name: StudyArgument = "@latest", store: StoreOption = None, output: OutputOption = Output.TEXT) -> None:
    """Say how a study stands.

    Works while the study runs, from any process that reaches its store.
    """
    study = load_study(name, store)
    info, now_s = study.info, time.time()
    attempts = study.attempts() if info.counts.get("WAITING") else []
    paused = len(notes.paused(study.trials, attempts))
    ran_s, waits = elapsed_s(info, study.trials, now_s), _waits(study, paused)
    if output is Output.JSON:
        print_json(
            {
                "study": info.name,
                "state": info.state,
                "dead": is_dead(info),
                "reason": info.closed_reason,
                "counts": dict(info.counts),
                "best_value": info.best_value,
                "paused": paused,
                **_choice(study),
                "elapsed_s": round(ran_s, 3),
                "waiting_for": waits,
                "resources": sizes_document(info.spec, study.attempts()),
                "owner": info.owner,
                "model": info.model,
            }
        )
        return
    state = "DEAD: its driver died without a word" if is_dead(info) else info.state
    rows = {"study": info.name, "state": f"{state}: {info.closed_reason}" if info.closed_reason else state}
    limit = f" of {info.spec.limits.trials}" if info.spec.limits.trials else ""
    rows["trials"] = f"{sum(info.counts.values())}{limit}: {standing(study, attempts)}"
    kept = notes.constraints(info.spec, study.trials)
    rows |= {"constraints": kept} if kept else {}
    best = study.best_trial
    if best is not None:
        broken = notes.violations(info.spec, best)
        violates = f"; it violates {' and '.join(broken)}" if broken else ""
        rows["best"] = f"{info.spec.metric.name} {text.number(info.best_value)} (trial {best.number}){violates}"
    rows |= front_rows(study)
    rows["time"] = text.duration(ran_s)
    rows |= {"waits for": waits} if waits else {}
    rows |= {"driver": info.owner} if info.owner else {}
    rows |= {"model": info.model} if info.model else {}
    for line in [*pairs(rows), *(f"note: {note}" for note in notes.notes(info.spec, study.trials))]:
        say(line)


def _waits(study: Study, paused: int) -> str | None:
    """What the study waits for: where nothing runs, the log is asked what exactly."""
    info = study.info
    waits = waiting_for(info, paused)
    if waits is None or info.counts.get("RUNNING") or info.state != "RUNNING" or is_dead(info):
        return waits
    return folded(study).waiting_for or waits


def _choice(study: Study) -> dict[str, Any]:
    """How many trials keep to the constraints, and which are on the front, where there are such."""
    found: dict[str, Any] = {"feasible": len(feasible(study.trials))} if study.spec.constraints else {}
    return found | front_document(study)
