"""Reading a cluster file, for ``ray up`` or for KubeRay: which nodes it can start, what they offer and what they cost.

Ray's own schema is asked first; then what it lets pass and what would fail hours later is looked for. What Ray's schema has no
place for is in labels of a node type, which are free text:

- ``tuner.io/price-h``: what a node costs an hour, in the currency of ``limits.cost``;
- ``tuner.io/boot-s``: seconds from asking for a node to its first trial, where that is known;
- ``tuner.io/spot-loss-day``: share of spot nodes that are taken away a day, below 1, for ``tuner plan``;
- ``market-type`` or ``ray.io/market-type``: ``spot`` for machines that can be taken away.

In a manifest for KubeRay the first three are annotations of the pod template.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from tuner.cluster.kuberay import KINDS, group_labels, group_notes, worker_groups
from tuner.cluster.nodes import is_spot
from tuner.cluster.provider._options import MODULE, MachineOptions
from tuner.errors import ExecutorError, SweepError, closest
from tuner.resources import NodeType, Resources

__all__ = ["ClusterFile", "read_cluster_file"]

_MIB = 2**20
_LABELS = ("tuner.io/price-h", "tuner.io/boot-s", "tuner.io/spot-loss-day", "tuner.io/node-type")
_TYPES = "available_node_types"
_LEGACY = ("min_workers", "head_node", "worker_nodes")  # Ray takes them out before it looks at its schema


@dataclass(frozen=True, slots=True)
class ClusterFile:
    """What a cluster file says of the nodes that trials can run on.

    Attributes:
        name: The cluster's.
        types: Kinds of worker nodes that the autoscaler may start, in the file's order; the head's kind is left out. Empty for
            an on-premises file (``provider: local``), whose machines are what they are and are not started on demand.
        max_nodes: How many worker nodes there may be at once.
        path: The file's.
        notes: What is allowed but will be a nuisance, for people.
        selectors: Labels that the nodes of a type have and those of others have not, by type; types that nothing tells
            apart are left out.
    """

    name: str
    types: tuple[NodeType, ...]
    max_nodes: int
    path: str
    notes: tuple[str, ...] = ()
    selectors: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def read_cluster_file(path: Path) -> ClusterFile:
    """Read and check a cluster file, before anything is started.

    Args:
        path: A file for ``ray up``, the ``~/ray_bootstrap_config.yaml`` that ``ray up`` leaves on the head, or a manifest of a
            ``RayCluster`` or a ``RayJob`` for KubeRay.

    Raises:
        SweepError: The file cannot be read, or is wrong: with the line, what was expected and what to do.
    """
    source = _Source(path)
    described = source.described
    if described.get("kind") in KINDS:
        groups = worker_groups(described, source.fail)
        name = (described.get("metadata") or {}).get("name", described["kind"])
        selectors = _selectors(group_labels(described))
        notes = (*group_notes(described), *_twins(groups, selectors))
        return ClusterFile(str(name), groups, sum(group.max_nodes for group in groups), str(path), notes, selectors)
    if _TYPES not in described and described["provider"].get("type") != "local":
        source.fail(
            (), f"there is no {_TYPES}, so Ray's own defaults would be started", expected=f"{_TYPES} and head_node_type"
        )
    _check_provider(source)
    prepared = _checked_by_ray(source)
    if _TYPES not in described:
        return ClusterFile(described["cluster_name"], (), int(prepared["max_workers"]), str(path))
    reader = _Types(source, prepared)
    types = tuple(reader.types())
    selectors = _selectors({name: kind.get("labels") or {} for name, kind in prepared[_TYPES].items()})
    most, notes = int(prepared["max_workers"]), (*reader.notes, *_twins(types, selectors))
    return ClusterFile(described["cluster_name"], types, most, str(path), notes, selectors)


def _selectors(labels: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """The labels of every type that no other type, the head's included, has all of."""
    return {
        name: dict(own)
        for name, own in labels.items()
        if not any(own.items() <= others.items() for other, others in labels.items() if other != name)
    }


