"""A sweep: what a user writes in ``sweep.yaml`` or hands to ``tuner.run``, checked whole before anything starts.

``docs/sweep.md`` is the reference of every key. Errors are ``SweepError`` with file, line, path, what stood there, what was
expected, the closest valid name and the mend.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from tuner import plugins
from tuner.sweep import _aliases, _overrides
from tuner.sweep._build import build
from tuner.sweep._executor import growth_notes, known_types
from tuner.sweep._first import DEFAULTS_NOTE
from tuner.sweep._limits import LIMITS, parse_limits
from tuner.sweep._model import Sweep
from tuner.sweep._pbt import schedule_to_yaml
from tuner.sweep._python import SpecArguments, build_spec
from tuner.sweep._template import template
from tuner.sweep._units import parse_duration_s
from tuner.sweep._write import to_yaml
from tuner.sweep._yaml import read_file, read_text

__all__ = [
    "DEFAULTS_NOTE",
    "LIMITS",
    "SpecArguments",
    "Sweep",
    "build_spec",
    "growth_notes",
    "known_types",
    "load",
    "parse",
    "parse_duration_s",
    "parse_limits",
    "schedule_to_yaml",
    "template",
    "to_yaml",
]


def load(path: str | Path, overrides: Mapping[str, object] = MappingProxyType({})) -> Sweep:
    """The sweep in a file.

    Args:
        path: The file.
        overrides: As for ``parse``.

    Raises:
        SweepError: The file cannot be read, or anything in it is wrong.
    """
    file = Path(path)
    return parse(read_file(file), file, overrides)


def parse(text: str, file: str | Path | None = None, overrides: Mapping[str, object] = MappingProxyType({})) -> Sweep:
    """The sweep in a text.

    Args:
        text: YAML 1.2.
        file: Where it came from: named in errors, and its folder is where relative paths and modules beside the sweep are
            looked for. None for the working directory.
        overrides: Dotted path -> value, laid over the file before it is read; text is typed by YAML's rules.

    Raises:
        SweepError: Anything in it is wrong, unknown, or not supported in this version.
    """
    place = Path(file) if file is not None else None
    root = read_text(text, str(place) if place else None)
    notes = _aliases.rename(root)
    _overrides.apply(root, overrides)
    with plugins.beside((place.resolve() if place else Path.cwd() / "sweep").parent):
        return build(root, text, place, notes)
