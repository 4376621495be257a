"""What a forecast rests on, in words."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.api._losses import Losses, share_of
from tuner.api._simulating import Planned, Site
from tuner.executors._sim_nodes import BOOT_S
from tuner.resources import NodeType

__all__ = ["assumptions"]

FULL = 0.75  # share of the CPUs from which on trials had as little room as they will have


def assumptions(study: Planned, sites: Sequence[Site]) -> dict[str, str]:
    """What the forecast rests on, in words."""
    learned, source = study.learned, study.ask.source
    kinds = {kind.name: kind for site in sites for kind in site.types}
    told = {}
    if any(kind.min_nodes for kind in kinds.values()):
        told["start"] = f"{learned.ready_s:.1f} s until the first trial begins, as in {source}"
    grows = [kind for kind in kinds.values() if kind.min_nodes < kind.max_nodes]
    if grows:
        boots = ", ".join(f"{BOOT_S if k.boot_s is None else k.boot_s:.0f} s for {k.name}" for k in grows)
        seen = ", ".join(kind.name for kind in grows if kind.name in learned.boots_s)
        unknown = ", ".join(kind.name for kind in grows if kind.boot_s is None)
        whence = [f"as in {source}: {seen}"] if seen else []
        whence += [f"without label tuner.io/boot-s: {unknown}"] if unknown else []
        told["boot"] = f"{boots}, from the request to the first trial" + (f" ({'; '.join(whence)})" if whence else "")
    spots = [kind for kind in kinds.values() if kind.spot]
    if spots:
        told["spot"] = _spots(spots, study)
    at_once = _at_once(study)
    told |= {"at once": at_once} if at_once else {}
    told["failures"] = _failures(learned.losses, source)
    who = study.spec.sampler.type
    told["trials"] = (
        f"as in {source}, in its order" if study.as_it_went else f"what {who} would try, foretold from {source}"
    )
    if study.spec.prices is not None or any(kind.price_h is not None for kind in kinds.values()):
        told["cost"] = "in the currency of the prices; a node costs from its request to its end, busy or not"
    return told


def _at_once(study: Planned) -> str | None:
    """That trials had more room than they will have, where they had: they share caches, memory and cores' threads."""
    filled = study.learned.filled
    if filled is None or filled[0] >= FULL * filled[1] or study.spec.limits.parallel is not None:
        return None
    held = f"trials held {filled[0]:g} of {filled[1]:g} CPUs at most in {study.ask.source}"
    return f"{held}; where they fill a node they are taken to be as fast"


def _spots(kinds: Sequence[NodeType], study: Planned) -> str:
    """How often nodes of spot types go, and who says so."""
    chosen, source = study.ask.spot_loss_day, study.ask.source
    by_share: dict[str, list[str]] = {}
    for kind in kinds:
        who = "--spot-loss" if chosen is not None else "default" if kind.spot_loss_day is None else "its label"
        by_share.setdefault(f"taken away a day: {100 * share_of(kind, chosen):.3g}% of {{}} ({who})", []).append(
            kind.name
        )
    told = [words.format(" and ".join(names)) for words, names in by_share.items()]
    seen = sum(study.learned.losses.nodes.get(kind.name, 0) for kind in kinds)
    return "; ".join(told) + (f"; and the {seen} lost in {source} count" if seen else "")


def _failures(losses: Losses, source: str) -> str:
    """What was lost in the study that was learned from."""
    n_nodes = sum(losses.nodes.values())
    if not losses.workers and not n_nodes:
        return f"no worker or node is lost, as in {source}"
    workers = f"{losses.workers} of {losses.attempts} attempts lost their worker"
    return f"as often as in {source}: {workers}, nodes lost: {n_nodes}"
