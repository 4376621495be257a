"""Where attempts run, as a sweep says it, and whether what an attempt asks for fits there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.cluster.address import parse_address
from tuner.errors import SweepError, TunerError
from tuner.formula import Formula
from tuner.resources import NodeType, Resources
from tuner.study import Limits, PluginSpec, StudySpec
from tuner.sweep import _fields
from tuner.sweep._node import Node
from tuner.sweep._plugins import read_plugin
from tuner.sweep._resources import formula_points

if TYPE_CHECKING:
    from tuner.cluster.file import ClusterFile

__all__ = ["check_fits", "growth_notes", "known_types", "read_cluster", "read_executor"]

_CLUSTER_FILE = "TUNER_CLUSTER_FILE"
_FILE = "the path of a cluster's file, as `ray up` takes it"


def read_executor(node: Node, folder: Path) -> PluginSpec:
    """The executor; of ``ray`` its address is checked and the path of its cluster's file is made absolute.

    Args:
        node: A name, or ``{type, ...options}``.
        folder: That from which ``cluster_file`` is looked for.

    Raises:
        SweepError: The name or an option is unknown, or an option is wrong.
    """
    spec = read_plugin("executor", node)
    if spec.type != "ray" or not isinstance(node.content, dict):
        return spec
    fields = {key: below for key, below in node.content.items() if below.content is not None}
    if "address" in fields:
        _check_address(fields["address"])
    if "autoscale" in fields:
        _fields.boolean(fields["autoscale"])
    if "cluster_file" in fields:
        path = Path(_fields.text(fields["cluster_file"], _FILE)).expanduser()
        path = path if path.is_absolute() else folder / path
        if not path.is_file():
            raise fields["cluster_file"].error(f"there is no file {str(path)!r}", expected=_FILE)
        spec = PluginSpec(spec.type, {**spec.options, "cluster_file": str(path)})
    return spec


def _check_address(node: Node) -> None:
    try:
        parse_address(_fields.text(node, "host:port, as `ray start --head` prints it"))
    except SweepError:
        raise
    except TunerError as error:
        raise node.error(error.message, hint=error.hint) from error


def known_types(executor: PluginSpec | None) -> tuple[NodeType, ...]:
    """The kinds of node in the cluster's file that the executor names; none when it names none.

    Raises:
        SweepError: The file cannot be read as a cluster's.
    """
    described = read_cluster(executor)
    return () if described is None else described.types


def read_cluster(executor: PluginSpec | None, node: Node | None = None) -> ClusterFile | None:
    """What the cluster's file that the executor names says; None when it names none.

    Args:
        executor: As the sweep has it.
        node: That of ``executor``, for errors.

    Raises:
        SweepError: The file cannot be read as a cluster's.
    """
    path = executor.options.get("cluster_file") if executor is not None else None
    if not path:
        return None
    from tuner.cluster.file import read_cluster_file

    try:
        return read_cluster_file(Path(path))
    except SweepError as error:
        if error.file is None and node is not None:
            node.find("cluster_file").locate(error)
        raise
    except TunerError as error:
        place = node.find("cluster_file") if node is not None else Node(path, "executor.cluster_file")
        raise place.error(error.message, hint=error.hint) from error


def growth_notes(
    limits: Limits, executor: PluginSpec | None, *, address: str | None = None, starts: bool = True
) -> tuple[str, ...]:
    """What is to be said of ``limits.nodes`` and ``executor.cluster_file`` where they do nothing; most often nothing.

    Args:
        limits: Those that the study will run with.
        executor: Where it will run; None for a Ray on this machine.
        address: Of a running cluster, where one is named beside the executor.
        starts: Whether it starts now. If not, an address may come still, and what would need one is not told.

    Raises:
        SweepError: The cluster's file cannot be read as one.
    """
    where = executor or PluginSpec("ray")
    named = where.options.get("cluster_file")
    file = named or os.environ.get(_CLUSTER_FILE)
    limit = f"limits.nodes: {limits.nodes} does nothing here"
    here = where.type == "ray" and starts and not (address or where.options.get("address"))
    if here and named:
        return (
            "executor.cluster_file does nothing here: without an address a Ray of one node is started on this machine; "
            "give the cluster's (--address), or let it run the sweep (tuner submit)",
        )
    if limits.nodes is None:
        return ()
    if where.type != "ray":
        return (f"{limit}: executor {where.type} runs trials in one process, on no nodes",)
    if where.options.get("autoscale") is False:
        return (f"{limit}: with executor.autoscale: false no node is started for the sweep",)
    if here:
        return (
            f"{limit}: a Ray on this machine is one node; it counts on a cluster that grows (executor.cluster_file)",
        )
    if not file:
        return (
            f"{limit} unless the cluster runs the sweep itself (tuner submit) or its file is named (executor.cluster_file): "
            "else nobody knows which nodes it can start",
        )
    described = read_cluster(PluginSpec("ray", {"cluster_file": file}))
    if described is not None and not described.types:
        return (f"{limit}: the machines of {Path(str(file)).name} are what they are, none is started on demand",)
    return ()


def check_fits(spec: StudySpec, types: Sequence[NodeType], node: Node) -> tuple[str, ...]:
    """Whether some kind of node can hold what attempts ask for.

    Args:
        spec: The sweep.
        types: The kinds of node that the cluster can grow to; none when they are not known.
        node: That of ``resources``, or the whole sweep.

    Returns:
        A note when only the attempts of some parameters can never run.

    Raises:
        SweepError: None can ever run.
    """
    if not types:
        return ()
    amounts = _amounts(spec)
    misfits = [amount for amount in amounts if not any(_holds(kind.resources, amount) for kind in types)]
    if not misfits:
        return ()
    offered = "; ".join(f"{kind.name}: {_told(kind.resources)}" for kind in types)
    if len(misfits) == len(amounts):
        raise SweepError(
            "no node type of the cluster can hold one attempt",
            file=node.file,
            line=node.line,
            path=node.path or "resources",
            got=_told(min(amounts, key=lambda amount: (amount.memory_mib, amount.gpu, amount.cpu))),
            expected=f"at most what one node type offers ({offered})",
            hint="ask for less under `resources`, or add a larger node type to the cluster's file",
        )
    most = max(misfits, key=lambda amount: (amount.memory_mib, amount.gpu, amount.cpu))
    return (
        f"for some parameters `resources` asks for {_told(most)}, which no node type offers ({offered}): they will fail",
    )


def _amounts(spec: StudySpec) -> list[Resources]:
    """What attempts can ask for: the formulas at the points at which they are tried out, ``auto`` as nothing."""
    asked = (spec.resources.cpu, spec.resources.gpu, spec.resources.memory_mib)
    formulas = [part for part in asked if isinstance(part, Formula)]
    if not formulas:
        return [Resources(*(float(part) if isinstance(part, int | float) else 0.0 for part in asked))]
    together = formulas[0] if len(formulas) == 1 else Formula(" + ".join(f"({part.text})" for part in formulas))
    return [
        Resources(*(part.value(params) if isinstance(part, Formula) else part or 0.0 for part in asked))
        for params in formula_points(together, spec.space)
    ]


def _holds(offer: Resources, amount: Resources) -> bool:
    """Whether the node can hold it; where a kind does not say how much memory it has, it may."""
    known = offer if offer.memory_mib else Resources(offer.cpu, offer.gpu, amount.memory_mib)
    return amount.fits_into(known)


def _told(amount: Resources) -> str:
    parts = [f"{amount.cpu:g} CPU"] if amount.cpu else []
    parts += [f"{amount.gpu:g} GPU"] if amount.gpu else []
    parts += [f"{amount.memory_mib:,.0f} MiB of memory"] if amount.memory_mib else []
    return ", ".join(parts) or "nothing"
