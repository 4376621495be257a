"""Every benchmark, one after another, and the README's table from their results."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.harness import RESULTS

BENCHMARKS = ("cost_per_event", "engine_throughput")
README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"


def table() -> str:
    """The results as Markdown."""
    lines = ["| question | who | result | spread | bar |", "|---|---|---|---|---|"]
    for name in BENCHMARKS:
        path = RESULTS / f"{name}.json"
        if not path.exists():
            continue
        for row in json.loads(path.read_text(encoding="utf-8"))["results"]:
            spread = f"{row['low']:,.3g} to {row['high']:,.3g}" if row["repeats"] > 1 else "one run"
            bar = f"{row['bar']}: {'met' if row['met'] else '**missed**'}" if row["bar"] else ""
            lines.append(f"| {row['question']} | {row['who']} | {row['value']:,.4g} {row['unit']} | {spread} | {bar} |")
    return "\n".join(lines)


def write_readme() -> None:
    """Put the table between the README's marks."""
    text = README.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    tail = rest.split(END)[1]
    README.write_text(f"{head}{BEGIN}\n{table()}\n{END}{tail}", encoding="utf-8")


def main() -> None:
    """Run them; a benchmark that fails is told at the end."""
    failed = []
    for name in BENCHMARKS:
        print(f"-- {name}", flush=True)
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *sys.argv[1:]], timeout=3600, check=False)
        if done.returncode:
            failed.append(name)
    if "--short" not in sys.argv:
        write_readme()
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
