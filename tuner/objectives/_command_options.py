"""Checks of a command's options."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tuner.errors import ObjectiveError, closest
from tuner.objectives._command_line import as_text

__all__ = ["check_variables", "exit_codes", "one_of", "variable_of", "variables"]


def variable_of(name: str) -> str:
    """The environment variable of a parameter: ``TUNER_PARAM_`` and its name in capitals, other signs as ``_``."""
    return "TUNER_PARAM_" + re.sub(r"\W", "_", name, flags=re.ASCII).upper()


def check_variables(names: Sequence[str]) -> None:
    """Raise ``ObjectiveError`` when two parameters would share an environment variable."""
    seen: dict[str, str] = {}
    for name in names:
        variable = variable_of(name)
        if variable in seen:
            raise ObjectiveError(
                f"objective.params: environment: {seen[variable]!r} and {name!r} would both be {variable}",
                hint="rename one, or write params: json",
            )
        seen[variable] = name


def one_of(option: str, value: str, known: Sequence[str]) -> str:
    """``value``, or ``ObjectiveError`` when it is none of ``known``."""
    if value not in known:
        near = closest(str(value), known)
        raise ObjectiveError(
            f"objective.{option} is {value!r}, expected one of {', '.join(known)}",
            hint=f"did you mean {near!r}?" if near else None,
        )
    return value


def variables(environment: Mapping[str, Any] | None) -> dict[str, str]:
    """Environment variables as text, or ``ObjectiveError`` when one cannot be any."""
    checked = {}
    for name, value in (environment or {}).items():
        if not isinstance(value, str | int | float | bool) or "=" in name or "\0" in f"{name}{value}":
            raise ObjectiveError(f"objective.environment.{name} is {value!r:.80}, expected a string or a number")
        checked[name] = as_text(value)
    return checked


def exit_codes(codes: Sequence[int] | int) -> frozenset[int]:
    """Exit codes, or ``ObjectiveError`` when they are none."""
    listed = [codes] if isinstance(codes, int) else list(codes)
    if not listed or not all(isinstance(code, int) and 0 <= code <= 255 for code in listed):
        raise ObjectiveError(f"objective.success_exit_codes is {codes!r:.80}, expected numbers from 0 to 255")
    return frozenset(listed)
