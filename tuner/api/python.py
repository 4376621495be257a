"""``tuner.run`` and ``tuner.resume``: programmatic search."""

from __future__ import annotations

import inspect
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack, cast

from tuner import plugins
from tuner.api.options import Observer, RunOptions
from tuner.api.runs import resume_study, run_sweep
from tuner.api.study import Study
from tuner.core.ports import Objective
from tuner.errors import ObjectiveError, SweepError, closest
from tuner.study import CheckpointPolicy, Constraint, FirstTrial, PluginSpec, Prices, Prior
from tuner.sweep import LIMITS, Sweep, build_spec, growth_notes, load, parse_limits, to_yaml

__all__ = ["ResumeArguments", "RunArguments", "resume", "run"]

Trainable = Callable[..., Any] | str | Mapping[str, Any] | Path | Objective


class RunArguments(TypedDict, total=False):
    """What ``tuner.run`` takes besides the objective, its space and its metric.

    Attributes:
        goal: ``minimize`` or ``maximize``; may be left out for metrics whose direction is known (``roc_auc``, ``rmse``).
        sampler: Name, or ``{"type": name, **options}``. Default ``auto``.
        pruner: As ``sampler``. Default ``none``.
        trials: How many trials.
        parallel: How many at once; None for what the cluster holds.
        time: How long in all: seconds, or text such as ``2h``.
        trial_time: How long one attempt may take; likewise.
        failures: How many failed trials are borne (a number, or text such as ``20%``).
        patience: How many trials in a row may bring nothing better.
        target: Value of the metric at which to end.
        steps: How many reports of all trials together: a budget in rounds, epochs or folds.
        cost: How much money the attempts may cost, by ``prices`` or by those of the cluster's node types.
        nodes: How many worker nodes the cluster may grow to.
        regret: End when the best value can hardly be improved by more than this, by an upper confidence bound.
        constraints: What a trial must keep to: ``{"name": "predict_ms", "max": 20}``, or a list of such; feasible trials go
            before others.
        noisy: Whether the same parameters give different values, so that trying them again is worth something.
        prices: What running costs: ``{"cpu_h": 0.04, "gpu_h": 2.5, "memory_gib_h": 0.005}``.
        checkpoints: Which are kept: ``{"best": 1, "size": "2GiB"}``.
        try_first: Configurations to try before the sampler chooses: ``[{"lr": 0.1}, {"lr": 0.01, "depth": 3}]``; parameters
            that are left out are drawn.
        defaults: False to leave out the first trial that a space from the catalogue asks for.
        prior: An earlier study to learn from, or several: names, or ``{"study": name, "store": url}``.
        resources: What an attempt asks for: ``{"cpu": 2, "memory": "200MiB + 3MiB * max_depth", "gpu": 0}``; what is left
            out, or ``auto``, is measured.
        weight: Its share of a cluster that several studies use is in the ratio of their weights. Default 1.
        retry: How often a failed attempt is tried again, or ``{"max": 3, "on": [...]}``.
        seed: From which every random choice derives.
        name: The study's name; None for the objective's.
        executor: ``ray``, ``inline`` or ``{"type": name, **options}``.
        address: A running Ray cluster, ``host:port``; None for an embedded one.
        store: URL; None for ``$TUNER_STORE``, else ``sqlite:///.tuner/tuner.db``.
        if_exists: ``error``, ``resume`` or ``new`` when the store holds a study of that name.
        observer: Who watches; None for nobody.
    """

    goal: str | None
    sampler: str | PluginSpec | Mapping[str, Any]
    pruner: str | PluginSpec | Mapping[str, Any]
    trials: int | None
    parallel: int | None
    time: float | str | None
    trial_time: float | str | None
    failures: int | str | None
    patience: int | None
    target: float | None
    steps: int | None
    cost: float | None
    nodes: int | None
    regret: float | None
    constraints: Constraint | Mapping[str, Any] | Sequence[Constraint | Mapping[str, Any]] | None
    noisy: bool | None
    prices: Prices | Mapping[str, Any] | None
    checkpoints: CheckpointPolicy | Mapping[str, Any] | None
    try_first: Sequence[FirstTrial | Mapping[str, Any]] | None
    defaults: bool | None
    prior: str | Prior | Mapping[str, Any] | Sequence[str | Prior | Mapping[str, Any]] | None
    resources: Mapping[str, Any] | None
    weight: float | None
    retry: int | Mapping[str, Any] | None
    seed: int | None
    name: str | None
    executor: str | PluginSpec | Mapping[str, Any]
    address: str | None
    store: str | None
    if_exists: Literal["error", "resume", "new"]
    observer: Observer | None


