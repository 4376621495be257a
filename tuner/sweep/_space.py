"""The search space of a sweep: a catalogue name, a path or inline parameters, merged into one ``SearchSpace``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

from tuner import catalog
from tuner.errors import SearchSpaceError, SweepError, closest
from tuner.space import Categorical, Condition, Constant, Distribution, SearchSpace, distribution_from_dict
from tuner.sweep._fields import text
from tuner.sweep._node import Node
from tuner.trial import Params

__all__ = ["ReadSpace", "read_distribution", "read_named", "read_space"]

_SHAPES = "{low, high}, {values: [...]}, {value: ...}, a bare list or a bare value"
_FORBIDDEN = "a list such as [{booster: gblinear, max_depth: {low: 8}}]"
Parameters = dict[str, Distribution]
Clause = Mapping[str, Condition]


@dataclass(frozen=True, slots=True)
class ReadSpace:
    """A space that was read.

    Attributes:
        space: The space.
        estimator: The estimator's import path that the named space was made for; None when there is none.
        notes: What was left out of the named space, and why.
        defaults: The named space's first trial worth making, as its file has it; empty when there is none.
    """

    space: SearchSpace
    estimator: str | None = None
    notes: tuple[str, ...] = ()
    defaults: Params = field(default_factory=dict)


def read_space(root: Mapping[str, Node], folder: Path, whole: Node) -> ReadSpace:
    """The space that ``space``, ``parameters`` and ``forbidden`` at the top of a sweep describe.

    Args:
        root: The nodes at the top of the sweep.
        folder: What relative paths are relative to.
        whole: The sweep itself, for errors about what is missing.

    Raises:
        SearchSpaceError: Anything in it is wrong; with the place in the sweep, or in the named space's own file.
        SweepError: There is no space.
    """
    named, parameters, forbidden = (root.get(key) for key in ("space", "parameters", "forbidden"))
    if named is None and parameters is None:
        raise whole.error(
            "there is no search space",
            expected="`space:` with a catalogue name or a path, or `parameters:`",
            hint="`tuner spaces` lists the catalogue",
        )
    if named is None:
        return ReadSpace(_space(_merged({}, parameters), _clauses(forbidden), parameters or whole, forbidden))
    entry = read_named(named, folder)
    merged = _merged(dict(entry.space), parameters)
    own = set(parameters.content) if parameters is not None and isinstance(parameters.content, dict) else set()
    kept, notes = _reachable(merged, own) if own else (merged, [])
    inherited = [clause for clause in entry.space.forbidden if _valid(kept, [clause])]
    if len(inherited) < len(entry.space.forbidden):
        notes.append(
            f"{len(entry.space.forbidden) - len(inherited)} forbidden combinations of {entry.name} no longer apply"
        )
    space = _space(kept, [*inherited, *_clauses(forbidden)], parameters or named, forbidden)
    return ReadSpace(space, entry.estimator, tuple(notes), entry.defaults)


def read_named(node: Node, folder: Path) -> catalog.CatalogEntry:
    """The catalogue's entry of that name, or the one in a file; a relative path starts at ``folder``.

    Raises:
        SearchSpaceError: There is none, or it is wrong: then with the place in the space's own file.
    """
    if isinstance(node.content, dict):
        raise node.error("must be a name or a path", hint="write the parameters under `parameters:`")
    name = text(node, "a catalogue name such as xgboost/classifier, or a path such as ./space.yaml").strip()
    is_path = name.endswith((".yaml", ".yml")) or name.startswith((".", "/"))
    if is_path and not (folder / name).is_file():
        raise _no_file(node, name, folder)
    try:
        return catalog.load(folder / name if is_path else name)
    except SearchSpaceError as error:
        node.locate(error)
        raise


def _no_file(node: Node, name: str, folder: Path) -> SweepError:
    path = folder / name
    siblings = sorted(p.name for p in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
    near = closest(path.name, siblings)
    return node.error(
        "there is no such file",
        expected="the path of a space's file, relative to the sweep's folder",
        hint=f"did you mean {PurePath(name).with_name(near).as_posix()!r}?" if near else None,
    )


def _merged(base: Parameters, node: Node | None) -> Parameters:
    """The named space's parameters with those of the sweep in their place, new ones after them, null ones removed."""
    if node is None:
        return base
    for name, row in node.fields(example="lr: {low: 1e-5, high: 1e-1, log: true}").items():
        if not name.strip():
            raise row.error("a parameter needs a name")
        if row.content is not None:
            base[name] = _conditioned(read_distribution(row), row, base.get(name))
        elif name in base:
            del base[name]
        else:
            raise row.error(
                "has nothing after it", expected=_SHAPES, hint="write {value: null} if the value null is meant"
            )
    return base


