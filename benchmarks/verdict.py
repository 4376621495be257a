"""The JSON of a search benchmark from the runs that are kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.field import Level
from benchmarks.harness import RESULTS, machine
from benchmarks.ledger import Ledger
from benchmarks.methods import Contestant
from benchmarks.standing import standings

__all__ = ["Protocol", "write"]

UTILISATION = 0.97


class Protocol:
    """What a benchmark measures by.

    Args:
        name: Of the benchmark.
        reference: The method that is the unit of regret and time.
        target: The method whose final regret is the target of the expected running time.
        ours: The methods that are tuner's.
    """

    def __init__(self, name: str, reference: str, target: str, ours: Sequence[str]) -> None:
        self.name, self.reference, self.target, self.ours = name, reference, target, ours


def write(
    protocol: Protocol, levels: Sequence[Level], contestants: Mapping[str, Contestant], book: Ledger
) -> dict[str, Any]:
    """Judge the runs, keep the result as JSON, and print it.

    Runs are kept outside git, so where fewer of a level are at hand than it was judged by before, that judgement stays.
    """
    path = RESULTS / f"{protocol.name}.json"
    before = json.loads(path.read_text(encoding="utf-8"))["levels"] if path.exists() else []
    rows = []
    for level in levels:
        made = [_row(protocol, level, contestants, book), *(row for row in before if row["workers"] == level.workers)]
        rows += sorted(filter(None, made), key=_seeds, reverse=True)[:1]
    ranked = {s["who"] for row in rows for s in row["standings"]}
    document = {
        "benchmark": protocol.name,
        "reference": protocol.reference,
        "target": protocol.target,
        "machine": machine(),
        "left_out": {who: contestant.title for who, contestant in contestants.items() if who not in ranked},
        "levels": rows,
        "bars": _bars(protocol, rows),
    }
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    _show(document)
    return document


def _seeds(row: Mapping[str, Any]) -> int:
    """How many runs of the reference a level was judged by."""
    return sum(task["seeds"] for task in row["tasks"].values())


def _row(
    protocol: Protocol, level: Level, contestants: Mapping[str, Contestant], book: Ledger
) -> dict[str, Any] | None:
    """What the runs of a level say; None where there are too few of them."""
    runs = [r for r in book.records.values() if r.workers == level.workers and r.task in level.tasks]
    runs = [record for record in runs if record.method in contestants]
    dear = {who for who, contestant in contestants.items() if contestant.dear}
    table = standings(runs, dear, reference=protocol.reference, target=protocol.target)
    if sum(s.rank is not None for s in table) < 2:
        return None
    titled = [{"title": contestants[s.who].title, "ours": s.who in protocol.ours, **s.to_dict()} for s in table]
    tasks = {task: sum(r.task == task and r.method == protocol.reference for r in runs) for task in level.tasks}
    budget = level.trials or level.time_s or {}
    unit = "trials" if level.trials else "virtual seconds"
    return {
        "workers": level.workers,
        "tasks": {task: {"seeds": seeds, unit: round(budget[task], 1)} for task, seeds in tasks.items()},
        "cap_s": level.cap_s,
        "versions": sorted({r.commit for r in runs if r.commit and r.method in protocol.ours}),
        "standings": titled,
        "behind": _behind(titled),
    }


def _rank(row: Mapping[str, Any], key: str) -> float:
    return float(row[key][0]) if row[key] else float("inf")


def _behind(table: Sequence[Mapping[str, Any]]) -> list[str]:
    """Peers whose mean rank is better than that of our best method, or of ``auto``, which users get, said in words."""
    said: list[str] = []
    for key, among in (("rank", "all runs"), ("rank_few", "the few runs that the slow methods have too")):
        best = sorted((row for row in table if row["ours"]), key=lambda row: _rank(row, key))[:1]
        usual = [row for row in table if row["who"] == "tuner-auto" and row[key] and row not in best]
        for mine in best + usual:
            ours = f"{mine['title']} {_rank(mine, key):.2f}, over {among}"
            ahead = [row for row in table if not row["ours"] and _rank(row, key) < _rank(mine, key)]
            said += [f"{row['title']} ranks {_rank(row, key):.2f}, {ours}" for row in ahead]
    return said


def _bars(protocol: Protocol, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the design demands, level by level."""
    bars: list[dict[str, Any]] = []
    for row in rows:
        best = next((s for s in row["standings"] if s["ours"] and s["rank"]), None)
        if best is None:
            continue
        at = f"{row['workers']} workers"
        bars.append({"bar": "best mean rank of all", "at": at, "who": best["title"], "met": not row["behind"]})
        if row["workers"] == 1000:
            met = best["utilisation"] >= UTILISATION
            bars.append({"bar": "utilisation at least 97 %", "at": at, "value": best["utilisation"], "met": met})
        if best["ert"] is not None:
            bar = f"time to {protocol.target}'s final regret at most half"
            bars.append({"bar": bar, "at": at, "who": best["title"], "value": best["ert"], "met": best["ert"] <= 0.5})
    return bars


def _show(document: Mapping[str, Any]) -> None:
    for row in document["levels"]:
        print(f"-- {row['workers']} workers")
        for s in row["standings"]:
            rank = _text(s["rank"]) + " / " + _text(s["rank_few"])
            regret = _text(s["regret"])
            ert = "-" if s["ert"] is None else f"{s['ert']:.2f}"
            cut = f"  {s['cut']} cut off" if s["cut"] else ""
            print(
                f"{s['title']:<32} {s['runs']:>4} runs  rank {rank:<44} regret {regret:<22} time {ert:>6}"
                f"  utilisation {s['utilisation']:.3f}  {s['ask_ms']:.1f} ms/trial{cut}"
            )
        for line in row["behind"]:
            print(f"  AHEAD OF US: {line}")
    for bar in document["bars"]:
        print({True: "met   ", False: "MISSED"}[bar["met"]], bar)


def _text(interval: Sequence[float] | None) -> str:
    return "-" if interval is None else f"{interval[0]:.2f} [{interval[1]:.2f}, {interval[2]:.2f}]"
