"""A study's log, folded through a new core: what only the core knows."""

from __future__ import annotations

from tuner.api.sampling import build_pruner
from tuner.api.stores import open_store
from tuner.api.study import Study
from tuner.core.scheduler import Scheduler

__all__ = ["folded"]


def folded(study: Study) -> Scheduler:
    """The core as it stands after everything that the study's log holds; nothing is acted upon."""
    opened = open_store(study.store)
    try:
        events = opened.events(study.name)
    finally:
        opened.close()
    core = Scheduler(study.spec, build_pruner(study.info))
    for _, event in events:
        core.handle(event)
    return core
