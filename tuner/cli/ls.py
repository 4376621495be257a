"""``tuner ls``."""

from __future__ import annotations

import time
from typing import Any

from tuner.api.stores import open_store, store_url
from tuner.cli._options import Output, OutputOption, StoreOption
from tuner.cli._output import print_json, remark, show_table
from tuner.cli._standing import is_dead
from tuner.core.ports import StudyInfo
from tuner.dashboard import text
from tuner.export import iso_time
from tuner.provenance import masked

__all__ = ["command"]


def command(store: StoreOption = None, output: OutputOption = Output.TEXT) -> None:
    """List the studies of a store.

    The newest comes first. DEAD is a study whose driver died without a word: tuner resume goes on with it.
    """
    opened = open_store(store)
    try:
        infos = opened.studies()
    finally:
        opened.close()
    if output is Output.JSON:
        print_json([_document(info) for info in infos])
    elif not infos:
        remark(f"no study in {masked(store_url(store))} yet; `tuner run sweep.yaml` makes one")
    else:
        now_s = time.time()
        show_table(
            ("study", "state", "trials", "best", "metric", "age"),
            [_row(info, now_s) for info in infos],
            right=("trials", "best", "age"),
        )


def _document(info: StudyInfo) -> dict[str, Any]:
    return {
        "study": info.name,
        "state": info.state,
        "dead": is_dead(info),
        "counts": dict(info.counts),
        "best_value": info.best_value,
        "metric": info.spec.metric.name,
        "goal": info.spec.metric.goal,
        "created_at": iso_time(info.created_at),
        "model": info.model,
    }


def _row(info: StudyInfo, now_s: float) -> tuple[str, ...]:
    finished = sum(info.counts.get(state, 0) for state in ("COMPLETE", "PRUNED", "FAIL"))
    limit = info.spec.limits.trials
    return (
        info.name,
        "DEAD (resume it)" if is_dead(info) else info.state,
        f"{finished}/{limit}" if limit else str(finished),
        text.number(info.best_value),
        info.spec.metric.name,
        text.duration(max(now_s - info.created_at, 0.0)),
    )
