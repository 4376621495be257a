"""Problems by name.

``bbob-rastrigin-5d-i1``, ``hartmann6``, ``mfhartmann3-good``, ``lcbench-3945``, ``lcbench-3945-epochs``, ``table-svm-german``.
"""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.problems.bbob import BBOB
from benchmarks.problems.hartmann import Hartmann
from benchmarks.problems.lcbench import DATA, LCBench
from benchmarks.problems.problem import Problem
from benchmarks.problems.tables import Table

__all__ = ["problem"]


def problem(name: str, data: Path = DATA) -> Problem:
    """The problem of a name; ``data`` is the folder of the LCBench surrogate."""
    if found := re.fullmatch(r"bbob-(\w+)-(\d+)d-i(\d+)", name):
        return BBOB(found[1], int(found[2]), int(found[3]))
    if found := re.fullmatch(r"hartmann([36])", name):
        return Hartmann(3 if found[1] == "3" else 6, by_step=False)
    if found := re.fullmatch(r"mfhartmann([36])-(\w+)", name):
        return Hartmann(3 if found[1] == "3" else 6, found[2])
    if found := re.fullmatch(r"lcbench-(\d+)(-epochs)?", name):
        return LCBench(found[1], data, by_step=found[2] is not None)
    if found := re.fullmatch(r"table-([\w-]+)", name):
        return Table(found[1], data.parents[1] / "tables")
    raise ValueError(f"no problem is called {name!r}")
