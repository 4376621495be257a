"""Plug-ins: a name in a sweep file -> a class.

A sampler, pruner, executor, objective kind or store is one file in its folder: the file's name is its name in sweep files,
and it holds exactly one public subclass of the port. Files that begin with ``_`` are shared parts. ``pkg.mod:Class`` serves
outsiders. Nothing is imported before it is asked for.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from tuner.core import ports
from tuner.errors import PluginFailed, PluginNotFound, SweepError, blamed, closest
from tuner.study import PluginSpec

__all__ = ["beside", "build", "is_optunas", "load", "names"]

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
        SweepError: A library that it needs is not installed, or the outsider's class cannot be imported or is no complete
            implementation of the port.
    """
    package, port = _PORTS[kind]
    if ":" in name:
        return _outsider(kind, name, port)
    known = names(kind)
    if name not in known:
        raise PluginNotFound(kind, name, known)
    try:
        module = importlib.import_module(f"{package}.{name}")
    except ImportError as error:
        raise SweepError(
            f"{kind} {name!r} cannot be loaded: {error}",
            path=kind,
            hint=f"install {error.name!r}" if error.name and not error.name.startswith("tuner") else None,
        ) from error
    return _public_class(module, port)


def _public_class(module: ModuleType, port: type) -> type[Any]:
    found = [
        value
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, port)
        and value.__module__ == module.__name__
        and not value.__name__.startswith("_")
    ]
    if len(found) != 1:
        # A bug of whoever wrote the file, not of the user: the conformance suites find it.
        raise TypeError(f"{module.__name__} must hold exactly one public {port.__name__}, but holds {len(found)}")
    return found[0]


def _outsider(kind: str, name: str, port: type) -> type[Any]:
    module_name, _, attribute = name.partition(":")
    found: Any
    try:
        found = functools.reduce(getattr, attribute.split("."), importlib.import_module(module_name))
    except Exception as error:  # the outsider's module may raise anything while it is imported
        raise SweepError(
            f"{kind} {name!r} cannot be imported: {type(error).__name__}: {error}",
            path=f"{kind}.type",
            hint="write it as pkg.mod:Class, with pkg on the Python path",
        ) from error
    if not (inspect.isclass(found) and issubclass(found, port)):
        raise SweepError(
            f"{kind} {name!r} is no {kind}",
            path=f"{kind}.type",
            expected=f"a subclass of tuner.core.ports.{port.__name__}",
            hint=f"write {{type: optuna, class: {name!r}}} for one of Optuna's kind" if is_optunas(found) else None,
        )
    if inspect.isabstract(found):
        missing = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
        raise SweepError(f"{kind} {name!r} is not complete: it lacks {missing}", path=f"{kind}.type")
    return found


@contextmanager
def beside(folder: Path | None) -> Iterator[None]:
    """Let samplers, pruners and objectives of the user's, named as ``mod:Class``, lie in a folder, that of the sweep file.

    It is looked in last, so that no file there can take the place of an installed module. None for nowhere else.
    """
    place = None if folder is None else str(folder.resolve())
    added = place if place not in sys.path else None
    if added is not None:
        sys.path.append(added)
    try:
        yield
    finally:
        # An objective that is imported by name moves its folder to the front, where it stays.
        if added in sys.path[1:]:
            sys.path.remove(added)


def is_optunas(found: object) -> bool:
    """Whether it is a sampler or pruner as Optuna has them; Optuna need not be imported to say so."""
    bases = {(base.__module__.partition(".")[0], base.__name__) for base in getattr(found, "__mro__", ())}
    return bool(bases & {("optuna", "BaseSampler"), ("optuna", "BasePruner")})


