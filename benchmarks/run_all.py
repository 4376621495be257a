"""Every benchmark, one after another, and the README's tables and plots from their results."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks import report
from benchmarks.harness import RESULTS

BENCHMARKS = ("cost_per_event", "engine_throughput", "suggestion_cost", "rightsizing", "autoscaling")
SEARCHES = tuple(report.PLOTS)
README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- {name}: begin -->", "<!-- {name}: end -->"


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
    """Put the tables between the README's marks, and draw the plots."""
    text = _between(README.read_text(encoding="utf-8"), "benchmarks", table())
    for name, file in report.PLOTS.items():
        result = report.document(name)
        if result is not None:
            (report.DOCS / file).write_text(report.plot(result), encoding="utf-8")
            text = _between(text, name, report.markdown(result))
    README.write_text(text, encoding="utf-8")


def _between(text: str, name: str, body: str) -> str:
    begin, end = BEGIN.format(name=name), END.format(name=name)
    if begin not in text:
        return text
    head, rest = text.split(begin)
    return f"{head}{begin}\n{body}\n{end}{rest.split(end)[1]}"


def main() -> None:
    """Run them; a benchmark that fails is told at the end."""
    failed = []
    for name in (*BENCHMARKS, *SEARCHES):
        print(f"-- {name}", flush=True)
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *sys.argv[1:]], timeout=7200, check=False)
        if done.returncode:
            failed.append(name)
    if "--short" not in sys.argv:
        write_readme()
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
