"""The parts of a sweep that are plug-ins: sampler, pruner, executor and objective, checked before anything starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tuner import plugins
from tuner.core.ports import Problem
from tuner.errors import SweepError
from tuner.study import Metric, PluginSpec
from tuner.sweep._fields import text
from tuner.sweep._node import Node
from tuner.sweep._signature import Signature, signature

__all__ = ["check_pruner", "check_sampler", "plugin_row", "read_objective", "read_plugin"]

_EXAMPLES = {
    "sampler": "a name such as auto, or {type: tpe, ...}",
    "pruner": "a name such as asha, or {type: asha, min: 1, eta: 3}",
    "executor": "a name such as ray, or {type: ray, num_cpus: 2}",
}
_OBJECTIVE = "exactly one of estimator, function, command"
_KINDS = ("estimator", "function", "command")


def plugin_row(value: object) -> Any:
    """``PluginSpec("asha", {"eta": 3})`` and ``{type: asha, options: {eta: 3}}`` as ``{type: asha, eta: 3}``."""
    if isinstance(value, PluginSpec):
        return {"type": value.type, **value.options}
    if isinstance(value, Mapping) and set(value) == {"type", "options"} and isinstance(value["options"], Mapping):
        return {"type": value["type"], **value["options"]}
    return value


def read_plugin(kind: str, node: Node) -> PluginSpec:
    """A plug-in by name, or by ``type`` with its options.

    Raises:
        SweepError: The name is unknown, or an option is.
    """
    if not isinstance(node.content, dict):
        name = text(node, _EXAMPLES[kind]).strip()
        _check_name(kind, name, node)
        return PluginSpec(name)
    fields = node.fields(example=_EXAMPLES[kind])
    if "type" not in fields:
        raise node.error("type is missing", expected=_EXAMPLES[kind])
    spec = PluginSpec(
        text(fields["type"], _EXAMPLES[kind]).strip(), {k: below.plain() for k, below in fields.items() if k != "type"}
    )
    _check_name(kind, spec.type, fields["type"])
    if spec.options and kind == "executor":  # samplers and pruners are built, which checks more
        _check_options(kind, spec, node, _signature(kind, spec.type, node))
    return spec


@contextmanager
def _placed(kind: str, node: Node) -> Iterator[None]:
    """Give errors about a plug-in of ``kind``, whose paths begin with it, their place below ``node``."""
    try:
        yield
    except SweepError as error:
        if error.path is not None and error.file is None:
            error.path = error.path.removeprefix(f"{kind}.type").removeprefix(kind).removeprefix(".") or None
        node.locate(error)
        raise


def _check_name(kind: str, name: str, node: Node) -> None:
    if ":" in name:
        with _placed(kind, node):
            plugins.load(kind, name)
    elif name not in plugins.names(kind):
        raise node.unknown(f"there is no {kind} of that name", name, plugins.names(kind))


def _check_options(kind: str, spec: PluginSpec, node: Node, known: Signature) -> None:
    """Every option must be known and every needed one given."""
    fields = node.fields(example="")
    for option in () if known.anything else spec.options:
        if option not in known.names:
            error = node.stray(option, fields[option], known.names)
            error.message = f"the {kind} {spec.type!r} has no option {option!r}"
            error.expected = error.expected if known.names else "no options"
            raise error
    for name in known.names:
        if name in known.required and name not in spec.options:
            raise node.error(f"the {kind} {spec.type!r} needs {name!r}", got=", ".join(fields))


def _signature(kind: str, name: str, node: Node) -> Signature:
    with _placed(kind, node):
        return signature(kind, name)


def check_pruner(spec: PluginSpec, metric: Metric, root: Node) -> None:
    """Build the pruner once, so that wrong options are found with their place. Pruners are pure and cheap.

    Raises:
        SweepError: The pruner refuses its options.
    """
    _build("pruner", spec, metric, root)


def check_sampler(spec: PluginSpec, problem: Problem, root: Node) -> None:
    """Build the sampler once if that can fail: with options, or when it needs a space that can be counted out.

    Without options nothing is imported: Optuna takes half a second.

    Raises:
        SweepError: The sampler refuses its options or the space.
    """
    if spec.options or spec.type in ("grid", "brute_force", "pbt", "pbt_replay") or ":" in spec.type:
        _build("sampler", spec, problem, root)


def _build(kind: str, spec: PluginSpec, argument: object, root: Node) -> None:
    try:
        plugins.build(kind, spec, argument)
    except SweepError as error:
        part = root.find(kind)
        if error.path is None or root.find(error.path) is root:
            error.file, error.line = part.file, part.line  # about what is not in the file: a named space's parameter
            error.path = error.path or kind
        else:
            root.locate(error)
        raise


def read_objective(node: Node, folder: Path) -> PluginSpec:
    """What is trained: one of the three kinds, or an outsider's ``type``.

    Args:
        node: The ``objective`` block; all of it becomes the options.
        folder: The sweep file's folder, handed over as the option ``base`` to objectives that take it.

    Raises:
        SweepError: There is none or more than one kind, or an option is unknown.
    """
    fields = node.fields(example="objective: {function: work:train}")
    kinds = [key for key in (*_KINDS, "type") if key in fields]
    if len(kinds) != 1:
        found = " and ".join(kinds) or ", ".join(fields) or "nothing"
        raise node.error(f"needs {_OBJECTIVE}", got=found, hint=_objective_hint(fields))
    kind = kinds[0]
    if kind == "type":
        name = text(fields["type"], "pkg.mod:Class, an objective of yours").strip()
        _check_name("objective", name, fields["type"])
        if name in _KINDS:
            raise fields["type"].error("is a kind of ours", hint=f"write `{name}:` instead of `type: {name}`")
        options = {key: below.plain() for key, below in fields.items() if key != "type"}
    else:
        name, options = kind, node.plain()
        if fields[kind].content is None:
            raise fields[kind].error("has nothing after it", expected=_OBJECTIVES[kind])
    return _with_base(PluginSpec(name, options), node, folder)


_OBJECTIVES = {
    "estimator": "an import path such as xgboost.XGBClassifier",
    "function": "an import path such as work:train",
    "command": 'a list such as ["python", "train.py", "--lr", "{lr}"]',
}


def _objective_hint(fields: Mapping[str, Node]) -> str | None:
    if "optuna_objective" in fields:
        return "optuna_objective is not supported in this version: write `function:` with train(params, context)"
    if any(key in fields for key in ("data", "validation", "fidelity")):
        return "with `data:` comes `estimator: xgboost.XGBClassifier` or the like"
    return "keep one of them" if sum(key in fields for key in (*_KINDS, "type")) > 1 else None


def _with_base(spec: PluginSpec, node: Node, folder: Path) -> PluginSpec:
    """The objective, its options checked, with ``base`` if it takes that."""
    known = _signature("objective", spec.type, node)
    _check_options("objective", spec, node, known.without("base"))
    takes_base = known.anything or "base" in known.names
    return PluginSpec(spec.type, {**spec.options, "base": str(folder)} if takes_base else spec.options)
