"""Which nodes hold a list of bundles at the least price: those that live, and new ones of the cheapest fitting types."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tuner.core.packing import slots
from tuner.resources import Node, NodeType, Resources

Affords = Callable[[int, Mapping[str, int], float], bool]

__all__ = ["Fleet", "Plan", "proxy_price"]

OPEN = 8  # nodes filled at the same time: bundles come by falling size, so an older one seldom takes a later bundle
WORTH = 1.25  # times: so much dearer may a node be that lives than one that would have to boot


def proxy_price(resources: Resources) -> float:
    """What stands for a price where none is known: a machine's size, about in the ratios of what clouds ask for it."""
    return resources.cpu + resources.memory_mib / 8192.0 + 20.0 * resources.gpu


@dataclass(frozen=True, slots=True)
class Plan:
    """Bundles that nodes are there or can be started for.

    Attributes:
        bundles: Those that are placed, in the order in which they were given.
        types: Of each the type that holds it where another could as well; ``""`` where there is nothing to choose. Empty when
            that is so for all.
        nodes: How many nodes of each type hold them, living ones included; nodes without a type count under ``""``.
        new: How many of these do not live yet, by type.
        impossible: Shapes that fit no type and no living node, once each.
        too_dear: Whether bundles were left out for want of money.
    """

    bundles: tuple[Resources, ...] = ()
    types: tuple[str, ...] = ()
    nodes: dict[str, int] = field(default_factory=dict)
    new: dict[str, int] = field(default_factory=dict)
    impossible: tuple[Resources, ...] = ()
    too_dear: bool = False

    @property
    def n_nodes(self) -> int:
        """All nodes that hold the bundles."""
        return sum(self.nodes.values())


@dataclass(slots=True)
class _Bin:
    """A node of a type while it is filled."""

    name: str
    cpu: float
    gpu: float
    memory_mib: float

    def take(self, bundle: Resources, most: int) -> int:
        """Put in up to ``most`` of a bundle; how many went in."""
        n = min(most, slots(Resources(self.cpu, self.gpu, self.memory_mib), bundle))
        if n:
            self.cpu -= n * bundle.cpu
            self.gpu -= n * bundle.gpu
            self.memory_mib -= n * bundle.memory_mib
        return n


@dataclass(slots=True)
class _Source:
    """Nodes of one kind that may still be opened."""

    name: str
    resources: Resources
    price_h: float
    left: int
    lives: bool


@dataclass(frozen=True, slots=True)
class Fleet:
    """What may hold bundles.

    Attributes:
        types: What can be started.
        nodes: What lives, by id.
        price_h: What a node of a type costs an hour, for choosing: penalties included.
        bill_h: What it costs an hour on the bill.
        max_nodes: How many nodes there may be in all; None for no limit but the types' own.
    """

    types: Sequence[NodeType]
    nodes: Mapping[str, Node]
    price_h: Callable[[NodeType], float]
    bill_h: Callable[[NodeType], float]
    max_nodes: int | None = None

    def plan(self, bundles: Sequence[Resources], affords: Affords) -> Plan:
        """Place as many bundles as fit: large ones first, where a place costs least.

        First fit by falling size, with the ``OPEN`` latest nodes looked at: within a few per cent of the fewest nodes
        (Johnson 1973: first fit decreasing needs at most 11/9 of them), in time linear in the bundles.

        Args:
            bundles: One an attempt; where not all fit, the later ones are left out first among those of one shape.
            affords: Whether (nodes, those that are new by type, price an hour of all) may still be paid.
        """
        counts: dict[Resources, int] = {}
        for bundle in bundles:
            counts[bundle] = counts.get(bundle, 0) + 1
        offers = [t.resources for t in self.types if t.max_nodes > 0] + [node.resources for node in self.nodes.values()]
        offers = list(dict.fromkeys(offers))
        filling = _Filling(self, affords, len(bundles))
        impossible = []
        for shape in sorted(counts, key=lambda b: (-b.gpu, -max(b.cpu, b.memory_mib / 4096.0), -b.cpu, -b.memory_mib)):
            if any(shape.fits_into(offer) for offer in offers):
                counts[shape] = filling.place(shape, counts[shape])
            else:
                impossible.append(shape)
                counts[shape] = 0
        placed: list[Resources] = []
        types: list[str] = []
        for bundle in bundles:
            if counts[bundle]:
                counts[bundle] -= 1
                placed.append(bundle)
                types.append(filling.place_of(bundle))
        chosen = self._chosen(placed, types)
        return Plan(tuple(placed), chosen, filling.nodes, filling.new, tuple(impossible), filling.too_dear)

    def _chosen(self, placed: Sequence[Resources], types: Sequence[str]) -> tuple[str, ...]:
        """The types, left out where only one could hold the bundle."""
        able = {
            shape: sum(
                shape.fits_into(kind.resources) for kind in self.types
            )  # scarce ones too: Ray does not know that
            for shape in set(placed)
        }
        chosen = tuple(name if able[shape] > 1 else "" for shape, name in zip(placed, types, strict=True))
        return chosen if any(chosen) else ()


