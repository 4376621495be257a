"""Who runs attempts and owns time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from pathlib import Path

from tuner.core.actions import Start, Stop
from tuner.core.events import Event
from tuner.core.ports.training import Objective
from tuner.resources import Resources
from tuner.study import StudySpec
from tuner.trial import Checkpoint

__all__ = [
    "Executor",
]


class Executor(ABC):
    """Runs attempts and owns time. ``__init__(self, **options)``.

    Duties: it reports ``NodeJoined`` before the first attempt can run; it sends exactly one ``Finished`` for every ``Start``
    (late ones, and those for attempts that it has declared dead, may come besides: the core drops them by attempt number);
    reports of one attempt keep their order; attempts of one lane do not overlap. A crashed worker, a lost node, Ray's OOM
    kill, ``sys.exit`` and a hung objective become outcomes, never exceptions. All methods are called from one thread.

    Attributes:
        can_grow: Whether nodes may come that are not there yet, so that a grant which fits none is worth waiting with.
        virtual: Whether its time is not the real one.
        in_process: Whether attempts run in the driver's process.
    """

    can_grow: bool = False
    virtual: bool = False
    in_process: bool = False

    def warm_up(self) -> None:  # noqa: B027 -- most executors are ready at once
        """Begin to get ready in the background and return at once; ``open`` waits for it and raises what went wrong."""

    @abstractmethod
    def open(
        self, spec: StudySpec, objective: Objective, directory: Path, checkpoints: str | Path | None = None
    ) -> None:
        """Get ready to run attempts of ``objective``.

        Args:
            spec: The study.
            objective: Prepared.
            directory: For logs (``<trial>.<attempt>.log``).
            checkpoints: The study's folder for checkpoints, a path or an fsspec URL; None for one in ``directory``.

        Raises:
            ExecutorError: Attempts cannot be run there.
        """

    @abstractmethod
    def now_s(self) -> float:
        """The time now, as events carry it. Never falls."""

    @abstractmethod
    def start(self, starts: Sequence[Start]) -> None:
        """Take attempts on, and return at once (``inline`` may run one here)."""

    @abstractmethod
    def stop(self, stops: Sequence[Stop]) -> None:
        """Ask attempts to stop: cooperatively first, by force after ``stop_grace_s``. Unknown ones are ignored."""

    @abstractmethod
    def poll(self, until_s: float | None) -> Sequence[Event]:
        """Wait for events until ``until_s`` and return all there are; empty when the time came first or on ``wake``.

        None waits until something happens. Never waits while events are at hand.
        """

    def discard(self, checkpoints: Sequence[Checkpoint]) -> None:  # noqa: B027 -- the simulated one keeps none
        """Remove checkpoints that are not needed any more. One that is gone already is no error."""

    def tidy(self, needed: Collection[str]) -> None:  # noqa: B027 -- as above
        """The study has ended: remove every checkpoint that does not lie at one of these places, half-written ones too."""

    def scale(self, bundles: Sequence[Resources], types: Sequence[str] = ()) -> None:  # noqa: B027 -- only clusters can grow
        """Tell an autoscaler what could be used now, and on nodes of which types (see ``Scale``)."""

    def wake(self) -> None:  # noqa: B027 -- an executor that never blocks long needs none
        """Make a ``poll`` in progress return soon. Callable from signal handlers and other threads."""

    @abstractmethod
    def close(self) -> None:
        """End what still runs, by force, and release everything that ``open`` took. Idempotent."""
