"""From what an objective returned or raised to how its attempt ended."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path
from types import TracebackType
from typing import Any

from tuner.core.actions import Stop
from tuner.errors import InvalidParams, TrialPruned
from tuner.resources import Usage
from tuner.trial import Completed, Failed, FailureKind, Outcome, Pruned
from tuner.worker.context import AttemptContext, BadReport
from tuner.worker.guard import Guard
from tuner.worker.link import AttemptFailed
from tuner.worker.numbers import NotANumber, described, missing_metric, to_float

__all__ = ["blamed_on_memory", "looks_out_of_memory", "outcome_of_error", "outcome_of_value"]

MESSAGE_LIMIT = 20_000
_HEADLINE_LIMIT = 1_000
_CHAIN_LIMIT = 20
_NOT_OF_MEMORY = (FailureKind.STOPPED, FailureKind.TIMEOUT, FailureKind.BAD_REPORT, FailureKind.INVALID_PARAMS)
_PACKAGE = str(Path(__file__).resolve().parents[1])

_MEMORY_TYPES = frozenset({"OutOfMemoryError", "ResourceExhaustedError"})
_MEMORY_TEXTS = (
    "out of memory",
    "bad_alloc",
    "bad allocation",
    "cannot allocate memory",
    "cudaerrormemoryallocation",
    "resource_exhausted",
    "memoryerror",
    "cublas_status_alloc_failed",
)
_NATIVE_TYPES = frozenset(
    {
        "CUDARuntimeError",
        "CatBoostError",
        "JaxRuntimeError",
        "LightGBMError",
        "RuntimeError",
        "XGBoostError",
        "XlaRuntimeError",
    }
)
_POOL_TYPES = frozenset({"BrokenProcessPool", "TerminatedWorkerError"})


def looks_out_of_memory(text: str) -> bool:
    """Whether a message is one of those with which libraries say that memory ran out."""
    lowered = text.lower()
    return any(mark in lowered for mark in _MEMORY_TEXTS)


def outcome_of_value(returned: Any, context: AttemptContext) -> Outcome:
    """The outcome of an objective that returned."""
    if context.failure is not None:
        return context.failure
    where = "that was returned"
    if returned is None and context.last_values is not None:
        returned, where = context.last_values, f"of the last report, at step {context.last_step}"
    if returned is None and context.goes_on:  # the checkpoint was the last step's: nothing was left to do
        return Completed({})
    if returned is None:
        wanted = ", ".join(context.metric_names)
        return _bad(f"the objective returned None and reported nothing, expected {wanted} as a number or a mapping")
    if not isinstance(returned, Mapping):
        try:
            returned = {context.metric_names[0]: to_float(returned)}
        except NotANumber as error:
            return _bad(f"the objective returned {error}, expected a number or a mapping of metric names to numbers")
    return _checked(returned, context, where)


def _checked(values: Mapping[Any, Any], context: AttemptContext, where: str) -> Outcome:
    for name in context.metric_names:
        if name not in values:
            return _bad(f"{missing_metric(name, values)} (in what {where.removeprefix('that ')})")
    final: dict[str, float] = {}
    for name, value in values.items():
        try:
            number = to_float(value)
        except NotANumber as error:
            return _bad(f"{name} {where} is {error}, expected a number")
        if isfinite(number):
            final[str(name)] = number
        elif name in context.metric_names:
            return _bad(f"{name} {where} is {number}, expected a finite number")
        else:
            context.leave_out(str(name), number, where)
    return Completed(final)


def _bad(message: str) -> Failed:
    return Failed(FailureKind.BAD_REPORT, message)


def outcome_of_error(error: BaseException, context: AttemptContext, stop: Stop | None) -> Outcome:
    """The outcome of an objective that raised."""
    if context.failure is not None:
        text = _traced(error, context.failure.message) if isinstance(error, BadReport) else context.failure.message
        return Failed(context.failure.kind, text)
    if isinstance(error, TrialPruned) and stop is None:
        return Pruned(context.last_step)
    if stop is not None and _because_of_stop(error):
        return stopped(stop, context.last_step)
    if isinstance(error, AttemptFailed):
        return Failed(error.kind, _bounded(error.message))
    headline = _headline(error)
    if isinstance(error, InvalidParams):
        return Failed(FailureKind.INVALID_PARAMS, _traced(error, headline))
    if _is_out_of_memory(error):
        return Failed(FailureKind.OUT_OF_MEMORY, _traced(error, headline))
    return Failed(FailureKind.RAISED, _traced(error, headline))


def stopped(stop: Stop, last_step: int | None) -> Outcome:
    """The outcome of an attempt that ended because it was asked to."""
    if stop.prune:
        return Pruned(last_step)
    return Failed(FailureKind.TIMEOUT if stop.timeout else FailureKind.STOPPED, stop.reason)


def _because_of_stop(error: BaseException) -> bool:
    """Whether the objective ended because of ``TrialPruned``, perhaps wrapped, or because an executor interrupted it."""
    return isinstance(error, KeyboardInterrupt) or any(isinstance(link, TrialPruned) for link in _chain(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    for _ in range(_CHAIN_LIMIT):
        if link is None:
            return
        yield link
        link = link.__cause__ or link.__context__


def blamed_on_memory(outcome: Outcome, error: BaseException, guard: Guard, usage: Usage) -> Outcome:
    """The outcome of an objective that raised, in the light of what its attempt held.

    What the guard did shows in many ways: as its own error, as a killed program, as a pool of processes that broke. And what
    something outside killed while it was above its grant was killed for want of memory.
    """
    if not isinstance(outcome, Failed) or outcome.kind in _NOT_OF_MEMORY:
        return outcome
    if guard.condemned is not None:
        return Failed(FailureKind.OUT_OF_MEMORY, f"{guard.condemned}\n\n{outcome.message}")
    if guard.grant_mib and usage.whole_memory_mib > guard.grant_mib and _was_killed(error):
        held = f"it held {usage.whole_memory_mib:.0f} MiB and was granted {guard.grant_mib:.0f} MiB"
        return Failed(FailureKind.OUT_OF_MEMORY, f"killed from outside while {held}\n\n{outcome.message}")
    return outcome


def _was_killed(error: BaseException) -> bool:
    """Whether a process of the attempt's was killed outright."""
    if isinstance(error, AttemptFailed):
        return error.killed
    return any(type(link).__name__ in _POOL_TYPES for link in _chain(error))


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, by itself or by the one that it was raised from."""
    link: BaseException | None = error
    for _ in range(_CHAIN_LIMIT):
        if link is None:
            return False
        if _says_out_of_memory(link):
            return True
        link = (
            link.__cause__
        )  # not __context__: what fails while a MemoryError is dealt with may fail for its own reasons
    return False


def _says_out_of_memory(error: BaseException) -> bool:
    kind = type(error).__name__
    if isinstance(error, MemoryError) or kind in _MEMORY_TYPES:
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return kind in _NATIVE_TYPES and looks_out_of_memory(_text(error))


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # an objective's own exceptions may fail to show themselves
        return ""


def _headline(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"SystemExit: the objective called sys.exit({error.code!r:.200})"
    text = _text(error)
    name = type(error).__name__
    return (f"{name}: {text}" if text else name)[:_HEADLINE_LIMIT]


def _traced(error: BaseException, headline: str) -> str:
    """The headline and the traceback, from the first frame that is the user's."""
    try:
        lines = traceback.format_exception(type(error), error, _users_part(error.__traceback__))
    except Exception as failure:
        # Showing an exception can fail in its own right: no memory left, or its __str__ raises.
        return f"{headline}\n(the traceback cannot be shown: {described(failure)})"
    return _bounded(f"{headline}\n\n{''.join(lines)}".rstrip())


def _users_part(trace: TracebackType | None) -> TracebackType | None:
    step = trace
    while step is not None and step.tb_frame.f_code.co_filename.startswith(_PACKAGE):
        step = step.tb_next
    return step or trace


def _bounded(text: str) -> str:
    if len(text) <= MESSAGE_LIMIT:
        return text
    half = (MESSAGE_LIMIT - 60) // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"
