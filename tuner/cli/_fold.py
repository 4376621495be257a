"""A study's log, folded through a new core: what only the core knows."""

from __future__ import annotations

from tuner import plugins
from tuner.api.stores import open_store
from tuner.api.study import Study
from tuner.core.ports import Pruner
from tuner.core.scheduler import Scheduler

__all__ = ["folded"]


def folded(study: Study) -> Scheduler:
    """The core as it stands after everything that the study's log holds; nothing is acted upon."""
    opened = open_store(study.store)
    try:
        events = opened.events(study.name)
    finally:
        opened.close()
    pruner: Pruner = plugins.build("pruner", study.spec.pruner, study.spec.metric)
    core = Scheduler(study.spec, pruner)
    for _, event in events:
        core.handle(event)
    return core
