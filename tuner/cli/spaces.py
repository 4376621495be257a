"""``tuner spaces``."""

from __future__ import annotations

from typing import Annotated

import typer

from tuner import catalog
from tuner.catalog import CatalogEntry
from tuner.cli._options import Output, OutputOption
from tuner.cli._output import print_json, say, show_table
from tuner.cli._spaces import forbidden_lines, parameter_rows
from tuner.dashboard import text

__all__ = ["command"]


def command(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A space's name, as xgboost/classifier, or a file's path.")
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """List the search spaces that come with tuner, or show one.

    One space is shown with its ranges, its conditions, a first trial worth making, and the sources of its ranges.
    """
    if name is None:
        entries = [catalog.load(known) for known in catalog.names()]
        if output is Output.JSON:
            print_json([_brief(entry) for entry in entries])
            return
        show_table(
            ("space", "parameters", "task", "estimator", "title"),
            [(e.name, str(len(e.space)), e.task, e.estimator or "-", e.title) for e in entries],
            right=("parameters",),
        )
        return
    entry = catalog.load(name)
    if output is Output.JSON:
        sources = [{"cite": s.cite, "url": s.url, "ranges": dict(s.ranges)} for s in entry.sources]
        print_json(_brief(entry) | entry.space.to_dict() | {"defaults": entry.defaults, "sources": sources})
    else:
        _show(entry)


def _brief(entry: CatalogEntry) -> dict[str, object]:
    return {
        "name": entry.name,
        "title": entry.title,
        "task": entry.task,
        "estimator": entry.estimator,
        "n_parameters": len(entry.space),
        "path": str(entry.path),
    }


def _show(entry: CatalogEntry) -> None:
    say(f"{entry.name}  {entry.title}")
    if entry.estimator:
        say(f"for {entry.estimator}")
    rows = [
        (row[0], row[1], row[2], text.param(entry.defaults[row[0]]) if row[0] in entry.defaults else "-", row[3])
        for row in parameter_rows(entry.space)
    ]
    say()
    show_table(("parameter", "kind", "range", "default", "when"), rows)
    forbidden = forbidden_lines(entry.space)
    if forbidden:
        say("\nnever tried")
        for line in forbidden:
            say(f"  {line}")
    if entry.sources:
        say("\nsources")
    for source in entry.sources:
        say(f"  {source.cite}" + (f"  {source.url}" if source.url else ""))
        for parameter, said in source.ranges.items():
            say(f"    {parameter}: {said}")
    say(f"\nin a sweep  space: {entry.name}")