def _twins(types: Sequence[NodeType], selectors: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Types of which one could do the other's work are to be told apart, or Ray chooses between them."""
    for index, one in enumerate(types):
        for other in types[:index]:
            a, b = one.resources, other.resources
            same_kind = (a.gpu > 0) == (b.gpu > 0)  # Ray itself keeps trials without GPUs off nodes that have some
            if same_kind and (a.fits_into(b) or b.fits_into(a)) and not {one.name, other.name} <= selectors.keys():
                yield (
                    f"{other.name} and {one.name}: no label tells them apart, so Ray chooses between them, which knows no "
                    f"prices: give each one of its own, such as `labels: {{pool: {one.name}}}`"
                )


class _Source:
    """The file as Ray reads it, with the lines of its parts."""

    def __init__(self, path: Path) -> None:
        import yaml  # type: ignore[import-untyped]  # what Ray reads with, and comes with it

        self._path = path
        try:
            text = path.read_text(encoding="utf-8")
            self._root: Node | None = YAML().compose(text)
            self.described: dict[str, Any] = yaml.safe_load(text)  # as Ray does it: YAML 1.1
        except OSError as error:
            raise SweepError(f"the cluster file cannot be read: {error.strerror}", file=str(path)) from error
        except UnicodeDecodeError as error:
            raise SweepError("the cluster file is no text in UTF-8", file=str(path)) from error
        except (YAMLError, yaml.YAMLError) as error:
            mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
            raise SweepError(
                f"this is no YAML: {getattr(error, 'problem', None) or error}",
                file=str(path),
                line=mark.line + 1 if mark else None,
            ) from error
        if not isinstance(self.described, dict) or (
            self.described.get("kind") not in KINDS and not isinstance(self.described.get("provider"), dict)
        ):
            raise SweepError(
                "this is no cluster file",
                file=str(path),
                expected="a mapping with cluster_name, provider, available_node_types and more, as `ray up` takes it",
                hint="cluster.yaml and docs/clusters.md have examples",
            )

    def fail(self, at: Sequence[str | int], message: str, **more: Any) -> NoReturn:
        """Raise a ``SweepError`` about the part at this path; of one that is not there, about what would hold it."""
        raise SweepError(
            message, file=str(self._path), line=self._line(at), path=".".join(map(str, at)) or None, **more
        )

    def _line(self, at: Sequence[str | int]) -> int | None:
        node, line = self._root, None
        for step in at:
            found = _child(node, step)
            if found is None:
                break
            line, node = found
        return line


def _child(node: Node | None, step: str | int) -> tuple[int, Node] | None:
    """Line and node of one entry of a mapping or a list."""
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode) and key.value == str(step):
                return key.start_mark.line + 1, value
    if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark.line + 1, node.value[step]
    return None


def _check_provider(source: _Source) -> None:
    """Ray takes any key below ``provider:``. Ours are checked here; those of others are theirs to check."""
    provider = source.described["provider"]
    if provider.get("type") != "external":
        return
    module = provider.get("module", "")
    if module == MODULE:
        try:
            MachineOptions.of(provider, str(source.described.get("cluster_name", "")))
        except ExecutorError as error:
            message = error.message.removeprefix("provider: ")
            named = [key for key in provider if message.startswith((repr(key), f"{key} "))]
            source.fail(["provider", *named[:1]], message, hint=error.hint)
    elif str(module).startswith("tuner."):
        source.fail(["provider", "module"], "there is no such provider", got=module, expected=MODULE)


def _checked_by_ray(source: _Source) -> dict[str, Any]:
    """What Ray makes of the file when it has put its defaults in.

    A missing ``resources`` is our finding: ``ray up`` asks AWS about it, and so cannot be asked here.
    """
    import copy

    import jsonschema  # type: ignore[import-untyped]
    from ray.autoscaler._private.util import prepare_config, validate_config

    _check_shape(source)
    try:
        with _quiet("ray.autoscaler._private.util"):
            # Ray looks for mounted files while it prepares, and warns of what is right without Docker.
            mounts = source.described.get("file_mounts", {})
            prepared: dict[str, Any] = prepare_config(copy.deepcopy({**source.described, "file_mounts": {}}))
            prepared["file_mounts"] = mounts
            validate_config(prepared)
    except jsonschema.ValidationError as error:
        at: list[str | int] = list(error.absolute_path)
        if error.validator == "additionalProperties" and isinstance(error.instance, dict):
            known = list(error.schema.get("properties", ()))
            unknown = next((key for key in error.instance if key not in known), None)
            near = closest(str(unknown), known)
            source.fail(
                [*at, str(unknown)], f"Ray does not know {unknown!r}", hint=f"did you mean {near!r}?" if near else None
            )
        hint = "labels are text: put the value in quotes" if "labels" in at else None
        source.fail(at, f"Ray does not take this: {error.message}", hint=hint)
    except (ValueError, RuntimeError, KeyError, NotImplementedError, AssertionError) as error:
        known_key = (
            "head_node_type" if "head_node_type" in str(error) else "provider" if "provider" in str(error) else None
        )
        source.fail([known_key] if known_key else (), f"Ray does not take this file: {error}")
    return prepared


