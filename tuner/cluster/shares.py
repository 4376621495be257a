"""Who may use how much of a cluster that several studies use: the arithmetic, without Ray, clock and threads.

Dominant resource fairness (Ghodsi et al., NSDI 2011, sections 4 and 4.1), with weights: a study's dominant share is the largest
of its shares of CPU, GPU and memory, and the study that has the least of it, for its weight, comes next. Deviations: what
studies want is known beforehand, so the shares are found by raising a water level and not by simulating tasks; and the share
that is told is a bound from above, so what nobody wants just now is added to everybody's (whoever takes it first has it; all
are told anew within seconds).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from tuner.resources import Resources

__all__ = ["Claim", "fair_picks", "fair_shares"]

_KINDS = ("cpu", "gpu", "memory_mib")
_EPS = 1e-9


R = TypeVar("R", bound=Resources)


@dataclass(frozen=True, slots=True)
class Claim(Generic[R]):
    """What one study wants.

    Attributes:
        weight: Above 0; shares are in the ratio of the weights.
        wants: One amount for each attempt that runs or could run now, in the order in which they are wanted; None while that is
            not known: as much as it may have.
    """

    weight: float
    wants: Sequence[R] | None = None


def fair_shares(claims: Mapping[str, Claim[R]], capacity: Resources) -> dict[str, float]:
    """How much of each resource of the cluster every study may hold, above 0 and at most 1.

    None gets less than its weight entitles it to, whatever it wants; what a study does not want goes to the others.

    Args:
        claims: By study.
        capacity: What all nodes offer together. A resource of which there is none is left out.
    """
    total = sum(claim.weight for claim in claims.values())
    needs = {study: _need(claim, capacity) for study, claim in claims.items()}
    levels = _water_levels(needs, {study: claim.weight for study, claim in claims.items()})
    used = [sum(levels[study] * need.mix[kind] for study, need in needs.items()) for kind in range(len(_KINDS))]
    spare = max(0.0, 1.0 - max(used, default=0.0))
    shares = {study: min(1.0, max(claim.weight / total, levels[study] + spare)) for study, claim in claims.items()}
    return shares | _in_whole_attempts(shares, claims, capacity)


def _in_whole_attempts(
    shares: Mapping[str, float], claims: Mapping[str, Claim[R]], capacity: Resources
) -> dict[str, float]:
    """The shares of studies that can have one attempt more than their part holds whole.

    Of six CPUs, half of one study's share and half of another's would stay idle for 4.5 and 1.5 attempts of one CPU each. What
    is left when all have their whole attempts (one at least) goes to those who miss least of another, of the size of their
    largest.
    """
    wants = {study: claims[study].wants or () for study in shares}
    if not all(wants.values()):
        return {}  # one of them wants nothing or all there is: nothing stays idle
    largest = {study: [max(getattr(b, kind) for b in wants[study]) for kind in _KINDS] for study in shares}
    offered = [getattr(capacity, kind) for kind in _KINDS]
    unit = {s: max((b / o for b, o in zip(largest[s], offered, strict=True) if o > 0), default=0.0) for s in shares}
    if not all(unit.values()):
        return {}
    parts = {study: min(shares[study] / unit[study], float(len(wants[study]))) for study in shares}
    held = {study: max(1, math.floor(parts[study] + _EPS)) for study in shares}
    left = [amount - sum(held[s] * largest[s][kind] for s in shares) for kind, amount in enumerate(offered)]
    raised: dict[str, float] = {}
    for study in sorted(shares, key=lambda name: (held[name] - parts[name], name)):
        fits = all(b <= amount + _EPS for b, amount in zip(largest[study], left, strict=True))
        if fits and held[study] < parts[study] - _EPS:
            left = [amount - b for b, amount in zip(largest[study], left, strict=True)]
            raised[study] = min(1.0, (held[study] + 1) * unit[study])
    return raised


@dataclass(frozen=True, slots=True)
class _Need:
    """A study's dominant share if it had all that it wants, and how much of each resource goes with one unit of it."""

    dominant: float
    mix: tuple[float, ...]


