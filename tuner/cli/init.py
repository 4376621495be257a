"""``tuner init``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuner import sweep
from tuner.cli._output import remark
from tuner.errors import DataError

__all__ = ["command"]


def command(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="The table, a CSV file.")],
    target: Annotated[str, typer.Option("--target", "-t", metavar="COLUMN", help="The column to be predicted.")],
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", "-f", help="Where to write it; - for standard output.", show_default="the table's name, .yaml"
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="The study's name.", show_default="from the table's")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it is there.")] = False,
) -> None:
    """Write a commented sweep file for a table, ready to run.

    Looks at the table to tell classes from numbers, and takes XGBoost with a curated search space to begin with.
    """
    path = file or Path(f"{data.name.partition('.')[0]}.yaml")
    to_stdout = str(path) == "-"
    written = sweep.template(data, target, name=name, folder=None if to_stdout else path.parent)
    if to_stdout:
        typer.echo(written, nl=False)
        return
    try:
        with path.open("w" if force else "x", encoding="utf-8") as out:
            out.write(written)
    except FileExistsError as error:
        raise DataError(f"{path} is there already", hint="--force overwrites it, -f names another file") from error
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from error
    remark(f"wrote {path}\nnext  tuner validate {path}\n      tuner run {path}")
