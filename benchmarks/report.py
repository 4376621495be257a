"""The README's tables and plots of the search benchmarks, from their JSON: ``python -m benchmarks.report``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from benchmarks.harness import RESULTS

__all__ = ["PLOTS", "markdown", "plot"]

DOCS = Path(__file__).parents[1] / "docs"
PLOTS = {"search_quality": "search_quality.svg", "early_stopping": "early_stopping.svg"}

OURS = ("#c2334d", "#e08e0b", "#0b7a8f", "#7a5195", "#2f8f4e", "#9c6644", "#d45d9b", "#4d65c9")
PEERS = ("#333333", "#7f8a94", "#8fb0c9", "#b59f7b", "#a3b899", "#c4a5bd", "#9aa0a6", "#c9b7a7")
PANEL_W, PANEL_H, GAP, LEFT, TOP = 190, 190, 22, 52, 46


def document(name: str) -> dict[str, Any] | None:
    """The kept result of a benchmark; None where there is none."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def markdown(result: Mapping[str, Any]) -> str:
    """The tables of a benchmark: ranks, time and utilisation by level; then the few runs that slow methods have too."""
    levels = result["levels"]
    titles = _titles(result)
    head = " | ".join(f"{_workers(row)} ({row['standings'][0]['compared'][0]} runs)" for row in levels)
    lines = [
        f"Mean rank by final regret, 1 the best (95 % interval); in brackets the time to {_title(result, result['target'])}'s "
        "final regret, in its own time.",
        "",
        f"| | {head} | busy at {levels[-1]['workers']:,} |",
        "|---|" + "---|" * (len(levels) + 1),
    ]
    for who, title in titles.items():
        found = [_standing(row, who) for row in levels]
        if any(s and s["rank"] for s in found):
            busy = f"{100 * found[-1]['utilisation']:.1f} %" if found[-1] else ""
            cells = " | ".join(_cell(s, row) for s, row in zip(found, levels, strict=True))
            lines.append(f"| {_name(result, who, title)} | {cells} | {busy} |")
    lines += ["", *_few(result, titles), *_ahead(result)]
    return "\n".join(lines)


def _few(result: Mapping[str, Any], titles: Mapping[str, str]) -> list[str]:
    """The ranks among all methods, where slow ones have runs."""
    levels = [row for row in result["levels"] if any(not s["rank"] and s["rank_few"] for s in row["standings"])]
    if not levels:
        return []
    runs = [row["standings"][0]["compared"][1] for row in levels]
    head = " | ".join(f"{_workers(row)} ({n} runs)" for row, n in zip(levels, runs, strict=True))
    lines = [
        "With the methods that cost CPU seconds a suggestion, over the few runs that every method has: mean rank, and CPU "
        "milliseconds of the driver a trial.",
        "",
        f"| | {head} |",
        "|---|" + "---|" * len(levels),
    ]
    for who, title in titles.items():
        found = [_standing(row, who) for row in levels]
        if any(s and s["rank_few"] for s in found):
            cells = [f"{s['rank_few'][0]:.1f} ({s['ask_ms']:,.0f} ms)" if s and s["rank_few"] else "" for s in found]
            lines.append(f"| {_name(result, who, title)} | {' | '.join(cells)} |")
    return [*lines, ""]


def _ahead(result: Mapping[str, Any]) -> list[str]:
    """Where a peer is ahead, in words."""
    said = [f"at {_workers(row)} {line}" for row in result["levels"] for line in row["behind"]]
    return ["Where a peer is ahead: " + "; ".join(said) + "."] if said else ["No peer is ahead at any level."]


def _cell(standing: Mapping[str, Any] | None, row: Mapping[str, Any]) -> str:
    if not standing or not standing["rank"]:
        return ""
    mean, low, high = standing["rank"]
    best = min(s["rank"][0] for s in row["standings"] if s["rank"])
    shown = f"**{mean:.1f}**" if mean == best else f"{mean:.1f}"
    ert = "" if standing["ert"] is None else f" [{standing['ert']:.2g}x]"
    return f"{shown} ({low:.1f} to {high:.1f}){ert}{' †' if standing['cut'] else ''}"


def _workers(row: Mapping[str, Any]) -> str:
    return f"{row['workers']:,} worker{'' if row['workers'] == 1 else 's'}"


def _titles(result: Mapping[str, Any]) -> dict[str, str]:
    """Methods, those with the best ranks first."""
    ranks: dict[str, list[float]] = {}
    titles = {}
    for row in result["levels"]:
        for s in row["standings"]:
            rank = s["rank"] or s["rank_few"]
            titles[s["who"]] = s["title"]
            ranks.setdefault(s["who"], []).extend([rank[0]] if rank else [])
    order = sorted(titles, key=lambda who: sum(ranks[who]) / len(ranks[who]) if ranks[who] else math.inf)
    return {who: titles[who] for who in order}