class ResumeArguments(TypedDict, total=False):
    """What ``tuner.resume`` takes besides the name and the objective: every limit, and where it runs.

    Attributes:
        trials: How many trials in all, those that have finished counted.
        parallel: How many at once; ``auto`` for what the cluster holds.
        time: How long in all, by all its drivers together: seconds, or text such as ``2h``.
        trial_time: How long one attempt may take; likewise.
        failures: How many failed trials are borne (a number, or text such as ``20%``).
        patience: How many trials in a row may bring nothing better.
        steps: How many reports of all trials together.
        cost: How much money it may cost in all.
        nodes: How many worker nodes the cluster may grow to.
        regret: End when the best value can hardly be improved by more than this.
        executor: Where trials run, instead of where they ran before: as in ``RunArguments``.
        address: A running Ray cluster, ``host:port``, instead of that where it ran before.
        store: URL; None for ``$TUNER_STORE``, else ``sqlite:///.tuner/tuner.db``.
        observer: Who watches; None for nobody.
    """

    trials: int | None
    parallel: int | str | None
    time: float | str | None
    trial_time: float | str | None
    failures: int | str | None
    patience: int | None
    steps: int | None
    cost: float | None
    nodes: int | None
    regret: float | None
    executor: str | PluginSpec | Mapping[str, Any]
    address: str | None
    store: str | None
    observer: Observer | None


_SPEC = (
    "goal", "sampler", "pruner", "resources", "weight", "retry", "seed", "constraints", "noisy", "prices", "checkpoints",
    "try_first", "defaults", "prior",
)  # fmt: skip


def run(objective: Trainable, *, space: Any = None, metric: Any = None, **arguments: Unpack[RunArguments]) -> Study:
    """Search for the best parameters and wait for the end.

        study = tuner.run(train, space={"lr": tuner.Float(1e-5, 1e-1, log=True)}, metric="loss", goal="minimize", trials=50)
        study.best_params

    Args:
        objective: A callable ``train(params, context)``, its import path ``pkg.mod:train``, a mapping as below
            ``objective:`` in a sweep file, or the path of a sweep file (``*.yaml``), which then says everything that the
            arguments do not.
        space: A mapping of names to ``Float``, ``Int``, ``Categorical`` or ``Constant``, a ``SearchSpace``, or a name from
            the catalogue.
        metric: Name of what is optimised, or a ``Metric``.
        **arguments: See ``RunArguments``.

    Returns:
        The study: ``best_trial``, ``best_params``, ``best_value``, ``trials``, ``model``, ``to_dataframe()``.

    Raises:
        PluginFailed: A sampler or pruner class of the caller's raised. The study is FAILED, keeps what has finished, and can
            be resumed.
        TunerError: Something else that the caller must mend; nothing was written then.
    """
    _check_names(arguments, [*RunArguments.__annotations__, "space", "metric"])
    if _is_file(objective):
        return _run_file(cast("str | Path", objective), space, metric, arguments)
    if space is None or metric is None:
        missing = "space" if space is None else "metric"
        raise SweepError("is missing", path=missing, hint=f"give {missing}=...")
    plugin, built = _objective(objective)
    limits, rest = _given(arguments, LIMITS), _given(arguments, _SPEC)
    name = arguments.get("name") or _name(plugin)
    spec = build_spec(
        name=name,
        objective=plugin,
        space=space,
        metric=_with_target(metric, arguments.get("target")),
        limits=limits,
        executor=_executor(arguments),
        **rest,
    )
    for note in growth_notes(spec.limits, _executor(arguments), address=arguments.get("address")):
        warnings.warn(note, stacklevel=2)
    sweep = Sweep(spec=spec, text=to_yaml(spec))
    return _whole(run_sweep(sweep, _options(arguments), arguments.get("observer"), built))


def resume(
    name: str = "@latest", *, objective: Callable[..., Any] | None = None, **arguments: Unpack[ResumeArguments]
) -> Study:
    """Take a study up where its log ends.

    Args:
        name: Its name, an unambiguous beginning of it, or ``@latest``.
        objective: The same callable as before, when the study cannot find it again by name (a closure, a notebook's).
        **arguments: See ``ResumeArguments``; limits that are given replace those it had, the others hold on.

    Raises:
        SweepError: A limit, or another argument, is wrong.
        StudyNotFound: There is no such study.
        StoreLocked: A living driver runs it.
        PluginFailed: As for ``run``.
    """
    _check_names(arguments, ResumeArguments.__annotations__)
    built = _objective(objective)[1] if objective is not None else None
    return _whole(resume_study(name, _options(arguments, with_limits=True), arguments.get("observer"), built))


