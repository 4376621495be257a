"""Runs one attempt anywhere: objective + context + log + usage meter -> outcome.

An executor calls ``run_attempt`` in the process (and on the thread) where the objective shall run and hands it a ``Link``
to the driver. Everything that can happen in there comes back as an ``AttemptResult``; nothing is raised.
"""

from __future__ import annotations

from tuner.worker.attempt import run_attempt
from tuner.worker.bounds import release_bounds
from tuner.worker.capture import Capture, LogSource, Tee, installed_log
from tuner.worker.guard import join_node
from tuner.worker.link import AttemptFailed, AttemptResult, Link
from tuner.worker.log import LOG_LIMIT_BYTES, BoundedLog
from tuner.worker.memory import take_base
from tuner.worker.meter import UsageMeter, running_meter
from tuner.worker.reporting import report
from tuner.worker.saving import checkpoint, save_checkpoint

__all__ = [
    "LOG_LIMIT_BYTES",
    "AttemptFailed",
    "AttemptResult",
    "BoundedLog",
    "Capture",
    "Link",
    "LogSource",
    "Tee",
    "UsageMeter",
    "checkpoint",
    "installed_log",
    "join_node",
    "release_bounds",
    "report",
    "run_attempt",
    "running_meter",
    "save_checkpoint",
    "take_base",
]
