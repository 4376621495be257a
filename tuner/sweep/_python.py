"""The sweep of ``tuner.run``: Python values in place of a file, checked by the same readers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, Required, TypedDict, Unpack

from tuner.errors import SearchSpaceError, SweepError
from tuner.formula import Formula
from tuner.space import Categorical, Constant, Distribution, Float, Int, SearchSpace
from tuner.study import (
    CheckpointPolicy,
    Constraint,
    FirstTrial,
    Limits,
    Metric,
    PluginSpec,
    Prices,
    Prior,
    ResourceRequest,
    Retry,
    StudySpec,
)
from tuner.sweep import _fields
from tuner.sweep._build import check_parts, read_name, read_seed
from tuner.sweep._constraints import read_checkpoints, read_constraints, read_prices
from tuner.sweep._executor import check_fits, known_types
from tuner.sweep._first import default_trial, read_prior, read_try_first
from tuner.sweep._limits import read_limits, read_retry
from tuner.sweep._metrics import read_metrics
from tuner.sweep._node import Node
from tuner.sweep._pbt import pair
from tuner.sweep._plugins import plugin_row, read_plugin
from tuner.sweep._resources import read_resources, read_weight
from tuner.sweep._space import read_distribution, read_named
from tuner.trial import Params

__all__ = ["SpecArguments", "build_spec"]

PluginArgument = str | PluginSpec | Mapping[str, Any]
MetricArgument = str | Metric | Mapping[str, Any]
ConstraintArgument = Constraint | Mapping[str, Any]
PriorArgument = str | Prior | Mapping[str, Any]


class SpecArguments(TypedDict, total=False):
    """What ``build_spec`` takes; what is absent or None has the default of a sweep file.

    Attributes:
        name: The study's name.
        objective: What is trained, by name; a callable from Python is named only.
        space: A ``SearchSpace``, a mapping of distributions (or of rows as in a file), a catalogue name or a path.
        metric: A name, a ``Metric``, a mapping ``{name, goal, target}``, or a list of these.
        goal: ``minimize`` or ``maximize`` for metrics that say nothing themselves; None to go by the name.
        sampler: A name, a ``PluginSpec`` or a mapping ``{type, ...options}``.
        pruner: As ``sampler``.
        limits: ``Limits``, or a mapping with the keys of a sweep file (``trials``, ``time``, ``failures`` ...).
        resources: ``ResourceRequest``, or a mapping with the keys of a sweep file: ``auto``, amounts and formulas.
        weight: Its share of a cluster that several studies use is in the ratio of their weights.
        retry: ``Retry``, a mapping ``{max, on}``, or a number.
        seed: 0 to 2**32 - 1.
        stop_grace: Seconds, or a duration such as ``30s``.
        constraints: ``Constraint``, a mapping ``{name, min, max}``, or a list of these.
        noisy: Whether the same parameters give different values.
        prices: ``Prices``, or a mapping ``{cpu_h, gpu_h, memory_gib_h}``.
        checkpoints: ``CheckpointPolicy``, or a mapping ``{best, size}``.
        try_first: Configurations to try before the sampler chooses, each a ``FirstTrial`` or a mapping of parameters to
            values; parameters that are left out are drawn.
        defaults: False to leave out the first trial that a named space asks for.
        prior: An earlier study to learn from, or several: names, ``Prior``, or mappings ``{study, store}``.
        executor: Where attempts will run: looked at for the node types and prices of its ``cluster_file`` only.
    """

    name: Required[str]
    objective: Required[PluginSpec]
    space: Required[SearchSpace | Mapping[str, Any] | str]
    metric: Required[MetricArgument | Sequence[MetricArgument]]
    goal: str | None
    sampler: PluginArgument | None
    pruner: PluginArgument | None
    limits: Limits | Mapping[str, Any] | None
    resources: ResourceRequest | Mapping[str, Any] | None
    weight: float | None
    retry: Retry | Mapping[str, Any] | int | None
    seed: int | None
    stop_grace: float | str | None
    constraints: ConstraintArgument | Sequence[ConstraintArgument] | None
    noisy: bool | None
    prices: Prices | Mapping[str, Any] | None
    checkpoints: CheckpointPolicy | Mapping[str, Any] | None
    try_first: Sequence[FirstTrial | Mapping[str, Any]] | None
    defaults: bool | None
    prior: PriorArgument | Sequence[PriorArgument] | None
    executor: PluginSpec | None


def build_spec(**arguments: Unpack[SpecArguments]) -> StudySpec:
    """The specification that Python values describe; the arguments are those of ``SpecArguments``.

    Raises:
        SweepError: An argument is unknown, missing or wrong; ``path`` names it.
    """
    given: dict[str, Any] = {key: value for key, value in arguments.items() if value is not None}
    _check_names(given)
    space, defaults = _space(given["space"])
    goal = Node.of(given["goal"], "goal") if "goal" in given else None
    metrics = read_metrics(Node.of(_metric(given["metric"]), "metric"), goal)
    parts = {kind: Node.of(plugin_row(given.get(kind, default)), kind) for kind, default in _PARTS.items()}
    sampler, pruner = (read_plugin(kind, node) for kind, node in parts.items())
    sampler, pruner = pair(sampler, pruner, Path.cwd(), parts)
    seed = read_seed(Node.of(given.get("seed", 0), "seed"))
    wanted = _fields.boolean(Node.of(given.get("defaults", True), "defaults"))
    by_default, _ = default_trial(defaults if wanted else {}, space, sampler)
    spec = StudySpec(
        name=read_name(Node.of(given["name"], "name")),
        metrics=metrics,
        space=space,
        objective=given["objective"],
        sampler=sampler,
        pruner=pruner,
        limits=_limits(given.get("limits")),
        resources=_resources(given.get("resources"), space),
        retry=_retry(given.get("retry")),
        seed=seed,
        stop_grace_s=_fields.duration(Node.of(given.get("stop_grace", 30.0), "stop_grace")),
        constraints=read_constraints(_node("constraints", _constraint, given), metrics),
        noisy=_fields.boolean(Node.of(given.get("noisy", False), "noisy")),
        prices=read_prices(_node("prices", _row, given)),
        keep=read_checkpoints(_node("checkpoints", _checkpoints, given)),
        first=(*_try_first(given, space, seed), *([by_default] if by_default else [])),
        prior=read_prior(_node("prior", _priors, given)),
        weight=read_weight(_node("weight", _row, given)),
    )
    types = known_types(given.get("executor"))
    check_parts(spec, Node(dict(parts)), Node.of(_limit_row(spec.limits), "limits"), types)
    check_fits(spec, types, Node.of({}, "resources"))
    return spec


_PARTS = {"sampler": "auto", "pruner": "none"}


def _check_names(given: Mapping[str, Any]) -> None:
    known = SpecArguments.__annotations__
    whole = Node.of(dict.fromkeys(given))
    for key in given:
        if key not in known:
            raise whole.stray(key, whole, known)
    for key in ("name", "objective", "space", "metric"):
        if key not in given:
            raise SweepError("is missing", path=key, hint=f"give {key}=...")


def _space(value: object) -> tuple[SearchSpace, Params]:
    """The space, and the first trial that a named one asks for."""
    if isinstance(value, SearchSpace):
        return value, {}
    if isinstance(value, str | Path):
        entry = read_named(Node.of(str(value), "space"), Path.cwd())
        return entry.space, entry.defaults
    if not isinstance(value, Mapping):
        raise SearchSpaceError(
            f"a {type(value).__name__} is no search space",
            path="space",
            expected='a SearchSpace, a mapping such as {"lr": tuner.Float(1e-5, 1e-1, log=True)}, or a catalogue name',
        )
    try:
        return SearchSpace({name: _distribution(name, row) for name, row in value.items()}), {}
    except SearchSpaceError as error:
        if not (error.path or "").startswith("space"):
            error.path = f"space.{error.path}" if error.path else "space"
        raise


def _distribution(name: object, row: object) -> Distribution:
    if not isinstance(name, str) or not name.strip():
        raise SearchSpaceError("a parameter's name must be text", path="space", got=name)
    if isinstance(row, Float | Int | Categorical | Constant):
        return row
    return read_distribution(Node.of(row, f"space.{name}"))


def _metric(value: object) -> Any:
    if isinstance(value, Metric):
        return asdict(value)
    if isinstance(value, list | tuple):
        return [_metric(item) for item in value]
    return value


def _node(key: str, plain: Callable[[Any], Any], given: Mapping[str, Any]) -> Node | None:
    return Node.of(plain(given[key]), key) if key in given else None


def _row(value: object) -> Any:
    """What is given, a dataclass as the mapping that a file would have."""
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def _priors(value: object) -> Any:
    if isinstance(value, Prior):
        return value.study if value.store is None else asdict(value)
    return [_priors(item) for item in value] if isinstance(value, list | tuple) else value


def _try_first(given: Mapping[str, Any], space: SearchSpace, seed: int) -> tuple[FirstTrial, ...]:
    """Those given as ``FirstTrial`` keep their notes."""
    rows = given.get("try_first", ())
    plain = (
        [row.params if isinstance(row, FirstTrial) else row for row in rows] if isinstance(rows, list | tuple) else rows
    )
    read = read_try_first(Node.of(plain, "try_first"), space, seed)
    return tuple(row if isinstance(row, FirstTrial) else first for row, first in zip(rows, read, strict=True))


def _constraint(value: object) -> Any:
    if isinstance(value, Constraint):
        return {"name": value.name, "min": value.low, "max": value.high}
    return [_constraint(item) for item in value] if isinstance(value, list | tuple) else value


def _checkpoints(value: object) -> Any:
    if isinstance(value, CheckpointPolicy):
        size = value.size_mib
        return {"best": value.best, "size": None if size is None else f"{size!r}MiB"}
    return value


def _limit_row(limits: Limits) -> dict[str, Any]:
    """The limits as a file would have them, but for the share of failures."""
    row = {
        f: getattr(limits, f)
        for f in ("trials", "steps", "parallel", "cost", "nodes", "failures", "patience", "regret")
    }
    return row | {"time": limits.time_s, "trial_time": limits.trial_time_s}


def _limits(value: Limits | Mapping[str, Any] | None) -> Limits:
    if not isinstance(value, Limits):
        return read_limits(None if value is None else Node.of(value, "limits"))
    read_limits(Node.of(_limit_row(value), "limits"))
    share = value.failures_share
    if share is not None:
        expected = "a share from 0 to 1"
        node = Node.of(share, "limits.failures_share")
        if _fields.number(node, low=0, expected=expected) > 1:
            raise node.error("must be at most 1", expected=expected)
    return value


def _resources(value: ResourceRequest | Mapping[str, Any] | None, space: SearchSpace) -> ResourceRequest:
    if value is None:
        return ResourceRequest()
    if isinstance(value, ResourceRequest):
        memory = value.memory_mib
        row = {
            "cpu": value.cpu,
            "memory": memory if memory is None or isinstance(memory, Formula) else f"{memory!r}MiB",
        }
        value = row | {"gpu": value.gpu}
    plain = value
    if isinstance(value, Mapping):
        plain = {key: asked.text if isinstance(asked, Formula) else asked for key, asked in value.items()}
    return read_resources(Node.of(plain, "resources"), space)


def _retry(value: Retry | Mapping[str, Any] | int | None) -> Retry:
    if isinstance(value, Retry):
        return read_retry(Node.of({"max": value.max, "on": sorted(str(kind) for kind in value.on)}, "retry"))
    return read_retry(None if value is None else Node.of(value, "retry"))
