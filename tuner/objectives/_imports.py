"""Import paths in sweep files -> what they name."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from tuner.errors import ObjectiveError, closest

__all__ = ["import_path"]

_LIBRARIES = ("sklearn", "xgboost", "lightgbm", "catboost")


def import_path(path: str, base: Path | None, what: str, wanted: Callable[[object], bool] = callable) -> Any:
    """What ``package.module.Name`` or ``package.module:Name`` names.

    Modules beside the sweep file are found, and travel to the workers by value: a worker on another machine has no such
    file to import.

    Args:
        path: The import path.
        base: The sweep file's folder; None to look on ``sys.path`` only.
        what: What it is for, as messages say it: ``estimator``, ``data loader``, ``metric``.
        wanted: Which names of the module may be suggested when the one asked for is not there.

    Raises:
        ObjectiveError: The module or the name in it cannot be imported; names the closest one.
    """
    module_name, _, attribute = path.partition(":") if ":" in path else path.rpartition(".")
    if not module_name or not attribute:
        raise ObjectiveError(f"{what} {path!r} is no import path", hint="write it as package.module.Name")
    with _beside(base):
        module = _import_module(module_name, path, what)
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            names = [name for name, value in vars(found).items() if not name.startswith("_") and wanted(value)]
            near = closest(part, names or dir(found))
            hint = f"did you mean {near!r}?" if near else f"{module_name} has: {', '.join(sorted(names)[:12])}"
            raise ObjectiveError(f"{what} {path!r}: the module {module_name!r} has no {part!r}", hint=hint)
        found = getattr(found, part)
    return found


@contextmanager
def _beside(base: Path | None) -> Iterator[None]:
    if base is None:
        yield
        return
    folder = str(base.resolve())
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def _import_module(name: str, path: str, what: str) -> ModuleType:
    importlib.invalidate_caches()  # the file may be younger than the last look at its folder
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        absent = error.name or name
        if not (name == absent or name.startswith(f"{absent}.")):
            raise ObjectiveError(
                f"{what} {path!r}: the module {name!r} needs {absent!r}, which is not installed",
                hint=f"pip install {absent.partition('.')[0]}",
            ) from error
        raise ObjectiveError(
            f"{what} {path!r} cannot be imported: there is no module {absent!r}", hint=_absent_hint(absent)
        ) from error
    except (Exception, SystemExit) as error:  # a user's module may raise anything, or be a script that exits
        raise ObjectiveError(
            f"{what} {path!r}: importing {name!r} failed with {type(error).__name__}: {error}",
            hint="mend the module; `python -c 'import ...'` shows the whole traceback",
        ) from error


def _absent_hint(absent: str) -> str:
    parent, _, last = absent.rpartition(".")
    if parent:
        siblings = [name for name in dir(importlib.import_module(parent)) if not name.startswith("_")]
        near = closest(last, siblings)
        return f"did you mean {f'{parent}.{near}'!r}?" if near else f"look at what {parent} holds"
    near = closest(absent, _LIBRARIES)
    if near and near != absent:
        return f"did you mean {near!r}?"
    return f"pip install {absent}, or put {absent}.py beside the sweep file"
