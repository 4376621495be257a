"""What every benchmark shares: where it ran, how results are written, medians."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("ray", "optuna", "sqlalchemy", "numpy", "scikit-learn", "xgboost")


@dataclass
class Result:
    """One figure of one contestant.

    Attributes:
        question: What was measured.
        who: ``tuner`` or a peer with its settings.
        value: Median over the repeats.
        unit: Of the value.
        low: Smallest repeat.
        high: Largest repeat.
        repeats: How many.
        bar: What the design demands, in words; None where it demands nothing.
        met: Whether the bar was met; None without one.
    """

    question: str
    who: str
    value: float
    unit: str
    low: float
    high: float
    repeats: int
    bar: str | None = None
    met: bool | None = None
    notes: dict[str, Any] = field(default_factory=dict)


def repeat(measure: Callable[[], float], n: int) -> list[float]:
    """``measure`` n times."""
    return [measure() for _ in range(n)]


def result(question: str, who: str, values: Sequence[float], unit: str, **more: Any) -> Result:
    """A result from its repeats."""
    return Result(question, who, statistics.median(values), unit, min(values), max(values), len(values), **more)


def arguments(description: str) -> argparse.Namespace:
    """``--short`` for CI, ``--seed``."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--short", action="store_true", help="a smoke run: small sizes, one repeat, no bars")
    parser.add_argument("--seed", type=int, default=17)
    return parser.parse_args()


def machine() -> dict[str, Any]:
    """Where the figures come from."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "cpus": os.cpu_count(),
        "packages": {name: _version(name) for name in PACKAGES},
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d"),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def commit() -> str | None:
    """The version that is checked out, short."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=5, cwd=RESULTS.parent, check=False)
    return done.stdout.strip() or None


def publish(name: str, results: Sequence[Result], *, seed: int, short: bool) -> None:
    """Print the results; keep them as JSON unless the run was short."""
    for row in results:
        spread = f"{row.low:,.3g} to {row.high:,.3g} in {row.repeats}" if row.repeats > 1 else "1 run"
        bar = f"   bar: {row.bar}: {'met' if row.met else 'MISSED'}" if row.bar and not short else ""
        print(f"{row.question:<44} {row.who:<34} {row.value:>12,.4g} {row.unit:<14} ({spread}){bar}", flush=True)
    if not short:
        RESULTS.mkdir(exist_ok=True)
        document = {"benchmark": name, "seed": seed, "machine": machine(), "results": [asdict(row) for row in results]}
        (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
