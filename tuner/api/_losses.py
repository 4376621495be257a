"""How often workers and nodes were lost in a study that ran: what a forecast lets happen again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tuner.core.events import Event, NodeJoined, NodeLost
from tuner.resources import NodeType
from tuner.trial import Attempt, Failed, FailureKind

__all__ = ["SPOT_LOSS_DAY", "Losses", "life_of_share_s", "losses_of", "share_of"]

DAY_S = 86400.0
SPOT_LOSS_DAY = 0.15
"""Share of spot nodes taken away a day where nobody says. Google has said of its preemptible machines that on a seven-day
average 5 % to 15 % of them go a day (Compute Engine's page on them, until Spot VMs replaced them); AWS's Spot Instance Advisor
names 5 % to over 20 % a month, which is less. Some copies of the first page say per seven days: the worse reading is taken."""

_WORKER = (FailureKind.WORKER_LOST, FailureKind.HUNG)
_NODE = (FailureKind.NODE_LOST, FailureKind.PREEMPTED)


@dataclass(frozen=True, slots=True)
class Losses:
    """What was lost, and in how much time.

    Attributes:
        attempts: Attempts that ran.
        run_s: Seconds that they ran, all together.
        workers: Of them ended by the death or the silence of their worker.
        nodes: Nodes lost with attempts on them, by type ("" for nodes without one).
        node_s: Seconds that nodes were up, all together, by type.
    """

    attempts: int = 0
    run_s: float = 0.0
    workers: int = 0
    nodes: Mapping[str, int] = field(default_factory=dict)
    node_s: Mapping[str, float] = field(default_factory=dict)

    @property
    def worker_life_s(self) -> float:
        """Mean seconds that a worker runs attempts before it is lost; infinite where none was."""
        return self.run_s / self.workers if self.workers else math.inf

    def node_life_s(self, kind: NodeType, spot_loss_day: float | None) -> float:
        """Mean life of a node of a type.

        What was seen of the type counts (of nodes without a type: for every type that is no spot type). Of a spot type
        also what is assumed, as one loss in the mean life that it says.

        Args:
            kind: The type.
            spot_loss_day: Share of spot nodes taken away a day, 0 to 1; None for what the type says, else ``SPOT_LOSS_DAY``.
        """
        name = kind.name if kind.name in self.node_s or kind.spot else ""
        lost, up_s = self.nodes.get(name, 0), self.node_s.get(name, 0.0)
        if not kind.spot:
            return up_s / lost if lost else math.inf
        assumed_s = life_of_share_s(share_of(kind, spot_loss_day))
        return assumed_s if math.isinf(assumed_s) and not lost else (up_s + min(assumed_s, 1e12)) / (lost + 1)


def share_of(kind: NodeType, spot_loss_day: float | None) -> float:
    """The share of a spot type's nodes that is assumed to be taken away a day."""
    if spot_loss_day is not None:
        return spot_loss_day
    return SPOT_LOSS_DAY if kind.spot_loss_day is None else kind.spot_loss_day


def life_of_share_s(share_day: float) -> float:
    """The mean of exponential lives of which so large a share ends within a day."""
    return math.inf if share_day <= 0.0 else DAY_S / -math.log1p(-min(share_day, 1.0 - 1e-9))


def losses_of(attempts: Iterable[Attempt], events: Sequence[Event]) -> Losses:
    """What a study's attempts and log say of lost workers and nodes.

    A node counts as lost when it took an attempt with it; those that the autoscaler removes run none.
    """
    n = workers = 0
    run_s, took = 0.0, set[str]()
    for attempt in attempts:
        if attempt.started_at is None or attempt.finished_at is None:
            continue
        n += 1
        run_s += max(0.0, attempt.finished_at - attempt.started_at)
        if isinstance(attempt.outcome, Failed):
            workers += attempt.outcome.kind in _WORKER
            if attempt.outcome.kind in _NODE and attempt.node_id is not None:
                took.add(attempt.node_id)
    nodes: dict[str, int] = {}
    node_s: dict[str, float] = {}
    for node_id, (kind, up_s) in _lives(events).items():
        node_s[kind] = node_s.get(kind, 0.0) + up_s
        if node_id in took:
            nodes[kind] = nodes.get(kind, 0) + 1
    return Losses(n, run_s, workers, nodes, node_s)


def _lives(events: Sequence[Event]) -> dict[str, tuple[str, float]]:
    """Type and seconds of every node that was there."""
    since: dict[str, tuple[str, float]] = {}
    lives: dict[str, tuple[str, float]] = {}

    def end(node_id: str, at_s: float) -> None:
        kind, from_s = since.pop(node_id)
        lives[node_id] = (kind, lives.get(node_id, (kind, 0.0))[1] + max(0.0, at_s - from_s))

    for event in events:
        if isinstance(event, NodeJoined):
            since.setdefault(event.node.node_id, (event.node.type or "", event.at_s))
        elif isinstance(event, NodeLost) and event.node_id in since:
            end(event.node_id, event.at_s)
    for node_id in list(since):
        end(node_id, events[-1].at_s)
    return lives
