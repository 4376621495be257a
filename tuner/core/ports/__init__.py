"""The borders of the engine: what each room must do, and what it may rely on.

Every implementation is one file in the folder of its kind, named as sweep files name it, holding one public class that
``tuner.plugins`` finds. Its constructor takes the port's own arguments first and its options as keyword arguments with
defaults; ``plugins`` checks the names of options against the signature. The suites in ``tuner.testing`` run over them all.
"""

from __future__ import annotations

from tuner.core.ports.pruning import Promotion, Pruner, Verdict
from tuner.core.ports.running import Executor
from tuner.core.ports.sampling import Problem, Sampler, Suggestion
from tuner.core.ports.storing import Store, StudyInfo, StudyLog
from tuner.core.ports.training import Context, FinalModel, Objective, SavedCheckpoint

__all__ = [
    "Context",
    "Executor",
    "FinalModel",
    "Objective",
    "Problem",
    "Promotion",
    "Pruner",
    "Sampler",
    "SavedCheckpoint",
    "Store",
    "StudyInfo",
    "StudyLog",
    "Suggestion",
    "Verdict",
]
