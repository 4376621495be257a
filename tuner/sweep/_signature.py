"""What options a plug-in takes, read from its source where that is ours: importing it could import Ray or scikit-learn.

A sweep is checked before Ray starts, and Ray starts while scikit-learn and the data are being loaded; so reading a sweep must
not load them. A plug-in of ours is one file with one public class; an outsider's class is imported.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tuner import plugins

__all__ = ["Signature", "signature"]

_FOLDERS = {"objective": "tuner.objectives", "executor": "tuner.executors"}


@dataclass(frozen=True, slots=True)
class Signature:
    """The keyword arguments of a plug-in's constructor.

    Attributes:
        names: Every one, in order.
        required: Those without a default.
        anything: Whether it takes any others besides (``**options``).
    """

    names: tuple[str, ...]
    required: frozenset[str] = frozenset()
    anything: bool = False

    def without(self, name: str) -> Signature:
        """The same without one of the names."""
        return Signature(tuple(n for n in self.names if n != name), self.required - {name}, self.anything)


def signature(kind: str, name: str) -> Signature:
    """The options of a plug-in.

    Args:
        kind: ``objective`` or ``executor``.
        name: A name that ``plugins.names`` lists, or ``pkg.mod:Class``.

    Raises:
        SweepError: It has to be imported, and cannot be.
    """
    if ":" not in name:
        spec = importlib.util.find_spec(f"{_FOLDERS[kind]}.{name}")
        if spec is not None and spec.origin and spec.origin.endswith(".py"):
            found = _from_source(Path(spec.origin).read_text(encoding="utf-8"))
            if found is not None:
                return found
    parameters = inspect.signature(plugins.load(kind, name)).parameters.values()
    plain = [p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    return Signature(
        tuple(p.name for p in plain),
        frozenset(p.name for p in plain if p.default is p.empty),
        any(p.kind is p.VAR_KEYWORD for p in parameters),
    )


def _from_source(source: str) -> Signature | None:
    """The constructor's arguments of the one public class in a module; None when the source does not tell."""
    tree = ast.parse(source)
    public = _exported(tree)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name in public]
    if len(classes) != 1 or classes[0].decorator_list:
        return None
    inits = [node for node in classes[0].body if isinstance(node, ast.FunctionDef) and node.name == "__init__"]
    if len(inits) != 1 or inits[0].decorator_list:
        return None
    arguments = inits[0].args
    positional = [a.arg for a in (*arguments.posonlyargs, *arguments.args)][1:]
    n_required = max(len(positional) - len(arguments.defaults), 0)
    needed = [a.arg for a, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if value is None]
    return Signature(
        (*positional, *(a.arg for a in arguments.kwonlyargs)),
        frozenset((*positional[:n_required], *needed)),
        arguments.kwarg is not None,
    )


def _exported(tree: ast.Module) -> Iterable[str]:
    """The names in ``__all__``."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            try:
                return set(ast.literal_eval(node.value))
            except ValueError:
                return ()
    return ()
