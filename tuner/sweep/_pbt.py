"""Population based training is one setting: the sampler's, which brings its pruner along. And its schedules, in files."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tuner.core.lineage import Segment
from tuner.errors import SweepError
from tuner.study import PluginSpec, StudySpec
from tuner.sweep._node import Node
from tuner.sweep._yaml import read_file, read_text

__all__ = ["PAIRED", "pair", "schedule_to_yaml"]

PAIRED = {"pbt": ("population", "interval", "quantile", "max"), "pbt_replay": ("schedule",)}
"""Samplers with a pruner of their own, and the options that both have."""


def pair(
    sampler: PluginSpec, pruner: PluginSpec, folder: Path, places: Mapping[str, Node]
) -> tuple[PluginSpec, PluginSpec]:
    """The sampler, its schedule read from its file, and the pruner that it brings.

    Args:
        sampler: What the sweep says.
        pruner: Likewise; ``none`` when it says nothing.
        folder: Where relative paths start.
        places: Where ``sampler`` and ``pruner`` stand, for errors.

    Raises:
        SweepError: The sweep says another pruner, or the pruner without its sampler; or the schedule cannot be read.
    """
    here = places.get("pruner", Node(None, "pruner"))
    if sampler.type not in PAIRED:
        if pruner.type in PAIRED:
            raise here.error(
                f"the pruner {pruner.type!r} is of no use without its sampler",
                got=pruner.type,
                hint=f"write `sampler: {pruner.type}` and leave the pruner out",
            )
        return sampler, pruner
    if isinstance(sampler.options.get("schedule"), str):
        rows = _schedule(folder / sampler.options["schedule"], places.get("sampler", Node(None, "sampler")))
        sampler = PluginSpec(sampler.type, {**sampler.options, "schedule": rows})
    brought = PluginSpec(sampler.type, {k: v for k, v in sampler.options.items() if k in PAIRED[sampler.type]})
    if pruner.type not in ("none", sampler.type) or (
        pruner.type == sampler.type and pruner.options not in ({}, brought.options)
    ):
        raise here.error(
            f"the sampler {sampler.type!r} brings its own pruner",
            got=pruner.type,
            hint="leave the pruner out; its options are the sampler's",
        )
    return sampler, brought


def _schedule(path: Path, place: Node) -> Any:
    """The segments in a schedule's file, as the sampler takes them.

    Raises:
        SweepError: It cannot be read, or holds no segments.
    """
    where = place.find("schedule")
    if not path.is_file():
        raise where.error(
            "there is no such file", got=str(path), hint="`tuner export STUDY --schedule FILE` writes one"
        )
    try:
        document = read_text(read_file(path), str(path)).plain()
    except SweepError as error:
        raise where.error(f"cannot be read: {error.message}", got=str(path)) from error
    rows = document.get("segments") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise where.error(
            "holds no segments", got=str(path), expected="a file that `tuner export STUDY --schedule FILE` wrote"
        )
    return [{k: v for k, v in row.items() if k in ("to", "params")} if isinstance(row, dict) else row for row in rows]


def schedule_to_yaml(spec: StudySpec, segments: Sequence[Segment]) -> str:
    """A schedule's file: which study's and trial's it is, and what was trained with, from step to step."""
    document = {
        "study": spec.name,
        "trial": segments[-1].trial,
        "metric": {"name": spec.metric.name, "goal": spec.metric.goal},
        "segments": [{"from": s.start, "to": s.end, "trial": s.trial, "params": dict(s.params)} for s in segments],
    }
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = None
    yaml.allow_unicode = True
    yaml.width = 120
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # published as None only
    stream = io.StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()
