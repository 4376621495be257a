"""Writes ``docs/cli.md`` from the verbs themselves: ``python docs/write_cli.py``. A test holds the page against them."""

from __future__ import annotations

import importlib
import inspect
import typing
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

from typer.models import ArgumentInfo, OptionInfo

from tuner.cli._app import VERBS

PAGE = Path(__file__).with_name("cli.md")

_HEAD = """# The command line

<!-- written by docs/write_cli.py: change the verbs' own help in tuner/cli/, then run it -->

Verbs and study names may be shortened while they stay unambiguous (`tuner tri bre` is `tuner trials breast-cancer`);
`@latest` is the newest study. Standard output carries the answer, standard error the progress and remarks, so that
`-o json` can be piped. A live display shows on a terminal; elsewhere there are plain lines.

| exit code | means |
|---|---|
| 0 | done |
| 1 | the sweep failed: too many trials failed, or none completed (also: a bug of tuner's, or `doctor` found a fault) |
| 2 | the caller's mistake: the message says what, where, and how to mend it |
| 3 | interrupted; `tuner resume` goes on |
| 130 | Ctrl-C before there was anything to resume |

Ctrl-C once starts nothing more and lets the running trials end; twice kills them. Both can be resumed.
"""


def render() -> str:
    """The whole page."""
    parts = [_HEAD]
    for panel, verbs in VERBS.items():
        parts.append(f"## {panel}\n")
        parts += [_verb(name) for name in verbs]
    return "\n".join(parts)


def _verb(name: str) -> str:
    command: Callable[..., None] = importlib.import_module(f"tuner.cli.{name}").command
    arguments, options = _parameters(command)
    usage = " ".join(["tuner", name, *(_usage(argument) for argument in arguments), "[OPTIONS]"])
    lines = [f"### tuner {name}\n", f"    {usage}\n", inspect.cleandoc(command.__doc__ or "") + "\n"]
    rows = [*arguments, *options]
    if rows:
        lines += ["| | | default |", "|---|---|---|"]
        lines += [f"| `{written}` | {told} | {default} |" for written, told, default in rows]
        lines.append("")
    return "\n".join(lines)


def _usage(argument: tuple[str, str, str]) -> str:
    written, _, default = argument
    return f"[{written}]" if default else written


def _parameters(command: Callable[..., None]) -> tuple[list[tuple[str, str, str]], list[tuple[str, str, str]]]:
    """(as it is written, what it does, default) of the arguments and of the options."""
    arguments, options = [], []
    hints = typing.get_type_hints(command, include_extras=True)
    for name, parameter in inspect.signature(command).parameters.items():
        kind, info = typing.get_args(hints[name])[:2]
        default = _default(info, parameter.default)
        if isinstance(info, ArgumentInfo):
            arguments.append((info.metavar or name.upper(), info.help or "", default))
        else:
            options.append((_option(info, name, kind), info.help or "", default))
    return arguments, options


def _option(info: OptionInfo, name: str, kind: Any) -> str:
    first = [info.default] if isinstance(info.default, str) else []  # where Typer keeps the first name until it is used
    written = ", ".join([*first, *(info.param_decls or ())] or [f"--{name}"])
    if kind is bool:
        return written
    return f"{written} {info.metavar or '/'.join(_choices(kind)) or name.upper()}"


def _choices(kind: Any) -> Iterator[str]:
    for part in typing.get_args(kind) or (kind,):
        if isinstance(part, type) and issubclass(part, Enum):
            yield from (str(member.value) for member in part)


def _default(info: ArgumentInfo | OptionInfo, default: Any) -> str:
    if isinstance(info.show_default, str):
        return info.show_default
    if default is inspect.Parameter.empty:
        return ""
    if default is None or default is False:
        return "-"
    return f"`{default.value if isinstance(default, Enum) else default}`"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
