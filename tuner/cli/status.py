"""``tuner status``."""

from __future__ import annotations

import time

from tuner.api.study import load_study
from tuner.cli._options import Output, OutputOption, StoreOption, StudyArgument
from tuner.cli._output import counted, pairs, print_json, say
from tuner.cli._standing import elapsed_s, is_dead, waiting_for
from tuner.dashboard import text

__all__ = ["command"]


def command(name: StudyArgument = "@latest", store: StoreOption = None, output: OutputOption = Output.TEXT) -> None:
    """Say how a study stands.

    Works while the study runs, from any process that reaches its store.
    """
    study = load_study(name, store)
    info, now_s = study.info, time.time()
    ran_s, waits = elapsed_s(info, study.trials, now_s), waiting_for(info)
    if output is Output.JSON:
        print_json(
            {
                "study": info.name,
                "state": info.state,
                "dead": is_dead(info),
                "reason": info.closed_reason,
                "counts": dict(info.counts),
                "best_value": info.best_value,
                "elapsed_s": round(ran_s, 3),
                "waiting_for": waits,
                "owner": info.owner,
                "model": info.model,
            }
        )
        return
    state = "DEAD: its driver died without a word" if is_dead(info) else info.state
    rows = {"study": info.name, "state": f"{state}: {info.closed_reason}" if info.closed_reason else state}
    limit = f" of {info.spec.limits.trials}" if info.spec.limits.trials else ""
    rows["trials"] = f"{sum(info.counts.values())}{limit}: {counted(info.counts)}"
    best = study.best_trial
    if best is not None:
        rows["best"] = f"{info.spec.metric.name} {text.number(info.best_value)} (trial {best.number})"
    rows["time"] = text.duration(ran_s)
    rows |= {"waits for": waits} if waits else {}
    rows |= {"driver": info.owner} if info.owner else {}
    rows |= {"model": info.model} if info.model else {}
    for line in pairs(rows):
        say(line)