def _conditioned(distribution: Distribution, row: Node, base: Distribution | None) -> Distribution:
    """An override keeps the condition of what it overrides unless it says its own (``when: {}`` for none)."""
    says = isinstance(row.content, dict) and "when" in row.content
    if base is None or not base.when or says:
        return distribution
    return replace(distribution, when=base.when)


def read_distribution(node: Node) -> Distribution:
    """One parameter: a mapping, a bare list of values, or a bare value that is a constant.

    Raises:
        SearchSpaceError: It is no parameter.
    """
    try:
        if isinstance(node.content, list):
            return Categorical([item.plain() for item in node.content])
        if isinstance(node.content, dict):
            return distribution_from_dict(node.plain())
        return Constant(node.content)
    except SearchSpaceError as error:
        if not isinstance(node.content, dict):
            error.path = None  # a short form has no `values` or `value` to name
        error.hint = error.hint or _mend(node, error.got)
        node.locate(error)
        raise


def _mend(node: Node, got: object) -> str | None:
    """What to do about the two values that are most often taken for what they are not."""
    values = node.content.get("values", node).content if isinstance(node.content, dict) else node.content
    if isinstance(values, list) and any(isinstance(item.content, list | dict) for item in values):
        return "give each choice a name, and look the name up in your code"
    if isinstance(got, str) and got.lower() in ("yes", "no", "on", "off"):
        return "YAML 1.2 knows true and false only"
    return None


def _clauses(node: Node | None) -> list[Clause]:
    if node is None:
        return []
    if not isinstance(node.content, list):
        raise node.error(f"must be a list, not {node.kind()}", expected=_FORBIDDEN)
    for item in node.content:
        if not isinstance(item.content, dict):
            raise item.error("a forbidden combination must be a mapping", expected=_FORBIDDEN)
    return [item.plain() for item in node.content]


def _valid(parameters: Parameters, clauses: list[Clause]) -> bool:
    try:
        SearchSpace(parameters, clauses)
    except SearchSpaceError:
        return False
    return True


def _reachable(merged: Parameters, own: set[str]) -> tuple[Parameters, list[str]]:
    """The parameters without those of the named space that can no longer be active (a fixed booster's rivals' rates)."""
    kept: Parameters = {}
    notes = []
    for name, distribution in merged.items():
        if distribution.when and name not in own and not _valid({**kept, name: distribution}, []):
            notes.append(f"the parameter {name!r} is left out: what it depends on can no longer hold")
        else:
            kept[name] = distribution
    return kept, notes


def _space(kept: Parameters, clauses: list[Clause], place: Node, forbidden: Node | None) -> SearchSpace:
    """The space; errors get the place of the parameter, or of the clause (the sweep's own clauses are the last ones)."""
    try:
        return SearchSpace(kept, clauses)
    except SearchSpaceError as error:
        path = error.path or ""
        if path.startswith("forbidden[") and forbidden is not None and isinstance(forbidden.content, list):
            index = int(path.removeprefix("forbidden[").partition("]")[0]) - len(clauses) + len(forbidden.content)
            error.path = f"[{max(index, 0)}]"
            forbidden.locate(error)
        else:
            place.locate(error)
        raise
