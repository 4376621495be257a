"""Runs one attempt and tells how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tuner.core.actions import Start
from tuner.core.ports import Objective
from tuner.resources import Usage
from tuner.study import Metric
from tuner.trial import Failed, FailureKind
from tuner.worker.bounds import apply_bounds
from tuner.worker.capture import installed_log
from tuner.worker.context import AttemptContext
from tuner.worker.guard import Guard
from tuner.worker.link import AttemptResult, Link
from tuner.worker.memory import give_back
from tuner.worker.meter import UsageMeter
from tuner.worker.outcome import blamed_on_memory, outcome_of_error, outcome_of_value
from tuner.worker.reporting import running

__all__ = ["run_attempt"]

_MIB = 1 << 20


def run_attempt(
    objective: Objective,
    start: Start,
    metrics: Sequence[Metric],
    link: Link,
    scratch: Path,
    passing: tuple[type[BaseException], ...] = (),
) -> AttemptResult:
    """Run ``objective`` once, on this thread, and say how it ended. Never raises.

    Args:
        objective: Prepared already.
        start: Which attempt, with which parameters, on what.
        metrics: The study's; the objective must deliver all of them.
        link: To the driver.
        scratch: Folder in which the attempt may get one of its own; it need not exist.
        passing: Exceptions of the objective that are not the attempt's outcome but the caller's business: ``inline`` lets a
            debugger's quit pass.

    Returns:
        The outcome with the measured usage and the log. Of the objective's exceptions, ``TrialPruned`` ends the attempt
        as the engine's stop says (``Pruned`` without one), ``InvalidParams`` and running out of memory have kinds of their
        own, and any other, ``SystemExit`` and ``KeyboardInterrupt`` included, is ``Failed(RAISED)`` with a traceback.
    """
    try:
        return _run(objective, start, metrics, link, scratch, passing)
    except passing:
        raise
    except BaseException as error:
        # Not the objective: an interrupt between its end and ours, or a failure of the log or the meter.
        kind = FailureKind.OUT_OF_MEMORY if isinstance(error, MemoryError) else FailureKind.RAISED
        failed = Failed(kind, f"the attempt could not be brought to its end: {error!r:.1000}")
        return AttemptResult(start.trial, start.attempt, failed, Usage(), b"")


def _run(
    objective: Objective,
    start: Start,
    metrics: Sequence[Metric],
    link: Link,
    scratch: Path,
    passing: tuple[type[BaseException], ...],
) -> AttemptResult:
    source = installed_log()
    mark = source.mark() if source else 0
    apply_bounds(start.grant)
    context = AttemptContext(start, metrics, link, scratch, source)
    guard = Guard(start.grant.memory_mib, link)
    meter = UsageMeter(start.grant, guard)
    error: BaseException | None = None
    token = running.set(context)
    meter.start()
    try:
        outcome = outcome_of_value(objective.run(start.params, context), context)
        guard.disarm()
    except passing:
        raise
    except BaseException as raised:
        guard.disarm()
        error = raised
        outcome = outcome_of_error(raised, context, link.stop)
    finally:
        guard.disarm()
        usage = replace(meter.stop(), received_mib=link.received_mib + context.received_mib)
        running.reset(token)
        context.clean_up()
    if error is not None:
        outcome = blamed_on_memory(outcome, error, guard, usage)
        error = None  # with it go its frames, and all that they hold
    log = source.slice(mark) if source else context.own_log()
    give_back(meter.held)
    guard.rest(meter.held / _MIB)
    return AttemptResult(start.trial, start.attempt, outcome, usage, log)
