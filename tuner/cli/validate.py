"""``tuner validate``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from tuner import sweep
from tuner.api.runs import prepare
from tuner.cli._options import Output, OutputOption
from tuner.cli._output import pairs, print_json, say
from tuner.cli.run import overrides
from tuner.core.ports import Objective
from tuner.study import StudySpec

__all__ = ["command"]


def command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The sweep, a YAML file.")],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Set a value of the sweep, as limits.trials=20; repeatable."),
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Check a sweep file, its data and its search space, and run nothing.

    Reads the data, finds what is to be trained, and checks metric, parameters, sampler and pruner: all that tuner run does
    before it writes anything.
    """
    loaded = sweep.load(file, overrides(changes or []))
    parts = prepare(loaded.spec)
    if output is Output.JSON:
        print_json({"ok": True, **_facts(parts.spec, parts.objective), "spec": parts.spec.to_dict()})
        return
    say(f"OK  {file}")
    for line in pairs({key: _told(value) for key, value in _facts(parts.spec, parts.objective).items()}, indent="  "):
        say(line)
    say(f"next  tuner run {file}")


def _facts(spec: StudySpec, objective: Objective) -> dict[str, Any]:
    limits = {name: getattr(spec.limits, name) for name in spec.limits.__dataclass_fields__}
    conditional = sum(1 for distribution in spec.space.values() if distribution.when)
    return {
        "study": spec.name,
        "objective": spec.objective.type,
        "metric": f"{spec.metric.goal} {spec.metric.name}",
        "parameters": {
            "sampled": len(spec.space.sampled),
            "constant": len(spec.space) - len(spec.space.sampled),
            "conditional": conditional,
            "forbidden": len(spec.space.forbidden),
        },
        "sampler": spec.sampler.type,
        "pruner": spec.pruner.type,
        "limits": {name: value for name, value in limits.items() if value is not None},
        "data": {key: value for key, value in objective.describe().items() if _is_short(value)},
    }


def _is_short(value: Any) -> bool:
    if isinstance(value, str):
        return "\n" not in value and len(value) <= 120
    return isinstance(value, int | float) or (isinstance(value, list | tuple | Mapping) and len(value) <= 8)


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_told(inner)}" for key, inner in value.items()) or "none"
    if isinstance(value, list | tuple):
        return (
            " x ".join(map(str, value)) if all(isinstance(item, int) for item in value) else ", ".join(map(str, value))
        )
    return f"{value:g}" if isinstance(value, float) else str(value)
