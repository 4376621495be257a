"""The public face: run a sweep, take one up again, read what came of it.

import tuner

study = tuner.run(train, space={"lr": tuner.Float(1e-5, 1e-1, log=True)}, metric="loss", goal="minimize", trials=50)
study.best_params
"""

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
