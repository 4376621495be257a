"""Runs that were made are kept, so that one method can be run again without the others, in any environment that has it.

One JSON line a run in ``benchmarks/.runs`` (outside git); the last line of a key counts. Several processes may append.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import methods
from benchmarks.harness import commit
from benchmarks.problems import problem
from benchmarks.race import Race, Run

__all__ = ["Key", "Ledger", "Record", "make"]

FOLDER = Path(__file__).parent / ".runs"
Key = tuple[str, str, int, int]  # task, method, workers, seed


@dataclass(frozen=True, slots=True)
class Record:
    """A run that was made: what was run, what came out, and by which version."""

    task: str
    method: str
    workers: int
    seed: int
    run: Run
    commit: str | None = None

    @property
    def key(self) -> Key:
        """What tells it from others."""
        return self.task, self.method, self.workers, self.seed

    def best_at(self, at_s: float) -> float:
        """The smallest regret of a completed trial by a time; infinite before the first."""
        found = float("inf")
        for when_s, regret in self.run.curve:
            if when_s > at_s:
                break
            found = regret
        return found

    def reached(self, regret: float) -> float:
        """When a regret was reached; infinite when it never was."""
        return next((at_s for at_s, value in self.run.curve if value <= regret), float("inf"))


class Ledger:
    """The runs of one benchmark.

    Args:
        name: Of the benchmark.
        folder: Where its file lies.
    """

    def __init__(self, name: str, folder: Path = FOLDER) -> None:
        self._path = folder / f"{name}.jsonl"
        self.records: dict[Key, Record] = {}
        if self._path.exists():
            for line in self._path.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                row["run"] = Run(**{**row["run"], "curve": [(at_s, regret) for at_s, regret in row["run"]["curve"]]})
                record = Record(**row)
                self.records[record.key] = record

    def add(self, record: Record) -> None:
        """Keep a run."""
        self.records[record.key] = record
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(record)) + "\n")

    def of(self, method: str, workers: int, tasks: Sequence[str]) -> Iterator[Record]:
        """The runs of a method at a level."""
        for (task, name, at_once, _), record in self.records.items():
            if (name, at_once) == (method, workers) and task in tasks:
                yield record


def make(ledger: Ledger, races: Iterable[tuple[str, Race]], data: Path, *, until: float, again: bool = False) -> int:
    """Run what is not in the ledger yet, in order.

    Args:
        ledger: Where runs are kept.
        races: (method, race), in the order of their weight: when time is over the rest is left.
        data: The LCBench surrogate's folder.
        until: ``time.time()`` after which nothing is begun.
        again: Run what is there as well.

    Returns:
        How many were left for lack of time.
    """
    left, version = 0, commit()
    for name, race in races:
        key = (race.problem, name, race.workers, race.seed)
        if key in ledger.records and not again:
            continue
        if time.time() > until:
            left += 1
            continue
        outcome: Any = methods.run(name, problem(race.problem, data), race)
        ledger.add(Record(race.problem, name, race.workers, race.seed, outcome, version))
        final = outcome.curve[-1][1] if outcome.curve else float("nan")
        print(
            f"{race.problem:<28} {name:<22} W={race.workers:<5} seed {race.seed:<3} regret {final:.5f} "
            f"utilisation {outcome.utilisation:.3f} driver {outcome.driver_s:.1f} s{'  CUT OFF' if outcome.cut else ''}",
            flush=True,
        )
    return left