def _need(claim: Claim[R], capacity: Resources) -> _Need:
    offered = [getattr(capacity, kind) for kind in _KINDS]
    if not any(offered):  # no node is there yet: what they want cannot be measured, so everybody gets by weight
        return _Need(1.0, (1.0,) * len(_KINDS))
    if claim.wants is None:
        return _Need(1.0, tuple(1.0 if amount > 0 else 0.0 for amount in offered))
    sums = [sum(getattr(bundle, kind) for bundle in claim.wants) for kind in _KINDS]
    parts = [wanted / amount if amount > 0 else 0.0 for wanted, amount in zip(sums, offered, strict=True)]
    dominant = max(parts)
    return _Need(dominant, tuple(part / dominant if dominant > 0 else 0.0 for part in parts))


def _water_levels(needs: Mapping[str, _Need], weights: Mapping[str, float]) -> dict[str, float]:
    """Raise all studies' dominant shares together, each in proportion to its weight, until it has what it wants or one of its
    resources is used up. Every round settles at least one study."""
    levels = dict.fromkeys(needs, 0.0)
    left = [1.0] * len(_KINDS)
    rising = {study for study, need in needs.items() if need.dominant > _EPS}
    while rising:
        speed = [sum(weights[study] * needs[study].mix[kind] for study in rising) for kind in range(len(_KINDS))]
        until_full = min((left[k] / speed[k] for k in range(len(_KINDS)) if speed[k] > _EPS), default=0.0)
        until_enough = min((needs[study].dominant - levels[study]) / weights[study] for study in rising)
        step = max(0.0, min(until_full, until_enough))
        for study in rising:
            levels[study] += step * weights[study]
        left = [max(0.0, amount - step * pace) for amount, pace in zip(left, speed, strict=True)]
        full = [left[kind] <= _EPS for kind in range(len(_KINDS))]
        settled = {
            study
            for study in rising
            if levels[study] >= needs[study].dominant - _EPS
            or any(full[kind] and needs[study].mix[kind] > _EPS for kind in range(len(_KINDS)))
        }
        assert settled, "a step ends at a want or at a resource"
        rising -= settled
    return levels


def fair_picks(
    claims: Mapping[str, Claim[R]], capacity: Resources, place: Callable[[R], R | None]
) -> dict[str, list[R]]:
    """Which of the wanted amounts are to be asked for when there is no room for all.

    The study whose picks so far have the smallest dominant share for its weight picks next (Ghodsi et al., algorithm 1); what
    finds no place is left out, and the study tries its next one.

    Args:
        claims: By study; one that did not say what it wants picks nothing.
        capacity: By which shares are measured.
        place: Takes room for one more amount, and says what to ask for; None when there is no room.
    """
    picks: dict[str, list[R]] = {study: [] for study in claims}
    queues = {study: iter(claim.wants) for study, claim in claims.items() if claim.wants}
    shares = dict.fromkeys(queues, 0.0)
    held = {study: dict.fromkeys(_KINDS, 0.0) for study in queues}
    refused: set[R] = set()  # room only shrinks: what found none will find none
    while queues:
        study = min(queues, key=lambda name: (shares[name] / claims[name].weight, name))
        bundle = next(queues[study], None)
        if bundle is None:
            del queues[study]
        elif bundle not in refused:
            placed = place(bundle)
            if placed is None:
                refused.add(bundle)
                continue
            picks[study].append(placed)
            for kind in _KINDS:
                held[study][kind] += getattr(bundle, kind)
            shares[study] = max(_share(held[study][kind], getattr(capacity, kind)) for kind in _KINDS)
    return picks


def _share(amount: float, offered: float) -> float:
    return amount / offered if offered > 0 else 0.0
