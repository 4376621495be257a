"""Plug-ins: a name in a sweep file -> a class.

A sampler, pruner, executor, objective kind or store is one file in its folder: the file's name is its name in sweep files,
and it holds exactly one public subclass of the port. Files that begin with ``_`` are shared parts. ``pkg.mod:Class`` serves
outsiders. Nothing is imported before it is asked for.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from typing import Any

from tuner.core import ports
from tuner.errors import PluginNotFound, SweepError, closest
from tuner.study import PluginSpec

__all__ = ["build", "load", "names"]

_PORTS: Mapping[str, tuple[str, type]] = {
    "sampler": ("tuner.samplers", ports.Sampler),
    "pruner": ("tuner.pruners", ports.Pruner),
    "objective": ("tuner.objectives", ports.Objective),
    "executor": ("tuner.executors", ports.Executor),
    "store": ("tuner.stores", ports.Store),
}


def names(kind: str) -> list[str]:
    """The names of all plug-ins of a kind (``sampler``, ``pruner``, ``objective``, ``executor``, ``store``), sorted."""
    folder = importlib.import_module(_PORTS[kind][0])
    return sorted(m.name for m in pkgutil.iter_modules(folder.__path__) if not m.name.startswith("_"))


def load(kind: str, name: str) -> type[Any]:
    """The class of a plug-in.

    Args:
        kind: As for ``names``.
        name: A file's name in the kind's folder, or ``pkg.mod:Class``.

    Raises:
        PluginNotFound: There is none of that name.
        SweepError: The outsider's class cannot be imported or is no implementation of the port.
    """
    package, port = _PORTS[kind]
    if ":" in name:
        return _outsider(kind, name, port)
    known = names(kind)
    if name not in known:
        raise PluginNotFound(kind, name, known)
    module = importlib.import_module(f"{package}.{name}")
    return next(
        value
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, port)
        and value.__module__ == module.__name__
        and not value.__name__.startswith("_")
    )


def _outsider(kind: str, name: str, port: type) -> type[Any]:
    module_name, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise SweepError(f"{kind} {name!r} cannot be imported: {error}", hint="write it as pkg.mod:Class") from error
    if not (inspect.isclass(found) and issubclass(found, port)):
        raise SweepError(f"{kind} {name!r} is no {kind}", expected=f"a subclass of tuner.core.ports.{port.__name__}")
    return found


def build(kind: str, spec: PluginSpec, *arguments: Any) -> Any:
    """An instance of a plug-in: ``Class(*arguments, **spec.options)``, the options' names checked first.

    Raises:
        PluginNotFound: As for ``load``.
        SweepError: An option is unknown or missing.
    """
    found = load(kind, spec.type)
    parameters = list(inspect.signature(found).parameters.values())[len(arguments) :]
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        known = [p.name for p in parameters]
        for option in spec.options:
            if option not in known:
                near = closest(option, known)
                raise SweepError(
                    f"{kind} {spec.type!r} has no option {option!r}",
                    path=f"{kind}.{option}",
                    expected=f"one of {', '.join(known)}" if known else "no options",
                    hint=f"did you mean {near!r}?" if near else None,
                )
        for p in parameters:
            if p.default is p.empty and p.name not in spec.options and p.kind is not p.VAR_POSITIONAL:
                raise SweepError(f"{kind} {spec.type!r} needs the option {p.name!r}", path=f"{kind}.{p.name}")
    return found(*arguments, **spec.options)
