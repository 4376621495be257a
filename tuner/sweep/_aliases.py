"""Other tools' keys -> ours, so that a W&B, Katib, NNI or Azure ML sweep needs few changes.

The tree is renamed in place before it is read; every node keeps the path and line of whoever wrote it, so messages speak of
``run_cap`` to those who wrote ``run_cap``. What cannot mean the same here is refused, and what means nearly the same is noted.
"""

from __future__ import annotations

from collections.abc import Callable

from tuner.sweep._foreign_command import rename_command
from tuner.sweep._foreign_plugins import rename_pruner, rename_sampler
from tuner.sweep._foreign_space import rename_parameters
from tuner.sweep._node import Node

__all__ = ["ALIASES", "rename"]

ALIASES: dict[str, str] = {
    "run_cap": "limits.trials",
    "max_trials": "limits.trials",
    "maxTrialCount": "limits.trials",
    "max_total_trials": "limits.trials",
    "maxTrialNumber": "limits.trials",
    "max_concurrent_trials": "limits.parallel",
    "parallelTrialCount": "limits.parallel",
    "trialConcurrency": "limits.parallel",
    "maxExperimentDuration": "limits.time",
    "timeout": "limits.time",
    "maxTrialDuration": "limits.trial_time",
    "trial_timeout": "limits.trial_time",
    "maxFailedTrialCount": "limits.failures",
    "trialGpuNumber": "resources.gpu",
    "resources_per_trial": "resources",
    "hyperparameters": "parameters",
    "search_space": "parameters",
    "searchSpace": "parameters",
    "experimentName": "name",
    "method": "sampler",
    "sampling_algorithm": "sampler",
    "algorithm": "sampler",
    "tuner": "sampler",
    "early_terminate": "pruner",
    "early_termination": "pruner",
    "earlyStopping": "pruner",
    "assessor": "pruner",
}
"""Key at the top of a foreign file -> path in ours."""

_IN_LIMITS = {key: path.removeprefix("limits.") for key, path in ALIASES.items() if path.startswith("limits.")}
_LABELS = ("project", "entity", "description", "display_name", "experiment_name", "tags")


def rename(root: Node) -> list[str]:
    """Rename every foreign key below ``root`` in place.

    Returns:
        Notes for the user about what means nearly, not exactly, the same, or has no meaning here.

    Raises:
        SweepError: A key and its alias are both there, or a foreign value has no counterpart.
    """
    assert isinstance(root.content, dict)
    notes: list[str] = []
    _unwrap(root, notes)
    _rename_metric(root)
    foreign: dict[str, str] = {}
    for key in [key for key in root.content if key in ALIASES]:
        target = ALIASES[key]
        _move(root, key, target)
        foreign[target] = key
    limits = root.content.get("limits")
    if limits is not None and isinstance(limits.content, dict):
        for key in [key for key in limits.content if key in _IN_LIMITS]:
            _move(limits, key, _IN_LIMITS[key])
    _rename_resources(root)
    readers: dict[str, Callable[[Node, str, Node], list[str]]] = {"sampler": rename_sampler, "pruner": rename_pruner}
    for part, reader in readers.items():
        if part in root.content and part in foreign:
            notes += reader(root.content[part], foreign[part], root)
            if root.content[part].content is None:
                del root.content[part]
    if "parameters" in root.content:
        rename_parameters(root.content["parameters"])
    rename_command(root)
    for key in [key for key in _LABELS if key in root.content]:
        del root.content[key]
        notes.append(f"{key!r} has no meaning here and is left out")
    return notes


