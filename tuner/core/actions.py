"""What is to be done: the only output of the core. The engine carries actions out in the order in which they come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuner.resources import Resources
from tuner.trial import Attempt, Checkpoint, Params, Trial

if TYPE_CHECKING:  # workers, which need actions, would load the whole model of memory with it
    from tuner.core.memory import MemoryForecast

__all__ = ["Action", "Close", "Discard", "Record", "Scale", "Start", "Stop", "Suggest", "WakeAt"]


@dataclass(frozen=True, slots=True)
class Suggest:
    """Ask the sampler for trials ``first`` to ``first + count - 1``, besides what was asked for before; each comes back as
    ``Suggested``, or once as ``SpaceExhausted``. A count of 0 takes back what was asked for and has not come."""

    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Start:
    """Run an attempt.

    Attributes:
        trial: Trial number.
        attempt: Attempt number, from 1.
        params: The trial's active parameters.
        grant: What it is given.
        lane: Attempts of one lane run one after another, those of different lanes at the same time. There are never more
            lanes than may run at once. A lane gets several attempts ahead only when attempts were measured to be so
            short that handing them over one by one would cost more than they do.
        seed: For the objective's own random choices.
        checkpoint: What it goes on from; None to start from nothing.
        avoid: Nodes on which it must not run, because they are quarantined.
        forecast: The prediction that its memory comes from, for people; None when there was none.
    """

    trial: int
    attempt: int
    params: Params
    grant: Resources
    lane: int
    seed: int
    checkpoint: Checkpoint | None = None
    avoid: tuple[str, ...] = ()
    forecast: MemoryForecast | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """Ask an attempt to stop, and end it by force when it has not after the study's ``stop_grace_s``.

    Attributes:
        reason: For a person. An attempt that stops because it was asked to ends as ``Pruned`` when ``prune`` is true,
            as ``Failed(kind)`` when it is not.
        prune: Whether it is stopped because it is not worth finishing.
        timeout: Whether it is stopped because it ran longer than one attempt may (``Failed(TIMEOUT)``); with neither it
            is stopped because the sweep ends (``Failed(STOPPED)``).
        pause: With ``prune``: whether the trial may go on later. Executors need not tell the two apart.
    """

    trial: int
    attempt: int
    reason: str
    prune: bool = True
    timeout: bool = False
    pause: bool = False


@dataclass(frozen=True, slots=True)
class Scale:
    """Tell the cluster's autoscaler what could be used now: one bundle an attempt, of those that run and those that would run
    if there were room. Replaces what was told before; empty for nothing. Each bundle fits some node type.

    Attributes:
        bundles: One an attempt.
        types: For each bundle the node type that is to hold it, ``""`` for any; empty when any will do for all. Where several
            types could hold a bundle an autoscaler that knows no prices must be told which.
    """

    bundles: tuple[Resources, ...]
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Discard:
    """These checkpoints are not needed any more."""

    checkpoints: tuple[Checkpoint, ...]


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Send a ``TimerFired`` at this time; replaces what was asked before. None for never."""

    at_s: float | None


@dataclass(frozen=True, slots=True)
class Record:
    """How a trial or an attempt stands now: for the store's tables, the display and (finished trials) the sampler."""

    entry: Trial | Attempt


@dataclass(frozen=True, slots=True)
class Close:
    """The study has ended: nothing runs any more.

    Attributes:
        reason: ``trials``, ``steps``, ``time``, ``cost``, ``failures``, ``patience``, ``target``, ``regret``, ``exhausted``,
            ``stopped``, ``enough`` (a pilot) or ``drained``.
        message: The same for a person.
    """

    reason: str
    message: str


Action = Suggest | Start | Stop | Scale | Discard | WakeAt | Record | Close
