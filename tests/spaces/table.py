"""``docs/search_spaces.md``: its table is made from the catalogue. ``python -m tests.spaces.table`` writes it anew."""

from __future__ import annotations

import re
from pathlib import Path

from tuner import catalog
from tuner.catalog import CatalogEntry, Source
from tuner.space import Constant

PAGE = Path(__file__).resolve().parents[2] / "docs" / "search_spaces.md"
REGENERATE = "python -m tests.spaces.table"
BEGIN = f"<!-- made by `{REGENERATE}`: do not edit by hand -->"
END = "<!-- end of the table -->"


def render() -> str:
    """The table, between its two marks."""
    rows = [
        "| name | estimator | parameters | sources |",
        "|---|---|---|---|",
        *(_row(catalog.load(name)) for name in catalog.names()),
    ]
    return "\n".join([BEGIN, "", *rows, "", END])


def _row(entry: CatalogEntry) -> str:
    constants = sum(isinstance(distribution, Constant) for distribution in entry.space.values())
    conditional = sum(bool(distribution.when) for distribution in entry.space.values())
    notes = [f"{constants} fixed"] * bool(constants) + [f"{conditional} conditional"] * bool(conditional)
    counted = f"{len(entry.space)}" + (f" ({', '.join(notes)})" if notes else "")
    sources = list(dict.fromkeys(map(_short, entry.sources)))
    return f"| `{entry.name}` | {_estimator(entry)} | {counted} | {'; '.join(sources)} |"


def _estimator(entry: CatalogEntry) -> str:
    if entry.estimator != "from_space":
        return f"`{entry.estimator}`"
    return "one of " + ", ".join(f"`{path}`" for path in entry.space["estimator"].values() or ())


def _short(source: Source) -> str:
    """``Author, Author (year)``, with the software named where the ranges are as in its code; linked."""
    found = re.match(r"(?P<who>.+?) (?P<year>\(\d{4}\)), ", source.cite)
    text = source.cite
    if found:
        authors = found["who"].split(", ")
        text = f"{authors[0]} et al." if len(authors) > 3 else ", ".join(authors)
        text += f" {found['year']}"
    software = re.search(r"auto-sklearn|TPOT|TabArena|TabRepo|LightGBMTuner|FLAML|YAHPO Gym", source.cite)
    text += f", {software[0]}" if software else ""
    return f"[{text}]({source.url})" if source.url else text


def page() -> str:
    """The whole page with the table made anew."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + render() + after


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}")