def _whole(study: Study) -> Study:
    """The study, unless something of the caller's broke it off, which is raised."""
    if study.error is not None:
        raise study.error
    return study


def _check_names(arguments: Mapping[str, Any], known: Iterable[str]) -> None:
    known = list(known)
    for name in arguments:
        if name not in known:
            near = closest(name, known)
            hint = f"did you mean {near!r}?" if near else None
            raise SweepError("unknown argument", path=name, expected=f"one of {', '.join(known)}", hint=hint)


def _given(arguments: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Those of the arguments with these names that are not None."""
    return {name: arguments[name] for name in names if arguments.get(name) is not None}


def _is_file(objective: Trainable) -> bool:
    return isinstance(objective, Path) or (isinstance(objective, str) and objective.endswith((".yaml", ".yml")))


def _run_file(path: str | Path, space: Any, metric: Any, arguments: RunArguments) -> Study:
    if space is not None or metric is not None:
        raise SweepError(
            "a sweep file says its own", path="space" if space is not None else "metric", hint="change it in the file"
        )
    overrides = {f"limits.{key}": value for key, value in _given(arguments, LIMITS).items()}
    overrides |= _given(arguments, _SPEC)
    return _whole(run_sweep(load(path, overrides), _options(arguments), arguments.get("observer")))


def _objective(objective: Trainable) -> tuple[PluginSpec, Objective | None]:
    """The objective's name for the log and, when a name is not enough to find it again, the object itself."""
    if isinstance(objective, Mapping):
        kinds = [kind for kind in ("estimator", "function", "command") if kind in objective]
        if len(kinds) != 1:
            raise SweepError(
                "needs exactly one kind",
                path="objective",
                got=dict(objective),
                expected="estimator, function or command",
            )
        return PluginSpec(kinds[0], {**objective, "base": str(Path.cwd())}), None
    if isinstance(objective, str):
        return PluginSpec("function", {"function": objective, "base": str(Path.cwd())}), None
    if isinstance(objective, Objective):
        return PluginSpec(type(objective).__name__, {"unnamed": True}), objective
    if not callable(objective):
        raise ObjectiveError(
            f"{objective!r:.80} is no objective", hint="pass a callable, 'pkg.mod:train', a mapping or a sweep file"
        )
    built = plugins.build("objective", PluginSpec("function", {"function": objective}))
    module, name = getattr(objective, "__module__", "?"), getattr(objective, "__qualname__", type(objective).__name__)
    options: dict[str, Any] = {"function": f"{module}:{name}"}
    if module == "__main__" or getattr(sys.modules.get(module), name, None) is not objective:
        options["unnamed"] = True  # a closure, or a notebook's: nobody can import it again
    else:
        options["base"] = str(Path(inspect.getsourcefile(objective) or ".").parent)
    return PluginSpec("function", options), cast(Objective, built)


def _name(plugin: PluginSpec) -> str:
    what = str(plugin.options.get(plugin.type, plugin.type))
    last = re.split(r"[:.]", what.strip("[]'\""))[-1] or plugin.type
    return re.sub(r"[^A-Za-z0-9_-]+", "-", last).strip("-") or plugin.type


def _with_target(metric: Any, target: float | None) -> Any:
    return metric if target is None or not isinstance(metric, str) else {"name": metric, "target": target}


def _executor(arguments: Mapping[str, Any]) -> PluginSpec | None:
    """The executor that the caller named; None to leave it to the sweep or the study."""
    executor = arguments.get("executor")
    if isinstance(executor, Mapping):
        executor = PluginSpec(executor["type"], {k: v for k, v in executor.items() if k != "type"})
    elif isinstance(executor, str):
        executor = PluginSpec(executor)
    file = None if executor is None else executor.options.get("cluster_file")
    if executor is not None and file:
        executor = PluginSpec(executor.type, {**executor.options, "cluster_file": str(Path(file).resolve())})
    return executor


def _options(arguments: Mapping[str, Any], *, with_limits: bool = False) -> RunOptions:
    given = _given(arguments, LIMITS) if with_limits else {}
    return RunOptions(
        store=arguments.get("store"),
        executor=_executor(arguments),
        address=arguments.get("address"),
        name=arguments.get("name"),
        if_exists=arguments.get("if_exists", "error"),
        limits=parse_limits(given, as_options=False),
    )
