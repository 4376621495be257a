"""Events as plain JSON data and back, for stores and exports. Reports are left to the store's own columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from tuner.core.events import (
    Checkpointed,
    CommandReceived,
    Event,
    Finished,
    Informed,
    NodeJoined,
    NodeLost,
    NodeTypesSeen,
    Reported,
    ShareChanged,
    SpaceExhausted,
    Started,
    StudyOpened,
    StudyResumed,
    Suggested,
    TimerFired,
)
from tuner.resources import Node, NodeType, Resources, Usage
from tuner.study import Limits, StudySpec
from tuner.trial import Checkpoint, Completed, Failed, FailureKind, Outcome, Pruned, Trial, TrialState

__all__ = ["decode", "decode_outcome", "decode_usage", "encode", "encode_outcome", "encode_usage"]

Payload = Mapping[str, Any]
_USAGE = tuple(Usage.__dataclass_fields__)  # new fields are added at the end, so that older lists can be read


def encode_outcome(outcome: Outcome) -> dict[str, Any]:
    """An outcome as plain data: ``completed`` with values, ``pruned`` with step, or ``failed`` with kind and message."""
    if isinstance(outcome, Completed):
        return {"completed": dict(outcome.values)}
    if isinstance(outcome, Pruned):
        return {"pruned": outcome.step}
    return {"failed": outcome.kind.value, "message": outcome.message}


def decode_outcome(payload: Payload) -> Outcome:
    """What ``encode_outcome`` made, back."""
    if "completed" in payload:
        return Completed(payload["completed"])
    if "pruned" in payload:
        return Pruned(payload["pruned"])
    return Failed(FailureKind(payload["failed"]), payload["message"])


def encode_usage(usage: Usage | None) -> list[float | None] | None:
    """Usage as a list in the order of its fields."""
    if usage is None:
        return None
    return [getattr(usage, name) for name in _USAGE]


def decode_usage(payload: list[Any] | None) -> Usage | None:
    """What ``encode_usage`` made, back."""
    return None if payload is None else Usage(*payload)


def _encode_node(event: NodeJoined) -> dict[str, Any]:
    r = event.node.resources
    return {
        "node_id": event.node.node_id,
        "cpu": r.cpu,
        "gpu": r.gpu,
        "memory_mib": r.memory_mib,
        "labels": event.node.labels,
        "type": event.node.type,
    }


def _decode_node(at_s: float, p: Payload) -> NodeJoined:
    resources = Resources(p["cpu"], p["gpu"], p["memory_mib"])
    return NodeJoined(at_s, Node(p["node_id"], resources, p["labels"], p.get("type")))


def _encode_node_types(event: NodeTypesSeen) -> dict[str, Any]:
    return {"types": [asdict(kind) for kind in event.types]}


def _decode_node_types(at_s: float, p: Payload) -> NodeTypesSeen:
    return NodeTypesSeen(
        at_s, tuple(NodeType(**(row | {"resources": Resources(**row["resources"])})) for row in p["types"])
    )


def _encode_limits(limits: Limits | None) -> dict[str, Any] | None:
    return None if limits is None else {name: getattr(limits, name) for name in Limits.__dataclass_fields__}


def _encode_suggested(event: Suggested) -> dict[str, Any]:
    more = {"state": event.sampler_state, "parent": event.parent, "note": event.note}
    return {"trial": event.trial, "params": event.params} | {k: v for k, v in more.items() if v is not None}


def _encode_informed(event: Informed) -> dict[str, Any]:
    """Of a prior trial only what a sampler can use."""
    rows = [[t.state.value, dict(t.params), dict(t.values), t.last_step, t.violation] for t in event.trials]
    return {"study": event.study, "trials": rows}


def _decode_informed(at_s: float, p: Payload) -> Informed:
    trials = (
        Trial(-1 - k, TrialState(state), params, values, last_step=last_step, violation=violation)
        for k, (state, params, values, last_step, violation) in enumerate(p["trials"])
    )
    return Informed(at_s, p["study"], tuple(trials))


def _encode_checkpointed(event: Checkpointed) -> dict[str, Any]:
    saved = event.checkpoint
    return {
        "trial": event.trial,
        "attempt": event.attempt,
        "step": saved.step,
        "place": saved.place,
        "size_mib": saved.size_mib,
    }


def _encode_finished(event: Finished) -> dict[str, Any]:
    return {
        "trial": event.trial,
        "attempt": event.attempt,
        "outcome": encode_outcome(event.outcome),
        "usage": encode_usage(event.usage),
    }


_ENCODE: dict[type, Callable[[Any], Payload]] = {
    StudyOpened: lambda e: {"spec": e.spec.to_dict()},
    StudyResumed: lambda e: {"limits": _encode_limits(e.limits)},
    Informed: _encode_informed,
    NodeJoined: _encode_node,
    NodeLost: lambda e: {"node_id": e.node_id, "reason": e.reason},
    NodeTypesSeen: _encode_node_types,
    ShareChanged: lambda e: {"share": e.share},
    Suggested: _encode_suggested,
    SpaceExhausted: lambda e: {},
    Started: lambda e: {"trial": e.trial, "attempt": e.attempt, "node_id": e.node_id},
    Reported: lambda e: {"trial": e.trial, "attempt": e.attempt, "step": e.step, "values": dict(e.values)},
    Checkpointed: _encode_checkpointed,
    Finished: _encode_finished,
    CommandReceived: lambda e: {"command": e.command, "arguments": dict(e.arguments)},
    TimerFired: lambda e: {},
}

_DECODE: dict[str, Callable[[float, Any], Event]] = {
    "StudyOpened": lambda t, p: StudyOpened(t, StudySpec.from_dict(p["spec"])),
    "StudyResumed": lambda t, p: StudyResumed(t, None if p["limits"] is None else Limits(**p["limits"])),
    "Informed": _decode_informed,
    "NodeJoined": _decode_node,
    "NodeLost": lambda t, p: NodeLost(t, p["node_id"], p["reason"]),
    "NodeTypesSeen": _decode_node_types,
    "ShareChanged": lambda t, p: ShareChanged(t, p["share"]),
    "Suggested": lambda t, p: Suggested(t, p["trial"], p["params"], p.get("state"), p.get("parent"), p.get("note")),
    "SpaceExhausted": lambda t, p: SpaceExhausted(t),
    "Started": lambda t, p: Started(t, p["trial"], p["attempt"], p["node_id"]),
    "Reported": lambda t, p: Reported(t, p["trial"], p["attempt"], p["step"], p["values"]),
    "Checkpointed": lambda t, p: Checkpointed(
        t, p["trial"], p["attempt"], Checkpoint(p["step"], p["place"], p["size_mib"])
    ),
    "Finished": lambda t, p: Finished(
        t, p["trial"], p["attempt"], decode_outcome(p["outcome"]), decode_usage(p["usage"])
    ),
    "CommandReceived": lambda t, p: CommandReceived(t, p["command"], p["arguments"]),
    "TimerFired": lambda t, p: TimerFired(t),
}


def encode(event: Event) -> tuple[str, Payload]:
    """(kind, payload) of an event; ``at_s`` travels beside it."""
    kind = type(event)
    return kind.__name__, _ENCODE[kind](event)


def decode(kind: str, at_s: float, payload: Payload) -> Event:
    """What ``encode`` made, back.

    Raises:
        KeyError: The kind is unknown or a field is missing: the log was written by another version or is corrupt.
    """
    return _DECODE[kind](at_s, payload)