def _move(root: Node, key: str, target: str) -> None:
    """Move what stands under ``key`` to the dotted path ``target``, which must be free."""
    assert isinstance(root.content, dict)
    node = root.content.pop(key)
    *above, last = target.split(".")
    place = root
    for part in above:
        assert isinstance(place.content, dict)
        place = place.content.setdefault(part, Node({}, part, node.line, node.file))
        if not isinstance(place.content, dict):
            raise place.error(f"must be a mapping, not {place.kind()}", expected=f"{part}: {{{last}: ...}}")
    assert isinstance(place.content, dict)
    if last in place.content:
        other = place.content[last]
        where = f" in line {other.line}" if other.line else ""
        raise node.error(f"says the same as {other.path!r}{where}", hint=f"keep one of them; ours is {target!r}")
    place.content[last] = node


def _rename_resources(root: Node) -> None:
    """Determined's ``slots_per_trial`` are GPUs, and its ``weight`` stands beside our resources."""
    assert isinstance(root.content, dict)
    resources = root.content.get("resources")
    if resources is None or not isinstance(resources.content, dict):
        return
    if "slots_per_trial" in resources.content:
        _move(resources, "slots_per_trial", "gpu")
    if "weight" in resources.content:
        weight = resources.content.pop("weight")
        if "weight" in root.content:
            raise weight.error(
                f"says the same as 'weight' in line {root.content['weight'].line}", hint="keep one of them"
            )
        root.content["weight"] = weight


def _unwrap(root: Node, notes: list[str]) -> None:
    """Take a Kubernetes envelope (Katib's ``apiVersion``, ``kind``, ``metadata``, ``spec``) off."""
    assert isinstance(root.content, dict)
    spec = root.content.get("spec")
    if spec is None or "apiVersion" not in root.content:
        return
    inner = dict(spec.fields(example="spec: {parameters: [...], algorithm: {...}}"))
    if "trialTemplate" in inner:
        raise inner["trialTemplate"].error(
            "a Kubernetes job cannot be run here",
            got="trialTemplate",
            expected='objective: {command: ["python", "train.py", "--lr", "{lr}"]} beside `spec`',
            hint="take the command of the job's container, with {name} for each ${trialParameters.name}",
        )
    metadata = root.content.get("metadata")
    name = metadata.content.get("name") if metadata is not None and isinstance(metadata.content, dict) else None
    if name is not None:
        inner.setdefault("name", name)
    envelope = ("apiVersion", "kind", "metadata", "spec")
    outer = {key: node for key, node in root.content.items() if key not in envelope}
    if "objective" in outer and "objective" in inner:
        inner["metric"] = _metric_of(inner.pop("objective"))
    for key in outer:
        if key in inner:
            raise outer[key].error(f"says the same as 'spec.{key}' in line {inner[key].line}", hint="keep one of them")
    root.content = {**inner, **outer}
    notes.append("of the Kubernetes envelope only 'metadata.name' and 'spec' are read")


def _rename_metric(root: Node) -> None:
    """Katib's and Azure's ``objective`` names the metric: it becomes ours, unless it says what to train."""
    assert isinstance(root.content, dict)
    objective = root.content.get("objective")
    if objective is None or not isinstance(objective.content, dict):
        return
    if not {"objectiveMetricName", "primary_metric"} & set(objective.content):
        return
    if "metric" in root.content:
        raise root.content["metric"].error(f"says the same as 'objective' in line {objective.line}", hint="keep one")
    root.content["metric"] = _metric_of(root.content.pop("objective"))


_METRIC = {"objectiveMetricName": "name", "primary_metric": "name"}


def _metric_of(node: Node) -> Node:
    fields = dict(node.fields(example="objective: {type: minimize, objectiveMetricName: loss}"))
    katib = "objectiveMetricName" in fields
    known = _METRIC | ({"type": "goal", "goal": "target"} if katib else {"goal": "goal"})
    fields.pop("additionalMetricNames", None)  # every metric that a trial reports is kept anyhow
    fields.pop("metricStrategies", None)
    for key, below in fields.items():
        if key not in known:
            raise node.stray(key, below, known)
    return Node({known[key]: below for key, below in fields.items()}, node.path, node.line, node.file)
