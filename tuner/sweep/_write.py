"""A specification -> a sweep file that reads back equal."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import PurePath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.representer import SafeRepresenter

from tuner.formula import Formula
from tuner.study import (
    CheckpointPolicy,
    Constraint,
    Limits,
    Metric,
    PluginSpec,
    Prices,
    ResourceRequest,
    Retry,
    StudySpec,
)
from tuner.sweep._units import format_duration, format_memory

__all__ = ["to_yaml"]


def to_yaml(spec: StudySpec) -> str:
    """A sweep file with everything that ``spec`` says; parsing it in the same folder gives an equal specification.

    Args:
        spec: A specification whose objective is named, not a callable: its options must be plain data. The option ``base``
            is left out, because reading the file sets it.
    """
    document: dict[str, Any] = {
        "name": spec.name,
        "objective": _objective(spec.objective),
        "metric": [_metric(metric) for metric in spec.metrics],
        "constraints": [_constraint(constraint) for constraint in spec.constraints],
        "noisy": spec.noisy or None,
        **spec.space.to_dict(),
        "try_first": [dict(first.params) for first in spec.first],
        "prior": [asdict(prior) if prior.store else prior.study for prior in spec.prior],
        "sampler": _plugin(spec.sampler),
        "pruner": _plugin(spec.pruner),
        "limits": _limits(spec.limits),
        "prices": _prices(spec.prices),
        "resources": _resources(spec.resources),
        "weight": None if spec.weight == 1.0 else spec.weight,
        "checkpoints": _checkpoints(spec.keep),
        "retry": _retry(spec.retry),
        "seed": spec.seed,
        "stop_grace": format_duration(spec.stop_grace_s),
    }
    if len(spec.metrics) == 1:
        document["metric"] = document["metric"][0]
    document = {key: value for key, value in document.items() if value not in ({}, [], None)}
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = _Representer
    yaml.default_flow_style = None
    yaml.allow_unicode = True
    yaml.width = 120
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # published as None only
    stream = io.StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()


_BARE = re.compile(r"[A-Za-z_][\w./%+-]*(?:[ :][\w./%+-]+)*", re.ASCII)


class _Representer(SafeRepresenter):
    """Quotes all but plain words: the emitter leaves some texts bare that read back as something else (``?a`` in braces)."""

    def represent_text(self, data: str) -> Any:
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=None if _BARE.fullmatch(data) else '"')


_Representer.add_representer(str, _Representer.represent_text)


def _objective(spec: PluginSpec) -> dict[str, Any]:
    options = {key: _plain(value) for key, value in spec.options.items() if key != "base"}
    return options if spec.type in options else {"type": spec.type, **options}


def _metric(metric: Metric) -> dict[str, Any]:
    row: dict[str, Any] = {"name": metric.name, "goal": metric.goal}
    return row if metric.target is None else row | {"target": metric.target}


def _constraint(constraint: Constraint) -> dict[str, Any]:
    row = {"name": constraint.name, "min": constraint.low, "max": constraint.high}
    return {key: value for key, value in row.items() if value is not None}


def _prices(prices: Prices | None) -> dict[str, float] | None:
    return None if prices is None else {key: value for key, value in asdict(prices).items() if value}


def _checkpoints(keep: CheckpointPolicy) -> dict[str, Any] | None:
    if keep == CheckpointPolicy():
        return None
    return {"best": keep.best} | ({} if keep.size_mib is None else {"size": format_memory(keep.size_mib)})


def _plugin(spec: PluginSpec) -> Any:
    return {"type": spec.type, **_plain(spec.options)} if spec.options else spec.type


def _plain(value: Any) -> Any:
    """What YAML can hold: paths as text, anything foreign as Python shows it (for people; it does not read back)."""
    if isinstance(value, Mapping):
        return {str(key): _plain(below) for key, below in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(below) for below in value]
    if value is None or isinstance(value, bool):
        return value
    for kind in (int, float):
        if isinstance(value, kind):
            return kind(value)  # NumPy's float64 is a float that YAML does not know
    if isinstance(value, str):
        return str.__str__(value)
    return str(value) if isinstance(value, PurePath) else repr(value)


def _limits(limits: Limits) -> dict[str, Any]:
    row: dict[str, Any] = {"trials": limits.trials, "steps": limits.steps, "parallel": limits.parallel}
    row |= {"cost": limits.cost, "nodes": limits.nodes, "patience": limits.patience, "regret": limits.regret}
    row["time"] = None if limits.time_s is None else format_duration(limits.time_s)
    row["trial_time"] = None if limits.trial_time_s is None else format_duration(limits.trial_time_s)
    share = limits.failures_share
    row["failures"] = limits.failures if share is None else f"{share * 100:.15g}%"
    return {key: value for key, value in row.items() if value is not None}


def _resources(resources: ResourceRequest) -> dict[str, Any]:
    return {
        "cpu": _amount(resources.cpu, _short),
        "memory": _amount(resources.memory_mib, format_memory),
        "gpu": _amount(resources.gpu, _short),
    }


def _amount(asked: float | Formula | None, write: Callable[[float], float | str]) -> float | str:
    if asked is None:
        return "auto"
    return asked.text if isinstance(asked, Formula) else write(asked)


def _short(number: float) -> float:
    """2 for 2.0, as people write it."""
    return int(number) if number == int(number) else number


def _retry(retry: Retry) -> dict[str, Any]:
    return {"max": retry.max, "on": sorted(str(kind) for kind in retry.on)}
