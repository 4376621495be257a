"""Limits and retries of a sweep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tuner.study import Limits, Retry
from tuner.sweep import _fields
from tuner.sweep._node import Node
from tuner.sweep._yaml import read_value
from tuner.trial import FailureKind

__all__ = ["LIMITS", "parse_limits", "read_limits", "read_retry"]

LIMITS = ("trials", "steps", "parallel", "time", "trial_time", "cost", "nodes", "failures", "patience", "regret")
_FIELD = {"time": "time_s", "trial_time": "trial_time_s"}
_LIMITS_EXAMPLE = "limits: {trials: 200, time: 2h}"
_RETRIED = {
    kind.value: kind.value
    for kind in (
        FailureKind.OUT_OF_MEMORY,
        FailureKind.PREEMPTED,
        FailureKind.NODE_LOST,
        FailureKind.WORKER_LOST,
        FailureKind.HUNG,
        FailureKind.RAISED,
        FailureKind.TIMEOUT,
        FailureKind.COMMAND_EXIT,
    )
} | {"oom": FailureKind.OUT_OF_MEMORY.value}
_NEVER = {
    FailureKind.INVALID_PARAMS.value: "parameters that cannot work never will",
    FailureKind.BAD_REPORT.value: "the same parameters report the same again",
    FailureKind.STOPPED.value: "the attempt was stopped on purpose",
}


def read_limits(node: Node | None) -> Limits:
    """The limits; a limit that is absent or null does not limit."""
    if node is None:
        return Limits()
    everything = node.fields(example=_LIMITS_EXAMPLE)
    for key, below in everything.items():
        if key not in LIMITS:
            raise node.stray(key, below, LIMITS)
    given = {key: below for key, below in everything.items() if below.content is not None}
    values: dict[str, Any] = {
        _FIELD.get(key, key): _LIMIT[key](below) for key, below in given.items() if key != "failures"
    }
    if "failures" in given:
        failures = _fields.share_or_count(given["failures"])
        values["failures_share" if isinstance(failures, float) else "failures"] = failures
    return Limits(**values)


def parse_limits(given: Mapping[str, object], *, as_options: bool = True) -> dict[str, Any]:
    """Limits as they are written in a sweep, as fields of ``tuner.study.Limits``: ``{"time": "2h"}`` as ``{"time_s": 7200.0}``.

    Args:
        given: Name, one of ``LIMITS`` -> what is written.
        as_options: Whether errors name them as options of the command line, ``--trial-time``; else ``trial_time``.

    Raises:
        SweepError: One is wrong.
    """
    values: dict[str, Any] = {}
    for name, value in given.items():
        typed = read_value(value) if isinstance(value, str) else value
        node = Node.of(typed, f"--{name.replace('_', '-')}" if as_options else name)
        if name == "failures":
            failures = _fields.share_or_count(node)
            share = isinstance(failures, float)
            # One of the two holds: the other is taken back.
            values |= {"failures": None if share else failures, "failures_share": failures if share else None}
        else:
            values[_FIELD.get(name, name)] = _LIMIT[name](node)
    return values


def _parallel(node: Node) -> int | None:
    return None if _fields.auto(node) else _fields.whole(node, low=1, expected="auto, or a whole number of at least 1")


def _count(node: Node) -> int:
    return _fields.whole(node, low=1, expected="a whole number of at least 1")


def _cost(node: Node) -> float:
    return float(_fields.number(node, above=0, expected="an amount of money in the currency of `prices`, above 0"))


def _regret(node: Node) -> float:
    expected = "by how much the best value may still be improvable, in the metric's unit, above 0"
    return float(_fields.number(node, above=0, expected=expected))


_LIMIT: dict[str, Callable[[Node], Any]] = {
    "trials": _count,
    "steps": _count,
    "cost": _cost,
    "nodes": _count,
    "regret": _regret,
    "parallel": _parallel,
    "time": _fields.duration,
    "trial_time": _fields.duration,
    "patience": _count,
}


def read_retry(node: Node | None) -> Retry:
    """Which failures are tried again: ``{max, on}``, or a bare number for ``max``."""
    if node is None:
        return Retry()
    expected = "a whole number of at least 0"
    if not isinstance(node.content, dict):
        return Retry(
            max=_fields.whole(node, low=0, high=1000, expected=f"{expected}, or {{max: 3, on: [oom, preempted]}}")
        )
    fields = node.fields("max", "on", example="retry: {max: 3, on: [oom, preempted]}")
    default = Retry()
    most = _fields.whole(fields["max"], low=0, high=1000, expected=expected) if "max" in fields else default.max
    return Retry(most, _kinds(fields["on"]) if "on" in fields else default.on)


def _kinds(node: Node) -> frozenset[FailureKind]:
    if not isinstance(node.content, list):
        raise node.error(f"must be a list, not {node.kind()}", expected=f"some of {', '.join(sorted(_RETRIED))}")
    kinds = []
    for item in node.content:
        if isinstance(item.content, str) and item.content in _NEVER:
            raise item.error("is never tried again", hint=_NEVER[item.content])
        kinds.append(FailureKind(_fields.one_of(item, _RETRIED, "kind of failure")))
    return frozenset(kinds)
