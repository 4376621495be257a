"""A tree of nodes -> a sweep: every key is read, or refused by name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tuner.core.ports import Problem
from tuner.errors import SweepError
from tuner.resources import NodeType
from tuner.study import Limits, Metric, PluginSpec, StudySpec
from tuner.sweep import _fields
from tuner.sweep._constraints import check_cost, check_regret, read_checkpoints, read_constraints, read_prices
from tuner.sweep._executor import check_fits, read_cluster, read_executor
from tuner.sweep._first import default_trial, read_prior, read_try_first
from tuner.sweep._foreign_command import expand_arguments
from tuner.sweep._limits import read_limits, read_retry
from tuner.sweep._metrics import known_goal, read_metrics
from tuner.sweep._model import Sweep
from tuner.sweep._node import Node
from tuner.sweep._pbt import PAIRED, pair
from tuner.sweep._plugins import check_pruner, check_sampler, read_objective, read_plugin
from tuner.sweep._resources import read_resources, read_weight
from tuner.sweep._space import ReadSpace, read_space

__all__ = ["KEYS", "build", "check_parts", "read_name", "read_seed"]

KEYS = (
    "name", "objective", "metric", "constraints", "noisy", "space", "parameters", "forbidden", "try_first", "defaults",
    "prior", "sampler", "pruner", "limits", "prices", "resources", "weight", "retry", "checkpoints", "seed", "stop_grace",
    "executor", "store",
)  # fmt: skip
LATER = {
    "register": "registering models is not supported in this version: the best model is saved as a folder",
    "stage": "model stages are not supported in this version",
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_FINITE = ("grid", "brute_force", *PAIRED)  # samplers that come to an end of their own
_DEFAULTS = {"sampler": PluginSpec("auto"), "pruner": PluginSpec("none")}


def build(root: Node, text: str, file: Path | None, notes: Sequence[str]) -> Sweep:
    """The sweep below ``root``, whose foreign keys have been renamed and overrides laid over.

    Raises:
        SweepError: Anything in it is wrong, unknown, or belongs to a later version.
    """
    fields = _known(root)
    folder = (file.resolve() if file else Path.cwd() / "sweep").parent
    metrics = _metrics(root, fields)
    read = read_space(fields, file.parent if file else Path(), root)
    objective = _objective(root, fields, read, folder)
    sampler, pruner = pair(_plugin("sampler", fields), _plugin("pruner", fields), folder, fields)
    seed = read_seed(fields.get("seed"))
    by_default, told = (
        (None, ()) if _refused(fields.get("defaults")) else default_trial(read.defaults, read.space, sampler)
    )
    if objective.type == "estimator":
        _check_scorers(metrics, fields["metric"])
    spec = StudySpec(
        name=read_name(fields["name"]) if "name" in fields else _default_name(file),
        metrics=metrics,
        space=read.space,
        objective=objective,
        sampler=sampler,
        pruner=pruner,
        limits=read_limits(fields.get("limits")),
        resources=read_resources(fields.get("resources"), read.space),
        retry=read_retry(fields.get("retry")),
        seed=seed,
        stop_grace_s=_fields.duration(fields["stop_grace"]) if "stop_grace" in fields else 30.0,
        constraints=read_constraints(fields.get("constraints"), metrics),
        noisy=_fields.boolean(fields["noisy"]) if "noisy" in fields else False,
        prices=read_prices(fields.get("prices")),
        keep=read_checkpoints(fields.get("checkpoints")),
        first=(*read_try_first(fields.get("try_first"), read.space, seed), *([by_default] if by_default else [])),
        prior=read_prior(fields.get("prior")),
        weight=read_weight(fields.get("weight")),
    )
    executor = read_executor(fields["executor"], folder) if "executor" in fields else None
    cluster = read_cluster(executor, fields.get("executor"))
    types = () if cluster is None else cluster.types
    check_parts(spec, root, fields.get("limits", root), types)
    told = (*told, *check_fits(spec, types, fields.get("resources", root)))
    if cluster is not None:
        told = (*told, *(f"{Path(cluster.path).name}: {note}" for note in cluster.notes))
    return Sweep(
        spec,
        text,
        file,
        executor=executor,
        store=_store(fields["store"]) if "store" in fields else None,
        notes=(*notes, *read.notes, *told),
        _root=root,
    )


def _known(root: Node) -> dict[str, Node]:
    """The nodes at the top that say something (``limits:`` with nothing after it says nothing), all keys known."""
    assert isinstance(root.content, dict)
    for key, node in root.content.items():
        if key in LATER and node.content is not None:
            raise node.error(LATER[key], got=key, hint=f"remove `{key}`")
        if key not in KEYS and key not in LATER:
            raise root.stray(key, node, KEYS)
    return {key: node for key, node in root.content.items() if node.content is not None}


def _metrics(root: Node, fields: Mapping[str, Node]) -> tuple[Metric, ...]:
    if "metric" not in fields:
        raise root.error("there is no metric", expected="metric: {name: loss, goal: minimize}, or a scorer's name")
    return read_metrics(fields["metric"])


def _objective(root: Node, fields: Mapping[str, Node], read: ReadSpace, folder: Path) -> PluginSpec:
    node = fields.get("objective")
    if node is None:
        raise root.error(
            "there is no objective", expected="objective: with exactly one of estimator, function, command"
        )
    expand_arguments(node, list(read.space))
    objective = read_objective(node, folder)
    chosen_by_space = objective.options.get("estimator") == "from_space"
    if chosen_by_space and "estimator" not in read.space:
        if read.estimator is None:
            raise node.find("estimator").error(
                "the space names no estimator", hint="write its import path, or add a parameter `estimator`"
            )
        return PluginSpec(objective.type, {**objective.options, "estimator": read.estimator})
    return objective


def _plugin(kind: str, fields: Mapping[str, Node]) -> PluginSpec:
    return read_plugin(kind, fields[kind]) if kind in fields else _DEFAULTS[kind]


def read_seed(node: Node | None) -> int:
    """The seed; 0 when the sweep says none, so that the same file gives the same study."""
    expected = "a whole number from 0 to 4294967295"
    return 0 if node is None else _fields.whole(node, low=0, high=2**32 - 1, expected=expected)


def _refused(node: Node | None) -> bool:
    return node is not None and not _fields.boolean(node)


def _store(node: Node) -> str:
    example = "a URL such as sqlite:///.tuner/tuner.db or postgresql+psycopg://host/database"
    url = _fields.text(node, example)
    if "://" not in url:
        hint = f"did you mean sqlite:///{url}?" if url.endswith((".db", ".sqlite", ".sqlite3")) else None
        raise node.error("is no URL", expected=example, hint=hint)
    return url


def read_name(node: Node) -> str:
    """The study's name, which is a folder's name, too."""
    name = _fields.scalar_text(node, "a name such as adult-xgb")
    if not _NAME.fullmatch(name):
        mended = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:100]
        raise node.error(
            "cannot be a study's name",
            expected="up to 100 letters, digits, `-`, `_` and `.`, a letter or digit first",
            hint=f"did you mean {mended!r}?" if mended else None,
        )
    return name


def _default_name(file: Path | None) -> str:
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", file.stem if file else "").strip("-._")[:100]
    return stem or "sweep"


def check_parts(spec: StudySpec, root: Node, limits: Node, types: Sequence[NodeType] = ()) -> None:
    """Check what only the whole can tell: that sampler and pruner take their options, and that limits fit the rest.

    Args:
        spec: What was read.
        root: Where ``sampler`` and ``pruner`` are found.
        limits: Where the limits stand.
        types: The kinds of node that the cluster can grow to, where that is known.

    Raises:
        SweepError: Something does not fit.
    """
    check_sampler(spec.sampler, Problem.of(spec), root)
    check_pruner(spec.pruner, spec.metric, root)
    if spec.sampler.type == "pbt_replay" and spec.first:
        raise root.find("try_first").error("a schedule has its own first trial", hint="leave try_first out")
    check_cost(spec, types, limits)
    check_regret(spec.limits, spec.metrics, limits)
    check_bounded(spec.limits, spec.metrics, spec.sampler, limits)


def check_bounded(limits: Limits, metrics: Sequence[Metric], sampler: PluginSpec, node: Node) -> None:
    """A sweep must end: by a limit, a target, or a grid that runs out.

    Raises:
        SweepError: Nothing ever ends it.
    """
    ends = [limits.trials, limits.steps, limits.time_s, limits.cost, limits.patience, limits.regret]
    ends += [metric.target for metric in metrics]
    if all(end is None for end in ends) and sampler.type not in _FINITE:
        raise SweepError(
            "nothing ends this sweep",
            file=node.file,
            line=node.line,
            path=node.path or "limits",
            expected="at least one of limits.trials, steps, time, cost, patience, regret, and metric.target, or sampler: grid",
            hint="write limits: {trials: 100}",
        )


def _check_scorers(metrics: Sequence[Metric], node: Node) -> None:
    """scikit-learn's scorers are greater-is-better: minimising one would look for the worst model."""
    for metric in metrics:
        if ":" not in metric.name and metric.goal == "minimize" and known_goal(metric.name) == "maximize":
            raise node.error(
                f"{metric.name!r} is better the larger it is (scikit-learn negates its losses)",
                got="goal: minimize",
                expected="goal: maximize",
            )
