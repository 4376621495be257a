"""How good is what a search finds, at 1 to 1,000 workers, against Optuna, SMAC3, HEBO and Syne Tune?

    python -m benchmarks.search_quality                     # here: tuner's own methods
    .venv-peers/bin/python -m benchmarks.search_quality     # where benchmarks/peers.txt is installed: the others

Each environment runs what it can import; the results are made from all runs that are kept (``benchmarks/ledger.py``).
Budgets: ceil(20 + 40 sqrt(d)) trials at 1 and 8 workers, 6, 4 and 3 rounds of all workers at 64, 256 and 1,000.
"""

from __future__ import annotations

import statistics
import sys

from benchmarks.field import Level, arguments, fill
from benchmarks.methods import FULL, run
from benchmarks.problems import problem
from benchmarks.race import Race
from benchmarks.verdict import Protocol, write

LCBENCH = ("lcbench-167168", "lcbench-189873", "lcbench-189906", "lcbench-168335", "lcbench-167184")
"""The tasks of YAHPO Gym's single-objective set and of CARP-S: chosen by others, before this benchmark."""
DIMS = {"lcbench": 7, "hartmann6": 6, "table-svm-german": 7, "table-sgd-phoneme": 10}
SYNTHETIC = (
    "hartmann6",
    "bbob-gallagher-2d-i1",
    "bbob-rosenbrock-5d-i1",
    "bbob-rastrigin-5d-i1",
    "bbob-schaffers-5d-i1",
    "bbob-attractive_sector-10d-i1",
    "bbob-different_powers-10d-i1",
)
TABLES = ("table-svm-german", "table-sgd-phoneme")
EVERY = (*LCBENCH, *SYNTHETIC, *TABLES)
WIDE = (
    "lcbench-167168",
    "lcbench-168335",
    "lcbench-189906",
    "hartmann6",
    "bbob-rastrigin-5d-i1",
    "bbob-rosenbrock-5d-i1",
)
WIDER = ("lcbench-167168", "lcbench-168335", "hartmann6")
WIDEST = ("lcbench-168335", "hartmann6")
DEAR = ("lcbench-167168", "lcbench-168335", "hartmann6", "bbob-rastrigin-5d-i1")


def usual(task: str) -> int:
    """ceil(20 + 40 sqrt(d)) trials."""
    found = [int(part[:-1]) for part in task.split("-") if part[:-1].isdigit() and part.endswith("d")]
    dims = found[0] if found else next(d for name, d in DIMS.items() if task.startswith(name))
    return int(-(-(20 + 40 * dims**0.5) // 1))


LEVELS = (
    Level(1, EVERY, 10, {task: usual(task) for task in EVERY}, dear_tasks=DEAR, dear_seeds=6),
    Level(8, EVERY, 10, {task: usual(task) for task in EVERY}, dear_tasks=DEAR, dear_seeds=6),
    Level(64, WIDE, 10, dict.fromkeys(WIDE, 6 * 64), dear_tasks=WIDE[:1], dear_seeds=1),
    Level(256, WIDER, 10, dict.fromkeys(WIDER, 4 * 256)),
    Level(1000, WIDEST, 10, dict.fromkeys(WIDEST, 3 * 1000)),
)
OURS = ("tuner-tpe", "tuner-gp", "tuner-cmaes", "tuner-auto")
SHORT_FIELD = ("random", "tuner-tpe")
SHORT = ("bbob-sphere-2d-i1", "bbob-rosenbrock-5d-i1", "hartmann6")


def short() -> int:
    """The smoke run: learning must beat chance, and no worker may starve."""
    wrong = 0
    for workers in (1, 64):
        regrets = {who: [final(who, task, workers, seed) for task in SHORT for seed in range(3)] for who in SHORT_FIELD}
        for who, found in regrets.items():
            worse = sum(ours > theirs for ours, theirs in zip(found, regrets["random"], strict=True))
            print(
                f"{who:<12} {workers:>3} workers: mean regret {statistics.fmean(found):.4f}, worse than random {worse} times"
            )
            wrong += who != "random" and worse > len(found) // 3
    return wrong


def final(who: str, task: str, workers: int, seed: int) -> float:
    """The regret that a run ends with."""
    outcome = run(who, problem(task), Race(task, workers, seed, trials=max(77, 3 * workers)))
    assert outcome.utilisation > 0.9, f"{who} on {task}: utilisation {outcome.utilisation:.3f}"
    return outcome.curve[-1][1]


def main() -> None:
    options = arguments(__doc__ or "")
    if options.short:
        sys.exit(short())
    book = fill("search_quality", LEVELS, FULL, options)
    write(Protocol("search_quality", "random", "optuna-tpe", OURS), LEVELS, FULL, book)


if __name__ == "__main__":
    main()
