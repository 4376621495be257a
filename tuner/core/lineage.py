"""Where a trial's training comes from: the chain of trials that each went on from the checkpoint of the one before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tuner.core.events import Checkpointed, Event, Reported, Suggested
from tuner.trial import Params

__all__ = ["Segment", "schedule"]


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of training with the same parameters.

    Attributes:
        trial: Who trained it.
        start: The step of the checkpoint that it went on from; 0 for none.
        end: Its last step that the next segment went on from, or its last report; at least ``start``.
        params: With which parameters.
    """

    trial: int
    start: int
    end: int
    params: Params


def schedule(events: Iterable[Event], trial: int) -> tuple[Segment, ...]:
    """The segments that led to ``trial``, in order; the last is its own. Empty when there is no such trial.

    A trial that found no checkpoint of its parent began from nothing: the chain begins with it.

    Args:
        events: The study's log.
        trial: Trial number.
    """
    params: dict[int, Params] = {}
    parent: dict[int, int] = {}
    start: dict[int, int] = {}
    saved: dict[int, int] = {}
    reported: dict[int, int] = {}
    for event in events:
        if isinstance(event, Suggested) and event.trial not in params:
            params[event.trial] = event.params
            if event.parent is not None and event.parent in saved:
                parent[event.trial] = event.parent
                start[event.trial] = saved[event.trial] = saved[event.parent]
        elif isinstance(event, Checkpointed):
            saved[event.trial] = max(event.checkpoint.step, saved.get(event.trial, 0))
        elif isinstance(event, Reported):
            reported[event.trial] = max(event.step, reported.get(event.trial, 0))
    if trial not in params:
        return ()
    end = max(reported.get(trial, 0), saved.get(trial, 0))
    segments = [Segment(trial, start.get(trial, 0), end, params[trial])]
    while (before := parent.get(segments[-1].trial)) is not None:
        segments.append(Segment(before, start.get(before, 0), segments[-1].start, params[before]))
    # A parent that had saved nothing of its own yet only handed on what it had inherited.
    return tuple(s for s in reversed(segments) if s.end > s.start or s.trial == trial)
