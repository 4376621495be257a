"""The steward: one owner of what is asked of a cluster's autoscaler, and of the studies' shares.

Ray keeps one request for the whole cluster, the last caller's, until somebody replaces it, also when that caller is long dead.
So the studies on a cluster tell what they want to one named detached actor on the head. It merges that fairly, clips it to
what the node types hold, replaces whatever stood before it came, forgets a study whose driver has been silent for a lease,
and clears the request and ends itself when the last one has left. Should it be lost, the next poll of any study starts another.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tuner.cluster.autoscaling import MOST_BUNDLES, Bundle, Extent, Placement, clipped, request_bundles, was_refused
from tuner.cluster.nodes import living_nodes
from tuner.cluster.shares import Claim, fair_picks, fair_shares
from tuner.resources import NodeType, Resources

__all__ = ["LEASE_S", "Desk", "Growth", "Member", "Steward"]

NAMESPACE = "tuner"
NAME = "tuner-steward"
LEASE_S = 15.0
_TICK_S = 1.0
_POLL_EVERY_S = 1.0
_ANSWER_WAIT_S = 30.0
_FETCH_WAIT_S = 1.0  # for an answer that is there
_LEAVE_WAIT_S = 3.0
_LEAST_CHANGE = 0.02
_REFUSED_AFTER_S = 7.0  # the autoscaler looks every 1 to 5 s; it is asked whether it refused after it had the time to
_CUT = 0.75
_GROW_AGAIN_S = 300.0

Row = tuple[float, float, float, str]


@dataclass(frozen=True, slots=True)
class Growth:
    """How the cluster can grow, as far as a study's driver knows.

    Attributes:
        can_grow: Whether nodes are to be started for the study.
        types: What can be started; empty when that is not known.
        max_nodes: How many worker nodes there may be at once; None when that is not known.
        selectors: Labels that the nodes of a type have and others have not, by type; types that nothing tells apart are not
            in it.
    """

    can_grow: bool
    types: tuple[NodeType, ...] = ()
    max_nodes: int | None = None
    selectors: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(slots=True)
class Member:
    """A study that uses the cluster.

    Attributes:
        study: Its name.
        weight: Above 0.
        growth: As far as its driver knows.
        wants: What it wants; None before it said so.
        heard_s: When it was last heard of.
        number: Of the message in which it said what it wants; later ones have higher numbers.
    """

    study: str
    weight: float
    growth: Growth
    wants: tuple[Bundle, ...] | None = None
    heard_s: float = 0.0
    number: int = 0


class Desk:
    """The books of the steward, without Ray and without a clock: who is there, their shares, and what to ask for."""

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}
        self._left: set[str] = set()
        self._cut: int | None = None
        self._cut_s = 0.0

    def join(self, token: str, member: Member, now_s: float) -> None:
        """A study comes, or says what it wants now. Ray does not keep the order of what it is sent: the latest word counts."""
        known = self.members.get(token)
        if token in self._left or (known is not None and known.number > member.number):
            return
        member.heard_s = now_s
        self.members[token] = member

    def leave(self, token: str) -> None:
        """A study goes for good."""
        self.members.pop(token, None)
        self._left.add(token)

    def heard(self, token: str, now_s: float) -> bool:
        """A study's driver lives; False when it is not known."""
        if token in self.members:
            self.members[token].heard_s = now_s
        return token in self.members

    def expire(self, now_s: float) -> None:
        """Forget the studies whose drivers have been silent for a lease."""
        for token in [t for t, member in self.members.items() if now_s - member.heard_s > LEASE_S]:
            del self.members[token]

    def shares(self, extent: Extent) -> dict[str, float]:
        """What each study may hold of the nodes that live."""
        return fair_shares(
            {token: Claim(m.weight, m.wants) for token, m in self.members.items()},
            extent.living if extent.living.cpu else extent.largest,
        )

    def wanted(self, extent: Extent, now_s: float) -> list[Bundle] | None:
        """What to ask the autoscaler for; None when no study wants it to be asked."""
        growing = {token: member for token, member in self.members.items() if member.growth.can_grow}
        if not growing:
            return None
        if self._cut is not None and now_s - self._cut_s > _GROW_AGAIN_S:
            self._cut = None
        claims = {token: Claim(member.weight, member.wants or ()) for token, member in growing.items()}
        placement, n_left = Placement(extent), MOST_BUNDLES if self._cut is None else self._cut

        def place(bundle: Bundle) -> Bundle | None:
            nonlocal n_left
            placed = placement.place(bundle) if n_left > 0 else None
            n_left -= placed is not None
            return placed

        picks = fair_picks(claims, extent.largest, place)
        return clipped([bundle for bundles in picks.values() for bundle in bundles], extent)

    def refused(self, n_asked: int, now_s: float) -> None:
        """The autoscaler cannot fulfil the request, and so does none of it: ask for less, and for all again in five minutes."""
        self._cut, self._cut_s = int(n_asked * _CUT), now_s

    def extent(self, nodes: Sequence[Any]) -> Extent:
        """What there is and could be: of those who know the node types, the word of the one that came last."""
        known = self._known
        return Extent(tuple(nodes), known.types, known.max_nodes)

    @property
    def selectors(self) -> Mapping[str, Mapping[str, str]]:
        """How nodes of a type are told from others, by type."""
        return self._known.selectors

    @property
    def _known(self) -> Growth:
        """The word of the one that came last, of those who know the node types."""
        known = [member.growth for member in self.members.values() if member.growth.types]
        return known[-1] if known else Growth(can_grow=False)


