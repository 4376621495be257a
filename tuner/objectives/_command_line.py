"""A command with placeholders: read, checked, filled in."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.errors import ObjectiveError, closest
from tuner.trial import ParamValue

__all__ = ["CommandLine", "as_text", "check_program", "read_command"]

_NAME = r"[A-Za-z_][\w.\-]*"
_PLACEHOLDER = re.compile(rf"\{{\{{(?P<literal>{_NAME})\}}\}}|\{{(?P<name>{_NAME})\}}")
_INTERPRETERS = re.compile(r"^(python[\d.]*|pypy[\d.]*|bash|sh|dash|zsh|perl|ruby|node|Rscript|julia|php|lua)$")


def as_text(value: ParamValue) -> str:
    """A parameter's value as programs read it: ``true``/``false``, floats with all their digits."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A program and its arguments in groups; what stands in one group comes or goes together.

    Attributes:
        groups: The first element of the first group is the program.
    """

    groups: tuple[tuple[str, ...], ...]

    @property
    def program(self) -> str:
        """What is to be run, perhaps with placeholders."""
        return self.groups[0][0]

    @property
    def placeholders(self) -> frozenset[str]:
        """Every name in braces."""
        return frozenset().union(*(_names(element) for group in self.groups for element in group))

    def fill(self, values: Mapping[str, str]) -> list[str]:
        """The arguments with ``values`` filled in; groups with a name that has none are left out."""
        return [_filled(e, values) for g in self.groups if all(_names(e) <= values.keys() for e in g) for e in g]


def _names(element: str) -> set[str]:
    return {match["name"] for match in _PLACEHOLDER.finditer(element) if match["name"]}


def _filled(element: str, values: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda m: f"{{{m['literal']}}}" if m["literal"] else values[m["name"]], element)


def read_command(command: Any) -> CommandLine:
    """The groups of a command: a string is split as a shell would split it, lists in the list are groups.

    An element that is only a value (it has a placeholder and begins with no dash) makes a group with the flag before it, so
    ``["--drop", "{rate_drop}"]`` goes as a whole when ``rate_drop`` is not active.

    Raises:
        ObjectiveError: It is empty, of another type or its quotes are not closed.
    """
    if isinstance(command, str):
        try:
            command = shlex.split(command)
        except ValueError as error:
            raise ObjectiveError(
                f"objective.command {command!r:.200} cannot be split: {error}",
                hint='close the quotes, or write a list: ["python", "train.py", "--lr", "{lr}"]',
            ) from None
    if not isinstance(command, list | tuple) or not command or isinstance(command[0], list | tuple):
        raise ObjectiveError(
            f"objective.command is {command!r:.200}, expected a program and its arguments",
            hint='write a list: ["python", "train.py", "--lr", "{lr}"]',
        )
    groups: list[tuple[str, ...]] = []
    for element in command:
        if isinstance(element, list | tuple):
            groups.append(tuple(_element(part) for part in element))
        else:
            _add(groups, _element(element))
    if not groups[0][0]:
        raise ObjectiveError("objective.command: the program is an empty string")
    return CommandLine(tuple(groups))


def _element(value: Any) -> str:
    if isinstance(value, str | int | float | bool):
        text = as_text(value)
        if "\0" not in text:
            return text
    raise ObjectiveError(f"objective.command: {value!r:.80} is no argument, expected a string or a number")


def _add(groups: list[tuple[str, ...]], element: str) -> None:
    if len(groups) > 1 and _names(element) and not element.startswith("-"):
        before = groups[-1]
        if len(before) == 1 and before[0].startswith("-") and not _names(before[0]):
            groups[-1] = (before[0], element)
            return
    groups.append((element,))


def check_program(line: CommandLine, base: Path, environment: Mapping[str, str]) -> None:
    """See that the program, and a script that it interprets, are there. Programs with placeholders are not looked at.

    Raises:
        ObjectiveError: Not found or not executable.
    """
    if _names(line.program):
        return
    path = environment.get("PATH", os.defpath)
    if os.sep in line.program:
        program = base / line.program
        if not program.is_file():
            raise ObjectiveError(
                f"objective.command: there is no program {program}",
                hint=_closest_hint(program.name, _files(program.parent)),
            )
        if not os.access(program, os.X_OK):
            raise ObjectiveError(f"objective.command: {program} is not executable", hint=f"chmod +x {program}")
    elif shutil.which(line.program, path=path) is None:
        if (base / line.program).is_file():
            hint: str | None = f"the program lies in {base}: write ./{line.program}"
        else:
            hint = _closest_hint(
                line.program, (name for folder in path.split(os.pathsep) for name in _files(Path(folder)))
            )
        raise ObjectiveError(f"objective.command: there is no program {line.program!r} on the PATH", hint=hint)
    _check_script(line, base)


def _check_script(line: CommandLine, base: Path) -> None:
    elements: Sequence[str] = [element for group in line.groups for element in group]
    if len(elements) < 2 or not _INTERPRETERS.match(Path(line.program).name):
        return
    script = elements[1]
    if script.startswith("-") or _names(script) or not Path(script).suffix or (base / script).exists():
        return
    raise ObjectiveError(
        f"objective.command: there is no script {script!r} in {base}", hint=_closest_hint(script, _files(base))
    )


def _files(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _closest_hint(name: str, known: Iterable[str]) -> str | None:
    near = closest(name, known)
    return f"did you mean {near!r}?" if near else None