class _Filling:
    """Nodes that are being filled."""

    def __init__(self, fleet: Fleet, affords: Affords, n_bundles: int) -> None:
        self.nodes: dict[str, int] = {}
        self.new: dict[str, int] = {}
        self.rate_h = 0.0
        self.too_dear = False
        self._affords, self._bill_h = affords, fleet.bill_h
        self._types = {kind.name: kind for kind in fleet.types}
        self._left = n_bundles
        self._sources = self._living(fleet) + self._startable(fleet)
        living = sum(source.left for source in self._sources if source.lives)
        self._spare = math.inf if fleet.max_nodes is None else max(0, fleet.max_nodes - living)
        self._most = math.inf if fleet.max_nodes is None else fleet.max_nodes
        self._open: list[_Bin] = []
        self._where: dict[Resources, list[tuple[str, int]]] = {}  # by shape: (type, how many of it are there)

    def place_of(self, shape: Resources) -> str:
        """The type of a node that holds one bundle of the shape; another one with every call."""
        where = self._where[shape]
        name, n = where[-1]
        if n > 1:
            where[-1] = (name, n - 1)
        else:
            where.pop()
        return name

    def _put(self, one: _Bin, shape: Resources, most: int) -> int:
        n = one.take(shape, most)
        if n:
            self._where.setdefault(shape, []).append((one.name, n))
        return n

    def _living(self, fleet: Fleet) -> list[_Source]:
        sources: dict[tuple[str, Resources], _Source] = {}
        for node in fleet.nodes.values():
            if node.resources.cpu <= 0 and node.resources.gpu <= 0:
                continue  # a head that runs nothing
            kind = self._types.get(node.type or "")
            key = (kind.name if kind else "", node.resources)
            if key not in sources:
                price_h = fleet.price_h(kind) if kind else 0.0
                sources[key] = _Source(key[0], node.resources, price_h, 0, lives=True)
            sources[key].left += 1
        return list(sources.values())

    def _startable(self, fleet: Fleet) -> list[_Source]:
        living: dict[str, int] = {}
        for node in fleet.nodes.values():
            living[node.type or ""] = living.get(node.type or "", 0) + 1
        return [
            _Source(
                kind.name, kind.resources, fleet.price_h(kind), kind.max_nodes - living.get(kind.name, 0), lives=False
            )
            for kind in fleet.types
        ]

    def place(self, shape: Resources, n: int) -> int:
        """Place up to ``n`` bundles of a shape; how many found a place."""
        left = n
        for one in self._open:
            left -= self._put(one, shape, left)
            if not left:
                break
        while left:
            source = self._cheapest(shape, left)
            if source is None:
                break
            if not self._opened(source):
                source.left = 0  # it is too dear; another kind may not be
                continue
            one = _Bin(source.name, source.resources.cpu, source.resources.gpu, source.resources.memory_mib)
            left -= self._put(one, shape, left)
            self._open.append(one)
            if len(self._open) > OPEN:
                self._open.pop(0)
        self._left -= n
        return n - left

    def _cheapest(self, shape: Resources, left: int) -> _Source | None:
        """Where a place for the shape costs least; a node that lives need not boot, so another must be ``WORTH`` cheaper.

        Of a node with more places than there are bundles left only as many count.
        """
        best, least = None, math.inf
        for source in self._sources:
            if source.left <= 0 or self._most <= 0 or (not source.lives and self._spare <= 0):
                continue
            n = min(slots(source.resources, shape), max(left, self._left))
            if n > 0:
                price = source.price_h / n if source.lives else source.price_h / n * WORTH
                if price < least:
                    best, least = source, price
        return best

    def _opened(self, source: _Source) -> bool:
        kind = self._types.get(source.name)
        rate_h = self.rate_h + (self._bill_h(kind) if kind else 0.0)
        new = self.new if source.lives else {**self.new, source.name: self.new.get(source.name, 0) + 1}
        if not self._affords(sum(self.nodes.values()) + 1, new, rate_h):
            self.too_dear = True
            return False
        source.left -= 1
        self._most -= 1
        self.rate_h, self.new = rate_h, new
        self.nodes[source.name] = self.nodes.get(source.name, 0) + 1
        if not source.lives:
            self._spare -= 1
        return True