def build(kind: str, spec: PluginSpec, *arguments: Any) -> Any:
    """An instance of a plug-in: ``Class(*arguments, **spec.options)``, the options' names and plain types checked first.

    An option that is annotated with the plug-in's own port stands for a plug-in of the same kind, for example the pruner that
    another one wraps: a name, or a mapping with ``type`` and options. It is built with the same arguments.

    Raises:
        PluginNotFound: As for ``load``.
        SweepError: An option is unknown, missing, of the wrong type, or refused by the plug-in; ``path`` names it where it
            is known which one.
    """
    found = load(kind, spec.type)
    parameters = list(inspect.signature(found).parameters.values())[len(arguments) :]
    options = [p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        _check_names(kind, spec, [p.name for p in options])
    for p in options:
        if p.default is p.empty and p.name not in spec.options:
            raise SweepError(f"{kind} {spec.type!r} needs the option {p.name!r}", path=f"{kind}.{p.name}")
    _check_types(kind, spec, found)
    given = {**spec.options, **_inner(kind, spec, found, arguments)}
    try:
        if ":" in spec.type and kind in _GUARDS:
            return _guarded(kind, spec.type, found, arguments, given)
        return found(*arguments, **given)
    except (ValueError, TypeError) as error:
        raise SweepError(
            f"{kind} {spec.type!r} refuses its options: {error}", path=kind, got=dict(spec.options)
        ) from error


_GUARDS = {"sampler": "tuner.samplers._outsider", "pruner": "tuner.pruners._outsider"}


def _guarded(kind: str, name: str, found: type[Any], arguments: Sequence[Any], given: Mapping[str, Any]) -> Any:
    """An outsider's sampler or pruner behind a guard: what it does wrong is said to be its own fault.

    Raises:
        SweepError: Its constructor raised.
    """
    try:
        with blamed(kind, name, found):
            built = found(*arguments, **given)
    except PluginFailed as error:
        if isinstance(error.__cause__, ValueError | TypeError):
            raise error.__cause__ from None
        raise SweepError(error.message, path=f"{kind}.type", hint="mend it, or take another") from error.__cause__
    return importlib.import_module(_GUARDS[kind]).Outsider(built, name, *arguments)


def _check_names(kind: str, spec: PluginSpec, known: Sequence[str]) -> None:
    for option in spec.options:
        if option not in known:
            near = closest(option, known)
            raise SweepError(
                f"{kind} {spec.type!r} has no option {option!r}",
                path=f"{kind}.{option}",
                expected=f"one of {', '.join(known)}" if known else "no options",
                hint=_SEED if (kind, option) == ("sampler", "seed") else f"did you mean {near!r}?" if near else None,
            )


_SEED = "give the study a seed: every sampler follows from it"


def _inner(kind: str, spec: PluginSpec, found: type[Any], arguments: Sequence[Any]) -> dict[str, Any]:
    """The options that stand for plug-ins of the same kind, built."""
    port = _PORTS[kind][1]
    built: dict[str, Any] = {}
    for option, hint in _hints(found).items():
        value = spec.options.get(option)
        if value is None or isinstance(value, port) or port not in (hint, *get_args(hint)):
            continue
        path = f"{kind}.{option}"
        inner = _inner_spec(kind, path, value)
        try:
            built[option] = build(kind, inner, *arguments)
        except SweepError as error:
            error.path = path + (error.path or "").removeprefix(kind)
            raise
        except PluginNotFound as error:
            named = f"{path}.type" if isinstance(value, Mapping) else path
            raise SweepError(str(error).partition("\n")[0], path=named, hint=error.hint) from error
    return built


def _inner_spec(kind: str, path: str, value: object) -> PluginSpec:
    if isinstance(value, str):
        return PluginSpec(value)
    if isinstance(value, Mapping) and isinstance(value.get("type"), str):
        return PluginSpec(value["type"], {name: option for name, option in value.items() if name != "type"})
    raise SweepError(f"must be a {kind}", path=path, got=value, expected="a name, or {type: a name, its options}")


def _hints(found: type[Any]) -> Mapping[str, Any]:
    try:
        return get_type_hints(found.__init__)
    except (NameError, TypeError):  # an outsider's annotations need not be importable at run time
        return {}


_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", NoneType: "null"}


def _check_types(kind: str, spec: PluginSpec, found: type[Any]) -> None:
    """Check options whose annotations are plain: true/false, numbers, texts, null, literals and unions of these."""
    hints = _hints(found)
    for option, value in spec.options.items():
        accepted = _plain_types(hints.get(option))
        plain = any(isinstance(one, type) for one in accepted)
        if accepted and not any(_is(value, one) for one in accepted):
            raise SweepError(
                f"{kind} {spec.type!r}: {option} {'has the wrong type' if plain else 'takes no such value'}",
                path=f"{kind}.{option}",
                got=value,
                expected=" or ".join(_WORDS[one] if isinstance(one, type) else repr(one[0]) for one in accepted),
            )


def _plain_types(hint: Any) -> list[type | tuple[Any]]:
    """The types in an annotation, literal values wrapped in a tuple; empty when any part of it is not plain."""
    origin = get_origin(hint)
    if origin is Literal:
        return [(value,) for value in get_args(hint)]
    if origin in (Union, UnionType):
        parts = [_plain_types(part) for part in get_args(hint)]
        return [one for part in parts for one in part] if all(parts) else []
    return [hint] if isinstance(hint, type) and hint in _WORDS else []


def _is(value: object, wanted: type | tuple[Any]) -> bool:
    """Whether an option may stand for a type: a whole number for a number, but true for neither."""
    if isinstance(wanted, tuple):
        return type(value) is type(wanted[0]) and value == wanted[0]
    if isinstance(value, bool):
        return wanted is bool
    return isinstance(value, int | float) if wanted is float else isinstance(value, wanted)
