"""``pkg.mod:function`` -> the function, with a message that helps when it is not there."""

from __future__ import annotations

import importlib
import importlib.machinery
import pkgutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from tuner.errors import ObjectiveError, closest

__all__ = ["import_function", "put_on_path"]


def put_on_path(base: Path) -> None:
    """Let modules in ``base`` be imported in this process, before installed ones, if the folder exists here."""
    if base.is_dir() and sys.path[:1] != [str(base)]:
        sys.path[:] = [str(base), *(entry for entry in sys.path if entry != str(base))]


def import_function(name: str, base: Path) -> Any:
    """What ``pkg.mod:attribute`` names; the attribute may have dots.

    Args:
        name: As above.
        base: Folder that is searched first.

    Raises:
        ObjectiveError: The name has another form, or no such module or attribute can be imported.
    """
    module_name, colon, attribute = name.partition(":")
    if not colon or not module_name or not attribute:
        head, _, tail = name.rpartition(".")
        hint = f"write {head}:{tail}" if head and tail not in ("", "py") else "write work:train for train in work.py"
        raise ObjectiveError(f"objective.function is {name!r}, expected module:function", hint=hint)
    put_on_path(base)
    found: Any = _import_module(module_name, base)
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            near = closest(part, [known for known in vars(found) if not known.startswith("__")])
            where = getattr(found, "__file__", None) or getattr(found, "__name__", repr(found))
            raise ObjectiveError(
                f"objective.function {name!r}: there is no {part!r} in {where}",
                hint=f"did you mean {near!r}?" if near else None,
            ) from None
    return found


def _import_module(name: str, base: Path) -> ModuleType:
    importlib.invalidate_caches()  # the file may have been written since this process last looked
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        if name == missing or name.startswith(missing + "."):
            raise _not_found(name, missing, base) from None
        raise ObjectiveError(
            f"objective.function: importing {name} failed: it needs the module {missing!r}, which is not installed",
            hint=f"install it in the environment of {sys.executable}",
        ) from error
    except (Exception, SystemExit) as error:
        # A user's module may raise anything when it is imported, also sys.exit from a script without a main guard.
        where = f" (line {error.lineno} of {error.filename})" if isinstance(error, SyntaxError) else ""
        raise ObjectiveError(
            f"objective.function: importing {name} raised {type(error).__name__}: {error}{where}",
            hint=f"try: python -c 'import {name}'",
        ) from error


def _not_found(name: str, missing: str, base: Path) -> ObjectiveError:
    parent, _, last = missing.rpartition(".")
    if parent:
        places = list(getattr(sys.modules.get(parent), "__path__", []))
    else:
        places = [str(base), *(entry for entry in sys.path if entry != str(base))]
    near = closest(last, [module.name for module in pkgutil.iter_modules(places)])
    if name.endswith(".py") or (base / name).is_file():
        hint: str | None = f"name the module, not the file: {name.removesuffix('.py').replace('/', '.')}"
    else:
        hint = f"did you mean {parent + '.' if parent else ''}{near}?" if near else None
    looked = parent or f"{base} and Python's own path"
    return ObjectiveError(f"objective.function: there is no module {missing!r}; looked in {looked}", hint=hint)
