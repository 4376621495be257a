"""How the nodes do: attempts, failures, slowness; and which are not to be trusted any more."""

from __future__ import annotations

import math
import statistics
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tuner.resources import Node
from tuner.trial import Completed, Failed, FailureKind, Outcome

__all__ = ["DIED", "PREEMPTED", "REMOVED", "NodeStanding", "Nodes"]

DIED, PREEMPTED, REMOVED = "died", "preempted", "removed"
"""With which words the reason of a node's loss begins, where it is known; what follows a colon is for people. A node is removed
when nobody needs it any more."""


LATEST = 12  # attempts of a node that are looked at
FAILED = 3  # trials that must have failed on it, all different
CHANCE = (
    1e-3  # that a node as good as the others had as many failures; with a hundred nodes one in ten sweeps is wrong once
)
USUAL = 0.02  # failures are never believed to be rarer
SLOW = 3.0  # times slower than its twins
SLOW_SEEN = 5  # attempts that must have been as slow, in the median
_BLAMED = frozenset(
    {
        FailureKind.RAISED,
        FailureKind.COMMAND_EXIT,
        FailureKind.WORKER_LOST,
        FailureKind.HUNG,
        FailureKind.TIMEOUT,
    }
)


@dataclass(frozen=True, slots=True)
class NodeStanding:
    """How a node does.

    Attributes:
        node: Which.
        alive: Whether it takes part still.
        gone: Why it does not; None when it does, or when that was not told.
        running: Attempts that run there, as far as is known.
        attempts: Attempts that have ended there.
        failures: How many of them failed, by kind.
        slowdown: How many times longer than elsewhere its latest attempts took, median; None while that is not known.
        quarantined: Why it takes no attempts; None when it does.
    """

    node: Node
    alive: bool
    running: int
    attempts: int
    failures: Mapping[FailureKind, int]
    slowdown: float | None
    quarantined: str | None
    gone: str | None = None


@dataclass(slots=True)
class _Record:
    node: Node
    alive: bool = True
    gone: str | None = None
    attempts: int = 0
    failures: Counter[FailureKind] = field(default_factory=Counter)
    latest: deque[tuple[int, bool]] = field(default_factory=lambda: deque(maxlen=LATEST))  # (trial, whether it failed)
    slowness: deque[float] = field(default_factory=lambda: deque(maxlen=LATEST))
    quarantined: str | None = None


class Nodes:
    """The nodes of one study, dead ones included.

    A node is quarantined when attempts of at least three different trials failed there lately, more than chance explains with
    the failures of all other nodes (binomial, one in a thousand); or when its attempts take three times as long as their
    parameters do elsewhere. Never more than half of the nodes are.
    """

    def __init__(self) -> None:
        self._records: dict[str, _Record] = {}
        self._n_alive = 0
        self._n_quarantined = 0
        self._attempts = self._failed = 0
        self._doubtful: dict[str, None] = {}

    def join(self, node: Node) -> None:
        """A node lives."""
        record = self._records.get(node.node_id)
        if record is None:
            self._records[node.node_id] = _Record(node)
            self._n_alive += 1
        else:
            self._n_alive += not record.alive
            record.node, record.alive, record.gone = node, True, None

    def lose(self, node_id: str, why: str = "") -> None:
        """It does not any more."""
        record = self._records[node_id]
        if record.alive:
            record.alive, record.gone = False, why or None
            self._n_alive -= 1
            self._n_quarantined -= record.quarantined is not None
            record.quarantined = None

    def clear(self) -> None:
        """A new driver: nodes are made known again, and what was learned of them stays."""
        for node_id in self._records:
            self.lose(node_id)

    def observe(self, node_id: str | None, trial: int, outcome: Outcome, slowness: float | None) -> None:
        """An attempt of ``trial`` ended there; it took ``slowness`` times as long as expected (None: not known)."""
        record = self._records.get(node_id or "")
        if record is None:
            return
        failed = isinstance(outcome, Failed) and outcome.kind in _BLAMED
        record.attempts += 1
        self._attempts += 1
        if isinstance(outcome, Failed):
            record.failures[outcome.kind] += 1
        self._failed += failed
        record.latest.append((trial, failed))
        if slowness is not None and isinstance(outcome, Completed):
            record.slowness.append(slowness)
        if failed or (slowness is not None and slowness >= SLOW):
            self._doubtful[record.node.node_id] = None

    def judge(self) -> Iterator[tuple[str, str]]:
        """(node, why) of those that are to be quarantined now."""
        doubtful, self._doubtful = self._doubtful, {}
        for node_id in doubtful:
            record = self._records[node_id]
            if not record.alive or record.quarantined or 2 * (self._n_quarantined + 1) > self._n_alive:
                continue
            why = self._failing(record) or self._slow(record)
            if why is not None:
                record.quarantined = why
                self._n_quarantined += 1
                yield node_id, why

    def _failing(self, record: _Record) -> str | None:
        trials = {trial for trial, failed in record.latest if failed}
        n, k = len(record.latest), sum(failed for _, failed in record.latest)
        if len(trials) < FAILED:
            return None
        own = sum(record.failures[kind] for kind in _BLAMED)
        others = self._attempts - record.attempts
        usual = max(USUAL, (self._failed - own + 1) / (others + 2))
        if others < FAILED or _at_least(k, n, usual) > CHANCE:
            return None
        return f"{k} of its latest {n} attempts failed, of {len(trials)} different trials; elsewhere {usual:.0%} do"

    def _slow(self, record: _Record) -> str | None:
        if len(record.slowness) < SLOW_SEEN:
            return None
        slowdown = statistics.median(record.slowness)
        if slowdown < SLOW:
            return None
        return f"its attempts take {slowdown:.1f} times as long as elsewhere"

    def release(self, node_id: str) -> None:
        """A person vouches for it: what was held against it is forgotten."""
        record = self._records.get(node_id)
        if record is not None and record.quarantined is not None:
            record.quarantined = None
            self._n_quarantined -= 1
            record.latest.clear()
            record.slowness.clear()

    def standings(self, running: Mapping[str, int]) -> list[NodeStanding]:
        """All of them, in the order in which they came; ``running`` are the attempts by node."""
        return [
            NodeStanding(
                r.node,
                r.alive,
                running.get(node_id, 0) if r.alive else 0,
                r.attempts,
                dict(r.failures),
                statistics.median(r.slowness) if len(r.slowness) >= 3 else None,
                r.quarantined,
                r.gone,
            )
            for node_id, r in self._records.items()
        ]


def _at_least(k: int, n: int, p: float) -> float:
    """The chance of at least ``k`` failures of ``n`` when each fails with ``p``."""
    return sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1))
