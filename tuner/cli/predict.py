"""``tuner predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuner.api.study import load_study
from tuner.cli._options import Output, OutputOption, StoreOption
from tuner.cli._output import print_json, say
from tuner.errors import RegistryError, StudyNotFound
from tuner.registry.package import predict_file

__all__ = ["command"]


def command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A saved model's folder, or a study's name.")],
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="The table, CSV or Parquet; a target column is ignored.")
    ],
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="Where to write, .csv or .parquet.", show_default="DATA.predictions.csv"),
    ] = None,
    trust: Annotated[
        list[str] | None,
        typer.Option("--trust", metavar="TYPE", help="A type in the model that you know to be harmless; repeatable."),
    ] = None,
    store: StoreOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Predict with a saved model, for every row of a table.

    Writes a row for every row of the table, in its order.
    """
    folder = _folder(model, store)
    written = predict_file(folder, data, file, trusted=trust or ())
    if output is Output.JSON:
        print_json({"model": str(folder), "data": str(data), "path": str(written)})
    else:
        say(str(written))


def _folder(model: str, store: str | None) -> Path:
    folder = Path(model)
    if folder.is_dir():
        return folder
    if "/" in model or "\\" in model:
        raise RegistryError(f"there is no folder {model}", hint="`tuner best STUDY` says where a study's model lies")
    try:
        study = load_study(model, store)
    except StudyNotFound as error:
        raise RegistryError(f"{model!r} is neither the folder of a saved model nor a study", hint=error.hint) from error
    path = study.model_path
    if path is None:
        raise RegistryError(
            f"study {study.name!r} has no saved model",
            hint=f"its state is {study.state}; a model is saved when a study with data completes",
        )
    return path