class _Actor:
    """The actor's body; every method is a coroutine on one thread."""

    def __init__(self) -> None:
        self._desk = Desk()
        self._extent = Extent()
        self._asked: list[Bundle] | None = None
        self._asked_s = 0.0
        self._looks = asyncio.Lock()
        self._work: asyncio.Task[None] | None = None

    async def join(self, token: str, member: Member) -> None:
        self._desk.join(token, member, time.monotonic())
        if self._work is None:
            self._work = asyncio.create_task(self._keep_looking())
        await self._look()

    async def poll(self, token: str) -> float | None:
        """The study's share; None when it is not known here (any more) and has to join."""
        if not self._desk.heard(token, time.monotonic()):
            return None
        return self._desk.shares(self._extent)[token]

    async def leave(self, token: str) -> None:
        self._desk.leave(token)
        await self._look()

    async def members(self) -> list[tuple[str, float]]:
        """Studies and their shares, for people and tests."""
        shares = self._desk.shares(self._extent)
        return sorted((member.study, shares[token]) for token, member in self._desk.members.items())

    async def asked(self) -> list[Row] | None:
        """What the autoscaler was last asked for; None before it was."""
        return None if self._asked is None else [(b.cpu, b.gpu, b.memory_mib, b.type) for b in self._asked]

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self._desk.expire(time.monotonic())
            with contextlib.suppress(Exception):  # the head does not answer now
                await self._look()
            if not self._desk.members and not self._asked:  # what is asked would stand without us
                _end_self()

    async def _look(self) -> None:
        """See what there is, and ask for what is wanted when that has changed or was not taken."""
        async with self._looks:
            nodes = await asyncio.to_thread(living_nodes)
            self._extent = self._desk.extent(nodes)
            now_s = time.monotonic()
            if self._asked and now_s - self._asked_s > _REFUSED_AFTER_S and await asyncio.to_thread(_is_refused):
                self._desk.refused(len(self._asked), now_s)
            wanted = self._desk.wanted(self._extent, now_s)
            if wanted is None and self._asked:
                wanted = []  # whoever asked has gone
            if wanted is None or wanted == self._asked:
                return
            if await asyncio.to_thread(request_bundles, wanted, self._desk.selectors):
                self._asked, self._asked_s = wanted, now_s


def _is_refused() -> bool:
    import ray

    return was_refused(ray.get_runtime_context().gcs_address)


