"""``tuner.report``: how a Python program that knows nothing of its trial reports metrics."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextvars import ContextVar

from tuner.core.ports import Context
from tuner.worker.numbers import to_float

__all__ = ["REPORT_FILE_VARIABLE", "report", "running", "send"]

REPORT_FILE_VARIABLE = "TUNER_REPORT_FILE"
running: ContextVar[Context | None] = ContextVar("tuner_running_attempt", default=None)
"""The attempt that this thread is running; the program of a ``command`` objective has none."""


def report(step: int | None = None, values: Mapping[str, float] | None = None, /, **metrics: float) -> None:
    """Report metrics from a program that a ``command`` objective started.

    Where ``TUNER_REPORT_FILE`` is set, a line of JSON is added to that file; elsewhere it is printed, so the program runs
    by hand too. Inside a ``function`` objective this is ``context.report``.

    Args:
        step: Position within the attempt, a whole number that rises from report to report; None for final values.
        values: Metric name -> number.
        **metrics: More of them.

    Raises:
        TypeError: The step is no whole number, or there is nothing to report.
        NotANumber: A value is no number (a ``ValueError``).
        TrialPruned: Only inside a ``function`` objective: the engine has asked the attempt to stop.
    """
    merged = {**(values or {}), **metrics}
    if not merged:
        raise TypeError("tuner.report: nothing to report; write tuner.report(step, loss=...) or tuner.report(loss=...)")
    context = running.get()
    if context is not None:
        if step is None:
            raise TypeError("tuner.report without a step gives final values: inside a function, return them instead")
        context.report(step, merged)
        return
    if step is not None and (isinstance(step, bool) or not hasattr(type(step), "__index__")):
        raise TypeError(f"tuner.report: the step must be a whole number, got {step!r:.80}")
    line: dict[str, float] = {} if step is None else {"step": step.__index__()}
    line |= {str(name): to_float(value) for name, value in merged.items()}
    send(json.dumps(line) + "\n")


def send(line: str) -> None:
    """Add a line to the report file, or print it where there is none."""
    path = os.environ.get(REPORT_FILE_VARIABLE)
    if not path:
        sys.stdout.write(line)
        sys.stdout.flush()
        return
    # Opened for each line: one small O_APPEND write is whole even when several processes of the program report.
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)
