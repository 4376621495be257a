"""The nodes of a simulated cluster: an autoscaler like Ray's, boots, idle nodes that go, spot nodes that are taken away.

Like Ray's (version 2, ``request_resources``) the autoscaler packs the bundles that were asked for into the nodes that there
are by what they offer in all, busy or not, starts nodes for the rest where a node is used best, and removes those that have
idled for a while and hold no bundle. It knows no prices; a bundle may name the type that is to hold it. The bundles stand until
others replace them, so lost nodes come again.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tuner.executors._sim_accounts import Accounts
from tuner.executors._sim_agenda import Agenda
from tuner.resources import Node, NodeType, Resources

__all__ = ["Changes", "Elastic", "Host", "Nodes"]

BOOT_S = 60.0  # of a type that does not say
Wanted = tuple[Resources, str]  # a bundle, and the type that is to hold it; "" for any


@dataclass(slots=True)
class Host:
    """A node that is up.

    Attributes:
        node: As the driver knows it.
        free: What is not granted.
        up_at_s: Since when it takes attempts.
        kind: Its type; None for nodes that are simply there.
        runs: What runs there, by (trial, attempt).
        idle_since_s: Since when nothing does.
        leaving: Whether it has been told that it will be taken away.
        used_mib: Memory in use, whatever was granted.
    """

    node: Node
    free: Resources
    up_at_s: float
    kind: NodeType | None = None
    runs: dict[tuple[int, int], Any] = field(default_factory=dict)
    idle_since_s: float = 0.0
    leaving: bool = False
    used_mib: float = 0.0


@dataclass(frozen=True, slots=True)
class Elastic:
    """What the autoscaler may do, and what becomes of nodes.

    Attributes:
        types: What it can start.
        idle_s: How long a node idles before it is removed.
        lives_s: Mean life of a node by type (exponential); for ever where it is not named.
        notice_s: How long before its end a node that is taken away is told so: it takes nothing more from then on.
        max_nodes: How many nodes there may be in all; None for as many as the types allow.
    """

    types: tuple[NodeType, ...] = ()
    idle_s: float = 60.0
    lives_s: Mapping[str, float] = field(default_factory=dict)
    notice_s: float = 0.0
    max_nodes: int | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """Who is told of nodes: ``joined`` of one that takes attempts, ``leaving`` of one that takes no more, ``gone`` of one whose
    attempts end now (with whether it was taken away)."""

    joined: Callable[[Host], None]
    leaving: Callable[[Host, str], None]
    gone: Callable[[Host, str], None]


class Nodes:
    """Every node of the cluster.

    Args:
        agenda: The cluster's time.
        elastic: What may come and go by itself.
        chance: Draws lives.
        changes: Told of nodes.
    """

    def __init__(self, agenda: Agenda, elastic: Elastic, chance: random.Random, changes: Changes) -> None:
        self.hosts: dict[str, Host] = {}
        self._agenda, self._elastic, self._chance, self._changes = agenda, elastic, chance, changes
        self._accounts = Accounts()
        self._bundles: tuple[Wanted, ...] = ()
        self._booting: dict[str, tuple[NodeType, float]] = {}
        self._n_started = 0
        self._needed: set[str] | None = None  # nodes that hold a bundle; None when that is to be found out
        # Hosts that may have room; a stack, so the last one to free a place is filled first.
        self._roomy: list[str] = []

    # -- nodes that come and go --------------------------------------------------------------------------------------

    def open(self) -> None:
        """The cluster is up, with the least number of nodes of each type."""
        for kind in self._elastic.types:
            for _ in range(kind.min_nodes):
                self.join(self._name(kind), kind.resources, kind)

    def _name(self, kind: NodeType) -> str:
        self._n_started += 1
        return f"{kind.name}-{self._n_started}"

    def join(self, node_id: str, resources: Resources, kind: NodeType | None = None) -> Host:
        """A node takes attempts from now on."""
        now_s = self._agenda.now_s
        node = Node(node_id, resources, {}, None if kind is None else kind.name)
        host = self.hosts[node_id] = Host(node, resources, now_s, kind, idle_since_s=now_s)
        self._roomy.append(node_id)
        if kind is not None:
            self._needed = None
            life_s = self._elastic.lives_s.get(kind.name, math.inf)
            if life_s < math.inf:
                self._agenda.after(self._chance.expovariate(1 / life_s), lambda: self._warn(host))
            self._watch_idle(host)
        self._changes.joined(host)
        return host

    def _warn(self, host: Host) -> None:
        """A node will be taken away."""
        if self.hosts.get(host.node.node_id) is not host or host.leaving:
            return
        host.leaving = True
        self._accounts.n_lost += 1
        self._needed = None
        self._changes.leaving(host, "preempted")
        self._agenda.after(self._elastic.notice_s, lambda: self.remove(host, "preempted"))
        self._reconcile()

    def remove(self, host: Host, reason: str) -> None:
        """A node is gone. Who runs on it is told by ``gone``."""
        if self.hosts.get(host.node.node_id) is not host:
            return
        del self.hosts[host.node.node_id]
        self._settle(self._accounts, host)
        self._needed = None
        if not host.leaving:
            self._changes.leaving(host, reason)
        self._changes.gone(host, reason)
        if host.kind is not None:
            self._reconcile()

    def scale(self, bundles: Sequence[Resources], types: Sequence[str] = ()) -> None:
        """Hold nodes for these bundles, on nodes of these types (``""`` for any); replaces what was asked before."""
        wanted = zip(bundles, types or [""] * len(bundles), strict=True)
        self._bundles = tuple(sorted(wanted, key=lambda w: (w[0].gpu, w[0].cpu, w[0].memory_mib), reverse=True))
        self._needed = None
        self._reconcile()
        for host in list(self.hosts.values()):
            self._watch_idle(host)

    def _reconcile(self) -> None:
        """Start what the bundles need beyond what there is and what is coming."""
        if not self._elastic.types:
            return
        left = self._unplaced()
        while left:
            best = max(self._startable(), key=lambda kind: _score(kind, left), default=None)
            if best is None or _score(best, left)[0] == 0:
                break
            left = _fill(best.resources, best.name, left)
            self._start(best)

    def _startable(self) -> list[NodeType]:
        counts = self._counts()
        most = self._elastic.max_nodes
        if most is not None and sum(counts.values()) >= most:
            return []
        return [kind for kind in self._elastic.types if counts.get(kind.name, 0) < kind.max_nodes]

    def _counts(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for kind in [host.kind for host in self.hosts.values()] + [kind for kind, _ in self._booting.values()]:
            if kind is not None:
                counts[kind.name] = counts.get(kind.name, 0) + 1
        return counts

    def _start(self, kind: NodeType) -> None:
        node_id = self._name(kind)
        self._booting[node_id] = (kind, self._agenda.now_s)
        self._agenda.after(BOOT_S if kind.boot_s is None else kind.boot_s, lambda: self._booted(node_id))

    def _booted(self, node_id: str) -> None:
        kind, since_s = self._booting.pop(node_id)
        self._accounts.pay(kind, self._agenda.now_s - since_s)
        self.join(node_id, kind.resources, kind)

    def _unplaced(self) -> list[Wanted]:
        """The bundles that the nodes that there are and that come do not hold; who holds one is noted."""
        left = list(self._bundles)
        self._needed = set()
        for host in self.hosts.values():
            if not left:
                break
            if not host.leaving:
                rest = _fill(host.node.resources, host.node.type, left)
                if len(rest) < len(left):
                    self._needed.add(host.node.node_id)
                left = rest
        for kind, _ in self._booting.values():
            left = _fill(kind.resources, kind.name, left)
        return left

    def _watch_idle(self, host: Host) -> None:
        """Look at a node again when it has idled long enough to go."""
        if host.kind is not None and not host.runs and not host.leaving:
            since_s = host.idle_since_s
            wait_s = max(0.0, since_s + self._elastic.idle_s - self._agenda.now_s)
            self._agenda.after(wait_s, lambda: self._remove_idle(host, since_s))

    def _remove_idle(self, host: Host, since_s: float) -> None:
        if self.hosts.get(host.node.node_id) is not host or host.runs or host.leaving or host.idle_since_s != since_s:
            return
        if self._needed is None:
            self._unplaced()
        assert self._needed is not None
        assert host.kind is not None
        if host.node.node_id not in self._needed and self._counts()[host.kind.name] > host.kind.min_nodes:
            self.remove(host, "idle")

    # -- what runs there ---------------------------------------------------------------------------------------------

    def room_for(self, grant: Resources, avoid: Collection[str] = ()) -> Host | None:
        """A node with room; None when there is none. Of several types the fullest one, so that others drain."""
        if not self._elastic.types:
            while self._roomy and not avoid:
                host = self.hosts.get(self._roomy[-1])
                if host is not None and grant.fits_into(host.free):
                    return host
                self._roomy.pop()
        best = None
        for host in self.hosts.values():
            if grant.fits_into(host.free) and not host.leaving and host.node.node_id not in avoid:
                if not self._elastic.types:
                    self._roomy.append(host.node.node_id)
                    return host
                if best is None or host.free.cpu < best.free.cpu:
                    best = host
        return best

    def take(self, host: Host, grant: Resources) -> None:
        """Something runs there now."""
        host.free = Resources(
            host.free.cpu - grant.cpu, host.free.gpu - grant.gpu, host.free.memory_mib - grant.memory_mib
        )

    def give(self, host: Host, grant: Resources, began_s: float, used_cpu_s: float) -> None:
        """It has ended, after having used so much."""
        host.free = Resources(
            host.free.cpu + grant.cpu, host.free.gpu + grant.gpu, host.free.memory_mib + grant.memory_mib
        )
        self.charge(grant, began_s, used_cpu_s)
        if self._elastic.types:
            if not host.runs:
                host.idle_since_s = self._agenda.now_s
                self._watch_idle(host)
        else:
            self._roomy.append(host.node.node_id)

    def charge(self, grant: Resources, began_s: float, used_cpu_s: float) -> None:
        """Note what an attempt held."""
        self._accounts.held(grant, max(0.0, self._agenda.now_s - began_s), used_cpu_s)

    # -- accounts ----------------------------------------------------------------------------------------------------

    @property
    def accounts(self) -> Accounts:
        """Until now; attempts that still run are not in what was granted and used."""
        book = self._accounts.copy()
        for host in self.hosts.values():
            self._settle(book, host)
        for kind, since_s in self._booting.values():
            book.pay(kind, self._agenda.now_s - since_s)
        return book

    def _settle(self, book: Accounts, host: Host) -> None:
        up_s = self._agenda.now_s - host.up_at_s
        book.was_up(host.node.resources, up_s)
        if host.kind is not None:
            book.pay(host.kind, up_s)


def _fill(room: Resources, name: str | None, bundles: list[Wanted]) -> list[Wanted]:
    """Those of the bundles that do not go into an empty node of the type ``name``, first fit."""
    cpu, gpu, memory_mib = room.cpu + 1e-9, room.gpu + 1e-9, room.memory_mib + 1e-6
    left = []
    for index, wanted in enumerate(bundles):
        bundle, kind = wanted
        if kind in ("", name) and bundle.cpu <= cpu and bundle.gpu <= gpu and bundle.memory_mib <= memory_mib:
            cpu -= bundle.cpu
            gpu -= bundle.gpu
            memory_mib -= bundle.memory_mib
        else:
            left.append(wanted)
            if cpu < 1e-6 and bundle.cpu > 0 and bundles[-1][0].cpu > 0:
                return left + bundles[index + 1 :]  # full
    return left


def _score(kind: NodeType, bundles: list[Wanted]) -> tuple[int, bool, float]:
    """How well a new node of a type would be used: whether at all, without a GPU that nobody asks for, how full."""
    left = _fill(kind.resources, kind.name, bundles)
    if len(left) == len(bundles):
        return (0, False, 0.0)
    taken = sum(b.cpu for b, _ in bundles) - sum(b.cpu for b, _ in left)
    taken_mib = sum(b.memory_mib for b, _ in bundles) - sum(b.memory_mib for b, _ in left)
    fits_gpus = kind.resources.gpu <= 0 or any(b.gpu > 0 for b, _ in bundles)
    full = taken / max(kind.resources.cpu, 1e-9) + taken_mib / max(kind.resources.memory_mib, 1e-9)
    return (1, fits_gpus, full)
