"""The public face: run a sweep, take one up again, read what came of it.

    import tuner

    study = tuner.run(train, space={"lr": tuner.Float(1e-5, 1e-1, log=True)}, metric="loss", goal="minimize", trials=50)
    study.best_params

Its parts are loaded when they are asked for: who only reads a study need not load what runs one.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuner.api.options import Observer, RunOptions
    from tuner.api.python import ResumeArguments, RunArguments, resume, run
    from tuner.api.runs import Prepared, prepare, resume_study, run_sweep
    from tuner.api.stores import find_study, open_store, store_folder, store_url
    from tuner.api.study import Study, load_study

__all__ = [
    "Observer",
    "Prepared",
    "ResumeArguments",
    "RunArguments",
    "RunOptions",
    "Study",
    "find_study",
    "load_study",
    "open_store",
    "prepare",
    "resume",
    "resume_study",
    "run",
    "run_sweep",
    "store_folder",
    "store_url",
]

_PARTS = {
    "options": ("Observer", "RunOptions"),
    "python": ("ResumeArguments", "RunArguments", "resume", "run"),
    "runs": ("Prepared", "prepare", "resume_study", "run_sweep"),
    "stores": ("find_study", "open_store", "store_folder", "store_url"),
    "study": ("Study", "load_study"),
}


def __getattr__(name: str) -> Any:
    for part, names in _PARTS.items():
        if name in names:
            return getattr(importlib.import_module(f"tuner.api.{part}"), name)
    raise AttributeError(f"module 'tuner.api' has no attribute {name!r}")
