"""What attempts were granted against what they used, in words and as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.core.nodes import NodeStanding
from tuner.core.slack import LEARNING, Saving, Slack, Split, losses, savings, slack
from tuner.dashboard import text
from tuner.export import slack_to_dict
from tuner.formula import Formula
from tuner.resources import Resources
from tuner.study import ResourceRequest, StudySpec
from tuner.trial import Attempt, Failed, FailureKind

__all__ = ["asked_for", "size_rows", "sizes_document"]

_WORDS = {"cpu": "CPU", "memory": "memory", "gpu": "GPU"}
_SHORTEST_S = 1.0  # attempts shorter than this in the mean are all start and end: their slack says nothing


def asked_for(request: ResourceRequest) -> str:
    """What one attempt asks for: ``cpu auto, memory 200MiB + 3MiB * max_depth, gpu 0``."""

    def amount(asked: float | Formula | None, *, memory: bool = False) -> str:
        if asked is None or isinstance(asked, Formula):
            return "auto" if asked is None else asked.text
        return text.memory(asked) if memory else f"{asked:g}"

    memory = amount(request.memory_mib, memory=True)
    return f"cpu {amount(request.cpu)}, memory {memory}, gpu {amount(request.gpu)}"


def size_rows(
    spec: StudySpec, attempts: Sequence[Attempt], total: Resources | None = None, nodes: Sequence[NodeStanding] = ()
) -> dict[str, str]:
    """Lines for a summary: slack, what was lost, what ``auto`` would have saved, nodes that were quarantined.

    Args:
        spec: The study.
        attempts: Its attempts.
        total: What its nodes have together; None when that is not known.
        nodes: How they do.
    """
    rows: dict[str, str] = {}
    told = _slack(slack(attempts))
    if told and _worth_telling(attempts):
        rows["slack"] = told
    lost = losses(attempts)
    out_of_memory = lost.pop(FailureKind.OUT_OF_MEMORY, 0)
    if out_of_memory:
        trials = {a.trial for a in attempts if _is(a, FailureKind.OUT_OF_MEMORY)}
        rows["out of memory"] = (
            f"{text.pluralize(out_of_memory, 'attempt')} of {len(attempts)}, of {text.pluralize(len(trials), 'trial')}"
        )
    if lost:
        rows["lost attempts"] = ", ".join(f"{n} {kind.value.replace('_', ' ')}" for kind, n in lost.items())
    for saving in savings(spec.resources, attempts, total):
        rows[f"{_WORDS[saving.kind]} asked for"] = _saving(saving)
    held = [node for node in nodes if node.quarantined]
    for node in held[:3]:
        rows[f"node {node.node.node_id[:12]}"] = f"quarantined: {node.quarantined}"
    if len(held) > 3:
        rows["more nodes"] = f"{len(held) - 3} quarantined; see tuner nodes {spec.name}"
    return rows


def _is(attempt: Attempt, kind: FailureKind) -> bool:
    return isinstance(attempt.outcome, Failed) and attempt.outcome.kind is kind


def _worth_telling(attempts: Sequence[Attempt]) -> bool:
    walls = [attempt.usage.wall_s for attempt in attempts if attempt.usage is not None]
    return bool(walls) and sum(walls) / len(walls) >= _SHORTEST_S


def _slack(found: Mapping[str, Split]) -> str:
    """Of the attempts after learning where there are such, with those before in brackets."""

    def shares(slacks: Mapping[str, Slack | None]) -> str:
        return ", ".join(f"{_WORDS[kind]} {one.share:.0%}" for kind, one in slacks.items() if one is not None)

    before = shares({kind: split.before for kind, split in found.items()})
    after = shares({kind: split.after for kind, split in found.items()})
    if after:
        return f"{after} of what was granted lay unused (first {LEARNING} attempts: {before})"
    return f"{before} of what was granted lay unused" if before else ""


def _saving(saving: Saving) -> str:
    def amount(value: float) -> str:
        return text.memory(value) if saving.kind == "memory" else f"{value:.3g}"

    times = f"{int(saving.times)}" if saving.times >= 2 else f"{saving.times:.1f}"
    gain = (
        f"have run {times} times as many at once"
        if saving.at_once
        else f"have found room for {times} times as many in it"
    )
    return f"asked for {amount(saving.asked)}, used at most {amount(saving.used)}: `{saving.kind}: auto` would {gain}"


def sizes_document(spec: StudySpec, attempts: Sequence[Attempt]) -> dict[str, Any]:
    """Slack by kind (before and after learning), losses by kind and savings, as plain data."""
    return {
        "slack": slack_to_dict(attempts),
        "lost": {kind.value: n for kind, n in losses(attempts).items()},
        "savings": [
            {"resource": s.kind, "asked": s.asked, "used": s.used, "times": round(s.times, 2)}
            for s in savings(spec.resources, attempts)
        ],
    }
