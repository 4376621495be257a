"""Reading a KubeRay manifest (``RayCluster``, ``RayJob``) as a cluster file: its worker groups are the node types.

There is no schema of KubeRay's here to ask, so what matters to tuner and to Ray's autoscaler is checked by hand against the
fields of ``ray.io/v1``. What they have no place for is in annotations of a group's pod template: those that are labels of a
node type in a file for ``ray up``. Ray's autoscaler knows a group by the ``labels`` of the group itself (KubeRay 1.5.1), not by
those of its pods, nor by those in ``rayStartParams``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn, Protocol

from tuner.cluster.nodes import is_spot
from tuner.errors import closest
from tuner.resources import NodeType, Resources

__all__ = ["HEAD", "KINDS", "group_labels", "group_notes", "quantity", "worker_groups"]

KINDS = ("RayCluster", "RayJob")
HEAD = "headgroup"  # as KubeRay calls the head's group
_MIB = 2**20
_UNITS = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_UNITS |= {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}
_CLUSTER = (
    "rayVersion", "enableInTreeAutoscaling", "autoscalerOptions", "headGroupSpec", "workerGroupSpecs", "headServiceAnnotations",
    "gcsFaultToleranceOptions", "suspend", "managedBy", "authOptions", "upgradeStrategy",
)  # fmt: skip
_GROUP = (
    "groupName", "replicas", "minReplicas", "maxReplicas", "idleTimeoutSeconds", "numOfHosts", "rayStartParams", "template",
    "scaleStrategy", "suspend", "labels", "resources",
)  # fmt: skip
_HEAD = ("rayStartParams", "template", "serviceType", "headService", "enableIngress", "labels", "resources")
_JOB = (
    "entrypoint", "metadata", "runtimeEnvYAML", "jobId", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished", "suspend",
    "rayClusterSpec", "submitterPodTemplate", "clusterSelector", "entrypointNumCpus", "entrypointNumGpus",
    "entrypointResources", "submissionMode",
    "activeDeadlineSeconds", "backoffLimit", "submitterConfig", "deletionStrategy", "managedBy",
)  # fmt: skip
_PRICE_H, _BOOT_S, _LOSS_DAY = "tuner.io/price-h", "tuner.io/boot-s", "tuner.io/spot-loss-day"
_GPUS = ("nvidia.com/gpu", "amd.com/gpu")

Path = Sequence[str | int]


class Fail(Protocol):
    """Raises a ``SweepError`` about the part of the file at this path."""

    def __call__(self, at: Path, message: str, **more: Any) -> NoReturn: ...


def quantity(text: object) -> float:
    """A Kubernetes quantity (``2``, ``500m``, ``26Gi``) as a number.

    Raises:
        ValueError: It is none.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?", str(text))
    if match is None:
        raise ValueError(f"{text!r} is no quantity, as 2, 500m or 26Gi")
    return float(match[1]) * _UNITS[match[2] or ""]


def worker_groups(described: Mapping[str, Any], fail: Fail) -> tuple[NodeType, ...]:
    """The node types of a manifest, checked.

    Args:
        described: What the file says; its ``kind`` is one of ``KINDS``.
        fail: Tells what is wrong, with its line.

    Raises:
        SweepError: The manifest is wrong.
    """
    if described.get("apiVersion") != "ray.io/v1":
        fail(
            ["apiVersion"], "this is no version that tuner knows", got=described.get("apiVersion"), expected="ray.io/v1"
        )
    at: list[str | int] = ["spec"]
    spec = _mapping(described, "spec", [], fail)
    if described["kind"] == "RayJob":
        _known(spec, _JOB, at, fail)
        if not isinstance(spec.get("entrypoint"), str):
            fail(at, "a RayJob needs an entrypoint, the command that it runs")
        spec, at = _mapping(spec, "rayClusterSpec", at, fail), [*at, "rayClusterSpec"]
    _known(spec, _CLUSTER, at, fail)
    head, head_at = _mapping(spec, "headGroupSpec", at, fail), [*at, "headGroupSpec"]
    _known(head, _HEAD, head_at, fail)
    _limits(head, head_at, fail)
    _labels(head, head_at, fail)
    groups = spec.get("workerGroupSpecs")
    if not isinstance(groups, list) or not groups:
        fail(at, "there are no workerGroupSpecs, so there is nothing that trials could run on")
    return tuple(_groups(groups, [*at, "workerGroupSpecs"], fail))


