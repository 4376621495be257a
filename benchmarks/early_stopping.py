"""What does stopping early gain, at 1 to 1,000 workers, against Optuna, Ray Tune, Syne Tune, SMAC3 and DEHB?

    python -m benchmarks.early_stopping                     # here: tuner's own methods
    .venv-peers/bin/python -m benchmarks.early_stopping     # where benchmarks/peers.txt is installed: the others

Every method gets the same virtual time: as long as so many rounds of full evaluations of random parameters take on all
workers. Only trials that reached the full fidelity count as found; a method that stops none is measured alongside.
"""

from __future__ import annotations

import random
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.field import Level, arguments, fill
from benchmarks.methods import EARLY, run
from benchmarks.problems import problem
from benchmarks.problems.lcbench import DATA
from benchmarks.race import Race
from benchmarks.verdict import Protocol, write
from tuner.samplers._native import SpaceDrawer

HARTMANN = ("mfhartmann6-good", "mfhartmann3-bad")
LCBENCH = ("lcbench-167168-epochs", "lcbench-168335-epochs", "lcbench-189906-epochs")
EVERY = (*LCBENCH, *HARTMANN)
WIDE = ("lcbench-167168-epochs", "lcbench-168335-epochs", "mfhartmann6-good")
WIDEST = ("lcbench-168335-epochs", "mfhartmann6-good")
DEAR = ("lcbench-167168-epochs", "mfhartmann6-good")
SHORT = HARTMANN
SHORT_FIELD = ("random-full", "tuner-tpe-asha", "tuner-tpe-hyperband")
DRAWN = 200


def mean_s(task: str, data: Path = DATA) -> float:
    """Mean seconds of a full evaluation of random parameters."""
    asked = problem(task, data)
    draw = SpaceDrawer(asked.space).draw
    return statistics.fmean(asked.course(draw(random.Random(seed))).at_s[-1] for seed in range(DRAWN))


def level(workers: int, rounds: float, tasks: Sequence[str], seeds: int, data: Path, dear_seeds: int = 0) -> Level:
    """A level whose runs last as long as so many rounds of full evaluations."""
    time_s = {task: rounds * mean_s(task, data) for task in tasks}
    return Level(workers, tasks, seeds, time_s=time_s, dear_tasks=DEAR, dear_seeds=dear_seeds, cap_s=60.0)


def every_level(data: Path) -> list[Level]:
    """Every level of the full benchmark."""
    return [
        level(1, 40, EVERY, 10, data, 2),
        level(8, 10, EVERY, 10, data, 2),
        level(64, 4, WIDE, 10, data, 1),
        level(256, 3, WIDEST, 5, data),
        level(1000, 2, WIDEST, 3, data),
    ]


def short() -> int:
    """The smoke run: who stops early looks at more parameters in the same time, and keeps every worker busy."""
    wrong = 0
    for task in SHORT:
        time_s = 6 * mean_s(task)
        for workers in (4, 64):
            found = {who: run(who, problem(task), Race(task, workers, 1, time_s=time_s)) for who in SHORT_FIELD}
            for who, outcome in found.items():
                print(
                    f"{task:<18} {workers:>3} workers  {who:<20} {outcome.n_trials:>5} trials, {outcome.n_full:>4} to the end, "
                    f"utilisation {outcome.utilisation:.3f}"
                )
                wrong += outcome.utilisation < 0.9 or not outcome.curve
                wrong += who != "random-full" and outcome.n_trials <= found["random-full"].n_trials
    return wrong


def main() -> None:
    options = arguments(__doc__ or "")
    if options.short:
        sys.exit(short())
    levels = every_level(options.data)
    book = fill("early_stopping", levels, EARLY, options)
    ours = [who for who in EARLY if who.startswith("tuner")]
    write(Protocol("early_stopping", "random-full", "optuna-tpe-hyperband", ours), levels, EARLY, book)


if __name__ == "__main__":
    main()
