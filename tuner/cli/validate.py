"""``tuner validate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tuner import sweep
from tuner.api.runs import check_prior, prepare
from tuner.cli._options import Output, OutputOption
from tuner.cli._output import flat, pairs, print_json, remark, say
from tuner.cli._sizes import asked_for
from tuner.cli.run import overrides
from tuner.core.ports import Objective
from tuner.dashboard.notes import bounds
from tuner.errors import SweepError
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

    Reads the data, finds what is to be trained, and checks metric, parameters, sampler, pruner and earlier studies: all that
    tuner run does before it writes anything.
    """
    loaded = sweep.load(file, overrides(changes or []))
    try:
        parts = prepare(loaded.spec)
        known = check_prior(parts, loaded.store)
    except SweepError as error:
        loaded.locate(error)
        raise
    notes = [
        *loaded.notes,
        *sweep.growth_notes(loaded.spec.limits, loaded.executor, starts=False),
        *parts.notes,
        *known,
    ]
    for note in notes:
        remark(f"note: {note}")
    if output is Output.JSON:
        told = {"ok": True, **_facts(parts.spec, parts.objective), "notes": notes}
        print_json({**told, "spec": parts.spec.to_dict()})
        return
    say(f"OK  {file}")
    for line in pairs(_lines(_facts(parts.spec, parts.objective)), indent="  "):
        say(line)
    say(f"next  tuner run {file}")


def _facts(spec: StudySpec, objective: Objective) -> dict[str, Any]:
    limits = {name: getattr(spec.limits, name) for name in spec.limits.__dataclass_fields__}
    conditional = sum(1 for distribution in spec.space.values() if distribution.when)
    return {
        "study": spec.name,
        "objective": spec.objective.type,
        "metric": ", ".join(f"{metric.goal} {metric.name}" for metric in spec.metrics),
        **({"constraints": ", ".join(map(bounds, spec.constraints))} if spec.constraints else {}),
        "parameters": {
            "sampled": len(spec.space.sampled),
            "constant": len(spec.space) - len(spec.space.sampled),
            "conditional": conditional,
            "forbidden": len(spec.space.forbidden),
        },
        "sampler": spec.sampler.type,
        "pruner": spec.pruner.type,
        "resources": asked_for(spec.resources),
        **({"weight": spec.weight} if spec.weight != 1.0 else {}),
        "limits": {name: value for name, value in limits.items() if value is not None},
        "described": objective.describe(),
    }


def _lines(facts: dict[str, Any]) -> dict[str, str]:
    """The facts in words: data by their shape, without digests and versions, which are for the record."""
    rows = {key: _told(value) for key, value in facts.items() if key != "described"}
    described = flat(facts["described"])
    return rows | {name: said for name, said in described.items() if "sha256" not in name and "versions." not in name}


def _told(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_told(inner)}" for key, inner in value.items() if inner) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
