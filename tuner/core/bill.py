"""What runs now costs: attempts by the study's prices, or nodes by theirs, and when a budget will be spent."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.core.limits import cost_of
from tuner.resources import Node, NodeType, Resources
from tuner.study import Prices

__all__ = ["Bill"]


class Bill:
    """Money, added up without looking at everything that runs again.

    Where the cluster's node types have prices, nodes are paid for while they are up, busy or not; else attempts are, by what
    they are granted.

    Args:
        prices: What granted resources cost; None for nothing.
    """

    def __init__(self, prices: Prices | None) -> None:
        self._prices = prices
        self._node_prices: dict[str, float] = {}
        self._up: dict[str, tuple[float, float]] = {}  # node -> (rate a second, since)
        self._n = 0
        self._rate = 0.0  # of all that runs, a second
        self._began = 0.0  # the sum of rate * begin: what it costs by t is rate * t less that
        # Near to all times, so that the difference of two large sums keeps its digits.
        self._origin_s: float | None = None

    def see_types(self, types: Sequence[NodeType]) -> None:
        """What a node of each type costs. Comes before the nodes."""
        self._node_prices = {kind.name: kind.price_h / 3600.0 for kind in types if kind.price_h}

    @property
    def by_node(self) -> bool:
        """Whether nodes are paid for, not attempts."""
        return bool(self._node_prices)

    def join(self, node: Node, at_s: float) -> None:
        """A node is up."""
        rate = self._node_prices.get(node.type or "")
        if rate is not None and node.node_id not in self._up:
            self._up[node.node_id] = (rate, at_s)
            self._begin(rate, at_s)

    def leave(self, node_id: str, at_s: float) -> float:
        """A node is down; returns what it has cost."""
        rate, since_s = self._up.pop(node_id, (0.0, at_s))
        if rate:
            self._end(rate, since_s)
        return rate * max(0.0, at_s - since_s)

    def leave_all(self, at_s: float) -> float:
        """No node is known any more; returns what those that were up have cost."""
        return sum(self.leave(node_id, at_s) for node_id in list(self._up))

    def cost_of(self, grant: Resources, seconds: float) -> float:
        """What an attempt has cost that held ``grant`` for so long; 0 where nodes are paid for."""
        return 0.0 if self.by_node else cost_of(grant, seconds, self._prices)

    def begin(self, grant: Resources, at_s: float) -> None:
        """An attempt began to run."""
        if self._prices is not None and not self.by_node:
            self._begin(cost_of(grant, 1.0, self._prices), at_s)

    def end(self, grant: Resources, began_at: float) -> None:
        """One that had begun at ``began_at`` ended; its own cost is for others to count."""
        if self._prices is not None and not self.by_node:
            self._end(cost_of(grant, 1.0, self._prices), began_at)

    def _begin(self, rate: float, at_s: float) -> None:
        if self._n == 0:
            self._rate = self._began = 0.0
            self._origin_s = at_s
        self._n += 1
        self._add(rate, at_s)

    def _end(self, rate: float, began_at: float) -> None:
        self._n -= 1
        self._add(-rate, began_at)

    def _add(self, rate: float, at_s: float) -> None:
        assert self._origin_s is not None
        self._rate += rate
        self._began += rate * (at_s - self._origin_s)

    def running(self, at_s: float) -> float:
        """What all that runs now has cost until ``at_s``."""
        if self._n == 0 or self._origin_s is None:
            return 0.0
        return max(0.0, self._rate * (at_s - self._origin_s) - self._began)

    def spent_at(self, left: float, spare_s: float, most_spare: float) -> float | None:
        """When it will have cost ``left``, less what it costs in ``spare_s`` seconds more, but at most ``most_spare``.

        None when nothing that costs anything runs.
        """
        if self._n == 0 or self._origin_s is None or self._rate <= 1e-15:
            return None
        usable = left - min(self._rate * spare_s, most_spare)
        return self._origin_s + (usable + self._began) / self._rate
