"""Arguments and options that several verbs take, so that they read the same everywhere."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from tuner.api.stores import open_store
from tuner.errors import TunerError

__all__ = ["Output", "OutputOption", "StoreOption", "StudyArgument", "TrialArgument"]


class Output(StrEnum):
    """How the answer is written."""

    TEXT = "text"
    JSON = "json"


def _study_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of studies for the shell's completion."""
    try:
        store = open_store(ctx.params.get("store"))
        try:
            return [info.name for info in store.studies() if info.name.startswith(incomplete)]
        finally:
            store.close()
    except TunerError:
        return []


StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="Where studies are kept.",
        show_default="$TUNER_STORE, else sqlite:///.tuner/tuner.db",
    ),
]
OutputOption = Annotated[
    Output, typer.Option("--output", "-o", help="How the answer is written.", case_sensitive=False)
]
StudyArgument = Annotated[
    str,
    typer.Argument(
        metavar="STUDY", help="A study's name, an unambiguous beginning of it, or @latest.", autocompletion=_study_names
    ),
]
TrialArgument = Annotated[int, typer.Argument(metavar="TRIAL", help="A trial's number, from 0.", min=0)]
