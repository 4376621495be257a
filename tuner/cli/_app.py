"""The program ``tuner``: its verbs, each loaded only when it is used, so that start-up imports nothing else."""

from __future__ import annotations

import importlib
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

import tuner
from tuner.cli._failures import translated

__all__ = ["VERBS", "app", "load_verb", "main"]

VERBS: dict[str, dict[str, str]] = {
    "Sweeps": {
        "init": "Write a commented sweep file for a table, ready to run.",
        "validate": "Check a sweep file, its data and its search space, and run nothing.",
        "plan": "Say how long a sweep will take, what it will cost and how full its nodes will be, on several clusters.",
        "run": "Run a sweep file to its end and save the best model.",
        "resume": "Take an interrupted study up where it stopped.",
        "submit": "Run a sweep file as a job on a Ray cluster, or take its study up again there.",
    },
    "Studies": {
        "ls": "List the studies of a store.",
        "status": "Say how a study stands.",
        "attach": "Follow a study that runs elsewhere, live.",
        "trials": "List a study's trials.",
        "best": "Show a study's best trial.",
        "show": "Show everything about a study, or about one trial of it.",
        "explain": "Say in plain words why a trial, or the whole study, went as it did.",
        "logs": "Print what a trial printed.",
        "nodes": "List the nodes of a study: what they offer, what runs there, and which are quarantined and why.",
    },
    "Results": {
        "export": "Write a study's trials to a file for other programs.",
        "predict": "Predict with a saved model, for every row of a table.",
    },
    "Clusters": {
        "dashboard": "Open the dashboard of a Ray cluster, and list the studies that it runs.",
    },
    "Help": {
        "spaces": "List the search spaces that come with tuner, or show one.",
        "doctor": "Check this machine, the installation and the store.",
    },
}
"""Panel of the help -> verb -> its first line: what ``tuner --help`` shows without importing a verb. A test holds it against
the verbs' own help."""


def load_verb(name: str) -> Any:
    """The command of a verb: the function ``command`` in the file of that name."""
    module = importlib.import_module(f"tuner.cli.{name}")
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(name=name)(module.command)
    return typer.main.get_command(single)


class _Verb(TyperCommand):
    """Stands for a verb in listings; becomes the verb when it is called.

    Contexts are ``Any``: Typer carries Click within it in some versions and beside it in others.
    """

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context of the verb itself."""
        return load_verb(str(self.name)).make_context(info_name, args, parent=parent, **extra)


class _Verbs(TyperGroup):
    """Finds verbs by unambiguous beginnings, and turns what they raise into messages and exit codes."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for panel, verbs in VERBS.items():
            for name, summary in verbs.items():
                self.add_command(_Verb(name, help=summary, rich_help_panel=panel, callback=lambda: None))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The verbs by panel, in the order in which they are used."""
        for panel, verbs in VERBS.items():
            with formatter.section(panel):
                formatter.write_dl(list(verbs.items()))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The verb that the first argument is, or begins."""
        word = args[0]
        if word not in self.commands and word and not word.startswith("-"):
            found = [name for name in self.commands if name.startswith(word)]
            if len(found) == 1:
                return found[0], self.commands[found[0]], args[1:]
            if found:
                ctx.fail(f"{word!r} may be {', '.join(found[:-1])} or {found[-1]}: write more of it.")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the verb."""
        with translated():
            return super().invoke(ctx)


app = typer.Typer(
    name="tuner",
    cls=_Verbs,
    help="Distributed hyperparameter tuning: from a sweep file to the best model.",
    epilog=(
        "Verbs and study names may be shortened while they stay unambiguous; @latest is the newest study. "
        "Exit codes: 0 done, 1 the sweep failed, 2 the caller's mistake, 3 interrupted and resumable."
    ),
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"tuner {tuner.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the program ``tuner``; ends by ``SystemExit``."""
    app(prog_name="tuner")
