"""Who keeps studies."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuner.core.events import Event
from tuner.study import StudySpec
from tuner.trial import Attempt, Report, Trial

__all__ = [
    "Store",
    "StudyInfo",
    "StudyLog",
]


@dataclass(frozen=True, slots=True)
class StudyInfo:
    """One row of ``tuner ls``.

    Attributes:
        name: Unique in the store.
        state: ``RUNNING``, ``INTERRUPTED``, ``COMPLETE`` or ``FAILED`` (``RUNNING`` without a living lease is a dead driver).
        created_at: Seconds since the epoch.
        closed_reason: The last ``Close``'s message; None before.
        owner: Who holds the lease, ``host:pid``; None when nobody does.
        counts: Trials by state.
        best_value: Best value of the first metric over COMPLETE trials; None when there is none.
        spec: What was asked for.
        provenance: Code, packages, data, platform: plain JSON data.
        model: Folder of the saved model; None when there is none.
    """

    name: str
    state: str
    created_at: float
    closed_reason: str | None
    owner: str | None
    counts: Mapping[str, int]
    best_value: float | None
    spec: StudySpec
    provenance: Mapping[str, Any]
    model: str | None = None


class StudyLog(ABC):
    """The writing end of one study, held under a lease by one driver.

    The log is append-only; an ``append`` that returned has been made durable as a whole (against ``kill -9``), one that
    raised has left nothing. Should the lease have been taken over, every writing method raises ``StoreFenced``.
    """

    @abstractmethod
    def read(self) -> Sequence[Event]:
        """Every event of the log, in order."""

    @abstractmethod
    def append(self, events: Sequence[Event], entries: Sequence[Trial | Attempt]) -> None:
        """Add events, and the trials and attempts as they stand after them, in one transaction; renews the lease."""

    @abstractmethod
    def received(self) -> Sequence[tuple[str, Mapping[str, Any]]]:
        """(command, arguments) that were sent to this driver since the last call, in order, each once.

        What was sent to a driver before it is gone. Cheap when there is nothing.
        """

    @abstractmethod
    def renew(self) -> None:
        """Renew the lease when a third of its time is over; called at least every few seconds."""

    @abstractmethod
    def set_model(self, path: str) -> None:
        """Note where the study's model was saved."""

    @abstractmethod
    def close(self, state: str, reason: str | None = None) -> None:
        """Set the study's state and give the lease back. Idempotent; does nothing once fenced."""


class Store(ABC):
    """Keeps studies. ``__init__(self, url: str)``. Reading needs no lease and may be done by other processes meanwhile.

    All reading methods raise ``StudyNotFound`` for an unknown name.
    """

    @abstractmethod
    def create(self, spec: StudySpec, provenance: Mapping[str, Any]) -> StudyLog:
        """A new study with an empty log, leased to this process.

        Raises:
            StudyExists: There is one of that name.
        """

    @abstractmethod
    def acquire(self, name: str) -> StudyLog:
        """The log of a study that is there, leased to this process; a dead driver's lease is taken over.

        Raises:
            StoreLocked: A living driver holds it; says who, where and until when.
        """

    @abstractmethod
    def studies(self) -> Sequence[StudyInfo]:
        """Every study, newest first."""

    @abstractmethod
    def study(self, name: str) -> StudyInfo:
        """One study."""

    @abstractmethod
    def trials(self, name: str) -> Sequence[Trial]:
        """Its trials by number."""

    @abstractmethod
    def attempts(self, name: str, trial: int | None = None) -> Sequence[Attempt]:
        """Its attempts by trial and number; of one trial only when that is given."""

    @abstractmethod
    def reports(self, name: str, trial: int | None = None) -> Sequence[Report]:
        """Its reports in the order of the log; of one trial only when that is given."""

    @abstractmethod
    def events(self, name: str, after: int = 0) -> Sequence[tuple[int, Event]]:
        """(position, event) of its log, positions rising from 1, those above ``after``."""

    @abstractmethod
    def send(self, name: str, command: str, arguments: Mapping[str, Any]) -> None:
        """Ask something of the driver that runs the study; it hears of it within seconds. Needs no lease.

        Args:
            name: The study.
            command: One of those of ``CommandReceived``.
            arguments: Plain JSON data.

        Raises:
            StoreError: The arguments are no plain data.
        """

    @abstractmethod
    def delete(self, name: str) -> None:
        """Remove a study that no living driver holds, with everything that belongs to it."""

    @abstractmethod
    def close(self) -> None:
        """Close connections. Idempotent."""
