"""What travels between the driver and a worker process, as plain tuples: they are pickled thousands of times a second."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tuner.core.actions import Start
from tuner.resources import Resources
from tuner.trial import Checkpoint

__all__ = ["Batch", "Chunk", "Key", "LogPart", "News", "Result", "Returned", "Setup", "Told", "pack", "unpack"]

Key = tuple[int, int]
"""(trial, attempt)."""

Told = tuple[int, Mapping[str, float] | tuple[str, float]]
"""A report: step and values; or a checkpoint: step and (place, size in MiB)."""

Chunk = tuple[int, Sequence[Told]]
"""How many reports and checkpoints the attempt told of before these, and these."""


class Setup(NamedTuple):
    """What a worker process must have before it can run attempts of a study; it asks the mailbox for it, once.

    ``objective`` is a list with one reference in it, so that Ray hands the reference on instead of what it refers to.
    ``objective_mib`` is its size, as far as it is known.
    ``keeper`` is where checkpoints are kept (``tuner.worker.checkpoints``), ``mark`` what shows that its file system is there;
    None when it is everywhere.
    """

    objective: Sequence[Any]
    metrics: Any
    sys_path: Sequence[str]
    keeper: Any
    mark: str | None
    objective_mib: float = 0.0


class Batch(NamedTuple):
    """Attempts that travel together, all with one grant, run in this order."""

    task: int
    mailbox: str
    heartbeat_s: float
    announce: bool
    grant: tuple[float, float, float]
    starts: Sequence[tuple[int, int, Mapping[str, Any], int, int, tuple[int, str, float] | None]]

    def to_starts(self) -> list[Start]:
        """The attempts as the core sent them."""
        grant = Resources(*self.grant)
        return [
            Start(trial, attempt, params, grant, lane, seed, None if saved is None else Checkpoint(*saved))
            for trial, attempt, params, lane, seed, saved in self.starts
        ]


class Result(NamedTuple):
    """How one attempt ended; ``outcome`` and ``usage`` as ``tuner.core.codec`` writes them.

    ``reports`` are those, checkpoints among them, that the mailbox is not known to have.
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
    """What a worker process tells while a task runs; ``age_s`` is for how long the attempt ``running`` has run.

    ``usage`` is what it has used so far, as ``tuner.core.codec`` writes it, and whether its node is short of memory; None where
    nothing has been seen of it. Should its process be killed, this is all that is known.
    """

    task: int
    node_id: str
    running: Key | None
    age_s: float
    reports: Chunk
    results: Sequence[Result]
    log: LogPart | None
    usage: tuple[Any, bool] | None = None


def pack(value: Any) -> bytes:
    """One of the above, or a list of them, as bytes (Ray carries bytes more cheaply than objects)."""
    return pickle.dumps(value, protocol=5)


def unpack(data: bytes) -> Any:
    """What ``pack`` made, back."""
    return pickle.loads(data)
