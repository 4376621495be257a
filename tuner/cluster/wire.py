"""What travels between the driver and a worker process, as plain tuples: they are pickled thousands of times a second."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tuner.core.actions import Start
from tuner.resources import Resources

__all__ = ["Batch", "Chunk", "Key", "LogPart", "News", "Result", "Returned", "Setup", "pack", "unpack"]

Key = tuple[int, int]
"""(trial, attempt)."""

Chunk = tuple[int, Sequence[tuple[int, Mapping[str, float]]]]
"""How many reports the attempt made before these, and these: (step, values)."""


class Setup(NamedTuple):
    """What a worker process must have before it can run attempts of a study; it asks the mailbox for it, once.

    ``objective`` is a list with one reference in it, so that Ray hands the reference on instead of what it refers to.
    """

    objective: Sequence[Any]
    metrics: Any
    sys_path: Sequence[str]


class Batch(NamedTuple):
    """Attempts that travel together, all with one grant, run in this order."""

    task: int
    mailbox: str
    heartbeat_s: float
    announce: bool
    grant: tuple[float, float, float]
    starts: Sequence[tuple[int, int, Mapping[str, Any], int, int]]

    def to_starts(self) -> list[Start]:
        """The attempts as the core sent them."""
        grant = Resources(*self.grant)
        return [Start(trial, attempt, params, grant, lane, seed) for trial, attempt, params, lane, seed in self.starts]


class Result(NamedTuple):
    """How one attempt ended; ``outcome`` and ``usage`` as ``tuner.core.codec`` writes them.

    ``reports`` are those that the mailbox is not known to have.
    """

    key: Key
    outcome: Mapping[str, Any]
    usage: Any
    log: bytes
    reports: Chunk


class Returned(NamedTuple):
    """What a task returns: where it ran, and the results that the mailbox is not known to have."""

    node_id: str
    results: Sequence[Result]


class LogPart(NamedTuple):
    """A piece of a running attempt's log, and the file on the worker's machine that holds all of it from ``mark`` on."""

    key: Key
    path: str
    mark: int
    offset: int
    data: bytes


class News(NamedTuple):
    """What a worker process tells while a task runs; ``age_s`` is for how long the attempt ``running`` has run."""

    task: int
    node_id: str
    running: Key | None
    age_s: float
    reports: Chunk
    results: Sequence[Result]
    log: LogPart | None


def pack(value: Any) -> bytes:
    """One of the above, or a list of them, as bytes (Ray carries bytes more cheaply than objects)."""
    return pickle.dumps(value, protocol=5)


def unpack(data: bytes) -> Any:
    """What ``pack`` made, back."""
    return pickle.loads(data)
