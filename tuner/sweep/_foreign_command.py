"""W&B's ``program`` and ``command`` macros and Azure ML's ``trial.command`` -> our ``objective: {command: [...]}``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from tuner.sweep._node import Node

__all__ = ["expand_arguments", "rename_command"]

_ARGUMENTS = {"${args}": "--{name}={{{name}}}", "${args_no_hyphens}": "{name}={{{name}}}"}
_DROPPED = ("${env}",)  # the program finds `env` by itself, and has the variables anyhow
_AZURE = re.compile(r"\$\{\{\s*search_space\.([A-Za-z0-9_.]+)\s*\}\}")
_MACRO = re.compile(r"\$\{[^}]*\}+")


def rename_command(root: Node) -> None:
    """Turn ``program``/``command`` or ``trial`` at the top into our ``objective``, in place.

    Raises:
        SweepError: There is an objective besides, or a macro has no counterpart.
    """
    assert isinstance(root.content, dict)
    foreign = [key for key in ("program", "command", "trial") if key in root.content]
    if not foreign:
        return
    first = root.content[foreign[0]]
    if "objective" in root.content:
        raise first.error("says what to run, and so does 'objective'", hint="keep 'objective'")
    if "trial" in foreign and len(foreign) > 1:
        raise first.error("says what to run, and so does 'trial'", hint="keep one of them")
    if foreign == ["trial"]:
        command = _azure(root.content.pop("trial"))
    else:
        command = _wandb(root.content.pop("program", None), root.content.pop("command", None))
    root.content["objective"] = Node({"command": command}, "objective", first.line, first.file)


def _wandb(program: Node | None, command: Node | None) -> Node:
    if command is None:
        assert program is not None
        items = [Node(word, program.path, program.line, program.file) for word in ("{python}", "${program}")]
        command = Node(list(items), program.path, program.line, program.file)
    if isinstance(command.content, str):
        words = command.content.split()
        command.content = [Node(word, command.path, command.line, command.file) for word in words]
    if not isinstance(command.content, list):
        raise command.error(f"must be a list, not {command.kind()}", expected='["python", "train.py", "${args}"]')
    kept = []
    for item in command.content:
        word = item.content
        if word in _DROPPED:
            continue
        if word == "${interpreter}":
            word = "{python}"
        elif word == "${program}":
            if program is None:
                raise item.error("there is no `program` for this macro", hint="name the script here instead")
            word = program.content
        elif isinstance(word, str) and _MACRO.search(word) and word not in _ARGUMENTS:
            raise item.error(
                "this macro is not supported",
                expected=f"${{env}}, ${{interpreter}}, ${{program}}, {', '.join(_ARGUMENTS)}",
                hint="write {lr} for the value of the parameter lr",
            )
        kept.append(Node(word, item.path, item.line, item.file))
    if kept and kept[-1].content == "${args}":
        kept.pop()  # our objective adds `--name=value` for every parameter that no placeholder names
    return Node(kept, command.path, command.line, command.file)


def _azure(trial: Node) -> Node:
    fields = trial.fields(example="trial: {command: python main.py --lr ${{search_space.lr}}}")
    for key, below in fields.items():
        if key == "code" and below.content in (".", "./", None):
            continue
        if key not in ("command", "code"):
            raise below.error("has no meaning here", hint="of `trial` only `command` is read; remove the rest")
        if key == "code":
            raise below.error(
                "the code must lie beside the sweep file", hint="move the sweep file there, remove `code`"
            )
    command = fields.get("command")
    if command is None or not isinstance(command.content, str):
        raise trial.error("needs its command, as text", expected="trial: {command: python main.py}")
    text = _AZURE.sub(r"{\1}", command.content)
    if _MACRO.search(text):
        raise command.error("only ${{search_space.NAME}} is supported", hint="write the inputs' paths themselves")
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise command.error(f"cannot be split into words: {error}") from error
    nodes = [Node(word, command.path, command.line, command.file) for word in words]
    return Node(list(nodes), command.path, command.line, command.file)


def expand_arguments(objective: Node, names: Sequence[str]) -> None:
    """Replace ``${args}`` in an objective's command by an argument for each parameter, in place."""
    if not isinstance(objective.content, dict):
        return
    command = objective.content.get("command")
    if command is None or not isinstance(command.content, list):
        return
    expanded: list[Node] = []
    for item in command.content:
        if isinstance(item.content, str) and item.content in _ARGUMENTS:
            form = _ARGUMENTS[item.content]
            expanded += [Node(form.format(name=name), item.path, item.line, item.file) for name in names]
        else:
            expanded.append(item)
    command.content = expanded