def group_labels(described: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The labels by which Ray's autoscaler knows the groups of a manifest that was checked, the head's included, by name."""
    spec = _cluster(described)
    labels = {group["groupName"]: dict(group.get("labels") or {}) for group in spec["workerGroupSpecs"]}
    return {HEAD: dict(spec["headGroupSpec"].get("labels") or {}), **labels}


def group_notes(described: Mapping[str, Any]) -> Iterator[str]:
    """What a manifest that was checked allows and what will be a nuisance, for people."""
    for group in _cluster(described)["workerGroupSpecs"]:
        labels = (group.get("rayStartParams") or {}).get("labels")
        if labels:
            yield (
                f"{group['groupName']}: Ray's autoscaler does not see the labels in rayStartParams ({labels}): put them into "
                "`labels:` of the group (KubeRay 1.5.1 or newer)"
            )


def _cluster(described: Mapping[str, Any]) -> Mapping[str, Any]:
    spec: Mapping[str, Any] = described["spec"]
    return spec["rayClusterSpec"] if described["kind"] == "RayJob" else spec


def _groups(groups: list[Any], at: Path, fail: Fail) -> Iterator[NodeType]:
    for number, group in enumerate(groups):
        here = [*at, number]
        if not isinstance(group, dict):
            fail(here, "this is no mapping", got=group)
        _known(group, _GROUP, here, fail)
        name = group.get("groupName")
        if not isinstance(name, str) or not name:
            fail(here, "a worker group needs a groupName")
        yield _group(name, group, here, fail)


def _group(name: str, group: Mapping[str, Any], at: Path, fail: Fail) -> NodeType:
    counts = {key: group.get(key, default) for key, default in (("minReplicas", 0), ("maxReplicas", 2**31 - 1))}
    for key, number in {**counts, "replicas": group.get("replicas", 0)}.items():
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            fail([*at, key], "this is no number of pods", got=number)
    if counts["minReplicas"] > counts["maxReplicas"]:
        fail([*at, "minReplicas"], f"it is above maxReplicas, {counts['maxReplicas']}", got=counts["minReplicas"])
    limits = _limits(group, at, fail)
    metadata = group["template"].get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), **_labels(group, at, fail)}
    said = _annotations(metadata, [*at, "template", "metadata", "annotations"], fail)
    return NodeType(
        name=name,
        resources=Resources(
            cpu=float(math.ceil(limits["cpu"])),  # as KubeRay tells Ray
            gpu=sum(limits.get(kind, 0.0) for kind in _GPUS),
            memory_mib=limits["memory"] / _MIB,
        ),
        max_nodes=counts["maxReplicas"],
        min_nodes=counts["minReplicas"],
        price_h=said.get(_PRICE_H),
        spot=is_spot(labels),
        boot_s=said.get(_BOOT_S),
        spot_loss_day=said.get(_LOSS_DAY),
    )


def _limits(group: Mapping[str, Any], at: Path, fail: Fail) -> dict[str, float]:
    """The limits of the group's first container, which is the one that Ray runs in."""
    here: list[str | int] = [*at, "template", "spec"]
    containers = _mapping(_mapping(group, "template", at, fail), "spec", [*at, "template"], fail).get("containers")
    if not isinstance(containers, list) or not containers or not isinstance(containers[0], dict):
        fail(here, "there are no containers")
    here += ["containers", 0]
    if not containers[0].get("image"):
        fail(here, "the container has no image")
    resources = containers[0].get("resources")
    limits = resources.get("limits") if isinstance(resources, dict) else None
    if not isinstance(limits, dict) or not {"cpu", "memory"} <= limits.keys():
        fail(
            here,
            "Ray takes a container's limits for the size of its node",
            expected="resources.limits with cpu and memory",
        )
    here += ["resources", "limits"]
    parsed: dict[str, float] = {}
    for key, text in limits.items():
        try:
            parsed[key] = quantity(text)
        except ValueError as error:
            fail([*here, key], str(error))
    return parsed


def _labels(group: Mapping[str, Any], at: Path, fail: Fail) -> dict[str, str]:
    """The labels of the group itself, which are text."""
    labels = group.get("labels") or {}
    if not isinstance(labels, dict):
        fail([*at, "labels"], "this is no mapping of names to text", got=labels)
    for key, value in labels.items():
        if not isinstance(value, str):
            fail([*at, "labels", key], "labels are text: put the value in quotes", got=value)
    return labels


def _annotations(metadata: Mapping[str, Any], at: Path, fail: Fail) -> dict[str, float]:
    """What the pod template's annotations tell tuner, which are text."""
    told: dict[str, float] = {}
    for key, text in (metadata.get("annotations") or {}).items():
        if not str(key).startswith("tuner.io/"):
            continue
        if key not in (_PRICE_H, _BOOT_S, _LOSS_DAY):
            expected = " or ".join((_PRICE_H, _BOOT_S, _LOSS_DAY))
            fail([*at, key], "tuner knows no such annotation", got=key, expected=expected)
        try:
            told[key] = quantity(text) if key == _PRICE_H else float(text)  # 2m are no seconds
        except (TypeError, ValueError):
            told[key] = math.nan
        if not (told[key] >= 0 and math.isfinite(told[key])):
            fail([*at, key], "this is no number of at least 0", got=text)
    if told.get(_LOSS_DAY, 0.0) >= 1.0:
        fail([*at, _LOSS_DAY], "this is no share: it is below 1", got=told[_LOSS_DAY], expected="0.15 for 15 %")
    return told


def _mapping(holder: Mapping[str, Any], key: str, at: Path, fail: Fail) -> dict[str, Any]:
    value = holder.get(key)
    if not isinstance(value, dict):
        fail([*at, key], f"{key} is missing, or no mapping", got=value)
    return value


def _known(part: Mapping[str, Any], known: Sequence[str], at: Path, fail: Fail) -> None:
    for key in part:
        if key not in known:
            near = closest(str(key), known)
            fail([*at, key], f"there is no field {key!r} here", hint=f"did you mean {near!r}?" if near else None)