def _check_shape(source: _Source) -> None:
    """What Ray's own preparation takes for granted and would stumble over."""
    import ray.autoscaler

    schema = json.loads(Path(ray.autoscaler.__file__).with_name("ray-schema.json").read_text())
    known = [*schema["properties"], *_LEGACY]
    for key in source.described:
        if key not in known:
            near = closest(str(key), known)
            source.fail([key], f"Ray does not know {key!r}", hint=f"did you mean {near!r}?" if near else None)
    types = source.described.get(_TYPES, {})
    if not isinstance(types, dict):
        source.fail([_TYPES], "this is no mapping of names to node types", got=types)
    for name, described in types.items():
        if not isinstance(described, dict):
            source.fail([_TYPES, name], "this is no mapping", got=described, expected="resources, node_config and more")
        if not isinstance(described.get("resources"), dict):
            source.fail(
                [_TYPES, name],
                "the node type does not say its resources",
                expected="resources: {CPU: 16, memory: 27917287424}",
                hint="`ray up` would ask AWS, which neither tuner nor a check before launch can",
            )


@contextmanager
def _quiet(logger: str) -> Iterator[None]:
    """Keep back what Ray says of defaults that it puts in."""
    log = logging.getLogger(logger)
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


class _Types:
    """Makes ``NodeType`` values of the section, and looks for what Ray lets pass."""

    def __init__(self, source: _Source, prepared: Mapping[str, Any]) -> None:
        self._source, self._prepared = source, prepared
        self.notes: list[str] = []

    def types(self) -> Iterator[NodeType]:
        """The worker types. A head's type of which workers may be started too is one."""
        for name, described in self._prepared[_TYPES].items():
            kind = self._type(name, described)
            if name == self._prepared["head_node_type"]:
                if kind.resources.cpu > 0 and kind.max_nodes == 0:
                    self.notes.append(
                        f"{name}: trials can land on the head, which then may fail all of them: give it CPU: 0"
                    )
                if kind.max_nodes == 0:
                    continue
            yield kind
            if kind.max_nodes > 0 and kind.resources.memory_mib == 0:
                self.notes.append(
                    f"{name}: resources say no memory, so the autoscaler does not start it for trials that are granted memory"
                )

    def _type(self, name: str, described: Mapping[str, Any]) -> NodeType:
        least, most = int(described["min_workers"]), int(described["max_workers"])
        at = [_TYPES, name]
        for key, number in (("min_workers", least), ("max_workers", most)):
            if number < 0:
                self._source.fail([*at, key], "a number of nodes cannot be negative", got=number)
        if least > most:
            self._source.fail([*at, "min_workers"], f"min_workers is above max_workers of the type, {most}", got=least)
        labels = described.get("labels") or {}
        for label in labels:
            if label.startswith("tuner.io/") and label not in _LABELS:
                self._source.fail(
                    [*at, "labels", label], "tuner knows no such label", got=label, expected=" or ".join(_LABELS)
                )
        return NodeType(
            name=name,
            resources=_offered(described["resources"]),
            max_nodes=most,
            min_nodes=least,
            price_h=self._number([*at, "labels", "tuner.io/price-h"], labels),
            spot=is_spot(labels) or _bought_as_spot(described.get("node_config") or {}),
            boot_s=self._number([*at, "labels", "tuner.io/boot-s"], labels),
            spot_loss_day=self._share([*at, "labels", "tuner.io/spot-loss-day"], labels),
        )

    def _share(self, at: list[str], labels: Mapping[str, str]) -> float | None:
        share = self._number(at, labels)
        if share is not None and share >= 1.0:
            self._source.fail(at, "this is no share: it is below 1", got=labels[at[-1]], expected="0.15 for 15 %")
        return share

    def _number(self, at: list[str], labels: Mapping[str, str]) -> float | None:
        text = labels.get(at[-1])
        if text is None:
            return None
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not (number >= 0 and math.isfinite(number)):
            self._source.fail(at, "this is no number of at least 0", got=text)
        return number


def _offered(resources: Mapping[str, Any]) -> Resources:
    return Resources(
        cpu=float(resources.get("CPU", 0)),
        gpu=float(resources.get("GPU", 0)),
        memory_mib=float(resources.get("memory", 0)) / _MIB,
    )


def _bought_as_spot(node_config: Mapping[str, Any]) -> bool:
    """Whether the machine's own configuration says spot: of AWS, of GCP (both of its words), of Azure."""
    aws = node_config.get("InstanceMarketOptions")
    scheduling = node_config.get("scheduling") or []
    gcp = [row for row in (scheduling if isinstance(scheduling, list) else [scheduling]) if isinstance(row, Mapping)]
    azure = node_config.get("azure_arm_parameters")
    return (
        (isinstance(aws, Mapping) and aws.get("MarketType") == "spot")
        or (any(row.get("preemptible") is True or row.get("provisioningModel") == "SPOT" for row in gcp))
        or (isinstance(azure, Mapping) and str(azure.get("priority", "")).lower() == "spot")
    )
