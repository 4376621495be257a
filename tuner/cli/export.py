"""``tuner export``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tuner import export
from tuner.api.stores import open_store
from tuner.api.study import Study, load_study
from tuner.cli._options import Output, OutputOption, StoreOption, StudyArgument
from tuner.cli._output import print_json, remark, say
from tuner.errors import DataError
from tuner.sweep import schedule_to_yaml

__all__ = ["command"]


class _Format(StrEnum):
    CSV = "csv"
    PARQUET = "parquet"
    JSON = "json"
    OPTUNA = "optuna"


_ENDINGS = {_Format.CSV: ".csv", _Format.PARQUET: ".parquet", _Format.JSON: ".json", _Format.OPTUNA: ".optuna.log"}


def command(
    name: StudyArgument = "@latest",
    form: Annotated[_Format, typer.Option("--format", help="The file's kind.", case_sensitive=False)] = _Format.CSV,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Where to write it.", show_default="the study's name")
    ] = None,
    schedule: Annotated[
        Path | None, typer.Option("--schedule", help="Write a trial's training schedule there, and nothing else.")
    ] = None,
    trial: Annotated[
        int | None, typer.Option("--trial", help="Whose schedule.", show_default="the best trial's")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it is there.")] = False,
    store: StoreOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Write a study's trials to a file for other programs.

    csv and parquet hold a row for every trial; json holds the study whole; optuna is a journal that optuna-dashboard opens.
    --schedule is for population based training: what the best trial trained with, from step to step, for
    sampler: {type: pbt_replay, schedule: FILE}.
    """
    study = load_study(name, store)
    if schedule is not None:
        _write_schedule(study, schedule, trial, force=force, output=output)
        return
    path = file or Path(f"{study.name}{_ENDINGS[form]}")
    if path.exists() and not force:
        raise DataError(f"{path} is there already", hint="--force overwrites it, -f names another file")
    opened = open_store(study.store)
    try:
        written = export.export(opened, study.name, path, form.value)
    finally:
        opened.close()
    if output is Output.JSON:
        print_json({"study": study.name, "format": form.value, "path": str(written)})
        return
    say(str(written))
    if form is _Format.OPTUNA:
        remark(f"open it: optuna-dashboard {written}")


def _write_schedule(study: Study, path: Path, trial: int | None, *, force: bool, output: Output) -> None:
    if path.exists() and not force:
        raise DataError(f"{path} is there already", hint="--force overwrites it")
    segments = study.schedule(trial)
    path.write_text(schedule_to_yaml(study.spec, segments), encoding="utf-8")
    if output is Output.JSON:
        rows = [{"trial": s.trial, "from": s.start, "to": s.end, "params": dict(s.params)} for s in segments]
        print_json({"study": study.name, "trial": segments[-1].trial, "path": str(path), "segments": rows})
        return
    say(str(path))
    remark(f"train it once more: sampler: {{type: pbt_replay, schedule: {path}}}")
