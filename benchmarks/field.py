"""What a search benchmark runs: levels of parallelism, at each which problems, methods and seeds."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import ledger
from benchmarks.ledger import Ledger
from benchmarks.methods import Contestant, missing
from benchmarks.problems.lcbench import DATA
from benchmarks.race import Race

__all__ = ["Level", "arguments", "fill", "races"]


@dataclass(frozen=True, slots=True)
class Level:
    """One level of parallelism.

    Attributes:
        workers: How many trials run at once.
        tasks: The problems of every method that runs at this level.
        seeds: How many seeds those get.
        trials: Trials of a run by problem; None where time limits it.
        time_s: Virtual seconds of a run by problem; None where trials limit it.
        dear_tasks: The problems of methods whose one run costs CPU minutes.
        dear_seeds: How many seeds those get.
        cap_s: CPU seconds of a driver after which a run is cut off.
    """

    workers: int
    tasks: Sequence[str]
    seeds: int
    trials: Mapping[str, int] | None = None
    time_s: Mapping[str, float] | None = None
    dear_tasks: Sequence[str] = ()
    dear_seeds: int = 0
    cap_s: float = 120.0

    def seeds_of(self, contestant: Contestant, task: str) -> int:
        """How many seeds a method gets on a problem."""
        if contestant.most < self.workers:
            return 0
        if not contestant.dear:
            return self.seeds
        return self.dear_seeds if task in self.dear_tasks else 0


def races(
    levels: Sequence[Level], contestants: Mapping[str, Contestant], base: int, most: int | None
) -> Iterator[tuple[str, Race]]:
    """Every run, seed by seed, so that whatever is left for lack of time is the last seeds of all."""
    for seed in range(min(max(level.seeds for level in levels), most or 10**6)):
        for level in levels:
            for name, contestant in contestants.items():
                for task in level.tasks:
                    if seed < level.seeds_of(contestant, task):
                        trials = level.trials[task] if level.trials is not None else None
                        time_s = level.time_s[task] if level.time_s is not None else None
                        yield name, Race(task, level.workers, base + seed, trials, time_s, level.cap_s)


def arguments(description: str) -> argparse.Namespace:
    """What both search benchmarks may be told."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--short", action="store_true", help="a smoke run: closed forms only, no peers, nothing kept")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the LCBench surrogate")
    parser.add_argument("--methods", type=lambda text: text.split(","), help="run these only")
    parser.add_argument(
        "--levels", type=lambda text: [int(part) for part in text.split(",")], help="these workers only"
    )
    parser.add_argument("--seeds", type=int, help="no more than so many seeds")
    parser.add_argument("--again", action="store_true", help="run what was run before as well")
    parser.add_argument("--minutes", type=float, default=60.0, help="begin no run after so long")
    parser.add_argument("--report-only", action="store_true", help="run nothing: results from the runs that are kept")
    return parser.parse_args()


def fill(
    name: str, levels: Sequence[Level], contestants: Mapping[str, Contestant], options: argparse.Namespace
) -> Ledger:
    """Run what can be run here and is not kept yet, and say what cannot."""
    book = Ledger(name)
    if options.report_only:
        return book
    chosen = {who: c for who, c in contestants.items() if options.methods is None or who in options.methods}
    for who in list(chosen):
        if why := missing(who):
            print(f"left out here: {who}: {why}", flush=True)
            del chosen[who]
    wanted = [level for level in levels if options.levels is None or level.workers in options.levels]
    until = time.time() + 60 * options.minutes
    left = ledger.make(
        book, races(wanted, chosen, options.seed, options.seeds), options.data, until=until, again=options.again
    )
    if left:
        print(f"{left} runs left for lack of time", flush=True)
    return book
