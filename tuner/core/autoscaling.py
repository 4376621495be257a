"""What to ask the cluster's autoscaler for: enough to keep the study going, no more than it may cost, less when it ends.

The bundles of what runs and what could start are placed on nodes, living and possible ones (``fleet``), at the least price. How
many are wanted at all follows from the limits:

- *Nothing but trials and parallel*: all that could start.
- *A deadline*: the fewest places that finish the trials that are left by then at the measured time of an attempt, with a
  margin. Fewer places cost less (nodes that idle at the end, boots) and let each suggestion know more results.
- *Money*: a node is asked for only while the budget pays for all nodes until it has booted and run ``ROUNDS`` attempts (the
  first node: one). With a deadline and no limit of trials, the money is spread over the time that is left.
- *Nothing measured yet, but a deadline or money*: a pilot of ``PILOT`` attempts. While none of them has ended an attempt is
  taken to last as long as the pilot has.

Hysteresis is in nodes, since bundles that need the same nodes change nothing: more nodes are asked for at once; fewer after
``HOLD_S`` in which never more were wanted, or at once in the tail, when all trials that are left have their place.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tuner.core.fleet import Fleet, Plan, proxy_price
from tuner.core.limits import cost_of
from tuner.resources import Node, NodeType, Resources
from tuner.study import Limits, StudySpec

__all__ = ["Demand", "Scaling"]

MARGIN = 0.85  # of the time that is left is planned with
PILOT = 8  # attempts: their mean is known to some 35 % when times differ by a factor of e
ROUNDS = 4  # attempts that a place runs at least, so that booting and draining are a small part of what its node costs
DRAIN_S = 120.0  # a node is paid for after its last attempt until the autoscaler takes it away
BOOT_S = 90.0  # of a type that says nothing
HOLD_S = 60.0
LOOK_S, LOOK_SHARE, LOOK_MOST_S = (
    5.0,
    0.05,
    30.0,
)  # between two looks while demand does not grow: a share of an attempt's time
HALF_LIFE_S = 3600.0  # of what is known of a type's losses
SCARCE_AFTER_S, SCARCE_BOOTS = 300.0, 3.0  # without a node of a type that was asked for: or so many times its boot
SCARCE_FOR_S = 900.0  # other types are asked for instead; then it is tried again


@dataclass(frozen=True, slots=True)
class Demand:
    """How things stand.

    Attributes:
        running: Grants in flight.
        waiting: Grants of attempts that could start now if there were room: the backlog, then expected new trials; the first
            1000 at most.
        left: Trials that are not finished and that the limits still allow, running ones included; None for no limit.
        wall_s: Mean seconds of an attempt so far; None when none has ended.
        at_s: Now.
        nodes: That live, by id.
    """

    running: tuple[Resources, ...]
    waiting: tuple[Resources, ...]
    left: int | None
    wall_s: float | None
    at_s: float
    nodes: Mapping[str, Node]


@dataclass(frozen=True, slots=True)
class _Purse:
    """Money that is left, None for any amount, and the time over which it is to be spread, None for none."""

    money: float | None = None
    time_s: float | None = None


class _Lives:
    """How long nodes of one type live, of late: losses and node hours, both forgotten by half in ``HALF_LIFE_S``."""

    def __init__(self) -> None:
        self._losses = self._node_s = 0.0
        self._at_s: float | None = None

    def pass_time(self, n_nodes: int, at_s: float) -> None:
        """``n_nodes`` of them lived until ``at_s``."""
        passed_s = 0.0 if self._at_s is None else max(0.0, at_s - self._at_s)
        keep = 0.5 ** (passed_s / HALF_LIFE_S)
        self._losses *= keep
        self._node_s = self._node_s * keep + n_nodes * passed_s
        self._at_s = at_s

    def lost(self) -> None:
        """One was lost."""
        self._losses += 1.0

    def waste(self, lost_s: float) -> float:
        """Share of what such nodes cost that is lost with them, when each loss costs ``lost_s`` of a node's time; below 1.

        One node hour without a loss is assumed beside what was seen.
        """
        return min(0.95, self._losses * lost_s / (self._node_s + 3600.0))


class Scarcity:
    """Types of which nodes were asked for and do not come: the cloud has none to give, or the quota is used up.

    Such a type counts as not there for ``SCARCE_FOR_S`` where another could do its work; then it is tried again.
    """

    def __init__(self) -> None:
        self._short: dict[str, tuple[int, float]] = {}  # type: (fewest nodes that lived, until when there is patience)
        self._until_s: dict[str, float] = {}

    def reset(self) -> None:
        """Nothing is asked for any more."""
        self._short.clear()

    def see(
        self, asked: Mapping[str, int], living: Mapping[str, int], types: Mapping[str, NodeType], at_s: float
    ) -> None:
        """How many nodes of each type were asked for, and live."""
        for name, kind in types.items():
            n = living.get(name, 0)
            n_before, patience_s = self._short.get(name, (-1, 0.0))
            if n >= asked.get(name, 0):
                self._short.pop(name, None)
            elif n > n_before:
                boot_s = BOOT_S if kind.boot_s is None else kind.boot_s
                self._short[name] = (n, at_s + max(SCARCE_AFTER_S, SCARCE_BOOTS * boot_s))
            elif at_s >= patience_s:
                self._until_s[name] = at_s + SCARCE_FOR_S
                del self._short[name]
            else:
                self._short[name] = (n, patience_s)  # lost ones that come again are growth

    def offered(self, types: Mapping[str, NodeType], living: Mapping[str, int], at_s: float) -> tuple[NodeType, ...]:
        """The types to plan with: of scarce ones no more nodes than live, where another that is not offers as much."""
        scarce = {name for name, until_s in self._until_s.items() if at_s < until_s}
        rest = [kind for name, kind in types.items() if name not in scarce and kind.max_nodes > 0]
        return tuple(
            replace(kind, max_nodes=min(kind.max_nodes, living.get(name, 0)))
            if name in scarce and any(kind.resources.fits_into(other.resources) for other in rest)
            else kind
            for name, kind in types.items()
        )

    def look_at_s(self, at_s: float) -> float | None:
        """When patience with a type ends, or scarcity is over; None for never."""
        ends = [ends_s for _, ends_s in self._short.values()]
        ends += [until_s for until_s in self._until_s.values() if until_s > at_s]
        return min(ends, default=None)


class Scaling:
    """Says what to ask the autoscaler for. Deterministic: time comes in with the demand.

    Args:
        spec: The study.

    Attributes:
        impossible: Shapes that the latest demand named and that fit no node type and no living node.
        broke: Whether attempts could start, but the budget does not pay for a single node that runs one to its end.
        look_at_s: When ``wanted`` may have something new to say though nothing happens; None for never.
        asked: What is asked for: the latest answer; None when there was none since the last ``reset``.
    """

    def __init__(self, spec: StudySpec) -> None:
        self.impossible: tuple[Resources, ...] = ()
        self.broke = False
        self.look_at_s: float | None = None
        self._limits, self._prices = spec.limits, spec.prices
        self._types: dict[str, NodeType] = {}
        self._lives: dict[str, _Lives] = {}
        self._living: dict[str, int] = {}  # nodes by type when they were last counted
        self._pilot_at_s: float | None = None
        self._scarce = Scarcity()
        self.reset()

    def reset(self, limits: Limits | None = None) -> None:
        """Nothing is asked for any more: another driver took over, with these limits if they are new."""
        self._limits = limits or self._limits
        self.asked: Plan | None = None
        self._looked_at_s, self._look_s = -math.inf, LOOK_S
        self._n_seen = 0
        self._below: Plan | None = None  # the largest plan below what is asked for, since then
        self._below_since_s = 0.0
        self._pilot_at_s = None
        self._scarce.reset()

    def types(self, types: Sequence[NodeType]) -> None:
        """What the cluster can start; replaces what was known."""
        self._types = {kind.name: kind for kind in types}
        self._looked_at_s = -math.inf

    def lost(self, node: Node, at_s: float) -> None:
        """A node vanished. Its type is used less for a while, by as much as its losses cost.

        Only those of spot types count: others are lost to accidents, which other types meet as well. While more of them live
        than were asked for, the autoscaler took it away because nobody needed it.
        """
        kind = self._types.get(node.type or "")
        surplus = False
        if kind is not None:
            n_living = self._living.get(kind.name, 0)
            surplus = n_living > (0 if self.asked is None else self.asked.nodes.get(kind.name, 0))
            self._living[kind.name] = max(0, n_living - 1)
        if kind is not None and kind.spot and not surplus:
            lives = self._lives.setdefault(kind.name, _Lives())
            lives.pass_time(0, at_s)
            lives.lost()
        self._looked_at_s = -math.inf

    def is_due(self, n_wanted: int, at_s: float) -> bool:
        """Whether ``wanted`` may have something to say, for callers that would have to build a demand first.

        Args:
            n_wanted: Attempts that run and that could start.
            at_s: Now.
        """
        if self.asked is None or at_s >= self._looked_at_s + self._look_s or n_wanted > self._n_seen * 1.1:
            return True
        return self.look_at_s is not None and at_s >= self.look_at_s

    def wanted(self, demand: Demand, time_left_s: float | None, cost_left: float | None) -> Plan | None:
        """The nodes and bundles to ask for now; None for the same as before.

        Args:
            demand: How things stand.
            time_left_s: Until ``limits.time``; None without one.
            cost_left: Of ``limits.cost``; None without one.
        """
        n_wanted = len(demand.running) + len(demand.waiting)
        if not self.is_due(n_wanted, demand.at_s):
            return None
        self._looked_at_s, self._n_seen = demand.at_s, n_wanted
        self._pass_time(demand)
        self._see_scarcity(demand.at_s)
        wanted = demand.running + demand.waiting
        most = self._most(demand, time_left_s, cost_left)
        purse = _Purse(cost_left, time_left_s if demand.left is None else None)
        plan = self._placed(demand, wanted[:most], purse)
        self.broke = plan.too_dear and not plan.bundles
        plan = self._in_time(demand, plan, time_left_s)
        self.impossible = plan.impossible
        tail = demand.left is not None and demand.left <= len(plan.bundles)
        self._look_s = LOOK_S if tail else max(LOOK_S, min(LOOK_MOST_S, LOOK_SHARE * (demand.wall_s or 0.0)))
        answer = self._with_hysteresis(plan, demand.at_s, tail=tail)
        self._see_scarcity(demand.at_s)
        due_s = (self.look_at_s, self._scarce.look_at_s(demand.at_s))
        self.look_at_s = min((at_s for at_s in due_s if at_s is not None), default=None)
        return answer

    def _see_scarcity(self, at_s: float) -> None:
        self._scarce.see({} if self.asked is None else self.asked.nodes, self._living, self._types, at_s)

    # -- how many ---------------------------------------------------------------------------------------------------

    def _most(self, demand: Demand, time_left_s: float | None, cost_left: float | None) -> int:
        """Attempts that may run at once by the limits of trials and parallel, and in a pilot."""
        most = len(demand.running) + len(demand.waiting)
        if self._limits.parallel is not None:
            most = min(most, self._limits.parallel)
        if demand.left is not None:
            most = min(most, demand.left)
        planned = cost_left is not None or (time_left_s is not None and demand.left is not None)
        if planned and self._wall_s(demand) is None:
            most = min(most, PILOT)
        return most

    def _wall_s(self, demand: Demand) -> float | None:
        """Seconds of an attempt; while none has ended, how long some have run already, once that is longer than a boot."""
        if demand.wall_s is not None:
            return demand.wall_s
        if not demand.running:
            return None
        if self._pilot_at_s is None:
            self._pilot_at_s = demand.at_s
        passed_s = demand.at_s - self._pilot_at_s
        return passed_s if passed_s > BOOT_S else None

    def _in_time(self, demand: Demand, plan: Plan, time_left_s: float | None) -> Plan:
        """The plan cut down to what finishes in time.

        With S places that are there and N in all after a boot, S * boot + N * (time - boot) place seconds must make
        ``left * wall``; the last attempt may take a whole one more.
        """
        wall_s = self._wall_s(demand)
        if time_left_s is None or wall_s is None or demand.left is None or wall_s <= 0.0:
            return plan
        usable_s = time_left_s * MARGIN - wall_s
        if usable_s <= 0.0:
            return plan
        boot_s = self._boot_s(plan)
        here = len(demand.running)
        work_s = demand.left * wall_s
        if work_s <= here * usable_s:
            need = math.ceil(work_s / usable_s)
        elif usable_s > boot_s:
            need = math.ceil((work_s - here * boot_s) / (usable_s - boot_s))
        else:
            return plan
        return plan if need >= len(plan.bundles) else self._placed(demand, plan.bundles[: max(1, need)], _Purse())

    def _boot_s(self, plan: Plan) -> float:
        """How long the slowest type of a plan takes to come up."""
        kinds = [self._types[name] for name in plan.new if name in self._types]
        return max((BOOT_S if kind.boot_s is None else kind.boot_s for kind in kinds), default=0.0)

    # -- where ------------------------------------------------------------------------------------------------------

    def _placed(self, demand: Demand, bundles: Sequence[Resources], purse: _Purse) -> Plan:
        """The bundles on nodes, as far as there may be nodes for them."""
        if not self._types:
            return self._unplaced(demand, bundles)
        wall_s = self._wall_s(demand) or 0.0
        fleet = Fleet(
            self._scarce.offered(self._types, self._living, demand.at_s),
            demand.nodes,
            price_h=lambda kind: self._price_for_choice(kind, wall_s),
            bill_h=lambda kind: self._bill_h(kind),
            max_nodes=self._limits.nodes,
        )
        return fleet.plan(bundles, lambda n_nodes, new, rate_h: self._affords(purse, n_nodes, new, rate_h, wall_s))

    def _unplaced(self, demand: Demand, bundles: Sequence[Resources]) -> Plan:
        """Nobody knows what could be started: what no living node could hold is left out, when any lives."""
        offers = list(dict.fromkeys(node.resources for node in demand.nodes.values() if node.resources.cpu > 0))
        fits = {shape: not offers or any(shape.fits_into(offer) for offer in offers) for shape in set(bundles)}
        placed = tuple(bundle for bundle in bundles if fits[bundle])
        impossible = tuple(dict.fromkeys(bundle for bundle in bundles if not fits[bundle]))
        return Plan(placed, nodes={"": len(placed)}, impossible=impossible)

    def _affords(self, purse: _Purse, n_nodes: int, new: Mapping[str, int], rate_h: float, wall_s: float) -> bool:
        """Whether the budget pays for ``n_nodes`` nodes of ``rate_h`` an hour until new ones have booted and run some attempts.

        Near the end of the budget it is enough that those that live can finish one attempt.
        """
        if purse.money is None:
            return True
        if purse.time_s is not None and n_nodes > 1 and rate_h * purse.time_s / 3600.0 > purse.money:
            return False
        horizon_s = wall_s
        if new:
            boots = [BOOT_S if (s := self._types[name].boot_s) is None else s for name in new]
            horizon_s = max(boots) + (ROUNDS if n_nodes > 1 else 1) * wall_s + DRAIN_S
        return rate_h * horizon_s / 3600.0 <= purse.money

    def _bill_h(self, kind: NodeType) -> float:
        """What a node costs an hour: its price, else the study's prices of what is in it; 0 when neither is known."""
        if kind.price_h is not None:
            return kind.price_h
        return cost_of(kind.resources, 3600.0, self._prices)

    def _price_for_choice(self, kind: NodeType, wall_s: float) -> float:
        """The price of an hour that is of use: where nodes vanish, boots and half attempts are paid for nothing.

        Known prices and sizes cannot be compared: where one type has no price, sizes stand for all prices.
        """
        known = all(self._bill_h(one) > 0.0 for one in self._types.values())
        price_h = self._bill_h(kind) if known else proxy_price(kind.resources)
        lives = self._lives.get(kind.name)
        if lives is None:
            return price_h
        boot_s = BOOT_S if kind.boot_s is None else kind.boot_s
        return price_h / (1.0 - lives.waste(boot_s + wall_s / 2.0))

    def _pass_time(self, demand: Demand) -> None:
        counts: dict[str, int] = {}
        for node in demand.nodes.values():
            if node.type is not None:
                counts[node.type] = counts.get(node.type, 0) + 1
        self._living = counts
        for name, kind in self._types.items():
            if kind.spot:
                self._lives.setdefault(name, _Lives()).pass_time(counts.get(name, 0), demand.at_s)

    # -- when -------------------------------------------------------------------------------------------------------

    def _with_hysteresis(self, plan: Plan, at_s: float, *, tail: bool) -> Plan | None:
        self.look_at_s = None
        asked = self.asked
        if asked is None or self._grows(plan, asked):
            return self._ask(plan)
        if not self._shrinks(plan, asked):
            self._below = None
            return None
        if tail:
            return self._ask(plan)
        if self._below is None:
            self._below, self._below_since_s = plan, at_s
        elif plan.n_nodes > self._below.n_nodes:
            self._below = plan
        if at_s >= self._below_since_s + HOLD_S:
            return self._ask(self._below)
        self.look_at_s = self._below_since_s + HOLD_S
        return None

    def _ask(self, plan: Plan) -> Plan:
        self.asked, self._below = plan, None
        return plan

    def _grows(self, plan: Plan, asked: Plan) -> bool:
        """Whether more nodes of some type are wanted; of unknown types, a tenth more bundles, or larger ones."""
        if self._types:
            return any(n > asked.nodes.get(name, 0) for name, n in plan.nodes.items())
        return len(plan.bundles) > len(asked.bundles) * 1.1 or _exceeds(plan, asked)

    def _shrinks(self, plan: Plan, asked: Plan) -> bool:
        if self._types:
            return any(plan.nodes.get(name, 0) < n for name, n in asked.nodes.items())
        return len(plan.bundles) < len(asked.bundles) * 0.9


def _exceeds(plan: Plan, asked: Plan) -> bool:
    """Whether a bundle of the plan is larger than every one that was asked for."""
    shapes = set(asked.bundles)
    return any(not any(bundle.fits_into(shape) for shape in shapes) for bundle in set(plan.bundles) - shapes)