def _end_self() -> None:
    import ray

    ray.kill(ray.get_runtime_context().current_actor, no_restart=True)


class Steward:
    """A study's side: tells the steward what is wanted and hears the share. One thread may call ``want`` and
    another ``poll``.

    Finds the cluster's steward, or starts it on the head; this process must be connected to the cluster.

    Args:
        study: The study's name.
        weight: Its weight, above 0.
        growth: How the cluster can grow, as far as is known.
    """

    def __init__(self, study: str, weight: float, growth: Growth) -> None:
        self._member = Member(study, weight, growth)
        self._token = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._rows: list[Row] | None = None
        self._answer: Any = None
        self._asked_s = 0.0
        self._told = 1.0
        self._closed = False
        self._join()

    def want(self, bundles: Sequence[Resources], types: Sequence[str] = ()) -> None:
        """Tell what could be used now, one bundle an attempt, those that run first, and on nodes of which types (``""`` for
        any, empty for any for all); replaces what was told. Never blocks."""
        named = zip(bundles[:MOST_BUNDLES], types or [""] * len(bundles), strict=False)
        rows = [(bundle.cpu, bundle.gpu, bundle.memory_mib, name) for bundle, name in named]
        with self._lock:
            if rows != self._rows and not self._closed:
                self._rows = rows
                self._tell()

    def poll(self) -> float | None:
        """The study's share, above 0 and at most 1, when it has changed since the last call; None when it has not.

        Call it about once a second: it is what keeps the study known to the steward. It does not wait for the answer; the next
        call has it.
        """
        if self._closed:
            return None
        share = self._take_answer()
        if self._answer is None and time.monotonic() - self._asked_s >= _POLL_EVERY_S:
            self._asked_s = time.monotonic()
            self._answer = self._actor.poll.remote(self._token)
        if share is None or (abs(share - self._told) < _LEAST_CHANGE and not (share == 1.0 != self._told)):
            return None
        self._told = share
        return share

    def close(self) -> None:
        """Leave, so that nothing more is asked for this study. Idempotent; waits at most three seconds."""
        import ray

        with self._lock:
            if self._closed:
                return
            self._closed = True
        with contextlib.suppress(Exception):  # the cluster or the steward may be gone; then the lease ends it
            ray.get(self._actor.leave.remote(self._token), timeout=_LEAVE_WAIT_S)

    def _take_answer(self) -> float | None:
        """What came back of the last poll; joins anew where we are not known (any more)."""
        import ray

        if self._answer is None:
            return None
        ready, _ = ray.wait([self._answer], timeout=0)
        if not ready:
            if time.monotonic() - self._asked_s > _ANSWER_WAIT_S:
                self._answer = None  # ask again
            return None
        reference, self._answer = self._answer, None
        try:
            share: float | None = ray.get(reference, timeout=_FETCH_WAIT_S)
        except Exception:  # the steward is gone
            share = None
        if share is None:
            with contextlib.suppress(Exception):  # the head does not answer now
                self._join()
        return share

    def _join(self) -> None:
        actor = _find_or_start()  # may last while the head does not answer, so without the lock
        with self._lock:
            self._actor = actor
            if not self._closed:
                self._tell()

    def _tell(self) -> None:
        """Say who we are and what we want, in one message. The lock is held."""
        self._member.number += 1
        if self._rows is not None:
            self._member.wants = tuple(Bundle(*row) for row in self._rows)
        self._actor.join.remote(self._token, self._member)


def _find_or_start() -> Any:
    """The steward's handle. It lives on the head: a worker node with an actor would never be taken for idle."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    heads = [row["NodeID"] for row in ray.nodes() if row["Alive"] and "node:__internal_head__" in row["Resources"]]
    place = {"scheduling_strategy": NodeAffinitySchedulingStrategy(heads[0], soft=False)} if heads else {}
    actor = ray.remote(num_cpus=0, max_restarts=-1, max_concurrency=1000)(_Actor)
    return actor.options(name=NAME, namespace=NAMESPACE, lifetime="detached", get_if_exists=True, **place).remote()
