"""A sweep file that is run again for a study that is there: what may be new in it, and what may not."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, cast

from tuner import plugins
from tuner.core.ports import Objective
from tuner.errors import StudyExists
from tuner.study import Limits, PluginSpec, StudySpec

__all__ = ["check_same", "moved_objective", "new_limits"]

_BASE = "base"  # the option of objectives that says in which folder the sweep's files lie


def check_same(before: StudySpec, now: StudySpec) -> None:
    """Make sure that the sweep still asks for what the study does.

    Raises:
        StudyExists: It tunes something else, or otherwise; names what differs.
    """
    was, is_ = before.to_dict(), now.to_dict()
    different = [part for part in ("metrics", "space", "constraints") if was.get(part) != is_.get(part)]
    different += ["objective"] if _elsewhere(before.objective) != _elsewhere(now.objective) else []
    if different:
        raise StudyExists(
            f"the store holds a study called {now.name!r} already, which differs from this sweep in {', '.join(different)}",
            hint=f"`--name` gives this one a name of its own; `tuner show {now.name}` shows what is there",
        )


def moved_objective(before: StudySpec, now: StudySpec) -> Objective | None:
    """The objective in the folder where the sweep lies now, as when a cluster has unpacked its files anew.

    None when it lies where it lay. Whether the data are the same is looked at as on any resume.
    """
    if before.objective.options.get(_BASE) == now.objective.options.get(_BASE):
        return None
    return cast(Objective, plugins.build("objective", now.objective))


def new_limits(before: StudySpec, now: StudySpec) -> dict[str, Any]:
    """The limits that the sweep has changed since the study began."""
    changed = [f.name for f in fields(Limits) if getattr(before.limits, f.name) != getattr(now.limits, f.name)]
    return {name: getattr(now.limits, name) for name in changed}


def _elsewhere(objective: PluginSpec) -> tuple[str, dict[str, Any]]:
    """An objective without the folder that it is in."""
    return objective.type, {name: option for name, option in objective.options.items() if name != _BASE}