def _title(result: Mapping[str, Any], who: str) -> str:
    return _titles(result).get(who, who)


def _name(result: Mapping[str, Any], who: str, title: str) -> str:
    ours = any(s["ours"] for row in result["levels"] for s in row["standings"] if s["who"] == who)
    return f"**{title}**" if ours else title


def _standing(row: Mapping[str, Any], who: str) -> Mapping[str, Any] | None:
    return next((s for s in row["standings"] if s["who"] == who), None)


def plot(result: Mapping[str, Any]) -> str:
    """Regret over time, a panel for each level, as SVG."""
    levels = result["levels"]
    shown = [
        who for who in _titles(result) if any(s["who"] == who and s["rank"] for r in levels for s in r["standings"])
    ]
    colours = _colours(result, shown)
    width = LEFT + len(levels) * (PANEL_W + GAP)
    legend_rows = math.ceil(len(shown) / 4)
    height = TOP + PANEL_H + 50 + 18 * legend_rows
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="18" font-size="13" fill="#222">Regret over time (mean; 1 is what random search ends with)</text>',
    ]
    bottom = _bottom(levels, shown)
    for index, row in enumerate(levels):
        parts += _panel(row, LEFT + index * (PANEL_W + GAP), bottom, colours, first=index == 0)
    middle = LEFT + len(levels) * (PANEL_W + GAP) / 2
    parts.append(_label(middle, TOP + PANEL_H + 30, "share of the time that random search took", "middle"))
    titles = _titles(result)
    for index, who in enumerate(shown):
        x, y = LEFT + (index % 4) * (width - LEFT) / 4, TOP + PANEL_H + 50 + 18 * (index // 4)
        parts.append(f'<path d="M{x:.0f} {y - 4}h22" stroke="{colours[who][0]}" stroke-width="{colours[who][1]}"/>')
        parts.append(_label(x + 28, y, titles[who], "start"))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _colours(result: Mapping[str, Any], shown: Sequence[str]) -> dict[str, tuple[str, float]]:
    ours, peers = iter(OURS), iter(PEERS)
    mine = {s["who"] for row in result["levels"] for s in row["standings"] if s["ours"]}
    return {who: (next(ours, "#c2334d"), 2.2) if who in mine else (next(peers, "#999999"), 1.3) for who in shown}


def _bottom(levels: Sequence[Mapping[str, Any]], shown: Sequence[str]) -> float:
    """The lowest power of ten that the plot reaches down to."""
    lowest = [min((y for _, y in s["curve"]), default=1.0) for r in levels for s in r["standings"] if s["who"] in shown]
    return max(-4.0, math.floor(math.log10(max(1e-4, min(lowest, default=0.1)))))


def _panel(
    row: Mapping[str, Any], left: float, bottom: float, colours: Mapping[str, tuple[str, float]], *, first: bool
) -> list[str]:
    top = 1.0  # ten times what random search ends with

    def place(x: float, y: float) -> str:
        across = (math.log10(x) - math.log10(0.02)) / -math.log10(0.02)
        down = (top - math.log10(min(10.0, max(10**bottom, y)))) / (top - bottom)
        return f"{left + across * PANEL_W:.1f} {TOP + down * PANEL_H:.1f}"

    parts = [f'<rect x="{left}" y="{TOP}" width="{PANEL_W}" height="{PANEL_H}" fill="none" stroke="#ccc"/>']
    parts.append(_label(left + PANEL_W / 2, TOP - 8, _workers(row), "middle"))
    for power in range(int(bottom), 2):
        y = TOP + (top - power) / (top - bottom) * PANEL_H
        parts.append(f'<path d="M{left} {y:.1f}h{PANEL_W}" stroke="#eee"/>')
        if first:
            parts.append(_label(left - 6, y + 4, f"{10.0**power:g}", "end"))
    for share, anchor in ((0.02, "start"), (0.1, "middle"), (1.0, "end")):
        x = place(share, 1.0).split()[0]
        parts.append(_label(float(x), TOP + PANEL_H + 14, f"{share:g}", anchor))
    for s in reversed(row["standings"]):
        if s["who"] in colours and s["rank"] and s["curve"]:
            colour, thick = colours[s["who"]]
            line = "L".join(place(x, y) for x, y in s["curve"])
            parts.append(
                f'<path d="M{line}" fill="none" stroke="{colour}" stroke-width="{thick}" stroke-linejoin="round"/>'
            )
    return parts


def _label(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#444">{escape(text)}</text>'


def main() -> None:
    """Draw the plots and print the tables."""
    for name, file in PLOTS.items():
        result = document(name)
        if result is not None:
            (DOCS / file).write_text(plot(result), encoding="utf-8")
            print(f"### {name}\n\n{markdown(result)}\n")


if __name__ == "__main__":
    main()
